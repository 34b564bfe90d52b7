/* SPDX-License-Identifier: MIT */
/*
 * What translated code has to know to load a segment register with what it
 * holds: see gen_segments.c. Pure but for the vcpu. Invariant: where a register's
 * note is in use, loading that selector at CPL 0, while its descriptor reads
 * the same, makes the register what it is now.
 */
#include "bt/segments.h"

#include "cpu/segment.h"

/* What the notes were made for; a register without one has its state, too. */
static struct dtable gdtr;
static struct segment noted[SEG_GS + 1];

static void forget(struct vcpu *v, unsigned seg)
{
	bt_plain(v)->held[seg].not_sel = 0;
}

static bool same(const struct segment *a, const struct segment *b)
{
	return !segment_differs(a, b);
}

void segments_check(struct vcpu *v)
{
	bool moved = v->gdtr.base != gdtr.base || v->gdtr.limit != gdtr.limit;

	if (likely(!(moved | segment_differs(&v->seg[SEG_DS], &noted[SEG_DS]) |
		     segment_differs(&v->seg[SEG_ES], &noted[SEG_ES]) |
		     segment_differs(&v->seg[SEG_FS], &noted[SEG_FS]) |
		     segment_differs(&v->seg[SEG_GS], &noted[SEG_GS]))))
		return;
	for (unsigned seg = SEG_ES; seg <= SEG_GS; seg++) {
		if (!moved && same(&v->seg[seg], &noted[seg]))
			continue;
		forget(v, seg);
		noted[seg] = v->seg[seg];
	}
	gdtr = v->gdtr;
}

void segments_note(struct vcpu *v, enum sreg seg, u64 raw)
{
	u16 sel = v->seg[seg].sel;
	gva_t at;

	if (v->gdtr.base != gdtr.base || v->gdtr.limit != gdtr.limit)
		segments_check(v);
	noted[seg] = v->seg[seg];
	if (sel_is_null(sel) || (sel & ERR_TI) || v->cpl ||
	    !seg_desc_find(v, sel, &at)) {
		forget(v, seg);
		return;
	}
	bt_plain(v)->held[seg] = (struct bt_held){
		.not_sel = ~(u32)sel, .at = (u32)at.a,
		.minus_low = 0 - (u32)raw,
		.minus_high = 0 - (u32)(raw >> 32),
	};
}
