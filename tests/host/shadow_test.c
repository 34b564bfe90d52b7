/* SPDX-License-Identifier: MIT */
/*
 * The shadow MMU under random guests. LINKS: lib kernel cpu mm
 *
 * A guest edits its page tables at random, aliases them, maps them, reuses
 * them as data, and accesses memory through a model of the hardware: a walker
 * over the shadow tables (the real CR0.WP is 1) with a TLB that forgets only
 * when it is told to. After every step each access that the hardware would
 * allow must be allowed by the guest's own tables, to the same address, with
 * A and D set; and nothing may write a tracked frame, TLB included. Through a
 * leaf table that is out of sync this holds right after a flush, and what is
 * not present in hardware is not present for the guest at any time.
 */
#include "tests/host/shadow_hw.h"

/* With trapping entries, P = 0 is shown to the guest without our help. */
static void check_absent(struct world *w, u64 gva, unsigned acc, bool reserved)
{
	struct pagefault pf = { .error = PFEC_P };
	struct walk gw;

	if (!w->trap_bit || reserved)
		return;
	CHECK(!gwalk(&w->g, &w->m, GVA(gva), acc, false, &gw, &pf) &&
	      !(pf.error & PFEC_P), "gva %llx: the guest's is present",
	      (unsigned long long)gva);
}

/* Does the hardware's walk end in a table that is out of sync? */
static bool out_of_sync(struct world *w, hpa_t root, u64 gva)
{
	bool reserved;
	const u64 *pd = hw_directory(w, root, gva, &reserved);
	u64 e = pd ? pd[gva >> 21 & 511] : 0;

	return entry_made(w->s, e) && !(e & PTE_PS) &&
	       entry_child(w->s, e)->unsync;
}

/* Kinds of stops that the access could meet: it must not get by unseen. */
static bool guarded(const struct world *w, u64 gva, u64 gpa, unsigned acc)
{
	u8 kinds = stops_page(&w->stops, false, gva) |
		   stops_page(&w->stops, true, gpa);

	if (acc & ACC_FETCH)
		return kinds & STOP_EXEC;
	return kinds & (acc & ACC_WRITE ? STOP_WRITE | STOP_READ : STOP_READ);
}

static void compare(struct world *w, hpa_t root, u64 gva, unsigned acc,
		    bool flushed)
{
	struct pagefault pf;
	struct walk gw;
	u64 gpa, flags;
	bool ok, reserved;

	if (!hw_walk(w, root, gva, &gpa, &flags, &reserved)) {
		check_absent(w, gva, acc, reserved);
		return;
	}
	CHECK(gpa < RAM, "leaf outside the guest's memory");
	if (!possible(w, acc) || !hw_allows(w, flags, acc))
		return;
	CHECK(!guarded(w, gva, gpa, acc), "gva %llx acc %x passes a stop",
	      (unsigned long long)gva, acc);
	if (acc & ACC_WRITE) {
		CHECK(!track_any(&w->t, gpa >> PAGE_SHIFT),
		      "tracked but writable");
		CHECK(gpm_kind(&w->g, GPA(gpa)) == GPM_RAM,
		      "ROM but writable");
	}
	if (!flushed && out_of_sync(w, root, gva))
		return;
	ok = gwalk(&w->g, &w->m, GVA(gva), acc, false, &gw, &pf);
	CHECK(ok, "gva %llx acc %x allowed by hardware only",
	      (unsigned long long)gva, acc);
	if (!ok)
		return;
	CHECK(gw.gpa.a == gpa, "gva %llx: gpa %llx, hardware %llx",
	      (unsigned long long)gva, (unsigned long long)gw.gpa.a,
	      (unsigned long long)gpa);
	for (unsigned i = gw.level - 1u; i < gw.levels; i++)
		CHECK(gw.entry[i] & PTE_A, "A is clear");
	CHECK(!(acc & ACC_WRITE) || gw.dirty, "D is clear");
}

static void check_all(struct world *w, bool flushed)
{
	hpa_t root = shadow_root(w->s, &w->m);

	for (unsigned i = 0; i < 24; i++)
		compare(w, root, pick_gva(w),
			accesses[rnd(w) % ARRAY_SIZE(accesses)], flushed);
	for (unsigned i = 0; i < TLB_SIZE; i++)
		if (w->tlb[i].valid && (w->tlb[i].flags & PTE_W))
			CHECK(!track_any(&w->t, w->tlb[i].gpa >> PAGE_SHIFT) &&
			      !guarded(w, w->tlb[i].gva, w->tlb[i].gpa,
				       ACC_WRITE),
			      "TLB may write a tracked frame");
}

/* It passes, unless it is one that SMAP denies and the hardware's error code
 * does not tell. */
