/* SPDX-License-Identifier: MIT */
/*
 * Far JMP, CALL and RET: real mode, direct, through call gates with a change
 * of stack (of IA-32e mode: emu_gate64.c), and to tasks. Each path makes all its checks, then writes the
 * stack, then commits CS:EIP and SS:ESP.
 */
#include "cpu/emu_internal.h"
#include "cpu/event.h"
#include "cpu/segment.h"
#include "cpu/task.h"

/* Where a far transfer goes. */
struct far_target {
	u64 offset;
	u16 sel;
	bool call; /* CALL, else JMP */
};

static bool read_target(struct emu *e, struct far_target *t)
{
	const struct insn *i = &e->insn;
	u64 ea, sel = 0;

	t->offset = 0;
	if (i->opnd[0].kind == OPK_FAR) {
		t->offset = i->imm & emu_size_mask(i->op_size);
		t->sel = i->imm2;
		return true;
	}
	if (!i->has_mem)
		return emu_ud(e);
	ea = emu_ea(e);
	if (!emu_read_mem(e, i->seg, ea, &t->offset, i->op_size) ||
	    !emu_read_mem(e, i->seg,
			  (ea + i->op_size) & emu_size_mask(i->addr_size),
			  &sel, 2))
		return false;
	t->sel = sel;
	return true;
}

/* Return address onto s; nothing is committed. */
static bool push_return(struct emu *e, struct emu_stack *s, unsigned size)
{
	u64 rip = e->rip_next & emu_size_mask(size);

	return emu_stack_push(e, s, e->v->seg[SEG_CS].sel, size) &&
	       emu_stack_push(e, s, rip, size);
}

static bool far_real(struct emu *e, const struct far_target *t)
{
	struct vcpu *v = e->v;
	unsigned size = e->insn.op_size;
	struct emu_stack s;

	emu_stack_current(e, &s);
	if (t->call && !emu_stack_probe(e, &s, 2, size))
		return false;
	if (t->offset > v->seg[SEG_CS].limit)
		return emu_gp(e, 0);
	if (t->call) {
		if (!push_return(e, &s, size))
			return false;
		emu_stack_commit(e, &s);
	}
	seg_make_real(v, &v->seg[SEG_CS], t->sel);
	e->rip_next = t->offset;
	return true;
}

/* To checked code at the same privilege. */
static bool far_same(struct emu *e, bool call, u16 sel, struct desc *d,
		     u64 offset, unsigned size)
{
	struct emu_stack s;
	struct segment cs;

	seg_from_desc(&cs, sel, d);
	emu_stack_current(e, &s);
	if (call && !emu_stack_probe(e, &s, 2, size))
		return false;
	if (!seg_check_target(e, &cs, &offset, 0) || !seg_desc_touch(e, d))
		return false;
	if (call) {
		if (!push_return(e, &s, size))
			return false;
		emu_stack_commit(e, &s);
	}
	cs.ar |= AR_ACCESSED;
	seg_commit_cs(e->v, &cs, e->v->cpl);
	e->rip_next = offset;
	return true;
}

#define GATE_PARAMS_MAX 31

/* Old SS:ESP, parameters and return address onto the inner stack. */
static bool push_inner(struct emu *e, struct emu_stack *s, unsigned count,
		       unsigned size)
{
	const struct vcpu *v = e->v;
	u64 params[GATE_PARAMS_MAX];
	struct emu_stack old;
	unsigned i;

	emu_stack_current(e, &old);
	for (i = 0; i < count; i++)
		if (!emu_stack_peek(e, &old, i * size, size, &params[i]))
			return false;
	if (!emu_stack_probe(e, s, count + 4, size) ||
	    !emu_stack_push(e, s, v->seg[SEG_SS].sel, size) ||
	    !emu_stack_push(e, s, v->gpr[R_SP] & emu_size_mask(size), size))
		return false;
	while (count--)
		if (!emu_stack_push(e, s, params[count], size))
			return false;
	return push_return(e, s, size);
}

static bool call_inner(struct emu *e, const struct desc *gate, u16 sel,
		       struct desc *code)
{
	struct vcpu *v = e->v;
	unsigned pl = desc_dpl(code);
	struct emu_stack s;
	struct segment cs;

	seg_from_desc(&cs, sel, code);
	if (!event_inner_stack(e, pl, 0, &s))
		return false;
	if (gate_offset(gate) > cs.limit)
		return emu_gp(e, 0);
	if (!seg_desc_touch(e, code) ||
	    !push_inner(e, &s, gate->hi & GATE_PARAMS_MAX, desc_width(gate)))
		return false;

	cs.ar |= AR_ACCESSED;
	v->seg[SEG_SS] = s.seg;
	emu_stack_commit(e, &s);
	seg_commit_cs(v, &cs, pl);
	e->rip_next = gate_offset(gate);
	return true;
}

static bool far_gate(struct emu *e, bool call, const struct desc *gate)
{
	unsigned cpl = e->v->cpl;
	u16 sel = gate_selector(gate);
	struct desc code;
	bool inner;

	if (sel_is_null(sel))
		return emu_gp(e, 0);
	if (!seg_desc_read(e, sel, VEC_GP, 0, &code))
		return false;
	if (!desc_is_code(&code) || desc_dpl(&code) > cpl)
		return seg_fault(e, VEC_GP, sel, 0);
	inner = !desc_is_conforming(&code) && desc_dpl(&code) < cpl;
	if (inner && !call)
		return seg_fault(e, VEC_GP, sel, 0);
	if (!desc_present(&code))
		return seg_fault(e, VEC_NP, sel, 0);
	if (inner)
		return call_inner(e, gate, sel, &code);
	return far_same(e, call, sel, &code, gate_offset(gate),
			desc_width(gate));
}

