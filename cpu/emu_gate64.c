/* SPDX-License-Identifier: MIT */
/*
 * Call gates in IA-32e mode: 16 bytes, to 64-bit code, with no parameters. All
 * other system descriptors that a far transfer can name are #GP there, since
 * there are no tasks ("64-Bit Call Gates").
 */
#include "cpu/event.h"

#include "cpu/emu_internal.h"
#include "cpu/segment.h"

/* The gate's code segment, checked. *inner: it is more privileged. */
static bool gate_code(struct emu *e, bool call, u16 sel, struct desc *code,
		      bool *inner)
{
	unsigned cpl = e->v->cpl;

	if (sel_is_null(sel))
		return emu_gp(e, 0);
	if (!seg_desc_read(e, sel, VEC_GP, 0, code))
		return false;
	if (!desc_is_code(code) || desc_dpl(code) > cpl ||
	    !desc_is_code64(code))
		return seg_fault(e, VEC_GP, sel, 0);
	*inner = !desc_is_conforming(code) && desc_dpl(code) < cpl;
	if (*inner && !call)
		return seg_fault(e, VEC_GP, sel, 0);
	return desc_present(code) || seg_fault(e, VEC_NP, sel, 0);
}

/* The caller's CS:RIP, and on a new stack its SS:RSP before them. */
static bool push_caller(struct emu *e, struct emu_stack *s, bool inner)
{
	const struct vcpu *v = e->v;
	u64 item[] = { v->seg[SEG_SS].sel, v->gpr[R_SP], v->seg[SEG_CS].sel,
		       e->rip_next };

	return inner ? event_push64(e, s, item, 4) :
		       event_push64(e, s, item + 2, 2);
}

static bool enter_gate(struct emu *e, bool call, u16 sel, struct desc *code,
		       bool inner, u64 offset)
{
	struct vcpu *v = e->v;
	unsigned pl = inner ? desc_dpl(code) : v->cpl;
	struct emu_stack s;
	struct segment cs;

	emu_stack_current(e, &s);
	s.sp = v->gpr[R_SP]; /* 64-bit code is called, so all of it counts */
	s.sp_size = 8;
	if (inner && !event_inner_stack64(e, pl, 0, &s))
		return false;
	if (!is_canonical(offset))
		return emu_gp(e, 0);
	if (!seg_desc_touch(e, code) || (call && !push_caller(e, &s, inner)))
		return false;

	seg_from_desc(&cs, sel, code);
	v->seg[SEG_SS] = s.seg;
	emu_stack_commit(e, &s);
	seg_commit_cs(v, &cs, pl);
	e->rip_next = offset;
	return true;
}

bool far_gate64(struct emu *e, bool call, u16 sel, const struct desc *d)
{
	struct desc code;
	bool inner = false;
	u32 high = 0;

	if (desc_type(d) != SYS_CALL64)
		return seg_fault(e, VEC_GP, sel, 0);
	if (!desc_present(d))
		return seg_fault(e, VEC_NP, sel, 0);
	if (!seg_desc_read_upper(e, sel, d, &high) ||
	    !gate_code(e, call, gate_selector(d), &code, &inner))
		return false;
	return enter_gate(e, call, gate_selector(d), &code, inner,
			  gate_offset(d) | (u64)high << 32);
}
