/* SPDX-License-Identifier: MIT */
/*
 * Roots: a fixed set, kept across CR3 loads and found again by what the guest
 * loaded and the mode. A root costs no tracking: it only points to pages that
 * are coherent by themselves, so an old root is never wrong.
 * The top tables of 4 GiB roots are never freed, so a root that is still in the
 * hardware's CR3 while another takes its place does no harm. The level 4 page
 * of a long-mode guest stays while its root is the current one.
 */
#include "lib/string.h"
#include "kernel/host.h"
#include "mm/internal.h"

#define ROOTS_MIN 8u
#define ROOTS_MAX 64u

/* The fields of a role that come from the mode. */
static union role mode_role(const struct walk_mode *m)
{
	union role r = { .word = 0 };

	r.format = m->format;
	r.maxphyaddr = m->maxphyaddr;
	r.pse = m->format == WALK_32BIT && m->pse;
	r.nxe = m->format >= WALK_PAE && m->nxe;
	if (m->format != WALK_UNPAGED && !m->wp) {
		r.wp0 = 1;
		r.smep = m->smep;
		r.smap = m->smap;
	}
	return r;
}

static void mode_base(const struct walk_mode *m, u64 base[4])
{
	memset(base, 0, 4 * sizeof(base[0]));
	if (m->format == WALK_32BIT)
		base[0] = m->cr3 & BITS(31, 12);
	else if (m->format == WALK_4LEVEL)
		base[0] = m->cr3 & BITS(m->maxphyaddr - 1, 12);
	else if (m->format == WALK_PAE)
		memcpy(base, m->pdpte, 4 * sizeof(base[0]));
}

static bool root_is(const struct root *r, union role mode, const u64 base[4])
{
	return r->used && r->base[0] == base[0] && r->mode.word == mode.word &&
	       r->base[1] == base[1] && r->base[2] == base[2] &&
	       r->base[3] == base[3];
}

/* An unused root, else the one that was used longest ago. */
static struct root *root_victim(struct shadow *s)
{
	struct root *best = NULL;

	for (u32 i = 0; i < s->root_count; i++) {
		struct root *r = &s->roots[i];

		if (!r->used)
			return r;
		if (r != s->current && (!best || r->stamp < best->stamp))
			best = r;
	}
	return best;
}

static void root_empty(struct shadow *s, struct root *r)
{
	u32 slot = s->root_slots + 4 * (u32)(r - s->roots);

	for (unsigned i = 0; i < 4; i++)
		if (entry_made(s, r->pdpt[i]))
			spage_drop_entry(s, slot + i);
}

static struct root *root_find(struct shadow *s, union role mode,
			      const u64 base[4])
{
	for (u32 i = 0; i < s->root_count; i++)
		if (root_is(&s->roots[i], mode, base))
			return &s->roots[i];
	return NULL;
}

/* A PML4 that is not in RAM is never read: its page stays empty. */
static void take_top(struct shadow *s, struct root *r)
{
	u32 slot = s->root_slots + 4 * (u32)(r - s->roots);
	union role role = r->mode;

	role.level = 4;
	role.w = role.u = 1;
	role.direct = gpm_kind(s->gpm, GPA(r->base[0])) != GPM_RAM;
	spage_reserve(s);
	spage_link(s, slot, spage_get(s, r->base[0] >> PAGE_SHIFT, role), 0);
}

/* *fresh: it points to nothing yet. */
static struct root *root_any(struct shadow *s, union role mode,
			     const u64 base[4], bool *fresh)
{
	struct root *r = root_find(s, mode, base);

	*fresh = !r;
	if (r) {
		count(CNT_CR3_CACHED);
	} else {
		r = root_victim(s);
		root_empty(s, r);
		r->used = true;
		r->emptied = false;
		r->mode = mode;
		memcpy(r->base, base, sizeof(r->base));
	}
	r->stamp = ++s->stamp;
	return r;
}

static void root_drop(struct shadow *s, struct root *r)
{
	root_empty(s, r);
	r->used = false;
}

/* The root for this mode, current from now on. */
struct root *root_get(struct shadow *s, const struct walk_mode *m)
{
	struct root *last = s->current;
	union role mode = mode_role(m);
	u64 base[4];
	bool fresh;

	mode_base(m, base);
	if (likely(s->current && root_is(s->current, mode, base)))
		return s->current;
	s->current = root_any(s, mode, base, &fresh);
	if (m->format == WALK_4LEVEL && !root_top(s, s->current))
		take_top(s, s->current);
	if (fresh)
		model_root(s, s->current, last);
	if (last && model_is_over(s, last))
		root_drop(s, last);
	return s->current;
}

hpa_t root_hpa(const struct shadow *s, const struct root *r)
{
	return r->mode.format == WALK_4LEVEL ?
		       HPA(r->pdpt[0] & PTE_ADDR) : r->hpa;
}

static void *alloc_low(const struct shadow *s, u64 pages)
{
	if (s->cfg.alloc_low)
		return s->cfg.alloc_low(s->cfg.ctx, pages);
	return palloc(pages, PAGE_SIZE);
}

static bool init_pae(struct shadow *s)
{
	u64 *pdpts = alloc_low(s, 1);

	if (!pdpts)
		return false;
	for (u32 i = 0; i < s->root_count; i++) {
		s->roots[i].pdpt = pdpts + 4 * i;
		for (unsigned n = 0; n < 4; n++)
			pdpts[4 * i + n] = s->empty_root;
		s->roots[i].hpa = host_phys(pdpts + 4 * i);
	}
	return true;
}

/* Entry 0 is the guest's 4 GiB; the upper half is the monitor's. */
static bool init_4level(struct shadow *s)
{
	for (u32 i = 0; i < s->root_count; i++) {
		u64 *pml4 = palloc(2, PAGE_SIZE);
		struct root *r = &s->roots[i];

		if (!pml4)
			return false;
		r->pdpt = pml4 + 512;
		r->hpa = host_phys(pml4);
		pml4[0] = host_phys(r->pdpt).a | PTE_P | PTE_W | PTE_U | PTE_A;
		if (s->cfg.host_pml4)
			memcpy(pml4 + 256, s->cfg.host_pml4 + 256, 256 * 8);
	}
	return true;
}

u32 root_count_for(u32 pool_pages)
{
	return MIN(MAX(pool_pages / 8, ROOTS_MIN), ROOTS_MAX);
}

bool root_init(struct shadow *s)
{
	_Static_assert(ROOTS_MAX * 32 <= PAGE_SIZE, "PDPTs fill one page");
	return s->cfg.root_kind == SHADOW_ROOT_PAE ? init_pae(s)
						   : init_4level(s);
}

void root_free(struct shadow *s)
{
	if (s->cfg.root_kind == SHADOW_ROOT_PAE) {
		if (s->roots[0].pdpt)
			palloc_free(s->roots[0].pdpt, 1);
		return;
	}
	for (u32 i = 0; i < s->root_count; i++)
		if (s->roots[i].pdpt)
			palloc_free(s->roots[i].pdpt - 512, 2);
}
