/* SPDX-License-Identifier: MIT */
/*
 * What descriptors mean to the short ways. Each is read as it stands in the
 * guest's table every time; what it means is kept by its bytes, so nothing can
 * go stale.
 */
#include "bt/fast.h"

#include "cpu/segment.h"

/* No selector is what the null selector would find. */
struct meaning meanings[MEANINGS] = { [0] = { .sel = 0xffff } };

static __attribute__((noinline)) void learn(struct meaning *m, u16 sel, u64 raw)
{
	const struct desc d = { (u32)raw, (u32)(raw >> 32), GVA(0) };

	*m = (struct meaning){ .raw = raw, .sel = sel & ~3,
			       .dpl = (u8)desc_dpl(&d) };
	seg_from_desc(&m->seg, sel, &d);
	if (desc_is_system(&d) || !desc_present(&d) ||
	    !(m->seg.ar & AR_ACCESSED))
		return;
	m->code = desc_is_code(&d) && !desc_is_conforming(&d);
	m->code32 = m->code && !m->seg.base && !~m->seg.limit &&
		    (m->seg.ar & (AR_DB | AR_L)) == AR_DB;
	m->stack = desc_is_writable_data(&d) && (m->seg.ar & AR_DB) &&
		   !(m->seg.ar & AR_DOWN);
	m->data = !desc_is_code(&d) ||
		  (m->code && (desc_type(&d) & AR_READ));
}

/* Wherever it is. */
static const void *find(const struct vcpu *v, u16 sel)
{
	gva_t at;

	if (sel_is_null(sel) || !seg_desc_find(v, sel, &at))
		return NULL;
	return fast_bytes((u32)at.a, sizeof(u64), ACC_IMPLICIT);
}

const struct meaning *fast_learn(const struct vcpu *v, u16 sel)
{
	struct meaning *m = &meanings[(sel >> 3) % MEANINGS];
	const u32 *p = find(v, sel);
	u64 raw;

	if (!p)
		return NULL;
	raw = p[0] | (u64)p[1] << 32;
	if (m->raw != raw || m->sel != (sel & ~3))
		learn(m, sel, raw);
	return m;
}
