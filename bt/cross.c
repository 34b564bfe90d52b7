/* SPDX-License-Identifier: MIT */
/*
 * Ways from guest code to guest code without the run loop: from user code or a
 * block, by the frame of the exception that it ended with, into the block of
 * the guest's handler; and from the IRET at its end into user code. Invariant:
 * they do what the run loop would, or leave it all to the run loop.
 */
#include "bt/fast.h"
#include "bt/machine.h"
#include "kernel/gdt.h"
#include "lib/cost.h"
#include "lib/switches.h"

/* What guest code was left for; false: not by a short way. */
static bool do_leave(struct vcpu *v)
{
	u64 start;
	bool done;

	if (bt.leave == LEAVE_EVENT)
		return fast_deliver(v, &bt.event);
	if (bt.leave != LEAVE_STEP)
		return false;
	start = cost_start();
	done = fast_entry(v);
	if (done)
		cost_end(COST_STEP, start);
	return done;
}

/* As BT_SPLIT_FLAGS of bt/state.inc. */
static void split_flags(struct vcpu *v)
{
	struct bt_plain *p = bt_plain(v);
	u32 flags = (u32)v->rflags;

	p->iflag = flags & EFLAGS_IF;
	p->dflag = flags & EFLAGS_DF;
	p->rest = flags & BT_FLAGS_REST;
}

/* Neither an event nor SYSENTER changes a register but ESP: the others are in
 * the frame as they were. */
static void return_to(struct host_frame *f, struct vcpu *v, const u8 *exec)
{
	split_flags(v);
	f->r11 = bt_plain(v)->tag_space;
	f->r12 = v->gpr[R_SP];
	f->r13 = 0;
	f->r14 = (u64)bt_target_table;
	f->r15 = (u64)v;
	f->rip = (u64)exec;
	f->cs = HOST_CS;
	f->ss = HOST_SS;
	f->rsp = bt_stack;
	f->rflags = (v->rflags & BT_FLAGS_REAL) | EFLAGS_MBS | EFLAGS_IF;
}

bool cross_into_cache(struct host_frame *f, struct vcpu *v)
{
	const u8 *exec;

	if (!switch_on(SWITCH_cross) || !do_leave(v))
		return false;
	bt.leave = LEAVE_NONE;
	if (bt_wanted_elsewhere(v) || !bt_can_translate(v))
		return false;
	exec = blocks_known(v);
	if (exec)
		return_to(f, v, exec);
	return exec;
}

const u8 *cross_from_stub(struct vcpu *v)
{
	if (v->cpl < 3)
		return bt_on_dispatch(v);
	bt.leave = LEAVE_NONE;
	if (!switch_on(SWITCH_cross) || bt.env.icount || bt.env.observe ||
	    bt_wanted_elsewhere(v) || !user_direct(v) || !user_ready(v))
		return NULL;
	return bt_user_go;
}
