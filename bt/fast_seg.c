/* SPDX-License-Identifier: MIT */
/*
 * Loads of DS, ES, FS and GS without the interpreter: a descriptor that has
 * been loaded before, and still reads the same, makes the same segment. The
 * memo holds pure results of the interpreter's own checks, so nothing in it
 * can go stale.
 */
#include "bt/fast.h"

#include "bt/segments.h"
#include "cpu/segment.h"
#include "lib/string.h"
#include "lib/switches.h"

struct memo {
	u64 raw;  /* the descriptor, as it stands in its table; 0: unused */
	u8 cpl;
	struct segment seg;
};

#define MEMOS 32u

static struct memo memos[MEMOS];

static struct memo *memo_slot(u16 sel)
{
	return &memos[(sel >> 3) % MEMOS];
}

static bool read_guest(const struct vcpu *v, u32 at, unsigned acc, void *to,
		       unsigned size)
{
	const u8 *p = fast_bytes(at, size, acc);

	if (p)
		memcpy(to, p, size);
	return p;
}

static bool read_descriptor(const struct vcpu *v, u16 sel, u64 *raw)
{
	gva_t at;

	return seg_desc_find(v, sel, &at) &&
	       read_guest(v, (u32)at.a, ACC_IMPLICIT, raw, sizeof(*raw));
}

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
	if (i->op == OP_POP_SREG)
		return read_guest(v, (u32)v->gpr[R_SP], 0, sel, sizeof(*sel));
	*sel = (u16)v->gpr[i->opnd[1].reg];
	return true;
}

/* *raw: the descriptor; 0: none. */
static bool find_segment(const struct vcpu *v, u16 sel, struct segment *seg,
			 u64 *raw)
{
	const struct memo *m = memo_slot(sel);

	*raw = 0;
	if (sel_is_null(sel)) {
		seg_make_null(seg, sel);
		return true;
	}
	if (m->seg.sel != sel || m->cpl != v->cpl ||
	    !read_descriptor(v, sel, raw) || *raw != m->raw)
		return false;
	*seg = m->seg;
	return true;
}

static void note_held(struct vcpu *v, enum sreg seg, u64 raw)
{
	if (switch_on(SWITCH_reload))
		segments_note(v, seg, raw);
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
	note_held(v, (enum sreg)i->opnd[0].reg, raw);
	if (i->op == OP_POP_SREG)
		v->gpr[R_SP] = (u32)(v->gpr[R_SP] + 4);
	return true;
}

void fast_note_segment(struct vcpu *v, const struct insn *i)
{
	const struct segment *seg = &v->seg[i->opnd[0].reg];
	struct memo *m = memo_slot(seg->sel);
	u64 raw;

	if (sel_is_null(seg->sel) || !read_descriptor(v, seg->sel, &raw))
		return;
	*m = (struct memo){ .raw = raw, .cpl = v->cpl, .seg = *seg };
	note_held(v, (enum sreg)i->opnd[0].reg, raw);
}
