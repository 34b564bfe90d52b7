/* SPDX-License-Identifier: MIT */
/*
 * Host views of the guest's descriptor tables, of what lies in the page that a
 * table begins in. Invariant: a view is what a TLB may hold of that page: it is
 * made anew when the register is loaded with another base or limit, and forgotten
 * when the guest flushes or the shadow MMU hears of a change.
 */
#ifndef BT_TABLES_H
#define BT_TABLES_H

#include "bt/machine.h"

enum table { TABLE_GDT, TABLE_IDT, TABLE_TSS, TABLE_COUNT };

struct table_view {
	u64 base;
	u32 limit;
	u32 reach;       /* bytes from `start` that are in the table; 0: none */
	const u8 *start; /* of the table */
};

extern struct table_view table_views[TABLE_COUNT];

/* Of the table at this linear address, limit in bytes, less one. */
void table_view_make(enum table t, u64 base, u32 limit);

static inline const struct table_view *table_view(enum table t, u64 base,
						  u32 limit)
{
	const struct table_view *w = &table_views[t];

	if (unlikely((w->base ^ base) | (w->limit ^ limit)))
		table_view_make(t, base, limit);
	return w;
}

/* Bytes at..last of the table, or NULL: ask in another way. */
static inline const void *table_bytes(enum table t, u64 base, u32 limit, u32 at,
				      u32 last)
{
	const struct table_view *w = table_view(t, base, limit);

	return likely(last < w->reach) ? w->start + at : NULL;
}

void tables_forget(void);
/* Translations of the linear addresses from gva on have changed. */
void tables_unmapped(u64 gva, u64 size);

#endif
