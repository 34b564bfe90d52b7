/* SPDX-License-Identifier: MIT */
/*
 * Stores that kept faulting, as they are to page tables: they ask the table of
 * filters (bt/abi.h) whether their page is one of those, and are called out only
 * then. No flag is touched.
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

bool gen_filtered_store(struct xlate *x)
{
	u32 clear, done;
	struct mem at;

	if (!x->req->filter || !bt_is_store(&x->insn) ||
	    !seg_flat(x, x->insn.seg) || !guest_mem(x, &at))
		return false;
	gen_index(x, at);
	gen_ask(x);
	clear = emit_short(&x->e, 0xe3);
	emit_mov_wide(&x->e, H_CX, H_10);
	gen_callout(x);
	done = emit_short(&x->e, 0xeb);
	emit_here(&x->e, clear);
	emit_mov_wide(&x->e, H_CX, H_10);
	if (!gen_ident(x))
		return false;
	if (x->req->count) /* which is not in the block's own number */
		emit_lea_wide(&x->e, H_13, mem_at(H_13, 1));
	emit_here(&x->e, done);
	return true;
}
