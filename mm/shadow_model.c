/* SPDX-License-Identifier: MIT */
/*
 * What a new root starts with and what ends an old one.
 *
 * Processes share the guest's kernel: most of what a new root needs first hangs
 * from the root that the guest comes from. Where both guest tables have the
 * same entry, ready for a walk, the same page is linked, which would else be a
 * hidden fault each; only what the processor has used of it, which sets A.
 *
 * A process that ends has its tables taken down, and the last of them is given
 * back with no write that would tell. A root whose part for users was emptied
 * by the guest is dropped when the guest leaves it: it would be in the way of
 * the frame's next use.
 */
#include "lib/switches.h"
#include "mm/internal.h"

/* --- The start ----------------------------------------------------------- */

/* A leaf may be a page that is the supervisor's for a while: leaf_flags(). */
static bool may_share(const struct shadow *s, const struct spage *p, u64 entry)
{
	return (entry & PTE_A) && entry_made(s, entry) &&
	       (entry_is_table(p->role.level, entry) || !p->role.wp0);
}

/* Entry i as the model has it, if the guest's tables agree on it. */
static void share_entry(struct shadow *s, struct spage *p,
			const struct spage *model, unsigned i)
{
	u64 entry = spage_table(s, model)[i];
	u64 guest = table_entry_read(s, p, i);
	u32 slot = spage_slot(s, p, i);

	if ((guest & (PTE_P | PTE_A)) != (PTE_P | PTE_A) ||
	    guest != table_entry_read(s, model, i))
		return;
	if (entry_is_table(p->role.level, entry))
		spage_link(s, slot, entry_child(s, entry), spage_gva(p, i));
	else
		rmap_set(s, slot, entry);
	*(volatile u64 *)slot_entry(s, slot) &= ~PTE_A;
	count(CNT_SHADOW_SHARED);
}

/* The new page p stands where the model does, and is read the same way. Entries
 * that are not made have no A. */
static void share_table(struct shadow *s, struct spage *p,
			const struct spage *model)
{
	const u64 *table = spage_table(s, model);

	if (p->live || p->role.word != model->role.word || p->role.direct ||
	    p->several || model->several || p->gva != model->gva)
		return;
	for (unsigned i = 0; i < SLOTS; i += 4) {
		if (likely(!(four_of(table + i) & PTE_A)))
			continue;
		for (unsigned n = i; n < i + 4; n++)
			if (may_share(s, p, table[n]))
				share_entry(s, p, model, n);
	}
}

/* The frame of the directory for one GiB; false: there is none in RAM. */
static bool directory_gfn(const struct shadow *s, const struct root *r,
			  unsigned i, u64 *gfn)
{
	u64 base = r->base[r->mode.format == WALK_PAE ? i : 0];

	if (r->mode.format == WALK_PAE && !(base & PTE_P))
		return false;
	base &= BITS(r->mode.maxphyaddr - 1, PAGE_SHIFT);
	*gfn = base >> PAGE_SHIFT;
	return gpm_kind(s->gpm, GPA(base)) == GPM_RAM;
}

/* One that is all users' has nothing for another process. */
static void share_directory(struct shadow *s, struct root *r,
			    const struct root *model, unsigned i)
{
	u32 slot = s->root_slots + 4 * (u32)(r - s->roots) + i;
	const struct spage *from;
	struct spage *p;
	u64 gfn;

	if (!entry_made(s, model->pdpt[i]) || entry_made(s, r->pdpt[i]))
		return;
	from = entry_child(s, model->pdpt[i]);
	if (!from->kernel || !directory_gfn(s, r, i, &gfn))
		return;
	p = spage_get(s, gfn, from->role);
	spage_link(s, slot, p, (u64)i << 30);
	p->kernel = true;
	share_table(s, p, from);
}

/* At most four pages are taken, which is what a reserve holds. */
void model_root(struct shadow *s, struct root *r, const struct root *model)
{
	if (!model || !switch_on(SWITCH_model) || guard_on(s) ||
	    r->mode.word != model->mode.word ||
	    r->mode.format == WALK_UNPAGED)
		return;
	if (r->mode.format == WALK_4LEVEL) {
		if (root_top(s, model))
			share_table(s, root_top(s, r), root_top(s, model));
		return;
	}
	spage_reserve(s);
	for (unsigned i = 0; i < 4; i++)
		share_directory(s, r, model, i);
}

/* --- The end ------------------------------------------------------------- */

/* Users have the lower half of a top table, and all of a directory that does
 * not lead to the kernel. */
static bool has_users(const struct shadow *s, const struct spage *p)
{
	const u64 *table = spage_table(s, p);

	if (p->role.level < 4)
		return p->live && !p->kernel;
	for (unsigned i = 0; p->live && i < SLOTS / 2; i++)
		if (entry_made(s, table[i]))
			return true;
	return false;
}

bool model_is_over(struct shadow *s, struct root *r)
{
	if (likely(!r->emptied) || !switch_on(SWITCH_model))
		return false;
	r->emptied = false;
	for (unsigned i = 0; i < 4; i++)
		if (entry_made(s, r->pdpt[i]) &&
		    has_users(s, entry_child(s, r->pdpt[i])))
			return false;
	count(CNT_SHADOW_OVER);
	return true;
}

/* An entry of an upper table has become 0. */
void model_zeroed(struct shadow *s, const struct spage *p)
{
	const struct root *r = s->current;

	for (unsigned i = 0; r && i < 4; i++)
		if (entry_made(s, r->pdpt[i]) &&
		    entry_child(s, r->pdpt[i]) == p)
			s->current->emptied = true;
}