static void emulate(struct world *w, u64 gva, unsigned acc)
{
	struct pagefault pf;
	u64 value = rnd(w);
	struct walk gw;
	bool ok, fine = !(acc & ACC_IMPLICIT) ||
			gwalk(&w->g, &w->m, GVA(gva), acc, false, &gw, &pf);

	if (acc & ACC_WRITE)
		ok = gmem_write(&w->g, &w->m, GVA(gva), &value, 8, acc, &pf);
	else
		ok = gmem_read(&w->g, &w->m, GVA(gva), &value, 8, acc, &pf);
	CHECK(ok == fine, "emulated access: %d, not %d", ok, fine);
}

/* The frame of the level 2 table that the guest uses for gva. */
static u64 guest_directory(const struct world *w, u64 gva)
{
	return w->m.format == WALK_PAE ? w->m.pdpte[gva >> 30] & PAGE_MASK
				       : w->m.cr3;
}

static u64 pick_table(struct world *w)
{
	return (TABLE_AT + rnd(w) % w->tables) << PAGE_SHIFT;
}

/* The guest's store to a table, by a mapping of its own. */
static void store(struct world *w, gpa_t at, const void *bytes, unsigned size)
{
	u64 gfn = at.a >> PAGE_SHIFT;
	u32 value;

	if (chance(w, 60) && track_has(&w->t, TRACK_SHADOW, gfn)) {
		shadow_enter(w->s);
		unsync_begin(w->s, gfn);
		shadow_leave(w->s);
	}
	if (size == 4 && track_only(&w->t, TRACK_SHADOW, gfn) &&
	    chance(w, 50)) {
		memcpy(&value, bytes, 4);
		if (shadow_store32(w->s, at, value)) {
			w->stored++;
			return;
		}
	}
	gpm_write(&w->g, at, bytes, size);
}

static void put_entry(struct world *w, u64 at, u64 e)
{
	store(w, GPA(at), &e, is_wide(w) ? 8 : 4);
}

/* Four levels: tables down to the directory, where they are missing. */
static u64 repair_upper(struct world *w, u64 gva)
{
	u64 table = w->m.cr3, e;

	for (unsigned shift = 39; shift > 21; shift -= 9) {
		u64 at = table + 8 * (gva >> shift & 511);

		gpm_read(&w->g, GPA(at), &e, 8);
		if (!(e & PTE_P) || (e & (PTE_PS | BIT(40))) || chance(w, 10)) {
			e = pick_table(w) | PTE_P |
			    (chance(w, 90) ? PTE_W : 0) |
			    (chance(w, 85) ? PTE_U : 0) |
			    (chance(w, 5) ? PTE_NX : 0) | (rnd(w) & PTE_A);
			put_entry(w, at, e);
		}
		table = e & BITS(35, 12);
	}
	return table;
}

/* The guest's own fault handler: map something there. */
static void repair(struct world *w, u64 gva)
{
	bool pae = is_wide(w);
	u64 directory = w->m.format == WALK_4LEVEL ? repair_upper(w, gva) :
						     guest_directory(w, gva);
	u64 pde_at = directory +
		     (pae ? 8 * (gva >> 21 & 511) : 4 * (gva >> 22));
	u64 pde = 0, table = pick_table(w);
	u64 flags = PTE_P | (chance(w, 80) ? PTE_W : 0) |
		    (chance(w, 70) ? PTE_U : 0) |
		    (rnd(w) & (PTE_A | PTE_D));

	gpm_read(&w->g, GPA(pde_at), &pde, pae ? 8 : 4);
	if (chance(w, 20)) {
		put_entry(w, pde_at, (rnd(w) % 4 << 22) | flags | PTE_PS);
		return;
	}
	if (!(pde & PTE_P) || (pde & PTE_PS) || chance(w, 20))
		put_entry(w, pde_at, table | PTE_P | PTE_W | PTE_U | PTE_A);
	else
		table = pde & BITS(35, 12);
	table += pae ? 8 * (gva >> 12 & 511) : 4 * (gva >> 12 & 1023);
	put_entry(w, table, (pick_frame(w) << PAGE_SHIFT) | flags);
}

