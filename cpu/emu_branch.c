/* SPDX-License-Identifier: MIT */
/*
 * Near control flow. A target is checked before anything is pushed, so a
 * branch that faults leaves the stack as it was.
 */
#include "cpu/emu_alu.h"

static bool jump_relative(struct emu *e)
{
	return emu_set_rip(e, e->rip_next + e->insn.imm, e->insn.op_size);
}

bool op_jmp(struct emu *e)
{
	return jump_relative(e);
}

bool op_jmp_ind(struct emu *e)
{
	u64 target;

	return emu_read_opnd(e, &e->insn.opnd[0], &target) &&
	       emu_set_rip(e, target, e->insn.op_size);
}

bool op_jcc(struct emu *e)
{
	return !emu_condition(e) || jump_relative(e);
}

bool op_call(struct emu *e)
{
	u64 back = e->rip_next;

	return jump_relative(e) && emu_push(e, back, e->insn.op_size);
}

bool op_call_ind(struct emu *e)
{
	u64 back = e->rip_next;
	u64 target;

	return emu_read_opnd(e, &e->insn.opnd[0], &target) &&
	       emu_set_rip(e, target, e->insn.op_size) &&
	       emu_push(e, back, e->insn.op_size);
}

bool op_ret(struct emu *e)
{
	struct emu_stack s;
	u64 target;

	emu_stack_current(e, &s);
	if (!emu_stack_pop(e, &s, e->insn.op_size, &target) ||
	    !emu_set_rip(e, target, e->insn.op_size))
		return false;
	if (e->insn.opnd[0].kind == OPK_IMM)
		emu_stack_adjust(&s, (u16)e->insn.imm);
	emu_stack_commit(e, &s);
	return true;
}

/* CX or ECX, by the address size. */
static u64 counter(const struct emu *e)
{
	return emu_gpr_read(e->v, R_CX, e->insn.addr_size);
}

bool op_jcxz(struct emu *e)
{
	return counter(e) || jump_relative(e);
}

static bool loop_while(struct emu *e, bool condition)
{
	emu_gpr_write(e->v, R_CX, e->insn.addr_size, counter(e) - 1);
	return !(condition && counter(e)) || jump_relative(e);
}

bool op_loop(struct emu *e)
{
	return loop_while(e, true);
}

bool op_loope(struct emu *e)
{
	return loop_while(e, e->v->rflags & EFLAGS_ZF);
}

bool op_loopne(struct emu *e)
{
	return loop_while(e, !(e->v->rflags & EFLAGS_ZF));
}

bool op_bound(struct emu *e)
{
	unsigned size = e->insn.op_size;
	u64 ea = emu_ea(e), lower = 0, upper = 0;
	u64 next = (ea + size) & emu_size_mask(e->insn.addr_size);
	s64 index = sign_extend(emu_reg_read(e, &e->insn.opnd[0]), 8 * size);

	if (!emu_read_mem(e, e->insn.seg, ea, &lower, size) ||
	    !emu_read_mem(e, e->insn.seg, next, &upper, size))
		return false;
	if (index < sign_extend(lower, 8 * size) ||
	    index > sign_extend(upper, 8 * size))
		return emu_raise(e, VEC_BR, false, 0);
	return true;
}

bool op_ud(struct emu *e)
{
	return emu_ud(e);
}
