/* SPDX-License-Identifier: MIT */
/*
 * Which event is delivered: the one that is pending with the highest priority,
 * and, when its delivery faults, what the double-fault rules make of the two.
 */
#include "cpu/event.h"

#include "cpu/emu_internal.h"
#include "lib/ring.h"

enum fault_class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum fault_class class_of(const struct event *ev)
{
	if (ev->kind != EV_EXCEPTION)
		return BENIGN;
	switch (ev->vector) {
	case VEC_DE:
	case VEC_TS:
	case VEC_NP:
	case VEC_SS:
	case VEC_GP:
		return CONTRIBUTORY;
	case VEC_PF:
		return PAGE_FAULT;
	case VEC_DF:
		return DOUBLE_FAULT;
	default:
		return BENIGN;
	}
}

enum outcome { SERIAL, DOUBLE, TRIPLE };

/*
 * "Conditions for Generating a Double Fault": [first][second]. The second is
 * never a double fault.
 */
static const u8 outcomes[4][4] = {
	[BENIGN]       = { SERIAL, SERIAL, SERIAL },
	[CONTRIBUTORY] = { SERIAL, DOUBLE, SERIAL },
	[PAGE_FAULT]   = { SERIAL, DOUBLE, DOUBLE },
	[DOUBLE_FAULT] = { SERIAL, TRIPLE, TRIPLE },
};

static const struct event double_fault = {
	.vector = VEC_DF,
	.kind = EV_EXCEPTION,
	.has_error = true,
};

/* The event that follows a fault in the delivery of *ev; false: shutdown. */
static bool next_event(struct emu *e, struct event *ev)
{
	enum outcome o = outcomes[class_of(ev)][class_of(&e->fault)];

	if (e->fault.vector == VEC_PF)
		e->v->cr2 = e->fault.cr2;
	*ev = o == SERIAL ? e->fault : double_fault;
	return o != TRIPLE;
}

static u64 saved_rip(const struct vcpu *v, const struct event *ev)
{
	u64 rip = v->rip;

	if (event_is_soft(ev) || ev->kind == EV_PRIV_SOFT_EXC)
		rip += ev->insn_len;
	return vcpu_64bit(v) ? rip : (u32)rip;
}

/*
 * #AC on the handler's own stack would repeat for ever. The processor hangs
 * there; we let the instruction fault again, so that only the guest does.
 */
#define SERIAL_MAX 8

enum emu_result emu_deliver(struct emu *e, const struct event *ev)
{
	struct vcpu *v = e->v;
	struct event now = *ev;
	unsigned i;

	v->activity = ACT_ACTIVE;
	for (i = 0;; i++) {
		if (i == SERIAL_MAX)
			return EMU_OK;
		e->fault_set = false;
		if (event_deliver_once(e, &now, saved_rip(v, &now)))
			return EMU_OK;
		if (!next_event(e, &now))
			break;
	}
	ring_add(RING_DELIVER, VEC_DF, ~0ull);
	v->activity = ACT_SHUTDOWN;
	return EMU_SHUTDOWN;
}

/* --- Pending events --- */

static bool trap_ready(const struct vcpu *v)
{
	return v->db_pending && v->shadow != SHADOW_MOV_SS;
}

static bool nmi_ready(const struct vcpu *v)
{
	return v->nmi_pending && !v->nmi_blocked && v->shadow == SHADOW_NONE;
}

static bool intr_ready(const struct vcpu *v)
{
	return v->intr && (v->rflags & EFLAGS_IF) &&
	       v->shadow == SHADOW_NONE && !(v->hold & HOLD_INTR);
}

bool emu_event_due(const struct vcpu *v)
{
	if (v->activity == ACT_SHUTDOWN || (v->hold & HOLD_EVENTS))
		return false;
	return trap_ready(v) || nmi_ready(v) || intr_ready(v);
}

bool emu_take_event(struct emu *e, struct event *ev)
{
	struct vcpu *v = e->v;

	if (!emu_event_ready(v))
		return false;
	*ev = (struct event){ .vector = VEC_DB, .kind = EV_EXCEPTION };
	if (trap_ready(v)) {
		/* as it stands */
	} else if (nmi_ready(v)) {
		v->nmi_pending = 0;
		v->nmi_blocked = 1;
		ev->vector = VEC_NMI;
		ev->kind = EV_NMI;
	} else {
		ev->vector = e->ops->intr_ack(e->ctx);
		ev->kind = EV_INTR;
	}
	return true;
}

bool emu_poll_events(struct emu *e)
{
	struct event ev;

	if (!emu_take_event(e, &ev))
		return false;
	emu_deliver(e, &ev);
	return true;
}
