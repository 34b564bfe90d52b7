/* SPDX-License-Identifier: MIT */
/*
 * Delivery of one event in IA-32e mode: 16-byte gates, handlers in 64-bit code,
 * a stack of RSPs and ISTs instead of SS:ESP pairs, and a frame of 8-byte items
 * that always has SS and RSP ("Exception and Interrupt Handling in 64-bit
 * Mode"). As in deliver.c every check comes before the first change.
 */
#include "cpu/event.h"

#include "cpu/emu_internal.h"
#include "cpu/segment.h"

/* "Task-State Segment (TSS) in 64-bit Mode" */
#define TSS64_RSP0 4
#define TSS64_IST1 36

#define GATE_IST 7 /* in the low bits of the second word */

struct gate64 {
	struct desc d; /* the first 8 bytes */
	u64 offset;
};

/* An 8-byte field of the TSS; #TS when it lies outside. */
static bool read_tss64(struct emu *e, unsigned offset, u32 ext, u64 *value)
{
	const struct segment *tr = &e->v->seg[SEG_TR];

	if ((tr->ar & AR_UNUSABLE) || offset + 7 > tr->limit)
		return seg_fault(e, VEC_TS, tr->sel, ext);
	return emu_read_lin(e, GVA(tr->base + offset), value, sizeof(*value),
			    ACC_IMPLICIT);
}

static void empty_stack(struct emu_stack *s, u64 rsp, unsigned pl, u32 ext)
{
	s->sp = rsp;
	s->sp_size = 8;
	s->acc = pl == 3 ? ACC_USER : 0;
	s->error = ext;
}

bool event_inner_stack64(struct emu *e, unsigned pl, u32 ext,
			 struct emu_stack *s)
{
	u64 rsp;

	if (!read_tss64(e, TSS64_RSP0 + 8 * pl, ext, &rsp))
		return false;
	empty_stack(s, rsp, pl, ext);
	seg_make_null_stack(&s->seg, pl);
	return true;
}

/* Which stack the handler gets. SS changes only with the privilege. */
static bool handler_stack(struct emu *e, const struct gate64 *gate, unsigned pl,
			  u32 ext, struct emu_stack *s)
{
	const struct vcpu *v = e->v;
	unsigned ist = gate->d.hi & GATE_IST;
	u64 rsp = v->gpr[R_SP];

	if (pl < v->cpl && !ist)
		return event_inner_stack64(e, pl, ext, s);
	if (ist && !read_tss64(e, TSS64_IST1 + 8 * (ist - 1), ext, &rsp))
		return false;
	empty_stack(s, rsp, pl, ext);
	if (pl < v->cpl)
		seg_make_null_stack(&s->seg, pl);
	else
		s->seg = v->seg[SEG_SS];
	return true;
}

/* --- The frame --- */

#define FRAME64_MAX 6

/* The common case in one write; if that faults, item by item tells where. */
static bool push_at_once(struct emu *e, struct emu_stack *s, const u64 *item,
			 unsigned count)
{
	unsigned bytes = count * 8, i;
	u64 image[FRAME64_MAX];
	gva_t at;

	if (emu_debug_on(e) ||
	    !emu_linear64(e, s->sp - bytes, bytes, s->acc | ACC_WRITE, &at,
			  VEC_SS, s->error))
		return false;
	for (i = 0; i < count; i++)
		image[count - 1 - i] = item[i];
	if (!emu_write_lin(e, at, image, bytes, s->acc))
		return false;
	s->sp -= bytes;
	return true;
}

bool event_push64(struct emu *e, struct emu_stack *s, const u64 *item,
		  unsigned count)
{
	unsigned i;

	if (push_at_once(e, s, item, count))
		return true;
	if (!emu_stack_probe(e, s, count, 8))
		return false;
	for (i = 0; i < count; i++)
		if (!emu_stack_push(e, s, item[i], 8))
			return false;
	return true;
}

/* Down from an address of 16 bytes: "64-Bit Mode Stack Frame". */
static bool push_frame(struct emu *e, const struct event *ev, u64 rip,
		       struct emu_stack *s)
{
	const struct vcpu *v = e->v;
	u64 item[FRAME64_MAX] = {
		v->seg[SEG_SS].sel, v->gpr[R_SP], event_flags_image(v, ev),
		v->seg[SEG_CS].sel, rip, ev->error,
	};

	s->sp = ALIGN_DOWN(s->sp, 16);
	return event_push64(e, s, item, ev->has_error ? 6 : 5);
}

/* --- Gates --- */

static bool find_gate(struct emu *e, const struct event *ev,
		      struct gate64 *gate)
{
	struct vcpu *v = e->v;
	u32 error = event_idt_error(ev), words[4];
	u64 offset = ev->vector * 16u;

	if (offset + 15 > v->idtr.limit)
		return emu_gp(e, error);
	if (!emu_read_lin(e, GVA(v->idtr.base + offset), words, sizeof(words),
			  ACC_IMPLICIT))
		return false;
	gate->d = (struct desc){ .lo = words[0], .hi = words[1] };
	gate->offset = gate_offset(&gate->d) | (u64)words[2] << 32;
	if (!desc_is_system(&gate->d) || desc_type(&gate->d) < SYS_INT64 ||
	    (words[3] & BITS(12, 8)))
		return emu_gp(e, error);
	if (event_is_soft(ev) && desc_dpl(&gate->d) < v->cpl)
		return emu_gp(e, error);
	return desc_present(&gate->d) || emu_raise(e, VEC_NP, true, error);
}

/* The handler's code segment, and the privilege that it runs at. */
static bool handler_code(struct emu *e, u16 sel, u32 ext, struct desc *d,
			 unsigned *pl)
{
	if (sel_is_null(sel))
		return emu_gp(e, ext);
	if (!seg_desc_read(e, sel, VEC_GP, ext, d))
		return false;
	if (!desc_is_code(d) || desc_dpl(d) > e->v->cpl || !desc_is_code64(d))
		return seg_fault(e, VEC_GP, sel, ext);
	*pl = desc_is_conforming(d) ? e->v->cpl : desc_dpl(d);
	return desc_present(d) || seg_fault(e, VEC_NP, sel, ext);
}

bool event_deliver_long(struct emu *e, const struct event *ev, u64 rip)
{
	struct vcpu *v = e->v;
	u32 ext = event_ext(ev);
	struct gate64 gate = { .offset = 0 };
	struct emu_stack s;
	struct segment cs;
	struct desc code;
	unsigned pl = 0;
	u16 sel;

	if (!find_gate(e, ev, &gate))
		return false;
	sel = gate_selector(&gate.d);
	if (!handler_code(e, sel, ext, &code, &pl) ||
	    !handler_stack(e, &gate, pl, ext, &s))
		return false;
	if (!is_canonical(gate.offset))
		return emu_gp(e, ext);
	if (!seg_desc_touch(e, &code) || !push_frame(e, ev, rip, &s))
		return false;

	seg_from_desc(&cs, sel, &code);
	v->seg[SEG_SS] = s.seg;
	emu_stack_commit(e, &s);
	seg_commit_cs(v, &cs, pl);
	event_enter_handler(e, gate.offset,
			    EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM |
			    (desc_type(&gate.d) & 1 ? 0 : EFLAGS_IF));
	return true;
}
