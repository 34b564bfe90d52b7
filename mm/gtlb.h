/* SPDX-License-Identifier: MIT */
/*
 * Translations that the monitor's own accesses to guest memory keep. They are
 * never stale: one is kept only while the shadow MMU holds all its tables at
 * its linear address, so that it hears of every change and drops it.
 */
#ifndef MM_GTLB_H
#define MM_GTLB_H

#include "mm/gwalk.h"

#define GTLB_ENTRIES 512u

struct gtlb_entry {
	u32 page;    /* linear page number */
	u32 space;   /* good while it is the TLB's; 0: never */
	u32 allowed; /* bit ACC_x: such an access has passed a walk */
	bool global;
	u64 frame;   /* guest-physical address of the page */
};

struct gtlb {
	struct gtlb_entry entries[GTLB_ENTRIES];
	u32 space, space_global; /* of local and of global translations */
	u8 has_global[1024];     /* was one ever kept in these 4 MiB? */
	/* Will every change of the walk's tables be told? Else keep nothing. */
	bool (*keep)(void *ctx, gva_t gva, const struct walk *w);
	void *keep_ctx;
};

void gtlb_init(struct gtlb *t);

/* Does an access at gva need no walk? Then where it goes. One branch for all
 * that is usual: this is on the way of every store that the monitor does. */
static inline bool gtlb_find(const struct gtlb *t, const struct walk_mode *m,
			     gva_t gva, unsigned acc, gpa_t *gpa)
{
	u32 page = (u32)gva.a >> PAGE_SHIFT;
	const struct gtlb_entry *e = &t->entries[page % GTLB_ENTRIES];
	u32 space = e->global ? t->space_global : t->space;

	if ((e->page ^ page) | (~(e->allowed >> acc) & 1) | m->smap |
	    (e->space ^ space))
		return false;
	*gpa = GPA(e->frame | (gva.a & ~PAGE_MASK));
	return true;
}

/* A walk that set A and D has passed. What a directory opens to
 * users is never kept as global. */
void gtlb_note(struct gtlb *t, gva_t gva, unsigned acc, const struct walk *w);

static inline void gtlb_drop_page(struct gtlb *t, u64 gva)
{
	t->entries[(gva >> PAGE_SHIFT) % GTLB_ENTRIES].allowed = 0;
}

void gtlb_drop(struct gtlb *t, u64 gva, u64 size);
void gtlb_drop_local(struct gtlb *t);
void gtlb_drop_all(struct gtlb *t);

#endif
