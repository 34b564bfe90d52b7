/* SPDX-License-Identifier: MIT */
/*
 * The shadow MMU under random guests. LINKS: lib kernel cpu mm
 *
 * A guest edits its page tables at random, aliases them, maps them, reuses
 * them as data, and accesses memory through a model of the hardware: a walker
 * over the shadow tables (the real CR0.WP is 1) with a TLB that forgets only
 * when it is told to. What must hold after every step is in shadow_guest.h.
 */
#include "tests/host/shadow_guest.h"

static u64 pick_entry(struct world *w)
{
	u64 e = pick_frame(w) << PAGE_SHIFT;

	if (chance(w, 15))
		return chance(w, 80) ? 0 : rnd(w);
	if (chance(w, 50))
		e = pick_table(w);
	else if (chance(w, 30))
		e = (rnd(w) % 8 << 21) | PTE_PS;
	e |= PTE_P | (rnd(w) & (PTE_U | PTE_A | PTE_D));
	if (chance(w, 75))
		e |= PTE_W;
	if (chance(w, 75))
		e |= PTE_U | PTE_A;
	if (is_wide(w) && chance(w, 15))
		e |= PTE_NX;
	if (is_wide(w) && chance(w, 3))
		e |= BIT(40);
	return e;
}

/* Entry addresses that the linear addresses of pick_gva() use. */
static gpa_t pick_entry_gpa(struct world *w)
{
	u64 frame = (TABLE_AT + rnd(w) % w->tables) << PAGE_SHIFT;
	u64 gva = pick_gva(w);
	bool upper = chance(w, 40);

	if (w->m.format == WALK_4LEVEL && upper && chance(w, 50))
		return GPA(frame + 8 * (gva >> (chance(w, 50) ? 30 : 39) & 511));
	if (is_wide(w))
		return GPA(frame + 8 * (upper ? gva >> 21 & 511 :
					gva >> 12 & 511));
	return GPA(frame + 4 * (upper ? gva >> 22 : gva >> 12 & 1023));
}

static void edit_entry(struct world *w)
{
	gpa_t at = pick_entry_gpa(w);
	u64 e = pick_entry(w);

	if (is_wide(w) && chance(w, w->m.format == WALK_PAE ? 70 : 20)) {
		u32 half[2] = { (u32)e, (u32)(e >> 32) };

		store(w, GPA(at.a + 4), &half[1], 4);
		store(w, at, &half[0], 4);
	} else {
		store(w, at, &e, is_wide(w) ? 8 : 4);
	}
}

/* Fork and protection changes: flags of an entry that is there. */
static void edit_flags(struct world *w)
{
	static const u8 flags[] = { PTE_W, PTE_U, PTE_A, PTE_D, PTE_P, PTE_PS };
	gpa_t at = pick_entry_gpa(w);
	u8 byte;

	gpm_read(&w->g, at, &byte, 1);
	byte ^= flags[rnd(w) % ARRAY_SIZE(flags)];
	store(w, at, &byte, 1);
}

static void reuse_table(struct world *w)
{
	u64 at = (TABLE_AT + rnd(w) % w->tables) << PAGE_SHIFT;
	u8 bytes[64];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (u8)rnd(w);
	if (chance(w, 50)) {
		memset(bytes, 0, sizeof(bytes));
		for (unsigned i = 0; i < 256; i += 32)
			gpm_write(&w->g, GPA(at + i), bytes, 32);
	} else {
		gpm_write(&w->g, GPA(at + rnd(w) % 4000), bytes,
			  1 + (unsigned)(rnd(w) % 64));
	}
}

static void change_mode(struct world *w)
{
	static const u8 formats[] = { WALK_UNPAGED, WALK_32BIT, WALK_PAE,
				      WALK_4LEVEL };

	switch (rnd(w) % 8) {
	case 0: w->m.wp ^= 1; break;
	case 1: w->m.smep ^= 1; break;
	case 2: w->m.smap ^= 1; break;
	case 3: w->m.pse ^= 1; break;
	case 4: w->m.nxe ^= 1; break;
	case 5:
		if (chance(w, 30))
			w->m.format = formats[rnd(w) % ARRAY_SIZE(formats)];
		load_cr3(w);
		break;
	default: load_cr3(w); break;
	}
	flushed(w, true);
}

/* After INVLPG no part of the guest's page is stale in the TLB. */
static void invlpg(struct world *w)
{
	u64 gva = pick_gva(w);
	struct pagefault pf;
	struct walk gw;
	u64 size = PAGE_SIZE;

	shadow_invlpg(w->s, &w->m, GVA(gva));
	if (gwalk(&w->g, &w->m, GVA(gva), ACC_READ, false, &gw, &pf))
		size = BIT(gw.page_shift);
	for (unsigned i = 0; i < TLB_SIZE; i++)
		CHECK(!w->tlb[i].valid ||
		      ALIGN_DOWN(w->tlb[i].gva, size) != ALIGN_DOWN(gva, size),
		      "stale after INVLPG");
	for (unsigned i = 0; i < ARRAY_SIZE(accesses); i++)
		compare(w, shadow_root(w->s, &w->m), gva, accesses[i], true);
}

