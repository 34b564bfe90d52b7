/* SPDX-License-Identifier: MIT */
/*
 * The pool of shadow pages: found by key, made, linked, zapped, reclaimed.
 * Invariants: a page that shadows a guest table has its frame write-tracked;
 * a page that nothing points to any more is freed at once; the pool may run
 * low but never dry, since a fault reserves what it needs before it starts.
 */
#include "lib/string.h"
#include "mm/internal.h"

/* One fault takes a page of each level at most. */
#define FAULT_PAGES 4u

/* The guest's entries are 8 bytes, and a slot's each. */
static void unmake_wide(u64 *table, const u64 *guest, u64 empty)
{
	for (unsigned i = 0; i < SLOTS; i += 4) {
		if (likely(!four_of(guest + i)))
			continue;
		for (unsigned n = i; n < i + 4; n++)
			if (guest[n] & PTE_P)
				table[n] = empty;
	}
}

/* They are 4 bytes, so that a word is two. */
static void unmake_narrow(u64 *table, const u64 *guest, u64 empty)
{
	for (unsigned i = 0; i < SLOTS / 2; i += 4) {
		if (likely(!four_of(guest + i)))
			continue;
		for (unsigned n = i; n < i + 4; n++) {
			u64 two = guest[n];

			table[2 * n] = empty & -(two & PTE_P);
			table[2 * n + 1] = empty & -(two >> 32 & PTE_P);
		}
	}
}

/* They are 4 bytes, and two slots' each. */
static void unmake_split(u64 *table, const u32 *guest, u64 empty)
{
	for (unsigned i = 0; i < SLOTS / 2; i++)
		if (guest[i] & PTE_P)
			table[2 * i] = table[2 * i + 1] = empty;
}

/*
 * Every slot as the guest's entry is: a scan saves a fault each. It is most of
 * what a new page costs, and most entries are not present.
 */
static void unmake_all(struct shadow *s, const struct spage *p)
{
	const u8 *guest = s->gpm->base + (p->gfn << PAGE_SHIFT) +
			  role_guest_index(p->role, 0) *
				  role_entry_size(p->role);
	u64 *table = spage_table(s, p), empty = s->empty;

	if (p->role.direct || p->unsync) {
		for (unsigned i = 0; i < SLOTS; i++)
			table[i] = empty;
		return;
	}
	memset(table, 0, PAGE_SIZE);
	if (role_entry_size(p->role) == 8)
		unmake_wide(table, (const u64 *)guest, empty);
	else if (p->role.level == 1)
		unmake_narrow(table, (const u64 *)guest, empty);
	else
		unmake_split(table, (const u32 *)guest, empty);
}

/* A table that is out of sync stays so, unless it is more than a leaf table. */
static u8 join_unsync(struct shadow *s, u64 gfn, union role role)
{
	const struct spage *p = role.direct ? NULL : spage_first(s, gfn);

	if (!p || !p->unsync)
		return 0;
	if (role.level == 1)
		return p->unsync;
	unsync_end(s, p);
	return 0;
}

static struct spage *make(struct shadow *s, u64 gfn, union role role)
{
	u8 unsync = join_unsync(s, gfn, role);
	u32 i = s->free_head, *head = spage_bucket(s, gfn);
	struct spage *p = &s->pages[i];
	u32 retired = p->retired;

	assert(i);
	s->free_head = p->hash_next;
	s->free_count--;
	*p = (struct spage){ .gfn = gfn, .role = role, .hash_next = *head,
			     .used = true, .recent = true, .unsync = unsync };
	*head = i;
	leaf_memo_forget(s, gfn);
	if (s->empty)
		unmake_all(s, p);
	/* The processor may still cache this table in its former use. */
	if (retired == s->epoch)
		shadow_flush_all(s);
	if (!role.direct && !unsync)
		track_add(s->track, TRACK_SHADOW, gfn);
	count(CNT_SHADOW_PAGES);
	return p;
}

struct spage *spage_get(struct shadow *s, u64 gfn, union role role)
{
	struct spage *p;
	u32 i;

	for (i = *spage_bucket(s, gfn); i; i = p->hash_next) {
		p = &s->pages[i];
		if (p->gfn == gfn && p->role.word == role.word) {
			p->recent = true;
			return p;
		}
	}
	return make(s, gfn, role);
}

/*
 * p has no single linear address any more (one table in two upper entries),
 * and neither has what lies below it. As deep as there are levels.
 */