static bool far_task(struct emu *e, bool call, u16 sel)
{
	enum task_source source = call ? TASK_CALL : TASK_JMP;
	struct desc tss;

	return task_find(e, sel, source, 0, &tss) &&
	       task_switch(e, sel, &tss, source, e->rip_next, e->v->rflags, 0);
}

/* Gates and TSSs: their DPL must allow both CPL and RPL. */
static bool far_system(struct emu *e, const struct far_target *t,
		       const struct desc *d)
{
	if (desc_dpl(d) < e->v->cpl || desc_dpl(d) < sel_rpl(t->sel))
		return seg_fault(e, VEC_GP, t->sel, 0);
	if (vcpu_long_mode(e->v))
		return far_gate64(e, t->call, t->sel, d);
	switch (desc_type(d)) {
	case SYS_TSS16_AVAIL:
	case SYS_TSS32_AVAIL:
		return far_task(e, t->call, t->sel);
	case SYS_TASK_GATE:
		if (!desc_present(d))
			return seg_fault(e, VEC_NP, t->sel, 0);
		return far_task(e, t->call, gate_selector(d));
	case SYS_CALL16:
	case SYS_CALL32:
		if (!desc_present(d))
			return seg_fault(e, VEC_NP, t->sel, 0);
		return far_gate(e, t->call, d);
	default:
		return seg_fault(e, VEC_GP, t->sel, 0);
	}
}

static bool far_transfer(struct emu *e, bool call)
{
	struct far_target t = { .call = call };
	struct desc d;

	if (!read_target(e, &t))
		return false;
	if (vcpu_real_addressing(e->v))
		return far_real(e, &t);
	if (sel_is_null(t.sel))
		return emu_gp(e, 0);
	if (!seg_desc_read(e, t.sel, VEC_GP, 0, &d))
		return false;
	if (desc_is_system(&d))
		return far_system(e, &t, &d);
	return seg_check_code_same(e, t.sel, &d) &&
	       far_same(e, call, t.sel, &d, t.offset, e->insn.op_size);
}

bool op_jmp_far(struct emu *e)
{
	return far_transfer(e, false);
}

bool op_call_far(struct emu *e)
{
	return far_transfer(e, true);
}

/* --- RET --- */

static bool ret_real(struct emu *e, struct emu_stack *s, u64 rip, u16 sel)
{
	struct vcpu *v = e->v;

	if (rip > v->seg[SEG_CS].limit)
		return emu_gp(e, 0);
	emu_stack_commit(e, s);
	seg_make_real(v, &v->seg[SEG_CS], sel);
	e->rip_next = rip;
	return true;
}

/* The outer SS:ESP lies above the parameters, which both stacks release. */
static bool ret_outer(struct emu *e, struct emu_stack *s,
		      const struct segment *cs, unsigned cpl, u16 release)
{
	unsigned size = e->insn.op_size;
	u64 sp, ss;

	if (!emu_stack_pop(e, s, size, &sp) ||
	    !emu_stack_pop(e, s, size, &ss) ||
	    !seg_stack_or_null(e, ss, cpl, seg_is_code64(e->v, cs), &s->seg))
		return false;
	s->sp_size = (u8)seg_stack_width(e->v, cs, &s->seg);
	s->sp = sp;
	emu_stack_adjust(s, release);
	return true;
}

static bool ret_protected(struct emu *e, struct emu_stack *s, u64 rip, u16 sel,
			  u16 release)
{
	struct vcpu *v = e->v;
	unsigned cpl = sel_rpl(sel);
	bool outward = cpl > v->cpl;
	struct segment cs;
	struct desc d;

	if (sel_is_null(sel))
		return emu_gp(e, 0);
	if (!seg_desc_read(e, sel, VEC_GP, 0, &d) ||
	    !seg_check_code_return(e, sel, &d))
		return false;
	seg_from_desc(&cs, sel, &d);
	if (outward && !ret_outer(e, s, &cs, cpl, release))
		return false;
	if (!seg_check_target(e, &cs, &rip, 0) || !seg_desc_touch(e, &d))
		return false;

	cs.ar |= AR_ACCESSED;
	v->seg[SEG_SS] = s->seg;
	emu_stack_commit(e, s);
	seg_commit_cs(v, &cs, cpl);
	if (outward)
		seg_drop_privileged(v);
	e->rip_next = rip;
	return true;
}

bool op_ret_far(struct emu *e)
{
	const struct operand *o = &e->insn.opnd[0];
	u16 release = o->kind == OPK_IMM ? e->insn.imm : 0;
	unsigned size = e->insn.op_size;
	struct emu_stack s;
	u64 rip, sel;

	emu_stack_current(e, &s);
	if (!emu_stack_pop(e, &s, size, &rip) ||
	    !emu_stack_pop(e, &s, size, &sel))
		return false;
	emu_stack_adjust(&s, release);
	if (vcpu_real_addressing(e->v))
		return ret_real(e, &s, rip, sel);
	return ret_protected(e, &s, rip, sel, release);
}
