/* SPDX-License-Identifier: MIT */
/*
 * For shadow_guest.h: one random world, and the model of the hardware that runs
 * on the shadow tables. The real CR0.WP is 1; the TLB and the cache of upper
 * entries forget only what they are told to.
 */
#ifndef TESTS_HOST_SHADOW_HW_H
#define TESTS_HOST_SHADOW_HW_H

#include <stdlib.h>
#include <string.h>

#include "mm/internal.h"
#include "kernel/host.h"
#include "tests/host/test.h"

#define RAM      MIB(10)
#define FRAMES   (RAM >> PAGE_SHIFT)
#define TABLE_AT 0x300u /* the frames that serve as page tables */
#define TLB_SIZE 64u

struct tlb {
	bool valid;
	u64 gva, gpa;
	u64 flags; /* W, U, NX as in a leaf */
};

/* A cached upper entry: the processor may use a table it knows of. */
struct psc {
	bool valid;
	u64 gva;
	const u64 *table;
	struct spage was; /* what the table was then */
};

struct world {
	struct gpm g;
	struct track t;
	u8 *ram, *bits;
	struct shadow *s;
	struct walk_mode m;
	struct tlb tlb[TLB_SIZE];
	struct psc psc[16];
	unsigned tables; /* guest page tables */
	bool kernel_nx;
	bool was_long; /* four levels have been in use */
	u64 trap_bit;
	struct stops stops; /* the debugger's */
	struct stop stop_list[6];
	enum shadow_root_kind kind;
	u64 seed;
	unsigned long filled, traced, mmio, guest, hits, stored,
		stored_again;
};

static u64 rnd(struct world *w)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return w->seed >> 11;
}

static bool chance(struct world *w, unsigned percent)
{
	return rnd(w) % 100 < percent;
}

static u64 pick_frame(struct world *w)
{
	switch (rnd(w) % 8) {
	case 0: return TABLE_AT + rnd(w) % w->tables; /* self-mapped tables */
	case 1: return 0xa0 + rnd(w) % 0x60;       /* VGA, ROM */
	case 2: return FRAMES - 2 + rnd(w) % 4;    /* over the end */
	default: return rnd(w) % FRAMES;
	}
}

/* A linear address from a small set, so that things collide. */
static u64 pick_gva(struct world *w)
{
	static const u16 large[] = { 0, 1, 2, 0x100, 0x300, 0x3ff };
	static const u16 small[] = { 0, 1, 2, 3, 4, 5, 6, 0x1ff, 0x200, 0x3ff };

	static const u16 upper[] = { 0, 1, 0x100, 0x1ff };
	u64 gva = (u64)large[rnd(w) % ARRAY_SIZE(large)] << 22 |
		  (u64)small[rnd(w) % ARRAY_SIZE(small)] << 12 |
		  (rnd(w) & 0xff8);

	if (w->m.format != WALK_4LEVEL)
		return gva;
	gva |= (u64)upper[rnd(w) % ARRAY_SIZE(upper)] << 39;
	return (u64)sign_extend(gva, 48);
}

/* Entries of 8 bytes, with NX. */
static bool is_wide(const struct world *w)
{
	return w->m.format >= WALK_PAE;
}

static void on_flush(void *ctx, const gva_t *gva)
{
	struct world *w = ctx;

	for (unsigned i = 0; i < TLB_SIZE; i++)
		if (!gva || w->tlb[i].gva >> 12 == gva->a >> 12)
			w->tlb[i].valid = false;
	for (unsigned i = 0; i < ARRAY_SIZE(w->psc); i++)
		w->psc[i].valid = false;
}

static void on_unmapped(void *ctx, gva_t gva, u64 size)
{
	const struct world *w = ctx;

	CHECK(w->was_long ? is_canonical(gva.a) : gva.a + size <= GIB(4),
	      "range %llx", (unsigned long long)gva.a);
}

#define TRAP_BIT BIT(51)

/* The table that an entry points to; NULL: not present, or *reserved. */
static const u64 *hw_table(struct world *w, u64 e, bool *reserved)
{
	*reserved = w->trap_bit && (e & PTE_P) && (e & w->trap_bit);
	if (!(e & PTE_P) || *reserved)
		return NULL;
	return host_virt(HPA(e & PTE_ADDR));
}

/* The directory for gva, likewise. */
static const u64 *hw_directory(struct world *w, hpa_t root, u64 gva,
			       bool *reserved)
{
	const u64 *table = host_virt(root);

	*reserved = false;
	if (w->m.format == WALK_4LEVEL)
		table = hw_table(w, table[gva >> 39 & 511], reserved);
	else if (w->kind == SHADOW_ROOT_4LEVEL)
		table = hw_table(w, table[0], reserved);
	return table ? hw_table(w, table[gva >> 30 & 511], reserved) : NULL;
}

/*
 * What the hardware's tables say: leaf with rights, false when not present or
 * with a reserved bit set (then *reserved).
 */
static bool hw_walk(struct world *w, hpa_t root, u64 gva, u64 *gpa, u64 *flags,
		    bool *reserved)
{
	const u64 *pd = hw_directory(w, root, gva, reserved), *pt;
	u64 e;

	if (!pd)
		return false;
	e = pd[gva >> 21 & 511];
	*reserved = w->trap_bit && (e & PTE_P) && (e & w->trap_bit);
	if (!(e & PTE_P) || *reserved)
		return false;
	if (e & PTE_PS) {
		*gpa = (e & BITS(51, 21)) - w->g.hpa.a + (gva & 0x1fffff);
	} else {
		pt = host_virt(HPA(e & PTE_ADDR));
		e = pt[gva >> 12 & 511];
		*reserved = w->trap_bit && (e & PTE_P) && (e & w->trap_bit);
		if (!(e & PTE_P) || *reserved)
			return false;
		*gpa = (e & PTE_ADDR) - w->g.hpa.a + (gva & 0xfff);
	}
	*flags = e;
	return true;
}

