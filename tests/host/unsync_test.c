/* SPDX-License-Identifier: MIT */
/*
 * Leaf tables out of sync: what becomes free by it, what may not be seen, and
 * when a table is traced again. LINKS: lib kernel cpu mm
 */
#include "tests/host/shadow_guest.h"

/*
 * A loop over one leaf table that the guest has mapped: its writes are free but
 * for the first, and what it wrote is there after a flush.
 */
static void run_loop(enum shadow_root_kind kind, bool traps)
{
	u64 flags = PTE_P | PTE_W | PTE_U | PTE_A | PTE_D;
	u64 pd = TABLE_AT << 12, pt = pd + PAGE_SIZE;
	struct world *w = malloc(sizeof(*w));
	unsigned long before;

	world_init(w, 0, kind, false, 400, traps, true);
	w->m.format = WALK_32BIT;
	w->m.cr3 = pd;
	put_entry(w, pd, pt | flags);
	put_entry(w, pt, pt | flags);
	for (unsigned i = 1; i < 1024; i++)
		put_entry(w, pt + 4 * i, (0x600 + i) << 12 | flags);
	for (unsigned i = 1; i < 1024; i++)
		guest_access(w, i << 12, ACC_READ);
	before = w->filled + w->traced + w->mmio + w->guest;
	for (unsigned i = 8; i < 4096; i += 8)
		guest_access(w, i, ACC_WRITE); /* of rubbish */
	CHECK(w->filled + w->traced + w->mmio + w->guest - before <= 2,
	      "exits for 1022 changes: %lu",
	      w->filled + w->traced + w->mmio + w->guest - before);
	for (unsigned i = 2; i < 1024; i++) {
		u32 e = (u32)((0x900 - i % 0x100) << 12 | flags);

		memcpy(w->ram + pt + 4 * i, &e, 4); /* writable by now */
	}
	flushed(w, false);
	for (unsigned i = 2; i < 1024; i++)
		compare(w, shadow_root(w->s, &w->m), i << 12, ACC_WRITE, true);
	CHECK(!shadow_audit(w->s, &w->m), "audit");
	world_end(w);
	free(w);
}

static void check_at(struct world *w, u64 gva)
{
	compare(w, shadow_root(w->s, &w->m), gva, ACC_READ, true);
}

/*
 * What was changed and changed back between a fill and the flush, by the fill
 * itself (entry 1) or as its neighbour (entry 2); and an old entry that comes
 * into sight at another address, where no TLB can have it.
 */
static void run_unsync(void)
{
	u64 flags = PTE_P | PTE_W | PTE_U | PTE_A | PTE_D;
	u64 pd = TABLE_AT << 12, pt = pd + PAGE_SIZE;
	u32 one = 0x610000 | (u32)flags, other = 0x620000 | (u32)flags;
	struct world *w = malloc(sizeof(*w));

	world_init(w, 1, SHADOW_ROOT_PAE, false, 400, true, true);
	w->m.format = WALK_32BIT;
	w->m.cr3 = pd;
	put_entry(w, pd, pt | flags);
	for (unsigned i = 0; i < 4; i++)
		put_entry(w, pt + 4 * i, i % 3 ? 0 : one);
	guest_access(w, 0, ACC_READ);
	shadow_enter(w->s);
	CHECK(unsync_begin(w->s, pt >> PAGE_SHIFT), "not let out of sync");
	shadow_leave(w->s);
	memcpy(w->ram + pt + 4, &other, 4);
	memcpy(w->ram + pt + 8, &other, 4);
	guest_access(w, 1 << 12, ACC_READ);
	memcpy(w->ram + pt + 4, "\0\0\0", 4);
	memcpy(w->ram + pt + 8, "\0\0\0", 4);
	memcpy(w->ram + pt, &other, 4);
	put_entry(w, pd + 4, pt | flags);
	guest_access(w, (1 << 22) + (3 << 12), ACC_READ);
	guest_access(w, 1 << 22, ACC_READ);
	check_at(w, 1 << 22);
	flushed(w, false);
	for (unsigned i = 0; i < 3; i++)
		check_at(w, i << 12);
	CHECK(!shadow_audit(w->s, &w->m), "audit");
	world_end(w);
	free(w);
}

/* A read of an entry that is absent, and of a kind that traps. */
static void absent(struct world *w, u64 gva)
{
	struct pagefault pf;
	gpa_t at;

	CHECK(shadow_fault(w->s, &w->m, GVA(gva),
			   hw_error(true, ACC_READ) | (u32)PFEC_RSVD, &pf,
			   &at) == SHADOW_GUEST, "not the guest's");
}

/*
 * The guest faults on an absent entry again and again: as long as it also
 * changes the table that stays out of sync, else it is traced again, and the
 * hardware need not ask.
 */
static void run_absent(void)
{
	u64 flags = PTE_P | PTE_W | PTE_U | PTE_A | PTE_D;
	u64 pd = TABLE_AT << 12, pt = pd + PAGE_SIZE;
	struct world *w = malloc(sizeof(*w));
	u32 e = 0x610000 | (u32)flags;

	world_init(w, 1, SHADOW_ROOT_PAE, false, 400, true, true);
	w->m.format = WALK_32BIT;
	w->m.cr3 = pd;
	put_entry(w, pd, pt | flags);
	put_entry(w, pt, e);
	guest_access(w, 0, ACC_READ);
	shadow_enter(w->s);
	CHECK(unsync_begin(w->s, pt >> PAGE_SHIFT), "not let out of sync");
	shadow_leave(w->s);
	for (unsigned i = 0; i < 32; i++) {
		e += PAGE_SIZE;
		memcpy(w->ram + pt, &e, 4);
		absent(w, 5 << 12);
	}
	CHECK(!track_has(&w->t, TRACK_SHADOW, pt >> PAGE_SHIFT),
	      "traced, and yet written");
	for (unsigned i = 0; i < 8; i++)
		absent(w, 5 << 12);
	CHECK(track_has(&w->t, TRACK_SHADOW, pt >> PAGE_SHIFT),
	      "still not traced");
	check_at(w, 5 << 12);
	CHECK(!shadow_audit(w->s, &w->m), "audit");
	world_end(w);
	free(w);
}

int main(void)
{
	run_unsync();
	run_absent();
	run_loop(SHADOW_ROOT_PAE, true);
	run_loop(SHADOW_ROOT_4LEVEL, false);
	return test_end("unsync");
}
