/* SPDX-License-Identifier: MIT */
/*
 * Data movement between registers, memory and the stack, and the
 * instructions that do nothing a guest could see.
 */
#include "cpu/emu_internal.h"

bool op_mov(struct emu *e)
{
	const struct operand *o = e->insn.opnd;
	u64 value;

	return emu_read_opnd(e, &o[1], &value) &&
	       emu_write_opnd(e, &o[0], value);
}

bool op_movzx(struct emu *e)
{
	return op_mov(e);
}

bool op_movsx(struct emu *e)
{
	const struct operand *o = e->insn.opnd;
	u64 value;

	if (!emu_read_opnd(e, &o[1], &value))
		return false;
	emu_reg_write(e, &o[0], (u64)sign_extend(value, 8 * o[1].size));
	return true;
}

bool op_movsxd(struct emu *e)
{
	return op_movsx(e);
}

bool op_lea(struct emu *e)
{
	emu_reg_write(e, &e->insn.opnd[0], emu_ea(e));
	return true;
}

bool op_xchg(struct emu *e)
{
	const struct operand *o = e->insn.opnd;
	u64 a, b = emu_reg_read(e, &o[1]);

	if (!emu_read_rmw(e, &o[0], &a) || !emu_write_rmw(e, &o[0], b))
		return false;
	emu_reg_write(e, &o[1], a);
	return true;
}

bool op_xlat(struct emu *e)
{
	struct vcpu *v = e->v;
	u64 offset = v->gpr[R_BX] + (u8)v->gpr[R_AX];
	u8 value;

	offset &= emu_size_mask(e->insn.addr_size);
	if (!emu_read_mem(e, e->insn.seg, offset, &value, 1))
		return false;
	emu_gpr_write(v, R_AX, 1, value);
	return true;
}

/* CBW, CWDE: the lower half of rAX, sign-extended to the operand size. */
bool op_cwde(struct emu *e)
{
	unsigned size = e->insn.op_size;

	emu_gpr_write(e->v, R_AX, size,
		      (u64)sign_extend(e->v->gpr[R_AX], 4 * size));
	return true;
}

bool op_cbw(struct emu *e)
{
	return op_cwde(e);
}

/* CWD, CDQ: rDX becomes the sign of rAX. */
bool op_cdq(struct emu *e)
{
	unsigned size = e->insn.op_size;
	bool negative = sign_extend(e->v->gpr[R_AX], 8 * size) < 0;

	emu_gpr_write(e->v, R_DX, size, negative ? ~0ull : 0);
	return true;
}

bool op_cwd(struct emu *e)
{
	return op_cdq(e);
}

bool op_push(struct emu *e)
{
	u64 value;

	return emu_read_opnd(e, &e->insn.opnd[0], &value) &&
	       emu_push(e, value, e->insn.op_size);
}

/* The destination's address is computed with ESP already moved. */
bool op_pop(struct emu *e)
{
	u64 value;

	return emu_pop(e, e->insn.op_size, &value) &&
	       emu_write_opnd(e, &e->insn.opnd[0], value);
}

bool op_pusha(struct emu *e)
{
	unsigned size = e->insn.op_size;
	struct emu_stack s;

	emu_stack_current(e, &s);
	if (!emu_stack_probe(e, &s, 8, size))
		return false;
	for (unsigned r = R_AX; r <= R_DI; r++)
		if (!emu_stack_push(e, &s, e->v->gpr[r], size))
			return false;
	emu_stack_commit(e, &s);
	return true;
}

bool op_popa(struct emu *e)
{
	unsigned size = e->insn.op_size;
	struct emu_stack s;
	u64 value;

	emu_stack_current(e, &s);
	for (int r = R_DI; r >= R_AX; r--) {
		if (!emu_stack_pop(e, &s, size, &value))
			return false;
		if (r != R_SP)
			emu_gpr_write(e->v, r, size, value);
	}
	emu_stack_commit(e, &s);
	return true;
}

/* The display entry `n` below the old frame pointer. */
static bool enter_display(struct emu *e, const struct emu_stack *at, unsigned n,
			  u64 *value)
{
	unsigned size = e->insn.op_size;
	struct emu_stack s = *at;

	s.sp = e->v->gpr[R_BP] & emu_size_mask(s.sp_size);
	return emu_stack_peek(e, &s, -(u64)n * size, size, value);
}

/* All that ENTER may fault on, before it writes. */
static bool enter_check(struct emu *e, const struct emu_stack *s,
			unsigned level)
{
	unsigned size = e->insn.op_size;
	unsigned items = level ? level + 1 : 1;
	struct emu_stack last = *s;
	u64 value;

	if (!emu_stack_probe(e, s, items, size))
		return false;
	for (unsigned n = 1; n < level; n++)
		if (!enter_display(e, s, n, &value))
			return false;
	/* The final ESP must be writable too: one item above where it ends. */
	emu_stack_adjust(&last, size - (s64)(items * size + (u16)e->insn.imm));
	return emu_stack_probe(e, &last, 1, size);
}

/* The display is copied as it goes: frames may overlap what is pushed. */
bool op_enter(struct emu *e)
{
	unsigned level = e->insn.imm2 & 31, size = e->insn.op_size;
	struct emu_stack s;
	u64 frame, value;

	emu_stack_current(e, &s);
	if (!enter_check(e, &s, level) ||
	    !emu_stack_push(e, &s, e->v->gpr[R_BP], size))
		return false;
	frame = s.sp;
	for (unsigned n = 1; n < level; n++)
		if (!enter_display(e, &s, n, &value) ||
		    !emu_stack_push(e, &s, value, size))
			return false;
	if (level && !emu_stack_push(e, &s, frame, size))
		return false;
	emu_gpr_write(e->v, R_BP, size, frame);
	emu_stack_adjust(&s, -(s64)(u16)e->insn.imm);
	emu_stack_commit(e, &s);
	return true;
}

bool op_leave(struct emu *e)
{
	struct emu_stack s;
	u64 value;

	emu_stack_current(e, &s);
	s.sp = e->v->gpr[R_BP] & emu_size_mask(s.sp_size);
	if (!emu_stack_pop(e, &s, e->insn.op_size, &value))
		return false;
	emu_gpr_write(e->v, R_BP, e->insn.op_size, value);
	emu_stack_commit(e, &s);
	return true;
}

/* Checked like a load of one byte; our caches are the host's. */
bool op_clflush(struct emu *e)
{
	u8 value;

	return emu_read_mem(e, e->insn.seg, emu_ea(e), &value, 1);
}

static bool nothing(struct emu *e)
{
	return true;
}

bool op_nop(struct emu *e) { return nothing(e); }
bool op_pause(struct emu *e) { return nothing(e); }
bool op_prefetch(struct emu *e) { return nothing(e); }
bool op_lfence(struct emu *e) { return nothing(e); }
bool op_mfence(struct emu *e) { return nothing(e); }
bool op_sfence(struct emu *e) { return nothing(e); }
