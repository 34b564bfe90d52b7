/* SPDX-License-Identifier: MIT */
/*
 * What a new root takes over, what it must not, when an old one goes, and
 * frames that are no longer traced. LINKS: lib kernel cpu mm
 */
#include "tests/host/shadow_guest.h"

#define FLAGS  (PTE_P | PTE_W | PTE_A | PTE_D)
#define KERNEL 0xc0000000ull
#define ONE    ((u64)TABLE_AT << 12)  /* a directory each */
#define OTHER  (ONE + PAGE_SIZE)
#define KTABLE (ONE + 2 * PAGE_SIZE)  /* the kernel's, in both */
#define MINE   (ONE + 3 * PAGE_SIZE)  /* a table for users, in both */

struct kind {
	enum shadow_root_kind root;
	enum walk_format format;
	bool traps;
};

static const struct kind kinds[] = {
	{ SHADOW_ROOT_4LEVEL, WALK_32BIT, false },
	{ SHADOW_ROOT_PAE, WALK_32BIT, true },
	{ SHADOW_ROOT_PAE, WALK_PAE, true },
};

/* A PAE guest's first GiB has a directory of its own. */
#define USERS (16 * PAGE_SIZE)

static u64 pde_at(const struct world *w, u64 directory, u64 gva)
{
	if (!is_wide(w))
		return directory + 4 * (gva >> 22);
	return directory + (gva < KERNEL ? USERS : 0) + 8 * (gva >> 21 & 511);
}

static void use(struct world *w, u64 directory)
{
	w->m.cr3 = directory;
	memset(w->m.pdpte, 0, sizeof(w->m.pdpte));
	w->m.pdpte[0] = (directory + USERS) | PTE_P;
	w->m.pdpte[3] = directory | PTE_P;
	flushed(w, false);
}

/* A large page and a table of the kernel's; and one of a user's. */
static struct world *start(const struct kind *k)
{
	struct world *w = malloc(sizeof(*w));

	world_init(w, 0, k->root, false, 400, k->traps, false);
	w->m.format = k->format;
	for (u64 pd = ONE; pd <= OTHER; pd += PAGE_SIZE) {
		put_entry(w, pde_at(w, pd, KERNEL), 0x400000 | PTE_PS | FLAGS);
		put_entry(w, pde_at(w, pd, KERNEL + MIB(8)), KTABLE | FLAGS);
		put_entry(w, pde_at(w, pd, KERNEL + MIB(16)), KTABLE | FLAGS);
		put_entry(w, pde_at(w, pd, MIB(20)), MINE | FLAGS | PTE_U);
	}
	put_entry(w, KTABLE, 0x600000 | FLAGS);
	put_entry(w, MINE, 0x610000 | FLAGS | PTE_U);
	return w;
}

static void end(struct world *w)
{
	CHECK(!shadow_audit(w->s, &w->m), "audit");
	world_end(w);
	free(w);
}

/* Faults of one access. */
static unsigned long faults(struct world *w, u64 gva, unsigned acc)
{
	unsigned long before = w->filled + w->traced;

	guest_access(w, gva, acc);
	return w->filled + w->traced - before;
}

static void run_shared(const struct kind *k)
{
	struct world *w = start(k);

	use(w, ONE);
	faults(w, KERNEL, ACC_WRITE);
	faults(w, KERNEL + MIB(8), ACC_WRITE);
	use(w, OTHER);
	CHECK(!faults(w, KERNEL, ACC_WRITE), "a large page is met again");
	CHECK(!faults(w, KERNEL + MIB(8), ACC_WRITE), "a table is met again");
	CHECK(faults(w, KERNEL + MIB(16), ACC_READ), "nobody has used it");
	end(w);
}

/* Entries that differ, if only by what a walk would have to set. */
static void run_different(const struct kind *k)
{
	struct world *w = start(k);

	put_entry(w, pde_at(w, OTHER, KERNEL),
		  0x400000 | PTE_PS | (FLAGS & ~PTE_D));
	put_entry(w, pde_at(w, OTHER, KERNEL + MIB(8)), KTABLE | PTE_P | PTE_W);
	use(w, ONE);
	faults(w, KERNEL, ACC_WRITE);
	faults(w, KERNEL + MIB(8), ACC_WRITE);
	use(w, OTHER);
	CHECK(faults(w, KERNEL, ACC_WRITE), "the page is clean");
	CHECK(faults(w, KERNEL + MIB(8), ACC_READ), "the table is not accessed");
	end(w);
}

/* A process ends: its kernel part alone does not keep its root. */
static void run_over(const struct kind *k)
{
	struct world *w = start(k);

	use(w, ONE);
	faults(w, KERNEL, ACC_READ);
	use(w, OTHER);
	faults(w, KERNEL, ACC_READ);
	faults(w, MIB(20), ACC_READ | ACC_USER);
	use(w, ONE);
	CHECK(track_any(&w->t, OTHER >> PAGE_SHIFT), "it lives, and is gone");
	use(w, OTHER);
	put_entry(w, pde_at(w, OTHER, MIB(20)), 0);
	CHECK(track_any(&w->t, OTHER >> PAGE_SHIFT), "it is in use, and gone");
	use(w, ONE);
	CHECK(!track_any(&w->t, OTHER >> PAGE_SHIFT), "it is over, and traced");
	use(w, OTHER);
	CHECK(faults(w, KERNEL + MIB(8), ACC_READ), "it is empty");
	end(w);
}

/* A trace ends: the kernel's mapping can be written with no fault. */
static void run_regained(const struct kind *k)
{
	struct world *w = start(k);
	u64 gfn = 0x600;

	use(w, ONE);
	faults(w, KERNEL + MIB(8), ACC_WRITE);
	track_add(&w->t, TRACK_CODE, gfn);
	CHECK(faults(w, KERNEL + MIB(8), ACC_WRITE), "written unseen");
	track_remove(&w->t, TRACK_CODE, gfn);
	CHECK(!faults(w, KERNEL + MIB(8), ACC_WRITE), "it is free, and faults");
	put_entry(w, KTABLE, 0x600000 | (FLAGS & ~PTE_W));
	w->m.wp = true;
	flushed(w, false);
	track_add(&w->t, TRACK_CODE, gfn);
	track_remove(&w->t, TRACK_CODE, gfn);
	check_all(w, true);
	CHECK(!shadow_audit(w->s, &w->m), "a page that was never to be written");
	end(w);
}

int main(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		run_shared(&kinds[i]);
		run_different(&kinds[i]);
		run_over(&kinds[i]);
		run_regained(&kinds[i]);
	}
	return test_end("model");
}
