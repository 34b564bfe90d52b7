/* SPDX-License-Identifier: MIT */
/* Owns the views: see bt/tables.h. */
#include "bt/tables.h"

#include "log.h"

#define NOWHERE (~0ull)

struct table_view table_views[TABLE_COUNT] = {
	{ .base = NOWHERE }, { .base = NOWHERE }, { .base = NOWHERE },
};

static const u8 *page_at(u64 base)
{
	struct pagefault pf;
	struct walk w;

	if (!gwalk(bt.env.gpm, &bt.mode, GVA(base), ACC_IMPLICIT, true, &w,
		   &pf))
		return NULL;
	return gpm_ptr(bt.env.gpm, GPA(w.gpa.a & PAGE_MASK));
}

void table_view_make(enum table t, u64 base, u32 limit)
{
	const u8 *page = page_at(base);
	u32 offset = base & ~PAGE_MASK;
	u64 bytes = MIN((u64)limit + 1, PAGE_SIZE - offset);

	table_views[t] = (struct table_view){
		.base = base, .limit = limit, .reach = page ? (u32)bytes : 0,
		.start = page ? page + offset : NULL,
	};
}

static void forget(struct table_view *w)
{
	*w = (struct table_view){ .base = NOWHERE };
}

void tables_forget(void)
{
	for (int t = 0; t < TABLE_COUNT; t++)
		forget(&table_views[t]);
}

void tables_unmapped(u64 gva, u64 size)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		struct table_view *w = &table_views[t];

		if (w->base + PAGE_SIZE > gva && w->base < gva + size)
			forget(w);
	}
}
