/* SPDX-License-Identifier: MIT */
/*
 * The audit of the shadow tables finds every mistake that is planted in them,
 * and none before and after. LINKS: lib kernel cpu mm
 *
 * The guest: PAE, with NX. At 0 a table of 4 KiB pages, at 4 MiB a large page.
 */
#include <string.h>

#include "kernel/host.h"
#include "mm/internal.h"
#include "tests/host/test.h"

#define RAM    MIB(10)
#define FRAMES (RAM >> PAGE_SHIFT)
enum { PD = 0x300, PT, SPARE, DATA = 0x320 };
#define LARGE MIB(4)

/* Pages of the table at 0: what the guest's entries grant. */
enum { RW, READ_ONLY, SUPERVISOR, NO_EXEC, CLEAN, CODE, ROM, PAGES };

static struct gpm g;
static struct track track;
static struct shadow *s;
static struct walk_mode mode;
static u8 bits[FRAMES];
/* Worlds that were spoilt cannot be taken apart again. */
static struct {
	struct shadow *s;
	u8 *ram;
} spoilt[32];

static void put_entry(u64 table, unsigned i, u64 value)
{
	memcpy(g.base + (table << PAGE_SHIFT) + 8 * i, &value, 8);
}

static void make_guest(void)
{
	static const u64 flags[PAGES] = {
		[RW] = PTE_W | PTE_U | PTE_D, [READ_ONLY] = PTE_U | PTE_D,
		[SUPERVISOR] = PTE_W | PTE_D,
		[NO_EXEC] = PTE_W | PTE_U | PTE_D | PTE_NX,
		[CLEAN] = PTE_W | PTE_U, [CODE] = PTE_W | PTE_U | PTE_D,
		[ROM] = PTE_W | PTE_U | PTE_D,
	};

	for (unsigned i = 0; i < PAGES; i++) {
		u64 gfn = i == ROM ? 0xc0 : DATA + i;

		put_entry(PT, i, gfn << PAGE_SHIFT | PTE_P | PTE_A | flags[i]);
	}
	put_entry(PD, 0, (u64)PT << PAGE_SHIFT | PTE_P | PTE_A | PTE_W | PTE_U);
	put_entry(PD, 2, LARGE | PTE_P | PTE_A | PTE_D | PTE_W | PTE_U |
			 PTE_PS);
	mode = (struct walk_mode){ .format = WALK_PAE, .wp = true, .nxe = true,
				   .maxphyaddr = 36 };
	mode.pdpte[0] = (u64)PD << PAGE_SHIFT | PTE_P;
}

static void touch(u64 gva, u32 error)
{
	struct pagefault pf;
	gpa_t gpa;

	shadow_fault(s, &mode, GVA(gva), error, &pf, &gpa);
}

static void reset(u64 trap_bit)
{
	struct shadow_config c = {
		.gpm = &g, .root_kind = SHADOW_ROOT_PAE, .pool_pages = 64,
		.nx = true, .trap_bit = trap_bit, .unsync = true,
	};
	u8 *ram = palloc(FRAMES, MIB(2));

	memset(bits, 0, sizeof(bits));
	gpm_init(&g, ram, host_phys(ram), RAM);
	track_init(&track, bits, FRAMES);
	g.track = &track;
	s = shadow_create(&c);
	make_guest();
	track_add(&track, TRACK_CODE, DATA + CODE);
	for (unsigned i = 0; i < PAGES; i++)
		touch(i << PAGE_SHIFT, i == SUPERVISOR ? 0 : PFEC_U);
	touch(LARGE, PFEC_W | PFEC_U);
}

static void done(void)
{
	shadow_destroy(s);
	palloc_free(g.base, FRAMES);
}

static struct spage *table(void)
{
	return spage_first(s, PT);
}

static struct spage *directory(void)
{
	return spage_first(s, PD);
}

static u64 *leaf(unsigned i)
{
	return &spage_table(s, table())[i];
}

static u64 *link_entry(void)
{
	return &spage_table(s, directory())[0];
}

static u64 *large(void)
{
	return &spage_table(s, directory())[2];
}

/* --- the mistakes ----------------------------------------------------- */

static void another_frame(void) { *leaf(RW) += PAGE_SIZE; }
static void write_allowed(void) { *leaf(READ_ONLY) |= PTE_W; }
static void user_allowed(void) { *leaf(SUPERVISOR) |= PTE_U; }
static void fetch_allowed(void) { *leaf(NO_EXEC) &= ~PTE_NX; }
static void dirty_unseen(void) { *leaf(CLEAN) |= PTE_W; }
static void code_writable(void) { *leaf(CODE) |= PTE_W; }
static void rom_writable(void) { *leaf(ROM) |= PTE_W; }
static void stale(void) { put_entry(PT, RW, 0); } /* unseen by the tracking */
static void moved(void) { put_entry(PT, RW, (u64)SPARE << PAGE_SHIFT | 0x67); }
static void other_table(void) { table()->gfn = SPARE; }
static void large_tracked(void) { bits[(LARGE >> PAGE_SHIFT) + 7] = 1; }
static void large_elsewhere(void) { *large() += MIB(2); }
static void unlisted(void) { s->frame_slots[DATA + RW] = 0; }
static void miscounted(void) { table()->live++; }
static void untraced(void) { bits[PT] = 0; }
static void freed(void) { table()->used = false; }
static void wrong_root(void) { s->current->base[0] += PAGE_SIZE; }
static void granting(void) { put_entry(PD, 0, (u64)PT << 12 | 0x23); }
static void unmade_absent(void) { rmap_clear(s, spage_slot(s, table(), RW));
				  *leaf(RW) = 0; }
