/* SPDX-License-Identifier: MIT */
/*
 * Control flow. Each of these ends its block: direct targets are exits that
 * get linked, indirect ones look their target up in the target table. A call
 * pushes the guest's own return address.
 */
#include "bt/xlate.h"

static u32 target_of(const struct xlate *x)
{
	return x->next_eip + (u32)x->insn.imm;
}

static bool near32(const struct xlate *x)
{
	return x->insn.op_size == 4;
}

bool gen_jmp(struct xlate *x)
{
	if (!near32(x))
		return false;
	gen_exit(x, target_of(x), 0);
	return true;
}

/* Shall the block hold what follows the Jcc, too? */
static bool runs_on(const struct xlate *x)
{
	const struct bt_xlate_req *req = x->req;

	return x->branches < req->branches && !req->self_check &&
	       !(req->known && req->known(req->ctx, x->next_eip));
}

/* The fall-through is placed next; once linked, the Jcc itself jumps far. */
bool gen_jcc(struct xlate *x)
{
	u32 at;

	if (!near32(x))
		return false;
	emit_u8(&x->e, 0x0f);
	emit_u8(&x->e, 0x80 | (x->insn.opcode & 15));
	at = emit_offset(&x->e);
	emit_u32(&x->e, 5);
	if (runs_on(x)) {
		x->branches++;
		gen_late_exit(x, target_of(x), at);
		return true;
	}
	gen_exit(x, x->next_eip, 0);
	gen_exit(x, target_of(x), at);
	return true;
}

/* LOOPcc and JECXZ keep their opcode: 67h makes them count in ECX. */
bool gen_loop(struct xlate *x)
{
	u32 taken;

	if (!near32(x) || x->insn.addr_size != 4)
		return false;
	emit_u8(&x->e, 0x67);
	taken = emit_short(&x->e, x->insn.opcode);
	gen_exit(x, x->next_eip, 0);
	emit_here(&x->e, taken);
	gen_exit(x, target_of(x), 0);
	return true;
}

static void push_return(struct xlate *x)
{
	emit_store_imm(&x->e, stack_mem(-4), x->next_eip);
	emit_lea(&x->e, H_12, mem_at(H_12, -4));
}

bool gen_call(struct xlate *x)
{
	if (!stack_ok(x))
		return false;
	push_return(x);
	gen_exit(x, target_of(x), 0);
	return true;
}

/* r8 = the target, read before anything is pushed. */
static bool load_target(struct xlate *x)
{
	int reg = load_rm32(x, H_8);

	if (reg == H_NONE)
		return false;
	if (reg != H_8)
		emit_mov(&x->e, H_8, (u8)reg);
	return true;
}

bool gen_call_ind(struct xlate *x)
{
	if (!stack_ok(x) || !load_target(x))
		return false;
	push_return(x);
	gen_look_up(x);
	return true;
}

bool gen_jmp_ind(struct xlate *x)
{
	if (!near32(x) || !load_target(x))
		return false;
	gen_look_up(x);
	return true;
}

bool gen_ret(struct xlate *x)
{
	u32 release = x->insn.imm_size ? (u16)x->insn.imm : 0;

	if (!stack_ok(x))
		return false;
	emit_load(&x->e, H_8, stack_mem(0));
	emit_lea(&x->e, H_12, mem_at(H_12, (s32)(4 + release)));
	gen_look_up(x);
	return true;
}
