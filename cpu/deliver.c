/* SPDX-License-Identifier: MIT */
/*
 * Delivery of one event through IVT, IDT or task gate; IA-32e mode's own is in
 * deliver64.c. It checks and probes
 * everything first and then commits, so that a fault leaves the vcpu as it was
 * (but for accessed bits, and for what a task switch has already committed).
 */
#include "cpu/event.h"

#include "cpu/emu_internal.h"
#include "cpu/segment.h"
#include "cpu/task.h"
#include "lib/counters.h"
#include "lib/ring.h"

bool event_is_soft(const struct event *ev)
{
	return ev->kind == EV_SOFT_INT || ev->kind == EV_SOFT_EXC;
}

/* EXT: anything but INT n, INT3 and INTO is external to the program. */
u32 event_ext(const struct event *ev)
{
	return event_is_soft(ev) ? 0 : ERR_EXT;
}

u32 event_idt_error(const struct event *ev)
{
	return (u32)ev->vector << 3 | ERR_IDT | event_ext(ev);
}

/* Instruction breakpoints are the faults that do not set RF in the image. */
static bool pushes_rf(const struct vcpu *v, const struct event *ev)
{
	if (ev->kind != EV_EXCEPTION)
		return false;
	if (ev->vector == VEC_DB)
		return v->db_dr6 & DR6_BD;
	return ev->vector != VEC_MC;
}

u64 event_flags_image(const struct vcpu *v, const struct event *ev)
{
	return pushes_rf(v, ev) ? v->rflags | EFLAGS_RF : v->rflags;
}

/* Traps and shadows of the interrupted code do not reach the handler. */
static void discard_traps(struct emu *e)
{
	e->v->db_pending = 0;
	e->v->db_dr6 = 0;
	e->v->shadow = SHADOW_NONE;
	e->single_step = false;
}

void event_enter_handler(struct emu *e, u64 rip, u64 clear)
{
	e->v->rflags &= ~clear;
	e->v->rip = rip;
	e->rip_next = rip;
	discard_traps(e);
}

/* --- Real mode --- */

static bool deliver_real(struct emu *e, const struct event *ev, u64 rip)
{
	struct vcpu *v = e->v;
	u16 entry[2];
	struct emu_stack s;

	if (ev->vector * 4u + 3 > v->idtr.limit)
		return emu_gp(e, event_idt_error(ev));
	emu_stack_current(e, &s);
	if (!emu_stack_probe(e, &s, 3, 2) ||
	    !emu_read_lin(e, GVA((u32)(v->idtr.base + ev->vector * 4u)), entry,
			  sizeof(entry), ACC_IMPLICIT))
		return false;
	if (entry[0] > v->seg[SEG_CS].limit)
		return emu_gp(e, event_ext(ev));
	if (!emu_stack_push(e, &s, (u16)v->rflags, 2) ||
	    !emu_stack_push(e, &s, v->seg[SEG_CS].sel, 2) ||
	    !emu_stack_push(e, &s, (u16)rip, 2))
		return false;
	emu_stack_commit(e, &s);
	seg_make_real(v, &v->seg[SEG_CS], entry[1]);
	event_enter_handler(e, entry[0],
		      EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF);
	return true;
}

/* --- Protected mode: interrupt and trap gates --- */

bool event_inner_stack(struct emu *e, unsigned pl, u32 ext,
		       struct emu_stack *s)
{
	u32 esp;
	u16 ss;

	if (!task_inner_stack(e, pl, ext, &ss, &esp) ||
	    !seg_stack_for(e, ss, pl, VEC_TS, ext, &s->seg))
		return false;
	s->sp_size = s->seg.ar & AR_DB ? 4 : 2;
	s->sp = esp & emu_size_mask(s->sp_size);
	s->acc = 0;
	s->error = sel_error(ss, ext);
	return true;
}

