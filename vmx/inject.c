/* SPDX-License-Identifier: MIT */
/*
 * Events into the guest: what the next entry injects, deliveries that an exit
 * interrupted, and windows for what cannot be delivered yet. Debug traps are
 * delivered in software, since hardware injection does not write DR6.
 * Invariant: at most one event is due, and nothing has changed the guest's
 * state since it became so.
 */
#include "kernel/instr.h"
#include "lib/counters.h"
#include "lib/ring.h"
#include "vmx/events.h"
#include "vmx/internal.h"

void vmx_event_raise(const struct event *ev)
{
	vmx.event = *ev;
	vmx.event_due = true;
	vmx.event_again = false;
}

void vmx_event_take_vectoring(void)
{
	u32 info = (u32)vmcs_read(VMCS_IDT_VECTORING_INFO);
	u32 error = 0;

	vmx.event_due = info & INTR_VALID;
	if (likely(!vmx.event_due))
		return;
	if (info & INTR_ERROR_VALID)
		error = (u32)vmcs_read(VMCS_IDT_VECTORING_ERROR_CODE);
	vmx_event_decode(info, error, (u32)vmcs_read(VMCS_EXIT_INSN_LENGTH),
			 &vmx.event);
	vmx.event.cr2 = read_cr2(); /* an interrupted #PF has set it */
	vmx.event_again = true;
}

void vmx_event_flush(void)
{
	if (!vmx.event_due)
		return;
	vmx_state_load(STATE_ALL);
	vmx.event_due = false;
	vmx.recheck = true;
	emu_deliver(vmx.env.emu, &vmx.event);
}

static void count_event(const struct event *ev)
{
	ring_add(RING_DELIVER, ev->vector, ev->has_error ? ev->error : 0);
	if (ev->kind == EV_INTR)
		count(CNT_INTR_INJECTED);
	if (ev->kind == EV_EXCEPTION)
		count(CNT_GUEST_FAULTS);
	if (ev->kind == EV_EXCEPTION && ev->vector == VEC_PF)
		count(CNT_GUEST_PF);
}

void vmx_event_inject(void)
{
	const struct event *ev = &vmx.event;

	if (!vmx.event_due)
		return;
	if (!vmx.event_again)
		count_event(ev);
	vmx.event_due = false;
	vmcs_write(VMCS_ENTRY_INTR_INFO, vmx_event_encode(ev));
	if (ev->has_error)
		vmcs_write(VMCS_ENTRY_ERROR_CODE, ev->error);
	if (ev->kind >= EV_SOFT_INT)
		vmcs_write(VMCS_ENTRY_INSN_LENGTH, ev->insn_len);
	if (ev->kind == EV_EXCEPTION && ev->vector == VEC_PF)
		write_cr2(ev->cr2);
}

/*
 * A fault sets RF in the image of the flags. Of one that was hidden nothing
 * may be seen, unless RF holds off a breakpoint.
 */
static void drop_rf(struct vcpu *v)
{
	if (vmx.filled && !(v->dr[7] & DR7_ENABLED))
		v->rflags &= ~EFLAGS_RF;
}

static bool trap_ready(const struct vcpu *v)
{
	return v->db_pending && v->shadow != SHADOW_MOV_SS;
}

static bool nmi_ready(const struct vcpu *v)
{
	return v->nmi_pending && !v->nmi_blocked && v->shadow == SHADOW_NONE;
}

static void take_nmi(struct vcpu *v)
{
	v->nmi_pending = 0;
	vmx_event_raise(&(struct event){ .vector = VEC_NMI, .kind = EV_NMI });
}

static void take_intr(struct vcpu *v)
{
	const struct emu *emu = vmx.env.emu;

	vmx_event_raise(&(struct event){
		.vector = emu->ops->intr_ack(emu->ctx), .kind = EV_INTR });
}

/* The pending event of highest priority, where the state allows one. */
static void choose(struct vcpu *v)
{
	vmx_state_load(STATE_CORE);
	if (!emu_event_ready(v))
		return;
	drop_rf(v);
	if (trap_ready(v) || (nmi_ready(v) && !vmx.virtual_nmis)) {
		vmx_state_load(STATE_ALL);
		vmx.recheck = true;
		emu_poll_events(vmx.env.emu);
		return;
	}
	v->activity = ACT_ACTIVE;
	if (nmi_ready(v))
		take_nmi(v);
	else
		take_intr(v);
}

/* Exit as soon as the guest can take what still waits. */
static void ask_windows(const struct vcpu *v)
{
	static u32 written;
	u32 controls = vmx.controls.value[VMX_CPU];

	if (v->intr)
		controls |= CPU_INTERRUPT_WINDOW;
	if (v->nmi_pending && vmx.virtual_nmis)
		controls |= CPU_NMI_WINDOW;
	if (controls != written)
		vmcs_write(VMCS_CPU_CONTROLS, controls);
	written = controls;
}

void vmx_event_prepare(void)
{
	struct vcpu *v = vmx.env.v;

	if (!vmx.event_due && (v->intr | v->nmi_pending | v->db_pending))
		choose(v);
	ask_windows(v);
	/* Its own blocking, from the interrupted delivery, would refuse it. */
	if (vmx.event_due && vmx.event.kind == EV_NMI) {
		vmx_state_load(STATE_CORE);
		v->nmi_blocked = 0;
	}
}
