/* SPDX-License-Identifier: MIT */
/*
 * Filling: from a guest walk that succeeded to a hardware entry. Pages are
 * taken first and the leaf is made last, since taking a page may make a frame
 * tracked, and so change what the leaf may be.
 */
#include "mm/internal.h"

/* One fill, from the root down. */
struct fill {
	struct shadow *s;
	const struct walk *w;
	gva_t gva;
	union role mode;
	bool kernel_write;
};

static struct rights walk_rights(const struct walk *w)
{
	return (struct rights){ w->writable, w->user, w->nx, w->dirty };
}

/* The entry's table is the one with this key, or it becomes so. */
static struct spage *child_at(struct fill *f, u32 slot, u64 gfn,
			      union role role, u64 gva)
{
	struct shadow *s = f->s;
	struct spage *child = spage_get(s, gfn, role);
	u64 e = *slot_entry(s, slot);

	if (entry_made(s, e)) {
		if (entry_is_table(slot_level(s, slot), e) &&
		    entry_child(s, e) == child)
			return child;
		spage_drop_entry(s, slot);
	}
	spage_link(s, slot, child, gva);
	return child;
}

/* Linear address of what the entry for gva of a level's parent covers. */
static u64 table_gva(const struct fill *f, unsigned level)
{
	return ALIGN_DOWN(f->gva.a, BIT(level_shift(level + 1)));
}

/* Which part of a 32-bit guest's table of twice or four times the reach. */
static unsigned quadrant(const struct fill *f, unsigned level)
{
	if (f->mode.format != WALK_32BIT)
		return 0;
	return level == 2 ? f->gva.a >> 30 : (f->gva.a >> 21) & 1;
}

/* The page for the guest's table of this level, with the rights above it. */
static struct spage *guest_table(struct fill *f, u32 slot, unsigned level)
{
	union role role = f->mode;
	u64 both = PTE_W | PTE_U, any = 0;

	for (unsigned i = level; i < f->w->levels; i++) {
		both &= f->w->entry[i];
		any |= f->w->entry[i];
	}
	role.level = level;
	role.w = !!(both & PTE_W);
	role.u = !!(both & PTE_U);
	role.nx = role.nxe && (any & PTE_NX);
	role.quadrant = quadrant(f, level);
	return child_at(f, slot, f->w->table[level - 1].a >> PAGE_SHIFT, role,
			table_gva(f, level));
}

/* 1 GiB of an unpaged guest. */
static struct spage *direct_directory(struct fill *f, u32 slot)
{
	union role role = f->mode;

	role.level = 2;
	role.direct = 1;
	role.w = role.u = role.d = 1;
	return child_at(f, slot, f->gva.a >> 30 << 18, role, table_gva(f, 2));
}

/* Level 2: by the root's entry for this GiB, or through levels 4 and 3. */
static struct spage *directory(struct fill *f, struct root *root)
{
	struct spage *p = root_top(f->s, root);
	u32 slot = f->s->root_slots + 4 * (u32)(root - f->s->roots) +
		   (u32)(f->gva.a >> 30 & 3);

	if (!f->w->levels)
		return direct_directory(f, slot);
	if (!p)
		return guest_table(f, slot, 2);
	for (unsigned level = 4; level > 2; level--) {
		p->writes = p->zeroes = 0;
		slot = spage_slot(f->s, p, level_index(level, f->gva.a));
		p = guest_table(f, slot, level - 1);
	}
	return p;
}

/* A level 1 page for 2 MiB of a large guest page that cannot be one entry. */
static struct spage *direct_table(struct fill *f, u32 slot)
{
	union role role = f->mode;

	role.level = 1;
	role.direct = 1;
	role.w = f->w->writable;
	role.u = f->w->user;
	role.nx = f->w->nx;
	role.d = f->w->dirty;
	return child_at(f, slot, ALIGN_DOWN(f->w->gpa.a, MIB(2)) >> PAGE_SHIFT,
			role, table_gva(f, 1));
}

/* Does the new entry only let more pass, to the same page? Then what the TLB
 * holds for other addresses of it costs a fault at most. */
