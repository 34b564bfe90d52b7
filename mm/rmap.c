/* SPDX-License-Identifier: MIT */
/*
 * The reverse map: every present entry ("slot") is on the list of what it
 * points to. The links lie in one array with a pair for each slot there can
 * be, so the map never allocates. Entries change only through here.
 */
#include "mm/internal.h"

/* The head of the list that an entry belongs on. */
static inline u32 *list_of(struct shadow *s, unsigned level, u64 entry)
{
	if (likely(level == 1))
		return &s->frame_slots[entry_gfn(s, entry)];
	if (entry_is_table(level, entry))
		return &entry_child(s, entry)->parents;
	return &s->large_slots[entry_gfn(s, entry) >> 9];
}

static void live_add(struct shadow *s, u32 slot, int n)
{
	if (slot < s->root_slots)
		s->pages[slot / SLOTS].live += (u32)n;
}

/* The slot must be empty. It stays so where the debugger guards the page. */
void rmap_set(struct shadow *s, u32 slot, u64 entry)
{
	u64 *e = slot_entry(s, slot);
	u32 *head;

	assert(!entry_made(s, *e));
	if (unlikely(guard_on(s)) && !guard_entry(s, slot, &entry)) {
		*(volatile u64 *)e = s->empty; /* the guest's is present */
		return;
	}
	head = list_of(s, slot_level(s, slot), entry);
	s->links[slot] = (struct link){ *head, 0 };
	if (*head)
		s->links[*head].prev = slot;
	*head = slot;
	live_add(s, slot, 1);
	*(volatile u64 *)e = entry;
}

/* Say of the slot, which is not made, what the guest's entry says. */
void rmap_unmake(struct shadow *s, u32 slot, u64 guest)
{
	u64 *e = slot_entry(s, slot);

	assert(!entry_made(s, *e));
	*(volatile u64 *)e = s->pages[slot / SLOTS].unsync ?
				     s->empty : entry_unmade(s, guest);
}

/* The slot must be made. */
void rmap_clear(struct shadow *s, u32 slot)
{
	u64 *e = slot_entry(s, slot);
	u32 *head = list_of(s, slot_level(s, slot), *e);
	struct link *l = &s->links[slot];

	*(volatile u64 *)e = slot < s->root_slots ? s->empty : s->empty_root;
	if (l->prev)
		s->links[l->prev].next = l->next;
	else
		*head = l->next;
	if (l->next)
		s->links[l->next].prev = l->prev;
	live_add(s, slot, -1);
}

/* Take a leaf's slot off the list of its frame, whose head that is. */
static inline void unlink_leaf(struct link *links, u32 slot, u32 *head)
{
	struct link l = links[slot];

	*(l.prev ? &links[l.prev].next : head) = l.next;
	if (l.next)
		links[l.next].prev = l.prev;
}

void rmap_clear_leaf(struct shadow *s, struct spage *p, u32 slot)
{
	u64 e = s->tables[slot];

	unlink_leaf(s->links, slot, &s->frame_slots[entry_gfn(s, e)]);
	((volatile u64 *)s->tables)[slot] = s->empty;
	p->live--;
	stale_note(s, 1, e);
}

/* Most of what it costs to tear down a process. A leaf that is made has A. */
__attribute__((noinline))
void rmap_clear_leaves(struct shadow *s, struct spage *p)
{
	u32 first = spage_slot(s, p, 0), live = p->live;
	u32 *heads = s->frame_slots - (s->gpm->hpa.a >> PAGE_SHIFT);
	u64 empty = s->empty, noted = PTE_W;
	u64 *table = s->tables + first;
	struct link *links = s->links;

	for (u32 i = 0; live; i++) {
		u64 e = table[i];

		if (!(i & 3) && !(four_of(table + i) & PTE_A))
			i += 3;
		if (!(e & PTE_A))
			continue;
		unlink_leaf(links, first + i,
			    &heads[(e & PTE_ADDR) >> PAGE_SHIFT]);
		*(volatile u64 *)&table[i] = empty;
		live--;
		if (e & noted) {
			stale_note(s, 1, e);
			noted = s->stale_count > STALE_MAX ? 0 : PTE_W;
		}
	}
	p->live = 0;
}

/* Is the present slot properly on its list? */
bool rmap_holds(struct shadow *s, u32 slot)
{
	u32 *head = list_of(s, slot_level(s, slot), *slot_entry(s, slot));
	const struct link *l = &s->links[slot];

	if ((l->prev ? s->links[l->prev].next : *head) != slot)
		return false;
	return !l->next || (s->links[l->next].prev == slot &&
			    entry_made(s, *slot_entry(s, l->next)));
}

/* May the read-only leaf be written, but for the trace that has ended? One of a
 * table out of sync may be old, or lend itself to a supervisor for a while. */
static bool may_write(const struct shadow *s, const struct spage *p, unsigned i)
{
	union role role = p->role;
	struct rights r = { role.w, role.u, role.nx, role.d };
	u64 gfn, e = spage_table(s, p)[i];

	if (p->unsync ||
	    (!role.direct &&
	     !leaf_decode(p, table_entry_read(s, p, i), &r, &gfn)))
		return false;
	return leaf_flags(s, role, r, false) ==
	       ((e & ~PTE_ADDR) | PTE_W | PTE_D);
}

/*
 * The frame is no longer tracked: what was read-only for that alone is not any
 * more. A TLB that has not heard of it costs a fault.
 */
void rmap_unprotect(void *ctx, u64 gfn)
{
	struct shadow *s = ctx;

	if (unlikely(guard_on(s)) ||
	    gpm_kind(s->gpm, GPA(gfn << PAGE_SHIFT)) != GPM_RAM)
		return;
	for (u32 n = s->frame_slots[gfn]; n; n = s->links[n].next) {
		u64 *e = slot_entry(s, n);

		if (!(*e & PTE_W) &&
		    may_write(s, &s->pages[n / SLOTS], n % SLOTS))
			*(volatile u64 *)e = *e | PTE_W | PTE_D;
	}
}

/* The frame has become tracked: no writable entry for it may be left. */
void rmap_protect(void *ctx, u64 gfn)
{
	struct shadow *s = ctx;
	bool all = stale_writable(s, gfn);
	u32 slot;

	shadow_enter(s);
	for (slot = s->frame_slots[gfn]; slot; slot = s->links[slot].next) {
		u64 *e = slot_entry(s, slot);

		if (!(*e & PTE_W))
			continue;
		*(volatile u64 *)e = *e & ~(PTE_W | PTE_D);
		shadow_flush_slot(s, slot);
	}
	while ((slot = s->large_slots[gfn >> 9])) {
		rmap_clear(s, slot);
		all = true;
	}
	if (all)
		shadow_flush_all(s);
	if (s->cfg.tracked)
		s->cfg.tracked(s->cfg.ctx, gfn);
	shadow_leave(s);
}
