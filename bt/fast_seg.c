/* SPDX-License-Identifier: MIT */
/*
 * Loads of DS, ES, FS and GS without the interpreter, where the descriptor is
 * as kernels have it: present, accessed, readable, not conforming, and not more
 * privileged than what loads it.
 */
#include "bt/fast.h"

#include "bt/segments.h"
#include "cpu/segment.h"
#include "lib/switches.h"

bool fast_is_segment_load(const struct insn *i, u32 mode)
{
	const struct operand *o = i->opnd;

	if (o[0].kind != OPK_SREG || o[0].reg == SEG_SS ||
	    o[0].reg == SEG_CS || o[0].reg > SEG_GS)
		return false;
	if (i->op == OP_MOV_SREG)
		return o[1].kind == OPK_REG;
	return i->op == OP_POP_SREG && i->op_size == 4 &&
	       bt_mode_seg(mode, SEG_SS) == BT_SEG_FLAT;
}

static bool read_selector(const struct vcpu *v, const struct insn *i, u16 *sel)
{
	const u8 *p;

	if (i->op != OP_POP_SREG) {
		*sel = (u16)v->gpr[i->opnd[1].reg];
		return true;
	}
	p = fast_bytes((u32)v->gpr[R_SP], sizeof(*sel), 0);
	if (p)
		*sel = (u16)(p[0] | p[1] << 8);
	return p;
}

/* *raw: the descriptor; 0: none. */
static bool find_segment(const struct vcpu *v, u16 sel, struct segment *seg,
			 u64 *raw)
{
	const struct meaning *m;

	*raw = 0;
	if (sel_is_null(sel)) {
		seg_make_null(seg, sel);
		return true;
	}
	m = fast_meaning(v, sel);
	if (!m || !m->data || m->dpl < v->cpl || m->dpl < sel_rpl(sel))
		return false;
	*raw = m->raw;
	*seg = m->seg;
	seg->sel = sel;
	return true;
}

/* Does bt_mode_of() see no difference? */
static bool alike(const struct segment *a, const struct segment *b)
{
	return a->ar == b->ar && a->limit == b->limit && !a->base == !b->base;
}

bool fast_load_segment(struct vcpu *v, const struct insn *i, bool *steady)
{
	struct segment *home = &v->seg[i->opnd[0].reg], seg;
	u16 sel;
	u64 raw;

	if (!read_selector(v, i, &sel) || !find_segment(v, sel, &seg, &raw))
		return false;
	*steady = alike(home, &seg);
	*home = seg;
	if (switch_on(SWITCH_reload))
		segments_note(v, (enum sreg)i->opnd[0].reg, raw);
	if (i->op == OP_POP_SREG)
		v->gpr[R_SP] = (u32)(v->gpr[R_SP] + 4);
	return true;
}
