/* SPDX-License-Identifier: MIT */
/*
 * Stack instructions as moves through r12. The access comes first, the move
 * of ESP last: a fault leaves nothing half done.
 */
#include "bt/xlate.h"

static void move_esp(struct xlate *x, s32 by)
{
	emit_lea(&x->e, H_12, mem_at(H_12, by));
}

static bool push_imm(struct xlate *x)
{
	emit_store_imm(&x->e, stack_mem(-4), (u32)x->insn.imm);
	move_esp(x, -4);
	return true;
}

static bool push_reg(struct xlate *x, unsigned reg)
{
	emit_store(&x->e, stack_mem(-4), host_reg(reg));
	move_esp(x, -4);
	return true;
}

static bool push_mem(struct xlate *x)
{
	int value = load_rm32(x, H_10);

	if (value == H_NONE)
		return false;
	emit_store(&x->e, stack_mem(-4), (u8)value);
	move_esp(x, -4);
	return true;
}

bool gen_push(struct xlate *x)
{
	const struct operand *o = &x->insn.opnd[0];

	if (!stack_ok(x))
		return false;
	switch (o->kind) {
	case OPK_IMM:
		return push_imm(x);
	case OPK_REG:
		return push_reg(x, o->reg);
	default:
		return push_mem(x);
	}
}

/* POP ESP: the value popped wins over the increment. */
static bool pop_reg(struct xlate *x, unsigned reg)
{
	emit_load(&x->e, host_reg(reg), stack_mem(0));
	if (reg != R_SP)
		move_esp(x, 4);
	return true;
}

/* "POP": an address with ESP as base is computed after the increment. */
static bool pop_mem(struct xlate *x)
{
	struct mem m;

	if (x->insn.base == R_SP)
		x->insn.disp += 4;
	if (!guest_mem(x, &m))
		return false;
	emit_load(&x->e, H_10, stack_mem(0));
	emit_store(&x->e, m, H_10);
	move_esp(x, 4);
	return true;
}

bool gen_pop(struct xlate *x)
{
	if (!stack_ok(x))
		return false;
	return x->insn.has_mem ? pop_mem(x) : pop_reg(x, x->insn.opnd[0].reg);
}

bool gen_leave(struct xlate *x)
{
	struct mem top = mem_at(H_BP, 0);

	if (!stack_ok(x))
		return false;
	top.narrow = true;
	emit_load(&x->e, H_10, top);
	emit_lea(&x->e, H_12, mem_at(H_BP, 4));
	emit_mov(&x->e, H_BP, H_10);
	return true;
}

/* A selector is stored with 16 bits; the other half of its slot stays. */
bool gen_push_sreg(struct xlate *x)
{
	u32 sel = offsetof(struct vcpu, seg) + offsetof(struct segment, sel) +
		  x->insn.opnd[0].reg * sizeof(struct segment);

	if (!stack_ok(x))
		return false;
	emit_rm_0f(&x->e, 0xb7, H_10, vcpu_mem(sel));
	emit_rm16(&x->e, 0x89, H_10, stack_mem(-4));
	move_esp(x, -4);
	return true;
}
