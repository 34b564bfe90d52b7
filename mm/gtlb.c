/* SPDX-License-Identifier: MIT */
/* See gtlb.h. Direct-mapped; everything is dropped by a new space number. */
#include "mm/gtlb.h"
#include "lib/string.h"

void gtlb_init(struct gtlb *t)
{
	memset(t->entries, 0, sizeof(t->entries));
	t->space = t->space_global = 1;
}

/* Numbers are not used again before the entries that have them are gone. */
void gtlb_drop_local(struct gtlb *t)
{
	if (!++t->space)
		gtlb_init(t);
}

void gtlb_drop_all(struct gtlb *t)
{
	if (!++t->space_global)
		gtlb_init(t);
	else
		gtlb_drop_local(t);
}

void gtlb_note(struct gtlb *t, gva_t gva, unsigned acc, const struct walk *w)
{
	u32 page = (u32)gva.a >> PAGE_SHIFT;
	struct gtlb_entry *e = &t->entries[page % GTLB_ENTRIES];
	bool global = w->global && !(w->entry[1] & PTE_U);
	u32 space = global ? t->space_global : t->space;
	u64 frame = w->gpa.a & PAGE_MASK;

	if (!t->keep(t->keep_ctx, gva, w))
		return;
	if (e->page != page || e->space != space || e->global != global ||
	    e->frame != frame)
		*e = (struct gtlb_entry){ .page = page, .space = space,
					  .global = global,
					  .frame = frame };
	e->allowed |= 1u << acc;
	t->has_global[page >> 10] |= global;
}

/* Of more than 4 GiB, an upper entry of a long-mode guest's, it is not asked. */
static bool any_global(const struct gtlb *t, u64 first, u64 pages)
{
	if (pages >= BIT(32 - PAGE_SHIFT))
		return true;
	for (u64 area = first >> 10; area <= (first + pages - 1) >> 10; area++)
		if (t->has_global[area % ARRAY_SIZE(t->has_global)])
			return true;
	return false;
}

/* Local ones all go: to look for those in the range would cost more. */
static void drop_range(struct gtlb *t, u64 first, u64 pages)
{
	if (first + pages >= BIT(32 - PAGE_SHIFT) && !first) {
		gtlb_drop_all(t);
		return;
	}
	gtlb_drop_local(t);
	if (!any_global(t, first, pages))
		return;
	for (unsigned i = 0; i < GTLB_ENTRIES; i++)
		if (t->entries[i].page - first < pages)
			t->entries[i].allowed = 0;
}

/* Fewer pages are dropped one by one. */
#define GTLB_FEW 16u

void gtlb_drop(struct gtlb *t, u64 gva, u64 size)
{
	u64 first = gva >> PAGE_SHIFT, pages = size >> PAGE_SHIFT;

	if (pages > GTLB_FEW) {
		drop_range(t, first, pages);
		return;
	}
	for (u64 page = first; page < first + pages; page++)
		gtlb_drop_page(t, page << PAGE_SHIFT);
}