/* A guest instruction's access, to its end. */
static void guest_access(struct world *w, u64 gva, unsigned acc)
{
	struct pagefault pf, own;
	u64 gpa, flags;
	struct walk gw;
	gpa_t at;

	if (chance(w, 30))
		psc_access(w, gva);
	if (!possible(w, acc) || tlb_hit(w, gva, acc))
		return;
	for (unsigned tries = 0;; tries++) {
		hpa_t root = shadow_root(w->s, &w->m);
		bool reserved;
		bool present = hw_walk(w, root, gva, &gpa, &flags, &reserved);

		CHECK(tries < 4, "gva %llx acc %x does not settle",
		      (unsigned long long)gva, acc);
		if (tries >= 4)
			return;
		if (present && hw_allows(w, flags, acc)) {
			psc_load(w, root, gva);
			tlb_load(w, gva, gpa, flags);
			do_access(w, gpa, acc);
			return;
		}
		switch (shadow_fault(w->s, &w->m, GVA(gva),
				     hw_error(present || reserved, acc) |
					     (reserved ? (u32)PFEC_RSVD : 0),
				     &pf, &at)) {
		case SHADOW_FILLED:
			w->filled++;
			break;
		case SHADOW_GUEST:
			w->guest++;
			CHECK(!gwalk(&w->g, &w->m, GVA(gva), acc, false, &gw,
				     &own), "no fault of the guest's");
			CHECK(own.error == pf.error && own.gva.a == pf.gva.a,
			      "another fault");
			if (chance(w, 80))
				repair(w, gva);
			return;
		case SHADOW_TRACED:
			w->traced++;
			emulate(w, gva, acc);
			return;
		case SHADOW_MMIO:
			w->mmio++;
			emulate(w, gva, acc);
			return;
		}
	}
}

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

static void load_cr3(struct world *w)
{
	w->m.cr3 = (TABLE_AT + rnd(w) % (w->tables / 3)) << PAGE_SHIFT;
	w->was_long |= w->m.format == WALK_4LEVEL;
	if (w->m.format == WALK_4LEVEL && chance(w, 2))
		w->m.cr3 = GIB(1); /* no memory there */
	for (unsigned i = 0; i < 4; i++)
		w->m.pdpte[i] = ((TABLE_AT + (rnd(w) & 3)) << PAGE_SHIFT) |
				(chance(w, 90) ? PTE_P : 0);
}

static void flushed(struct world *w, bool global)
{
	shadow_flush(w->s, &w->m, global);
	for (unsigned i = 0; i < TLB_SIZE; i++)
		CHECK(!w->tlb[i].valid, "TLB survives a flush");
	check_all(w, true);
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

static void world_init(struct world *w, u64 seed, enum shadow_root_kind kind,
		       bool kernel_nx, u32 pool, bool traps, bool unsync)
{
	struct shadow_config c = {
		.gpm = &w->g, .root_kind = kind, .pool_pages = pool,
		.nx = true, .kernel_nx = kernel_nx,
		.prefetch = seed & 1 ? 8 : 0,
		.trap_bit = traps ? TRAP_BIT : 0,
		.unsync = unsync, .stops = &w->stops,
		.tlb_flush = on_flush, .unmapped = on_unmapped, .ctx = w,
	};

	memset(w, 0, sizeof(*w));
	w->seed = seed * 0x9e3779b97f4a7c15ull;
	w->stops.list = w->stop_list;
	w->stops.room = ARRAY_SIZE(w->stop_list);
	w->kind = kind;
	w->tables = pool < 100 ? 60 : 12;
	w->kernel_nx = kernel_nx;
	w->trap_bit = c.trap_bit;
	w->ram = palloc(FRAMES, MIB(2));
	w->bits = palloc(ALIGN_UP(FRAMES, PAGE_SIZE) / PAGE_SIZE, PAGE_SIZE);
	gpm_init(&w->g, w->ram, host_phys(w->ram), RAM);
	track_init(&w->t, w->bits, FRAMES);
	w->g.track = &w->t;
	w->s = shadow_create(&c);
	w->m = (struct walk_mode){ .format = WALK_32BIT + seed % 3,
				   .wp = true, .pse = true, .nxe = true,
				   .maxphyaddr = 36 };
	load_cr3(w);
}

static void world_end(struct world *w)
{
	shadow_destroy(w->s);
	for (u64 i = 0; i < FRAMES; i++)
		CHECK(!track_has(&w->t, TRACK_SHADOW, i), "still tracked");
	palloc_free(w->ram, FRAMES);
	palloc_free(w->bits, ALIGN_UP(FRAMES, PAGE_SIZE) / PAGE_SIZE);
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
		       "%lu hits, %lu stored\n", (unsigned long long)seed,
		       w->filled, w->traced, w->mmio, w->guest, w->hits,
		       w->stored);
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
	for (u64 seed = 1; seed <= 128 && !test_failed; seed++)
		run(seed, 1500);
	CHECK(counters[CNT_UNSYNC_TABLES] && counters[CNT_UNSYNC_ENTRIES],
	      "nothing was ever out of sync");
	run_pool();
	run_unsync();
	run_absent();
	run_loop(SHADOW_ROOT_PAE, true);
	run_loop(SHADOW_ROOT_4LEVEL, false);
	return test_end("shadow");
}
