/* SPDX-License-Identifier: MIT */
/* What the generators share: operands, exits, callouts, block prefixes. */
#include "bt/xlate.h"

#include "lib/string.h"

bool seg_flat(const struct xlate *x, enum sreg seg)
{
	return bt_mode_seg(x->req->mode, seg) == BT_SEG_FLAT;
}

bool stack_ok(const struct xlate *x)
{
	return seg_flat(x, SEG_SS) && x->insn.op_size == 4;
}

static int mem_reg(s8 reg)
{
	return reg < 0 ? H_NONE : host_reg((unsigned)reg);
}

static struct mem unsegmented(const struct insn *i)
{
	return (struct mem){
		.base = (s8)mem_reg(i->base),
		.index = (s8)mem_reg(i->index),
		.scale = i->index < 0 ? 1 : i->scale,
		.narrow = true,
		.disp = (s32)i->disp,
	};
}

/* Add the segment's base: as the register that the operand has still free. */
static void add_base(struct xlate *x, enum sreg seg, struct mem *m)
{
	u32 offset = offsetof(struct vcpu, seg) +
		     seg * sizeof(struct segment) +
		     offsetof(struct segment, base);

	if (m->base != H_NONE && m->index != H_NONE) {
		emit_lea(&x->e, H_8, *m);
		*m = mem_at(H_8, 0);
		m->narrow = true;
	}
	emit_load(&x->e, H_9, vcpu_mem(offset));
	if (m->base == H_NONE) {
		m->base = H_9;
	} else {
		m->index = H_9;
		m->scale = 1;
	}
}

bool guest_mem(struct xlate *x, struct mem *m)
{
	const struct insn *i = &x->insn;

	if (i->addr_size != 4)
		return false;
	*m = unsegmented(i);
	if (i->op == OP_LEA)
		return true;
	switch (bt_mode_seg(x->req->mode, i->seg)) {
	case BT_SEG_FLAT:
		return true;
	case BT_SEG_BASED:
		add_base(x, i->seg, m);
		return true;
	default:
		return false;
	}
}

int load_rm32(struct xlate *x, u8 scratch)
{
	struct mem m;

	if (!x->insn.has_mem)
		return host_reg(x->insn.rm);
	if (!guest_mem(x, &m))
		return H_NONE;
	emit_load(&x->e, scratch, m);
	return scratch;
}

void gen_exit(struct xlate *x, u32 target, u32 jcc)
{
	x->exits[x->exit_count++] = (struct bt_exit){
		.target = target,
		.site = (u16)emit_offset(&x->e),
		.jcc = (u16)jcc,
	};
	emit_rel32(&x->e, 0xe8, bt_stub_address(BT_STUB_link));
	x->done = true;
}

/*
 * The index of the entry is EIP & 0ffffh, and its tag is the negated
 * tag of the target: their sum is zero on a hit. No flag is touched. In line,
 * so that the processor predicts each branch by its own history. The verifier
 * knows this sequence as a whole: verify_look_up[].
 */
void gen_look_up(struct xlate *x)
{
	struct emit *e = &x->e;
	struct mem entry = { .base = H_14, .index = H_9, .scale = 8 };
	struct mem tag = { .base = H_8, .index = H_11, .scale = 1 };
	struct mem sum = { .base = H_CX, .index = H_8, .scale = 1 };
	u32 hit;

	emit_enc(e, &(struct enc){ .map = 1, .opcode = 0xb7, /* r9d = r8w */
				   .has_modrm = true, .reg = H_9, .rm = H_8 });
	emit_mov_wide(e, H_10, H_CX);
	emit_lea_wide(e, H_8, tag);
	emit_load_wide(e, H_CX, entry);
	emit_lea_wide(e, H_CX, sum);
	hit = emit_short(e, 0xe3);                           /* jrcxz */
	emit_mov_wide(e, H_CX, H_10);
	emit_rel32(e, 0xe9, bt_stub_address(BT_STUB_miss));
	emit_here(e, hit);
	emit_mov_wide(e, H_CX, H_10);
	entry.disp = offsetof(struct bt_targets, exec);
	emit_enc(e, &(struct enc){ .opcode = 0xff, .has_modrm = true, /* jmp */
				   .reg = 4, .has_mem = true, .mem = entry });
	x->done = x->looks_up = true;
}

