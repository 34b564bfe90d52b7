/* SPDX-License-Identifier: MIT */
/* IN and OUT at CPL 0, which neither IOPL nor a permission map stops, straight
 * to the board. */
#include "bt/fast.h"

#include "bt/machine.h"
#include "cpu/emu_internal.h"

bool fast_is_port(const struct insn *i, u32 mode)
{
	return (i->op == OP_IN || i->op == OP_OUT) && bt_mode_cpl(mode) == 0;
}

void fast_port(struct vcpu *v, const struct insn *i)
{
	const struct emu *e = bt.env.emu;
	unsigned size = i->opcode & 1 ? MIN(i->op_size, 4u) : 1;
	u16 port = i->opcode & 8 ? (u16)v->gpr[R_DX] : (u8)i->imm;
	u64 mask = emu_size_mask(size), kept = size == 4 ? 0 : ~mask;

	if (i->op == OP_IN)
		v->gpr[R_AX] = (v->gpr[R_AX] & kept) |
			       (e->ops->in(e->ctx, port, size) & mask);
	else
		e->ops->out(e->ctx, port, size, (u32)(v->gpr[R_AX] & mask));
}
