/* SPDX-License-Identifier: MIT */
/*
 * A guest on the shadow MMU, for tests of it: its accesses to their end, its
 * stores to page tables, and what must hold after every step. Each access that
 * the hardware would allow must be allowed by the guest's own tables, to the
 * same address, with A and D set; and nothing may write a tracked frame, TLB
 * included. Through a leaf table that is out of sync this holds right after a
 * flush, and what is not present in hardware is not present for the guest at
 * any time.
 */
#ifndef TESTS_HOST_SHADOW_GUEST_H
#define TESTS_HOST_SHADOW_GUEST_H

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

static bool store_again(struct world *w, gpa_t at, u32 value)
{
	enum shadow_store done;
	u32 before;

	done = shadow_store_again(w->s, at, value, &before);
	if (done == SHADOW_STORE_CHANGED)
		shadow_store_changed(w->s, at, before, value);
	return done != SHADOW_STORE_ELSEWHERE;
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
	if (size == 4 && track_who(&w->t, gfn) == BIT(TRACK_SHADOW) &&
	    chance(w, 50)) {
		memcpy(&value, bytes, 4);
		if (store_again(w, at, value)) {
			w->stored_again++;
			return;
		}
		if (shadow_store32(w->s, at, value)) {
			w->stored++;
			return;
		}
	}
	gpm_write(&w->g, at, bytes, size);
}

/* Now and then in steps, as kernels change flags one by one: the later ones
 * meet a table that was met just before. */
static void put_entry(struct world *w, u64 at, u64 e)
{
	unsigned size = is_wide(w) ? 8 : 4;
	u64 step;

	for (unsigned n = is_wide(w) ? 0 : rnd(w) % 4; n; n--) {
		step = e ^ BIT(rnd(w) % 12);
		if (chance(w, 20))
			step = 0;
		store(w, GPA(at), &step, size);
	}
	store(w, GPA(at), &e, size);
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
			hw_mark(w, root, gva);
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

#endif