static void toggle_code(struct world *w)
{
	u64 gfn = pick_frame(w);

	if (gfn >= FRAMES)
		return;
	if (track_has(&w->t, TRACK_CODE, gfn))
		track_remove(&w->t, TRACK_CODE, gfn);
	else
		track_add(&w->t, TRACK_CODE, gfn);
}

/* Another set of stops, most often none: the debugger stands by. */
static void change_stops(struct world *w)
{
	stops_clear(&w->stops);
	for (u64 n = chance(w, 60) ? 0 : rnd(w) % 6; n; n--) {
		bool phys = chance(w, 30);
		u64 at = phys ? pick_frame(w) << PAGE_SHIFT : pick_gva(w);

		stops_add(&w->stops, &(struct stop){
			.addr = at, .len = 1 + rnd(w) % 64,
			.kinds = (u8)(1 + rnd(w) % 7), .phys = phys });
	}
	shadow_stops_changed(w->s);
}

static void step(struct world *w)
{
	unsigned what = (unsigned)(rnd(w) % 100);

	if (!(rnd(w) % 64))
		change_stops(w);
	if (what < 70)
		guest_access(w, pick_gva(w),
			     accesses[rnd(w) % ARRAY_SIZE(accesses)]);
	else if (what < 78)
		edit_entry(w);
	else if (what < 85)
		edit_flags(w);
	else if (what < 86)
		reuse_table(w);
	else if (what < 90)
		load_cr3(w), flushed(w, false);
	else if (what < 94)
		invlpg(w);
	else if (what < 95)
		w->m.ac ^= 1;
	else if (what < 98)
		toggle_code(w);
	else
		change_mode(w);
}

static void run(u64 seed, unsigned steps)
{
	struct world *w = malloc(sizeof(*w));

	world_init(w, seed, seed & 2 ? SHADOW_ROOT_PAE : SHADOW_ROOT_4LEVEL,
		   seed & 4, seed & 8 ? 64 : 400,
		   (seed & 0x12) == 0x12, seed & 0x20);
	for (unsigned i = 0; i < 12 * w->tables; i++)
		edit_entry(w);
	for (unsigned i = 0; i < steps && !test_failed; i++) {
		step(w);
		check_all(w, false);
		if (i % (seed & 0x40 ? 128 : 16) == 0)
			CHECK(!shadow_audit(w->s, &w->m), "audit");
		if (test_failed)
			printf("seed %llu step %u\n", (unsigned long long)seed,
			       i);
	}
	if (getenv("SHADOW_TEST_VERBOSE"))
		printf("seed %llu: %lu filled %lu traced %lu mmio %lu guest "
		       "%lu hits, %lu stored, %lu again\n", (unsigned long long)seed,
		       w->filled, w->traced, w->mmio, w->guest, w->hits,
		       w->stored, w->stored_again);
	world_end(w);
	free(w);
}

#define PROCESSES 8u
#define AREAS     12u

/* Orderly processes, with more page tables than the pool has pages. */
static void run_pool(void)
{
	struct world *w = malloc(sizeof(*w));
	u64 e = PTE_P | PTE_W | PTE_U, pd, pt;

	world_init(w, 4, SHADOW_ROOT_4LEVEL, true, 64, false, true);
	w->m.format = WALK_32BIT;
	for (unsigned p = 0; p < PROCESSES; p++) {
		pd = (TABLE_AT + p) << PAGE_SHIFT;
		for (unsigned a = 0; a < AREAS; a++) {
			pt = (TABLE_AT + PROCESSES + p * AREAS + a) << 12;
			put_entry(w, pd + 4 * a, pt | e);
			for (unsigned i = 0; i < 16; i++)
				put_entry(w, pt + 4 * i,
					  (0x600 + rnd(w) % 0x300) << 12 | e);
		}
	}
	for (unsigned i = 0; i < 4000 && !test_failed; i++) {
		u64 gva = (rnd(w) % AREAS << 22) | (rnd(w) % 16 << 12);

		if (i % 8 == 0) {
			w->m.cr3 = (TABLE_AT + rnd(w) % PROCESSES) << 12;
			flushed(w, false);
		}
		guest_access(w, gva, accesses[rnd(w) % 6]);
		check_all(w, false);
		if (i % 16 == 0)
			CHECK(!shadow_audit(w->s, &w->m), "audit");
	}
	CHECK(counters[CNT_SHADOW_RECLAIMS], "the pool never ran low");
	CHECK(counters[CNT_CR3_CACHED], "no root was found again");
	world_end(w);
	free(w);
}

int main(void)
{
	for (u64 seed = 1; seed <= 128 && !test_failed; seed++)
		run(seed, 1500);
	CHECK(counters[CNT_UNSYNC_TABLES] && counters[CNT_UNSYNC_ENTRIES],
	      "nothing was ever out of sync");
	CHECK(counters[CNT_SHADOW_SHARED], "no root was ever a model");
	CHECK(counters[CNT_SHADOW_OVER], "no process ever ended");
	run_pool();
	return test_end("shadow");
}
