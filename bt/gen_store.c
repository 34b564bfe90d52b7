/* SPDX-License-Identifier: MIT */
/*
 * Stores that kept faulting, as they are to page tables: they have a stub of
 * their own, and ask the table of filters (bt/abi.h) whether their page is one
 * that needs it. No flag is touched.
 */
#include "bt/xlate.h"

/* r9d = the low bits of bt_filter_index(address). */
static void gen_index(struct xlate *x, struct mem at)
{
	struct mem eightfold = { .base = H_NONE, .index = H_8, .scale = 8 };
	struct mem doubled = { .base = H_8, .index = H_8, .scale = 1 };

	at.narrow = false;
	emit_lea(&x->e, H_8, at);
	emit_lea(&x->e, H_8, eightfold);
	emit_lea(&x->e, H_9, doubled);
	emit_enc(&x->e, &(struct enc){ .map = 1, .opcode = 0xc8, /* bswap */
				       .rm = H_9 });
}

/* rcx = the filter, its old value in r10: verify_filter[]. */
static void gen_ask(struct xlate *x)
{
	struct mem filter = { .base = H_14, .index = H_9, .scale = 1,
			      .disp = offsetof(struct bt_targets, filter) };

	emit_enc(&x->e, &(struct enc){ .map = 1, .opcode = 0xb7,
				       .has_modrm = true, .reg = H_9,
				       .rm = H_9 });
	emit_mov_wide(&x->e, H_10, H_CX);
	emit_rm_0f(&x->e, 0xb6, H_CX, filter);
}

/* To bt_stub_store, with r9d = the address and r8d = the value. */
static void gen_store_call(struct xlate *x, struct mem at)
{
	const struct operand *o = &x->insn.opnd[1];

	at.narrow = false;
	emit_lea(&x->e, H_9, at);
	if (o->kind == OPK_REG)
		emit_mov(&x->e, H_8, host_reg(o->reg));
	else
		emit_enc(&x->e, &(struct enc){ .opcode = 0xb8, .rm = H_8,
					       .imm_size = 4,
					       .imm = x->insn.imm });
	gen_call_stub(x, BT_STUB_store);
}

/* The store by itself, where its page is not filtered. */
static bool gen_unfiltered(struct xlate *x, u32 clear)
{
	u32 done = emit_short(&x->e, 0xeb);

	emit_here(&x->e, clear);
	emit_mov_wide(&x->e, H_CX, H_10);
	if (!gen_ident(x))
		return false;
	if (x->req->count) /* which is not in the block's own number */
		emit_lea_wide(&x->e, H_13, mem_at(H_13, 1));
	emit_here(&x->e, done);
	return true;
}

bool gen_called_store(struct xlate *x)
{
	bool filter = x->req->filter && seg_flat(x, x->insn.seg);
	u32 clear = 0;
	struct mem at;

	if (!x->req->stores || !bt_is_store(&x->insn) || !guest_mem(x, &at))
		return false;
	if (filter) {
		gen_index(x, at);
		gen_ask(x);
		clear = emit_short(&x->e, 0xe3);
		emit_mov_wide(&x->e, H_CX, H_10);
	}
	gen_store_call(x, at);
	return !filter || gen_unfiltered(x, clear);
}
