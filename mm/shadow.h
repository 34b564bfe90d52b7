/* SPDX-License-Identifier: MIT */
/*
 * The shadow MMU: four verbs (fault, invlpg, flush, root) that keep hardware
 * tables in step with the guest's. Shadow entries are always 64-bit; only the
 * root differs: for guests of less than four levels by shadow_root_kind, while
 * a long-mode guest gets its own four levels. Guest page tables that are
 * shadowed are write-tracked, or for leaf tables out of sync until the guest's
 * next flush; roots are kept across CR3 loads.
 */
#ifndef MM_SHADOW_H
#define MM_SHADOW_H

#include "mm/gwalk.h"

enum shadow_result {
	SHADOW_FILLED, /* hidden: an entry was made or upgraded; run again */
	SHADOW_GUEST,  /* the guest's own fault: deliver *pf */
	SHADOW_TRACED, /* emulate it: a write to a tracked frame or ROM, or
			* what the hardware's tables cannot let pass */
	SHADOW_MMIO,   /* no memory behind it: emulate the access */
};

/* What 4 GiB of linear addresses hang from. */
enum shadow_root_kind { SHADOW_ROOT_4LEVEL, SHADOW_ROOT_PAE };

struct shadow_config {
	struct gpm *gpm;
	enum shadow_root_kind root_kind;
	u32 pool_pages;      /* shadow pages; at least 64 */
	bool nx;             /* the host has EFER.NXE: use bit 63 */
	bool kernel_nx;      /* bt: supervisor leaves carry NX (D13) */
	bool small;          /* no large entries: see kernel/paging.c */
	u8 prefetch;         /* ready neighbours filled with a leaf; 8 is good */
	/* A fault drops the processor's translation of its address ("Operations
	 * that Invalidate TLBs and Paging-Structure Caches"); not told of
	 * faults that end in an exit of VT-x. */
	bool fault_flushes;
	bool unsync;         /* leaf tables may go out of sync: shadow_unsync.c */
	/*
	 * A reserved bit of the hardware's entries, or 0. With it every entry
	 * that is not made yet is present and carries the bit, so that P = 0
	 * in an entry means exactly P = 0 in the guest's: a not-present fault
	 * is the guest's own. For SHADOW_ROOT_PAE, and long-mode guests.
	 */
	u64 trap_bit;
	/*
	 * Upper half of every SHADOW_ROOT_4LEVEL: entries 256..511 are copied
	 * from this PML4 page when a root is made (D13). NULL in tests and vmx.
	 * A long-mode guest's root has nothing of the host's.
	 */
	const u64 *host_pml4;
	/*
	 * Zeroed pages below 4 GiB, for the roots of SHADOW_ROOT_PAE. NULL: palloc.
	 */
	void *(*alloc_low)(void *ctx, u64 pages);
	/*
	 * Drop hardware translations: one page, or all (gva NULL), before the
	 * guest runs again. Not called for what the guest itself must still
	 * flush: that waits for its shadow_invlpg() or shadow_flush(), or for
	 * the moment when it would matter to others (a frame becomes tracked).
	 */
	void (*tlb_flush)(void *ctx, const gva_t *gva);
	/* May be NULL. A frame has its first subscriber: it can be written only
	 * by way of a fault now. */
	void (*tracked)(void *ctx, u64 gfn);
	/*
	 * The debugger's stops, or NULL: a page with one has no hardware entry
	 * that would let the guest by unseen; its accesses are SHADOW_TRACED.
	 */
	const struct stops *stops;
	/* The mapping of this linear range may have changed: bt cuts links. */
	void (*unmapped)(void *ctx, gva_t gva, u64 size);
	void *ctx;
};

struct shadow;

/* Takes its memory from palloc; NULL when there is none. */
struct shadow *shadow_create(const struct shadow_config *config);
void shadow_destroy(struct shadow *s);

/*
 * A hardware page fault at gva with hardware error code `error` in mode m.
 * acc of the access is derived from the error code. On SHADOW_GUEST *pf is the
 * guest's fault; on SHADOW_TRACED and SHADOW_MMIO *gpa is the address. A and D
 * are set in the guest's tables on SHADOW_FILLED; where the access is emulated
 * the emulation's own walk sets them.
 */
enum shadow_result shadow_fault(struct shadow *s, const struct walk_mode *m,
				gva_t gva, u32 error, struct pagefault *pf,
				gpa_t *gpa);

/*
 * The guest's own flushes: INVLPG, and every CR3 load or change of paging mode
 * (a CR3 load: shadow_flush(s, m, false), then shadow_root(); m is the new
 * mode). Both end in tlb_flush.
 */
void shadow_invlpg(struct shadow *s, const struct walk_mode *m, gva_t gva);
/* global: also global pages (mode changes, CR4.PGE toggles). */
void shadow_flush(struct shadow *s, const struct walk_mode *m, bool global);

/*
 * Root to load into the hardware CR3 for this mode; never fails. It is good
 * until the mode or CR3 changes, and then has to leave the hardware before the
 * guest runs or the shadow tables change again. The hardware
 * runs it with CR0.WP = 1, and with the guest's CR4.SMEP and SMAP while the
 * guest has paging on (both off for an unpaged guest: its pages are U = 1).
 */
hpa_t shadow_root(struct shadow *s, const struct walk_mode *m);

/* The hardware's entries for a linear address, for the debugger. */
struct shadow_look {
	hpa_t root;     /* as in the hardware's CR3; 0: none yet */
	unsigned top;   /* highest level below; 0: nothing is made there */
	u64 entry[5];   /* by level; 0 or `unmade`: none */
	u64 unmade;     /* what stands in entries that are not made */
};
void shadow_look(const struct shadow *s, gva_t gva, struct shadow_look *look);

/* cfg.stops is another set: every entry is made anew. */
void shadow_stops_changed(struct shadow *s);

/*
 * gpm_write32() to a frame that nobody but the shadow MMU tracks, where the
 * write is the commonest: of one entry of a leaf table. False: it is not, and
 * nothing is done.
 */
bool shadow_store32(struct shadow *s, gpa_t gpa, u32 value);

/*
 * The same where that has been before, in fewer steps. ELSEWHERE: nothing is
 * done. CHANGED: shadow_store_changed() is to follow at once, where shadow
 * entry or kept translations have to change.
 */
enum shadow_store {
	SHADOW_STORE_ELSEWHERE, SHADOW_STORE_DONE, SHADOW_STORE_CHANGED,
};
enum shadow_store shadow_store_again(struct shadow *s, gpa_t gpa, u32 value,
				     u32 *before);
void shadow_store_changed(struct shadow *s, gpa_t gpa, u32 before, u32 now);

/* Are all not-present faults of the hardware the guest's own (trap_bit)? */
bool shadow_traps(const struct shadow *s);

/*
 * Compare every present shadow entry with the guest's tables, and the reverse
 * map with the entries; differences are reported through log_error. Returns
 * how many.
 */
unsigned shadow_audit(struct shadow *s, const struct walk_mode *m);

#endif
