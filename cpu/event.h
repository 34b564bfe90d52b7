/* SPDX-License-Identifier: MIT */
/* What delivery shares with the instructions that are events themselves. */
#ifndef CPU_EVENT_H
#define CPU_EVENT_H

#include "cpu/emu_internal.h"
#include "cpu/segment.h"

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

/* The same in IA-32e mode: RSP from the TSS, SS null (deliver64.c). */
bool event_inner_stack64(struct emu *e, unsigned pl, u32 ext,
			 struct emu_stack *s);
/* Push items of 8 bytes, in push order: all or nothing. At most 6. */
bool event_push64(struct emu *e, struct emu_stack *s, const u64 *item,
		  unsigned count);

/* Far CALL or JMP to a system descriptor in IA-32e mode (emu_gate64.c). */
bool far_gate64(struct emu *e, bool call, u16 sel, const struct desc *d);

/* event_deliver_once() in IA-32e mode, but for what is the same in all modes. */
bool event_deliver_long(struct emu *e, const struct event *ev, u64 rip);

/* Handlers that an engine may call by itself, at an instruction boundary: they
 * change nothing before they are sure, and leave RIP to e->rip_next. */
bool op_sysenter(struct emu *e);
bool op_sysexit(struct emu *e);

/* EXT, and the error code that names the event's gate. */
u32 event_ext(const struct event *ev);
u32 event_idt_error(const struct event *ev);
/* RFLAGS as pushed. */
u64 event_flags_image(const struct vcpu *v, const struct event *ev);
/* It has been delivered: for the ring and the statistics. */
void event_note(const struct event *ev);
/* RIP and RFLAGS of the handler; the interrupted code's traps are gone. */
void event_enter_handler(struct emu *e, u64 rip, u64 clear);

/*
 * A 32-bit stack that covers the address space, used by the supervisor, with
 * no breakpoints about: several items may be moved in one access.
 */
bool event_stack_is_flat(const struct emu *e, const struct emu_stack *s);

#endif
