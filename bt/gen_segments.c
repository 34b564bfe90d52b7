/* SPDX-License-Identifier: MIT */
/*
 * MOV and POP to DS, ES, FS and GS. A kernel mostly loads what is there
 * already: then the selector is compared, and the descriptor as it stands in
 * memory, with the register's note (bt/segments.h), and nothing is to be
 * changed. All else is called out.
 */
#include "bt/xlate.h"

static struct mem held(unsigned seg, u32 field)
{
	return vcpu_mem(offsetof(struct vcpu, engine) +
			offsetof(struct bt_plain, held) +
			seg * (u32)sizeof(struct bt_held) + field);
}

#define HELD(seg, field) held(seg, offsetof(struct bt_held, field))

static struct mem sum_of(u8 a, u8 b)
{
	return (struct mem){ .base = (s8)a, .index = (s8)b, .scale = 1 };
}

/* dst = [r9 + offset] + its negative in the note: 0 if they are the same. */
static void compare_word(struct xlate *x, u8 dst, s32 offset, struct mem minus)
{
	struct mem word = mem_at(H_9, offset);

	word.narrow = true;
	emit_load(&x->e, dst, word);
	emit_load(&x->e, H_10, minus);
	emit_lea(&x->e, dst, sum_of(dst, H_10));
}

/*
 * r8d = the selector, zero-extended. The descriptor is looked at only where the
 * selector is the note's, and rcx, which JRCXZ tests without touching a flag,
 * is the guest's again whenever something may fault. r9, then r10 keeps it.
 */
static void gen_compare(struct xlate *x, unsigned seg)
{
	struct mem both = sum_of(H_8, H_10);
	u32 selected, equal, miss, done, back;

	both.disp = 1;
	emit_load(&x->e, H_10, HELD(seg, not_sel));
	emit_mov_wide(&x->e, H_9, H_CX);
	emit_lea(&x->e, H_CX, both);
	selected = emit_short(&x->e, 0xe3);
	miss = emit_offset(&x->e);
	emit_mov_wide(&x->e, H_CX, H_9);
	gen_callout(x);
	done = emit_short(&x->e, 0xeb);
	emit_here(&x->e, selected);
	emit_mov_wide(&x->e, H_CX, H_9);
	emit_load(&x->e, H_9, HELD(seg, at));
	compare_word(x, H_8, 0, HELD(seg, minus_low));
	compare_word(x, H_9, 4, HELD(seg, minus_high));
	emit_mov_wide(&x->e, H_10, H_CX);
	emit_lea_wide(&x->e, H_CX, sum_of(H_8, H_9));
	equal = emit_short(&x->e, 0xe3);
	emit_mov_wide(&x->e, H_9, H_10);
	emit_u8(&x->e, 0xeb);
	back = emit_offset(&x->e) + 1;
	emit_u8(&x->e, (u8)(miss - back));
	emit_here(&x->e, equal);
	emit_mov_wide(&x->e, H_CX, H_10);
	if (x->insn.op == OP_POP_SREG)
		emit_lea(&x->e, H_12, mem_at(H_12, 4));
	emit_here(&x->e, done);
}

static bool is_data(unsigned seg)
{
	return seg == SEG_DS || seg == SEG_ES || seg == SEG_FS ||
	       seg == SEG_GS;
}

/* A callout may store (the accessed bit), which self-checking blocks end at. */
static bool serves(const struct xlate *x)
{
	return bt_mode_cpl(x->req->mode) == 0 && !x->req->self_check &&
	       is_data(x->insn.opnd[0].reg);
}

bool gen_load_sreg(struct xlate *x)
{
	const struct operand *o = x->insn.opnd;

	if (!serves(x) || o[1].kind != OPK_REG)
		return false;
	emit_enc(&x->e, &(struct enc){ .map = 1, .opcode = 0xb7, /* movzx */
				       .has_modrm = true, .reg = H_8,
				       .rm = host_reg(o[1].reg) });
	gen_compare(x, o[0].reg);
	return true;
}

bool gen_pop_sreg(struct xlate *x)
{
	if (!serves(x) || !stack_ok(x))
		return false;
	emit_rm_0f(&x->e, 0xb7, H_8, stack_mem(0));
	gen_compare(x, x->insn.opnd[0].reg);
	return true;
}
