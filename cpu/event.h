/* SPDX-License-Identifier: MIT */
/* What delivery shares with the instructions that are events themselves. */
#ifndef CPU_EVENT_H
#define CPU_EVENT_H

#include "cpu/emu_internal.h"

/* INT n, INT3, INTO: checked against the gate's DPL, not external. */
bool event_is_soft(const struct event *ev);

/*
 * Deliver once: no double-fault rules. `rip` is the saved RIP. True: committed,
 * and v->rip and e->rip_next are the handler's. False: the fault is in
 * e->fault.
 */
bool event_deliver_once(struct emu *e, const struct event *ev, u64 rip);

/*
 * Switch the stack inward to privilege `pl` through the TSS: fills *s with the
 * new stack, empty. Faults as in "Privilege Level Checking"; nothing changes.
 */
bool event_inner_stack(struct emu *e, unsigned pl, u32 ext,
		       struct emu_stack *s);

/*
 * A 32-bit stack that covers the address space, used by the supervisor, with
 * no breakpoints about: several items may be moved in one access.
 */
bool event_stack_is_flat(const struct emu *e, const struct emu_stack *s);

#endif