static bool widens(const struct shadow *s, u64 old, u64 entry)
{
	return s->cfg.fault_flushes && entry_made(s, old) && !guard_on(s) &&
	       !((old ^ entry) & (PTE_ADDR | PTE_PS)) &&
	       !(old & ~entry & ~PTE_NX) && !(entry & ~old & PTE_NX);
}

/*
 * Put the leaf in place. Was anything else there? A fault on the same is a
 * stale TLB's, or one that no entry can prevent.
 */
static bool set_leaf(struct fill *f, u32 slot, u64 entry)
{
	struct shadow *s = f->s;
	u64 old = *slot_entry(s, slot);

	if (old == entry) {
		if (!s->cfg.fault_flushes)
			shadow_flush_slot(s, slot);
		return false;
	}
	if (widens(s, old, entry)) {
		*(volatile u64 *)slot_entry(s, slot) = entry;
		return true;
	}
	if (entry_made(s, old)) {
		spage_drop_entry(s, slot);
		shadow_flush_slot(s, slot);
	}
	if (entry)
		rmap_set(s, slot, entry);
	return *slot_entry(s, slot) != old; /* the debugger takes some back */
}

/* The rest of a direct table costs less at once than a fault each. */
static void fill_direct(struct fill *f, struct spage *p, unsigned skip)
{
	u64 flags = leaf_flags(f->s, p->role, walk_rights(f->w), false);
	const u64 *table = spage_table(f->s, p);

	for (unsigned i = 0; i < SLOTS; i++) {
		u64 e;

		if (i == skip || entry_made(f->s, table[i]))
			continue;
		e = leaf_entry(f->s, flags, p->gfn + i);
		if (e)
			rmap_set(f->s, spage_slot(f->s, p, i), e);
	}
}

static bool fill_small(struct fill *f, struct spage *p)
{
	struct shadow *s = f->s;
	unsigned i = level_index(1, f->gva.a);
	u64 flags = leaf_flags(s, f->mode, walk_rights(f->w), f->kernel_write);
	u32 slot = spage_slot(s, p, i);
	u64 was = *slot_entry(s, slot);
	bool fresh = !p->live, changed;

	p->writes = p->zeroes = 0;
	if (p->unsync)
		unsync_entry(s, p, i); /* which may make it, just so */
	changed = set_leaf(f, slot,
			   leaf_entry(s, flags, f->w->gpa.a >> PAGE_SHIFT));
	changed |= *slot_entry(s, slot) != was;
	if (!s->cfg.prefetch)
		return changed;
	if (!p->role.direct)
		leaf_prefetch(s, p, i, s->cfg.prefetch);
	else if (fresh)
		fill_direct(f, p, i);
	return changed;
}

static bool fill_large(struct fill *f, u32 slot, u64 gfn)
{
	u64 flags = leaf_flags(f->s, f->mode, walk_rights(f->w),
			       f->kernel_write);

	if (!f->w->user)
		f->s->pages[slot / SLOTS].kernel = true;
	return set_leaf(f, slot, leaf_entry(f->s, flags, gfn) | PTE_PS);
}

bool shadow_fill(struct shadow *s, const struct walk_mode *m, gva_t gva,
		 const struct walk *w, bool kernel_write)
{
	struct root *root = root_get(s, m);
	struct fill f = { .s = s, .w = w, .gva = gva, .mode = root->mode,
			  .kernel_write = kernel_write };
	struct spage *pd;
	u64 gfn = ALIGN_DOWN(w->gpa.a, MIB(2)) >> PAGE_SHIFT;
	u32 slot;

	spage_reserve(s);
	pd = directory(&f, root);
	pd->writes = pd->zeroes = 0;
	slot = spage_slot(s, pd, level_index(2, gva.a));
	if (w->levels && w->level == 1)
		return fill_small(&f, guest_table(&f, slot, 1));
	if (leaf_large_ok(s, gfn) &&
		 !(unlikely(guard_on(s)) && guard_large(s, gva, gfn)))
		return fill_large(&f, slot, gfn);
	return fill_small(&f, direct_table(&f, slot));
}
