/* SPDX-License-Identifier: MIT */
/*
 * Stops of the debugger in the shadow MMU: a guarded page is not executable,
 * not writable, or not there at all, so that the accesses that matter fault
 * and are interpreted, stop by stop. Nothing of it is in the guest's tables.
 *
 * A table at several linear addresses guards a slot if any stop could lie
 * behind it.
 */
#include "cpu/stops.h"
#include "mm/internal.h"

#define LEVEL1_MASK (BITS(20, 12)) /* of a linear address: the slot's bits */
#define LEVEL2_MASK (BITS(29, 21))

/* Kinds of stops on the page that the slot of a level 1 table maps. */
static u8 kinds_at(const struct shadow *s, const struct spage *p, unsigned i,
		   u64 gfn)
{
	const struct stops *stops = s->cfg.stops;
	u64 gva = spage_gva(p, i);
	u8 kinds = stops_page(stops, true, gfn << PAGE_SHIFT);

	if (p->several || !p->linked)
		return kinds | stops_page_like(stops, gva, LEVEL1_MASK);
	return kinds | stops_page(stops, false, gva);
}

bool guard_entry(const struct shadow *s, u32 slot, u64 *entry)
{
	unsigned level = slot_level(s, slot);
	const struct spage *p = &s->pages[slot / SLOTS];
	u8 kinds;

	if (level != 1)
		return true; /* large leaves are asked about before */
	kinds = kinds_at(s, p, slot % SLOTS, entry_gfn(s, *entry));
	if (kinds & STOP_READ)
		return false;
	if (kinds & STOP_WRITE)
		*entry &= ~(PTE_W | PTE_D);
	if ((kinds & STOP_EXEC) && s->cfg.nx)
		*entry |= PTE_NX;
	return true;
}

bool guard_access(const struct shadow *s, gva_t gva, gpa_t gpa, unsigned acc)
{
	u8 kinds = stops_page(s->cfg.stops, false, gva.a) |
		   stops_page(s->cfg.stops, true, gpa.a);
	u8 met = acc & ACC_FETCH ? STOP_EXEC | STOP_READ :
		 acc & ACC_WRITE ? STOP_WRITE | STOP_READ : STOP_READ;

	return kinds & met;
}

bool guard_blocks(const struct shadow *s, gva_t gva, unsigned acc)
{
	struct shadow_look look;
	u64 leaf;

	shadow_look(s, gva, &look);
	leaf = look.entry[2] & PTE_PS ? look.entry[2] : look.entry[1];
	return !entry_made(s, leaf) || ((acc & ACC_WRITE) && !(leaf & PTE_W)) ||
	       ((acc & ACC_FETCH) && (leaf & PTE_NX));
}

bool guard_large(const struct shadow *s, gva_t gva, u64 gfn)
{
	if (stops_page_like(s->cfg.stops, gva.a, LEVEL2_MASK))
		return true;
	if (!s->cfg.stops->kinds[true])
		return false;
	return stops_find(s->cfg.stops, 0xff, true,
			  ALIGN_DOWN(gfn << PAGE_SHIFT, MIB(2)), MIB(2));
}

static void drop_entries(struct shadow *s, struct spage *p)
{
	const u64 *table = spage_table(s, p);

	for (unsigned i = 0; i < SLOTS; i++)
		if (entry_made(s, table[i]))
			spage_drop_entry(s, spage_slot(s, p, i));
}

void guard_several(struct shadow *s, struct spage *p)
{
	if (p->role.level == 1)
		drop_entries(s, p);
	shadow_flush_all(s);
}

/* All of them; the hardware's own root stays, empty. */
void shadow_stops_changed(struct shadow *s)
{
	shadow_enter(s);
	for (u32 i = 1; i < s->page_count; i++) {
		struct spage *p = &s->pages[i];

		if (p->used && spage_is_top(s, p))
			drop_entries(s, p);
		else if (p->used)
			spage_zap(s, p);
	}
	shadow_flush_all(s);
	shadow_leave(s);
}