static void set_several(struct shadow *s, struct spage *p)
{
	const u64 *table = spage_table(s, p);

	if (p->several)
		return;
	p->several = true;
	leaf_memo_forget(s, p->gfn);
	if (unlikely(guard_on(s)))
		guard_several(s, p);
	for (unsigned i = 0; p->role.level > 1 && i < SLOTS; i++)
		if (entry_made(s, table[i]) &&
		    entry_is_table(p->role.level, table[i]))
			set_several(s, entry_child(s, table[i]));
}

/* Point the empty slot, which covers linear address gva, at child. */
void spage_link(struct shadow *s, u32 slot, struct spage *child, u64 gva)
{
	u64 at = s->tables_hpa.a + spage_index(s, child) * PAGE_SIZE;
	u64 flags = PTE_P | PTE_W | PTE_U | PTE_A;

	if (slot >= s->root_slots && s->cfg.root_kind == SHADOW_ROOT_PAE)
		flags = PTE_P;
	if ((child->linked && child->gva != gva) ||
	    (slot < s->root_slots && s->pages[slot / SLOTS].several))
		set_several(s, child);
	child->gva = gva;
	child->linked = true;
	if (slot < s->root_slots && !child->role.u)
		s->pages[slot / SLOTS].kernel = true;
	if (unlikely(s->unsync_count))
		unsync_linked(s, child);
	rmap_set(s, slot, at | flags);
}

static void unhash(struct shadow *s, struct spage *p)
{
	u32 *at = spage_bucket(s, p->gfn), i = spage_index(s, p);

	while (*at != i)
		at = &s->pages[*at].hash_next;
	*at = p->hash_next;
}

/* Last, so that most are flushed by the time that they are used again. */
static void put_free(struct shadow *s, struct spage *p)
{
	u32 i = spage_index(s, p);

	p->retired = s->epoch;
	p->hash_next = 0;
	if (s->free_count++)
		s->pages[s->free_tail].hash_next = i;
	else
		s->free_head = i;
	s->free_tail = i;
}

/* Nothing points to it. */
static void release(struct shadow *s, struct spage *p)
{
	const u64 *table = spage_table(s, p);

	if (p->role.level == 1)
		rmap_clear_leaves(s, p);
	for (unsigned i = 0; p->live; i++)
		if (entry_made(s, table[i]))
			spage_drop_entry(s, spage_slot(s, p, i));
	unhash(s, p);
	leaf_memo_forget(s, p->gfn);
	/* See gtlb_note(). What a directory led to is flushed by the guest. */
	if (p->role.level == 1 && !p->role.u)
		gtlb_drop_all(&s->tlb);
	else
		gtlb_drop_local(&s->tlb);
	if (!p->role.direct && !spage_first(s, p->gfn)) {
		if (p->unsync)
			unsync_forget(s, p);
		else
			track_remove(s->track, TRACK_SHADOW, p->gfn);
	}
	p->used = false;
	put_free(s, p);
	s->stale_table = true;
	s->stale_large |= p->role.direct;
	count(CNT_SHADOW_ZAPS);
}

/* Empty a slot; a table that this was the last link to goes too. */
void spage_drop_entry(struct shadow *s, u32 slot)
{
	u64 e = *slot_entry(s, slot);
	unsigned level = slot_level(s, slot);

	rmap_clear(s, slot);
	stale_note(s, level, e);
	if (entry_is_table(level, e) && !entry_child(s, e)->parents)
		release(s, entry_child(s, e));
}

/* Take a page out of use wherever it is linked. */
void spage_zap(struct shadow *s, struct spage *p)
{
	while (p->parents)
		rmap_clear(s, p->parents);
	release(s, p);
}

bool spage_is_top(const struct shadow *s, const struct spage *p)
{
	return s->current && p == root_top(s, s->current);
}

static bool in_current_root(const struct shadow *s, const struct spage *p)
{
	if (!s->current)
		return false;
	for (unsigned i = 0; i < 4; i++) {
		u64 e = s->current->pdpt[i];

		if (entry_made(s, e) && entry_child(s, e) == p)
			return true;
	}
	return false;
}

/*
 * Clock over the pool, until a sixteenth of it is free, so that a sweep is
 * paid for by many faults.
 */
static void reclaim(struct shadow *s)
{
	u32 want = MAX(s->page_count / 16, FAULT_PAGES);

	while (s->free_count < want) {
		struct spage *p = &s->pages[s->clock];

		if (++s->clock == s->page_count)
			s->clock = 1;
		if (!p->used || in_current_root(s, p))
			continue;
		if (p->recent) {
			p->recent = false;
			continue;
		}
		spage_zap(s, p);
		count(CNT_SHADOW_RECLAIMS);
	}
}

void spage_reserve(struct shadow *s)
{
	if (unlikely(s->free_count < FAULT_PAGES))
		reclaim(s);
}