/* A walk for an access that is allowed marks the upper entries. */
static void hw_mark(const struct world *w, hpa_t root, u64 gva)
{
	bool wide = w->m.format == WALK_4LEVEL;
	u64 *table = host_virt(root);
	unsigned shift = 39;

	if (!wide && w->kind == SHADOW_ROOT_PAE)
		shift = 30; /* these have no A */
	for (; shift > 12; shift -= 9) {
		u64 *e = &table[gva >> shift & (shift == 39 && !wide ? 0 : 511)];

		if (wide || w->kind != SHADOW_ROOT_PAE || shift < 30)
			*e |= PTE_A;
		if (shift == 21 && (*e & PTE_PS))
			return;
		table = host_virt(HPA(*e & PTE_ADDR));
	}
}

/*
 * The hardware's verdict; CR0.WP is 1, CR4.SMEP and SMAP follow the guest
 * while it has paging on.
 */
static bool hw_allows(const struct world *w, u64 flags, unsigned acc)
{
	bool paged = w->m.format != WALK_UNPAGED;

	if (acc & ACC_USER) {
		if (!(flags & PTE_U))
			return false;
	} else {
		if ((acc & ACC_FETCH) && paged && w->m.smep &&
		    (flags & PTE_U))
			return false;
		if (!(acc & ACC_FETCH) && paged && w->m.smap &&
		    (!w->m.ac || (acc & ACC_IMPLICIT)) && (flags & PTE_U))
			return false;
	}
	if ((acc & ACC_WRITE) && !(flags & PTE_W))
		return false;
	return !((acc & ACC_FETCH) && (flags & PTE_NX));
}

static const unsigned accesses[] = {
	ACC_READ, ACC_WRITE, ACC_FETCH,
	ACC_USER, ACC_USER | ACC_WRITE, ACC_USER | ACC_FETCH,
	ACC_IMPLICIT, ACC_IMPLICIT | ACC_WRITE,
};

/* The monitor never fetches guest supervisor code itself under kernel_nx. */
static bool possible(const struct world *w, unsigned acc)
{
	return !w->kernel_nx || acc != ACC_FETCH;
}

static u32 hw_error(bool present, unsigned acc)
{
	return (present ? (u32)PFEC_P : 0) |
	       (acc & ACC_WRITE ? (u32)PFEC_W : 0) |
	       (acc & ACC_USER ? (u32)PFEC_U : 0) |
	       (acc & ACC_FETCH ? (u32)PFEC_I : 0);
}

static void tlb_load(struct world *w, u64 gva, u64 gpa, u64 flags)
{
	struct tlb *e = &w->tlb[rnd(w) % TLB_SIZE];

	for (unsigned i = 0; i < TLB_SIZE; i++)
		if (w->tlb[i].valid && w->tlb[i].gva >> 12 == gva >> 12)
			e = &w->tlb[i];
	*e = (struct tlb){ true, gva & PAGE_MASK, gpa & PAGE_MASK, flags };
}

/* An access that is allowed: bytes move with no monitor in between. */
static void do_access(struct world *w, u64 gpa, unsigned acc)
{
	u64 value = rnd(w);

	if (!(acc & ACC_WRITE))
		return;
	CHECK(!track_any(&w->t, gpa >> PAGE_SHIFT), "unseen write");
	memcpy(w->ram + gpa, &value, 8);
}

static bool tlb_hit(struct world *w, u64 gva, unsigned acc)
{
	for (unsigned i = 0; i < TLB_SIZE; i++) {
		struct tlb *e = &w->tlb[i];

		if (!e->valid || e->gva >> 12 != gva >> 12)
			continue;
		if (!hw_allows(w, e->flags, acc)) {
			e->valid = false; /* a fault drops the entry */
			return false;
		}
		w->hits++;
		do_access(w, e->gpa | (gva & 0xfff), acc);
		return true;
	}
	return false;
}

/* Remember the level 1 table that the walk went through. */
static void psc_load(struct world *w, hpa_t root, u64 gva)
{
	struct psc *c = &w->psc[gva >> 21 & (ARRAY_SIZE(w->psc) - 1)];
	bool reserved;
	const u64 *pd = hw_directory(w, root, gva, &reserved);
	u64 e = pd[gva >> 21 & 511];

	if (e & PTE_PS)
		return;
	*c = (struct psc){ true, gva >> 21, host_virt(HPA(e & PTE_ADDR)),
			   *entry_child(w->s, e) };
}

/* A walk that starts from a cached upper entry, as hardware may. */
static void psc_access(struct world *w, u64 gva)
{
	const struct psc *c = &w->psc[gva >> 21 & (ARRAY_SIZE(w->psc) - 1)];
	const struct spage *now;
	u64 e;

	if (!c->valid || c->gva != gva >> 21)
		return;
	e = c->table[gva >> 12 & 511];
	if (!(e & PTE_P) || (e & w->trap_bit))
		return;
	now = entry_child(w->s, host_phys(c->table).a);
	CHECK(now->gfn == c->was.gfn && now->role.word == c->was.role.word,
	      "the processor walks a table in another use");
	tlb_load(w, gva, (e & PTE_ADDR) - w->g.hpa.a, e);
}

#endif
