/* SPDX-License-Identifier: MIT */
/*
 * The machine half of bt: what engine.c, fault.c, user.c and desc.c share. The
 * pure half (translate, emit, cache) knows nothing of it.
 */
#ifndef BT_MACHINE_H
#define BT_MACHINE_H

#include "bt/block.h"
#include "cpu/engine.h"
#include "kernel/frame.h"
#include "mm/gwalk.h"
#include "mm/shadow.h"

/* What the run loop of bt does after guest code was left. */
enum leave {
	LEAVE_NONE,  /* look at events, go on */
	LEAVE_STEP,  /* interpret the instruction at RIP: it faulted for us */
	LEAVE_EVENT, /* deliver bt.event: the guest's own exception */
};

struct bt {
	struct engine_env env;
	struct walk_mode mode;
	hpa_t root; /* in CR3 */
	enum leave leave;
	struct event event;
	bool count_runs; /* for the debugger: every block is entered from C */
	const char *broken; /* why the guest cannot go on, or NULL */
	bool stepping; /* TF rolls translated code forward to a boundary */
	struct bt_cache *cache;
};

extern struct bt bt;

/* --- switch.asm ------------------------------------------------------ */

/*
 * Run translated code from `exec` with the guest state of v until a stub or a
 * fault leaves it. Returns with interrupts on and all guest state in v.
 * Returns at once when v->attention is set.
 */
void bt_enter(struct vcpu *v, const void *exec);

/* Run CPL 3 code at v's state; returns likewise. */
void bt_user_enter(struct vcpu *v);

/* The way from C into translated code, and where a stub goes into user code. */
extern const u8 bt_resume[], bt_resume_end[], bt_leave[], bt_user_go[];

/* rsp of translated code. */
extern u64 bt_stack;

/* From an exception handler: drop its frame, return from bt_enter() or
 * bt_user_enter(). */
void bt_unwind(void) NORETURN;

/* The instructions of bt_user_enter() that may fault on guest state. */
extern const u8 bt_user_loads[], bt_user_loads_end[];

/* r14 of translated code. */
extern struct bt_targets *bt_target_table;

/* --- fault.c ---------------------------------------------------------- */

/* The hooks of kernel/irq.h. */
bool bt_exception(struct host_frame *f);
void bt_irq(struct host_frame *f);

/* --- user.c ----------------------------------------------------------- */

/* May the CPL 3 state in v run directly? (desc_sync() decides the rest.) */
bool user_direct(const struct vcpu *v);

/* Make all ready for it to run; false: its segments cannot be shadowed. */
bool user_ready(struct vcpu *v);

/* Run it until something needs us; false: as above. */
bool user_run(struct vcpu *v);

/* An exception or a wanted interruption out of user code. Returns to resume it. */
void user_exception(struct host_frame *f);
void user_interrupt(struct host_frame *f);

/* --- cross.c ---------------------------------------------------------- */

/*
 * Guest code was left for bt.leave, its state is in v, and f is the exception's
 * frame. True: that is done, and f returns to translated code. False: the run
 * loop is to look at bt.leave, which is LEAVE_NONE if it was done.
 */
bool cross_into_cache(struct host_frame *f, struct vcpu *v);

/* Where a stub goes on for v's state: bt_resume's address, bt_user_go, or NULL
 * for the run loop. */
const u8 *cross_from_stub(struct vcpu *v);

/* --- blocks.c --------------------------------------------------------- */

void blocks_init(u64 cache_bytes);

/* Translated code for v's state, made if need be; NULL: cannot be fetched or
 * translated, interpret. */
const u8 *blocks_find(struct vcpu *v);

/* The same, of blocks that the target table has. */
const u8 *blocks_known(struct vcpu *v);

/* A write to a traced page, or MMIO, at gva cost a fault at eip: when that
 * happens often it is translated anew, as a callout. */
void blocks_note_fault(u32 eip, gva_t gva);

/* Now and then, with no block running: adaptations that are out of date. */
void blocks_look_around(void);

/* Forget all translated code, which is not running: what is translated into it
 * is not as it was. */
void blocks_flush(void);

/* The callout at eip has long met nothing that would fault: translate it. */
void blocks_forgive(u32 eip);

/* The guest flushed translations (page at gva, or all that CR3 or a paging
 * control bit governs): forget what relied on them. */
void blocks_invlpg(gva_t gva);
void blocks_flush_tlb(unsigned what);

/* Does the block call out instructions because they used to fault? */
bool blocks_faulty(const struct bt_block *b);

/* Changes whenever translated code may have been dropped or flushed. */
u64 blocks_generation(void);

/* --- show.c ------------------------------------------------------------- */

void bt_show_code(struct vcpu *v, gva_t gva);

/* --- callout.c -------------------------------------------------------- */

/* Something that only bt_run() deals with? Then translated code is left. */
bool bt_wanted_elsewhere(const struct vcpu *v);

/* --- engine.c --------------------------------------------------------- */

/*
 * A page fault of the guest at gva. True: filled, run on. False: bt.leave and
 * bt.event say what to do at the instruction.
 */
bool bt_page_fault(gva_t gva, u32 error);

#endif