static void lost_link(void) { *link_entry() = s->tables_hpa.a | PTE_P; }

/* --- and in a table that is out of sync ------------------------------- */

static void unsync(void)
{
	CHECK(unsync_begin(s, PT), "not taken out of sync");
	put_entry(PT, RW, (u64)SPARE << PAGE_SHIFT | 0x67);
	put_entry(PT, CODE, 0);
}

static struct unsync *record(void) { return &s->unsync[table()->unsync - 1]; }

static void late(void) { unsync(); } /* old, as a TLB may be: no mistake */
static void change_missed(void) { unsync(); record()->seen[RW] =
				  (u64)SPARE << PAGE_SHIFT | 0x67; }
static void removal_missed(void) { unsync(); record()->seen[CODE] = 0; }
static void absent_shown(void) { unsync(); spage_table(s, table())[SLOTS - 1] = 0; }
static void other_record(void) { unsync(); table()->unsync++; }
static void record_freed(void) { unsync(); record()->used = false; }
static void record_moved(void) { unsync(); record()->gfn = SPARE; }
static void neither(void) { unsync(); table()->unsync = 0; }
static void upper_unsync(void) { unsync(); directory()->unsync = table()->unsync; }

static const struct {
	const char *name;
	void (*plant)(void);
	bool traps; /* shows only where unmade entries trap */
	bool right; /* no mistake at all */
} mistakes[] = {
	{ "another frame", another_frame, false, false },
	{ "a read-only page is writable", write_allowed, false, false },
	{ "a supervisor page is the user's", user_allowed, false, false },
	{ "NX is lost", fetch_allowed, false, false },
	{ "a clean page is writable", dirty_unseen, false, false },
	{ "translated code is writable", code_writable, false, false },
	{ "ROM is writable", rom_writable, false, false },
	{ "the guest's entry is gone", stale, false, false },
	{ "the guest's entry maps another frame", moved, false, false },
	{ "the shadow of another table", other_table, false, false },
	{ "a large page over a tracked frame", large_tracked, false, false },
	{ "a large page of another frame", large_elsewhere, false, false },
	{ "an entry is not in the reverse map", unlisted, false, false },
	{ "entries are miscounted", miscounted, false, false },
	{ "a shadowed table is not traced", untraced, false, false },
	{ "a table in use is free", freed, false, false },
	{ "the root is another's", wrong_root, false, false },
	{ "a table grants what its parent does not", granting, false, false },
	{ "present for the guest, absent in hardware", unmade_absent, true, false },
	{ "an entry leads nowhere", lost_link, false, false },
	{ "out of sync and old", late, false, true },
	{ "out of sync, old and trapping", late, true, true },
	{ "out of sync: a change is missed", change_missed, false, false },
	{ "out of sync: a removal is missed", removal_missed, false, false },
	{ "out of sync: an absent entry does not trap", absent_shown, true, false },
	{ "out of sync: another's record", other_record, false, false },
	{ "out of sync: the record is free", record_freed, false, false },
	{ "out of sync: the record of another table", record_moved, false, false },
	{ "neither traced nor out of sync", neither, false, false },
	{ "an upper table is out of sync", upper_unsync, false, false },
};

int main(void)
{
	unsigned found = 0;

	/* What it finds is not news. */
	if (!freopen("/dev/null", "w", stderr))
		return 2;
	for (unsigned i = 0; i < ARRAY_SIZE(mistakes); i++) {
		unsigned wrong;

		reset(mistakes[i].traps ? BIT(51) : 0);
		CHECK(table() && directory() && entry_made(s, *leaf(RW)) &&
		      entry_made(s, *large()), "the world is not as it should");
		CHECK(!shadow_audit(s, &mode), "%s: wrong before",
		      mistakes[i].name);
		mistakes[i].plant();
		wrong = shadow_audit(s, &mode);
		CHECK(!wrong == mistakes[i].right, "%s: %u found",
		      mistakes[i].name, wrong);
		found += !!wrong;
		spoilt[i].s = s;
		spoilt[i].ram = g.base;
	}
	reset(0);
	CHECK(!shadow_audit(s, &mode), "wrong in the end");
	done();
	CHECK(found >= 10, "%u found", found);
	return test_end("audit");
}