/* The handler's code segment, and the privilege that it runs at. */
static bool handler_code(struct emu *e, u16 sel, u32 ext, struct desc *d,
			 unsigned *pl)
{
	const struct vcpu *v = e->v;

	if (sel_is_null(sel))
		return emu_gp(e, ext);
	if (!seg_desc_read(e, sel, VEC_GP, ext, d))
		return false;
	if (!desc_is_code(d) || desc_dpl(d) > v->cpl)
		return seg_fault(e, VEC_GP, sel, ext);
	*pl = desc_is_conforming(d) ? v->cpl : desc_dpl(d);
	if (!desc_present(d))
		return seg_fault(e, VEC_NP, sel, ext);
	if (vcpu_vm86(v) && *pl != 0)
		return seg_fault(e, VEC_GP, sel, ext);
	return true;
}

/* What a gate pushes, in push order. */
struct frame {
	u64 item[10];
	unsigned count;
};

static void frame_add(struct frame *f, u64 value)
{
	f->item[f->count++] = value;
}

static void build_frame(const struct vcpu *v, const struct event *ev, u64 rip,
			bool inner, struct frame *f)
{
	static const u8 vm86_segs[] = { SEG_GS, SEG_FS, SEG_DS, SEG_ES };
	unsigned i;

	f->count = 0;
	if (vcpu_vm86(v))
		for (i = 0; i < ARRAY_SIZE(vm86_segs); i++)
			frame_add(f, v->seg[vm86_segs[i]].sel);
	if (inner) {
		frame_add(f, v->seg[SEG_SS].sel);
		frame_add(f, v->gpr[R_SP]);
	}
	frame_add(f, event_flags_image(v, ev));
	frame_add(f, v->seg[SEG_CS].sel);
	frame_add(f, rip);
	if (ev->has_error)
		frame_add(f, ev->error);
}

bool event_stack_is_flat(const struct emu *e, const struct emu_stack *s)
{
	return s->seg.base == 0 && s->seg.limit == 0xffffffff &&
	       !(s->seg.ar & (AR_DOWN | AR_UNUSABLE)) && s->sp_size == 4 &&
	       !s->acc && !emu_debug_on(e);
}

/* The common case in one write; if that faults, item by item tells where. */
static bool push_at_once(struct emu *e, struct emu_stack *s,
			 const struct frame *f)
{
	unsigned bytes = f->count * 4, i;
	u32 image[ARRAY_SIZE(f->item)];

	if (!event_stack_is_flat(e, s) || s->sp < bytes)
		return false;
	for (i = 0; i < f->count; i++)
		image[f->count - 1 - i] = f->item[i];
	if (!emu_write_lin(e, GVA(s->sp - bytes), image, bytes, s->acc))
		return false;
	s->sp -= bytes;
	return true;
}

static bool push_frame(struct emu *e, struct emu_stack *s,
		       const struct frame *f, unsigned size)
{
	unsigned i;

	if (size == 4 && push_at_once(e, s, f))
		return true;
	if (!emu_stack_probe(e, s, f->count, size))
		return false;
	for (i = 0; i < f->count; i++)
		if (!emu_stack_push(e, s, f->item[i] & emu_size_mask(size),
				    size))
			return false;
	return true;
}

static void leave_vm86(struct vcpu *v)
{
	static const u8 data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(data); i++)
		seg_make_null(&v->seg[data[i]], 0);
}

static bool deliver_gate(struct emu *e, const struct event *ev, u64 rip,
			 const struct desc *gate)
{
	struct vcpu *v = e->v;
	u32 ext = event_ext(ev);
	u16 sel = gate_selector(gate);
	struct segment cs;
	struct emu_stack s;
	struct frame f;
	struct desc code;
	unsigned pl = 0;

	if (!handler_code(e, sel, ext, &code, &pl))
		return false;
	seg_from_desc(&cs, sel, &code);
	if (pl == v->cpl) {
		emu_stack_current(e, &s);
		s.error = ext;
	} else if (!event_inner_stack(e, pl, ext, &s)) {
		return false;
	}
	build_frame(v, ev, rip, pl != v->cpl, &f);
	if (gate_offset(gate) > cs.limit)
		return emu_gp(e, ext);
	if (!seg_desc_touch(e, &code) ||
	    !push_frame(e, &s, &f, desc_width(gate)))
		return false;

	cs.ar |= AR_ACCESSED;
	if (vcpu_vm86(v))
		leave_vm86(v);
	v->seg[SEG_SS] = s.seg;
	emu_stack_commit(e, &s);
	seg_commit_cs(v, &cs, pl);
	event_enter_handler(e, gate_offset(gate),
		      EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM |
		      (desc_type(gate) & 1 ? 0 : EFLAGS_IF));
	return true;
}

