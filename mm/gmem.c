/* SPDX-License-Identifier: MIT */
/*
 * Linear accesses: walk, then move the bytes through guest-physical memory.
 * Invariant: an access that faults has moved no byte and set no A or D bit.
 */
#include "bits.h"
#include "mm/gtlb.h"

/* The pieces of an access: one page, or the end of one and start of another. */
struct span {
	unsigned size[2];
	gva_t second;
};

static struct span span_of(const struct walk_mode *m, gva_t gva, unsigned size)
{
	unsigned first = (unsigned)(PAGE_SIZE - (gva.a & ~PAGE_MASK));
	u64 next = gva.a + first;

	if (m->format != WALK_4LEVEL)
		next = (u32)next;
	if (size <= first)
		return (struct span){ { size, 0 }, GVA(0) };
	return (struct span){ { first, size - first }, GVA(next) };
}

bool gmem_translate(struct gpm *g, const struct walk_mode *m, gva_t gva,
		    unsigned acc, gpa_t *gpa, struct pagefault *pf)
{
	struct walk w;

	if (g->tlb && gtlb_find(g->tlb, m, gva, acc, gpa))
		return true;
	if (!gwalk(g, m, gva, acc, true, &w, pf))
		return false;
	if (g->tlb)
		gtlb_note(g->tlb, gva, acc, &w);
	*gpa = w.gpa;
	return true;
}

/* Translate every piece, faults first, so that the access is all or nothing. */
static bool walk_span(struct gpm *g, const struct walk_mode *m, gva_t gva,
		      const struct span *sp, unsigned acc, bool set_ad,
		      gpa_t gpa[2], struct pagefault *pf)
{
	struct walk w;

	if (likely(!sp->size[1])) {
		if (set_ad)
			return gmem_translate(g, m, gva, acc, &gpa[0], pf);
		if (!gwalk(g, m, gva, acc, set_ad, &w, pf))
			return false;
		gpa[0] = w.gpa;
		return true;
	}
	if (!gwalk(g, m, gva, acc, false, &w, pf))
		return false;
	if (!gwalk(g, m, sp->second, acc, set_ad, &w, pf))
		return false;
	gpa[1] = w.gpa;
	if (!gwalk(g, m, gva, acc, set_ad, &w, pf))
		return false;
	gpa[0] = w.gpa;
	return true;
}

bool gmem_read(struct gpm *g, const struct walk_mode *m, gva_t gva, void *buf,
	       unsigned size, unsigned acc, struct pagefault *pf)
{
	struct span sp = span_of(m, gva, size);
	gpa_t gpa[2];

	if (!walk_span(g, m, gva, &sp, acc, true, gpa, pf))
		return false;
	gpm_read(g, gpa[0], buf, sp.size[0]);
	if (sp.size[1])
		gpm_read(g, gpa[1], (u8 *)buf + sp.size[0], sp.size[1]);
	return true;
}

bool gmem_write(struct gpm *g, const struct walk_mode *m, gva_t gva,
		const void *buf, unsigned size, unsigned acc,
		struct pagefault *pf)
{
	struct span sp = span_of(m, gva, size);
	gpa_t gpa[2];

	if (!walk_span(g, m, gva, &sp, acc | ACC_WRITE, true, gpa, pf))
		return false;
	gpm_write(g, gpa[0], buf, sp.size[0]);
	if (sp.size[1])
		gpm_write(g, gpa[1], (const u8 *)buf + sp.size[0], sp.size[1]);
	return true;
}

bool gmem_probe(struct gpm *g, const struct walk_mode *m, gva_t gva,
		unsigned size, unsigned acc, struct pagefault *pf)
{
	struct span sp = span_of(m, gva, size);
	gpa_t gpa[2];

	return walk_span(g, m, gva, &sp, acc, false, gpa, pf);
}
