/* SPDX-License-Identifier: MIT */
/*
 * See codemap.h. Leaves stand in a list; an open-addressed index finds them by
 * first page and size. `regions` says of each 4 MiB whether any
 * leaf of 4 KiB, or a large one, is recorded there.
 */
#include "bt/codemap.h"

#include "bt/machine.h"
#include "lib/string.h"

#define LEAVES  4096u
#define SLOTS   (2 * LEAVES)
#define REGIONS 1024u

struct leaf {
	u32 page;   /* first linear page number */
	u8 shift;   /* 12, 21, 22; 32: unpaged, one leaf for all */
	bool global;
	u64 gfn;    /* of the first page */
};

enum { REGION_SMALL = 1, REGION_LARGE = 2 };

static struct leaf leaves[LEAVES];
static u16 slots[SLOTS]; /* index + 1; 0: free */
static unsigned used, local;
static u8 regions[REGIONS];
static const u8 shifts[] = { 12, 22, 21, 32 };

static u32 first_page(u32 eip, unsigned shift)
{
	return (u32)((u64)eip >> shift << shift >> PAGE_SHIFT);
}

static u16 *slot(u32 page, unsigned shift)
{
	u32 i = (page + shift) * 2654435761u % SLOTS;

	while (slots[i] && (leaves[slots[i] - 1].page != page ||
			    leaves[slots[i] - 1].shift != shift))
		i = (i + 1) % SLOTS;
	return &slots[i];
}

static const struct leaf *find(u32 eip)
{
	u8 region = regions[eip >> 22];

	for (unsigned i = region & REGION_SMALL ? 0 : 1; i < ARRAY_SIZE(shifts);
	     i++) {
		u16 s = *slot(first_page(eip, shifts[i]), shifts[i]);

		if (s)
			return &leaves[s - 1];
	}
	return NULL;
}

static struct leaf leaf_of(u32 eip, const struct walk *w)
{
	unsigned shift = w->levels ? w->page_shift : 32;
	u64 offset = (eip >> PAGE_SHIFT) - first_page(eip, shift);

	return (struct leaf){
		.page = first_page(eip, shift),
		.shift = (u8)shift,
		.global = w->global || !w->levels,
		.gfn = (w->gpa.a >> PAGE_SHIFT) - offset,
	};
}

static void note_region(const struct leaf *l)
{
	if (l->shift == PAGE_SHIFT)
		regions[l->page >> 10] |= REGION_SMALL;
	else if (l->shift < 32)
		regions[l->page >> 10] |= REGION_LARGE;
}

static bool same(const struct leaf *a, const struct leaf *b)
{
	return a->gfn == b->gfn && a->global == b->global &&
	       a->shift == b->shift && a->page == b->page;
}

bool codemap_add(u32 eip, const struct walk *w)
{
	struct leaf new = leaf_of(eip, w);
	const struct leaf *old = find(eip);

	if (old)
		return same(old, &new);
	if (used == LEAVES)
		return false;
	leaves[used] = new;
	*slot(new.page, new.shift) = (u16)++used;
	local += !new.global;
	note_region(&new);
	return true;
}

bool codemap_full(void)
{
	return used == LEAVES;
}

bool codemap_global(u32 eip)
{
	const struct leaf *l = find(eip);

	return l && l->global;
}

bool codemap_gpa(u32 eip, gpa_t *gpa)
{
	const struct leaf *l = find(eip);

	if (!l)
		return false;
	*gpa = GPA(((l->gfn - l->page) << PAGE_SHIFT) + eip);
	return true;
}

static bool still_holds(const struct leaf *l)
{
	u32 eip = l->page << PAGE_SHIFT;
	struct pagefault pf;
	struct leaf now;
	struct walk w;

	if (!gwalk(bt.env.gpm, &bt.mode, GVA(eip), ACC_FETCH, false, &w, &pf))
		return false;
	now = leaf_of(eip, &w);
	return same(&now, l);
}

bool codemap_check_region(gva_t gva)
{
	u32 region = (u32)gva.a >> 22;

	if (!regions[region])
		return true;
	for (unsigned i = 0; i < used; i++)
		if (leaves[i].page >> 10 == region && !still_holds(&leaves[i]))
			return false;
	return true;
}

bool codemap_check_all(void)
{
	for (unsigned i = 0; i < used; i++)
		if (!still_holds(&leaves[i]))
			return false;
	return true;
}

void codemap_clear(void)
{
	memset(slots, 0, sizeof(slots));
	memset(regions, 0, sizeof(regions));
	used = local = 0;
}

/* Builds the index anew, since open addressing cannot drop single entries. */
bool codemap_forget_local(void)
{
	unsigned all = used;

	if (!local)
		return false;
	codemap_clear();
	for (unsigned i = 0; i < all; i++) {
		struct leaf l = leaves[i];

		if (!l.global)
			continue;
		leaves[used] = l;
		*slot(l.page, l.shift) = (u16)++used;
		note_region(&l);
	}
	return true;
}