/* --- Protected mode: task gates --- */

/* The error code goes on the new task's stack, in the TSS's width. */
static bool push_error(struct emu *e, const struct event *ev, unsigned size)
{
	struct emu_stack s;

	if (!ev->has_error)
		return true;
	emu_stack_current(e, &s);
	s.error = event_ext(ev);
	if (!emu_stack_push(e, &s, ev->error, size))
		return false;
	emu_stack_commit(e, &s);
	return true;
}

static bool deliver_task(struct emu *e, const struct event *ev, u64 rip,
			 const struct desc *gate)
{
	struct vcpu *v = e->v;
	u16 sel = gate_selector(gate);
	struct desc tss;
	u64 flags = event_flags_image(v, ev);

	if (!task_find(e, sel, TASK_EVENT, event_ext(ev), &tss))
		return false;
	discard_traps(e);
	return task_switch(e, sel, &tss, TASK_EVENT, rip, flags,
			   event_ext(ev)) &&
	       push_error(e, ev, desc_width(&tss));
}

static bool deliver_protected(struct emu *e, const struct event *ev, u64 rip)
{
	struct vcpu *v = e->v;
	u32 offset = ev->vector * 8u;
	struct desc gate;
	u32 words[2];

	if (offset + 7 > v->idtr.limit)
		return emu_gp(e, event_idt_error(ev));
	if (!emu_read_lin(e, GVA((u32)(v->idtr.base + offset)), words,
			  sizeof(words), ACC_IMPLICIT))
		return false;
	gate = (struct desc){ .lo = words[0], .hi = words[1] };
	switch (desc_is_system(&gate) ? desc_type(&gate) : 0) {
	case SYS_TASK_GATE:
	case SYS_INT16:
	case SYS_TRAP16:
	case SYS_INT32:
	case SYS_TRAP32:
		break;
	default:
		return emu_gp(e, event_idt_error(ev));
	}
	if (event_is_soft(ev) && desc_dpl(&gate) < v->cpl)
		return emu_gp(e, event_idt_error(ev));
	if (!desc_present(&gate))
		return emu_raise(e, VEC_NP, true, event_idt_error(ev));
	if (desc_type(&gate) == SYS_TASK_GATE)
		return deliver_task(e, ev, rip, &gate);
	return deliver_gate(e, ev, rip, &gate);
}

/* --- What is the same for all --- */

/* DR6 is written when #DB is delivered; BD, BS and BT are sticky. */
static void report_debug(struct emu *e, const struct event *ev)
{
	struct vcpu *v = e->v;

	if (ev->vector != VEC_DB || ev->kind != EV_EXCEPTION)
		return;
	v->dr[6] = (v->dr[6] & ~BITS(3, 0)) | v->db_dr6;
	if (!(v->dr[7] & DR7_GD))
		return;
	v->dr[7] &= ~DR7_GD;
	e->ops->mode_changed(e->ctx, MODE_DR);
}

void event_note(const struct event *ev)
{
	ring_add(RING_DELIVER, ev->vector, ev->has_error ? ev->error : 0);
	if (ev->kind == EV_INTR)
		count(CNT_INTR_INJECTED);
	else if (event_is_soft(ev))
		count(CNT_SOFT_INTS);
	else if (ev->kind == EV_EXCEPTION)
		count(CNT_GUEST_FAULTS);
	if (ev->kind == EV_EXCEPTION && ev->vector == VEC_PF)
		count(CNT_GUEST_PF);
}

bool event_deliver_once(struct emu *e, const struct event *ev, u64 rip)
{
	struct vcpu *v = e->v;
	struct event real = *ev;

	if (ev->kind == EV_EXCEPTION && ev->vector == VEC_PF)
		v->cr2 = ev->cr2;
	report_debug(e, ev);
	if (!vcpu_protected(v)) {
		real.has_error = false;
		if (!deliver_real(e, &real, rip))
			return false;
	} else if (vcpu_long_mode(v) ? !event_deliver_long(e, ev, rip) :
				       !deliver_protected(e, ev, rip)) {
		return false;
	}
	event_note(ev);
	return true;
}