void gen_late_exit(struct xlate *x, u32 target, u32 jcc)
{
	x->exits[x->exit_count++] = (struct bt_exit){
		.target = target, .jcc = (u16)jcc,
	};
}

void finish_late_exits(struct xlate *x)
{
	for (unsigned i = 0; i < x->exit_count; i++) {
		struct bt_exit *exit = &x->exits[i];
		u32 at = emit_offset(&x->e), rel = at - (exit->jcc + 4u);

		if (exit->site || !exit->jcc)
			continue;
		exit->site = (u16)at;
		emit_rel32(&x->e, 0xe8, bt_stub_address(BT_STUB_link));
		if (!x->e.overflow)
			memcpy(x->e.start + exit->jcc, &rel, sizeof(rel));
	}
}

void gen_call_stub(struct xlate *x, enum bt_stub stub)
{
	emit_store_imm(&x->e, VCPU_MEM(rip), x->eip);
	emit_rel32(&x->e, 0xe8, bt_stub_address(stub));
}

void gen_callout(struct xlate *x)
{
	gen_call_stub(x, BT_STUB_callout);
}

void gen_interp(struct xlate *x)
{
	emit_store_imm(&x->e, VCPU_MEM(rip), x->eip);
	emit_rel32(&x->e, 0xe9, bt_stub_address(BT_STUB_interp));
	x->done = true;
}

/* dst = source bytes at offset as they are now, minus as they were. */
static void gen_difference(struct xlate *x, u8 dst, u32 offset, unsigned size)
{
	struct mem m = { .base = H_NONE, .index = H_NONE, .scale = 1,
			 .narrow = true, .disp = (s32)(x->req->eip + offset) };
	u32 was = 0;

	memcpy(&was, x->req->bytes + offset, size);
	if (size == 4)
		emit_load(&x->e, dst, m);
	else
		emit_rm_0f(&x->e, size == 2 ? 0xb7 : 0xb6, dst, m);
	emit_lea(&x->e, dst, mem_at(dst, (s32)(0 - was)));
}

/*
 * The differences are 32-bit numbers in 64-bit registers: their sum is zero
 * only if each of them is. No flag is touched.
 */
void gen_self_check(struct xlate *x, unsigned len)
{
	struct mem sum = mem_at(H_8, 0);
	unsigned size;
	u32 ok;

	sum.index = H_9;
	for (unsigned at = 0; at < len; at += size) {
		size = len - at >= 4 ? 4 : len - at >= 2 ? 2 : 1;
		gen_difference(x, at ? H_9 : H_8, at, size);
		if (at)
			emit_lea_wide(&x->e, H_8, sum);
	}
	emit_mov_wide(&x->e, H_10, H_CX);
	emit_mov_wide(&x->e, H_CX, H_8);
	ok = emit_short(&x->e, 0xe3);
	emit_mov_wide(&x->e, H_CX, H_10);
	emit_rel32(&x->e, 0xe8, bt_stub_address(BT_STUB_stale));
	emit_here(&x->e, ok);
	emit_mov_wide(&x->e, H_CX, H_10);
}

void gen_count(struct xlate *x)
{
	emit_lea_wide(&x->e, H_13, mem_at(H_13, BT_COUNT_LOOK_UP));
	x->count_at = emit_offset(&x->e) - 4;
}

void finish_count(struct xlate *x)
{
	u32 counts = x->segment | (x->looks_up ? BT_COUNT_LOOK_UP : 0);

	if (x->count_at && !x->e.overflow)
		memcpy(x->e.start + x->count_at, &counts, sizeof(counts));
	x->counted += x->segment;
	x->segment = 0;
}
