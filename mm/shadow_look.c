/* SPDX-License-Identifier: MIT */
/* What the shadow tables say of a linear address now, for the debugger. */
#include "mm/internal.h"

/* Made entries on the way down from the root, by level; 0 where none is. */
static void look_below(const struct shadow *s, const struct spage *p, u64 gva,
		       u64 entry[5])
{
	unsigned level = p->role.level;
	u64 e = spage_table(s, p)[level_index(level, gva)];

	entry[level] = e;
	if (level > 1 && entry_made(s, e) && entry_is_table(level, e))
		look_below(s, entry_child(s, e), gva, entry);
}

void shadow_look(const struct shadow *s, gva_t gva, struct shadow_look *look)
{
	const struct root *r = s->current;
	const struct spage *top;

	*look = (struct shadow_look){ .top = 0 };
	if (!r)
		return;
	look->root = root_hpa(s, r);
	top = root_top(s, r);
	if (!top && r->mode.format != WALK_4LEVEL &&
	    entry_made(s, r->pdpt[gva.a >> 30 & 3])) {
		look->entry[3] = r->pdpt[gva.a >> 30 & 3];
		top = entry_child(s, look->entry[3]);
	}
	if (!top)
		return;
	look->top = r->mode.format == WALK_4LEVEL ? 4 : 3;
	look_below(s, top, gva.a, look->entry);
	look->unmade = s->empty;
}
