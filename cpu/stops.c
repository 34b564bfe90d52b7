/* SPDX-License-Identifier: MIT */
/*
 * The set of stops. Invariant: filter and kinds say of every page at least
 * what the list does; they are made anew when the list shrinks.
 */
#include "cpu/stops.h"

#include "lib/string.h"

#define SLOTS_LIKE 512 /* pages looked at before a range is taken for like */

static void note_pages(struct stops *s, const struct stop *stop)
{
	u64 page = stop->addr >> PAGE_SHIFT;
	u64 pages = ((stop->addr + stop->len - 1) >> PAGE_SHIFT) - page + 1;

	s->kinds[stop->phys] |= stop->kinds;
	for (u64 i = 0; i < MIN(pages, STOPS_FILTER); i++)
		s->filter[stop->phys][(page + i) % STOPS_FILTER] |=
			stop->kinds;
}

static void renew_filter(struct stops *s)
{
	memset(s->filter, 0, sizeof(s->filter));
	memset(s->kinds, 0, sizeof(s->kinds));
	for (u32 i = 0; i < s->count; i++)
		note_pages(s, &s->list[i]);
}

bool stops_add(struct stops *s, const struct stop *stop)
{
	if (s->count == s->room || !stop->len ||
	    stop->addr + stop->len - 1 < stop->addr)
		return false;
	s->list[s->count++] = *stop;
	note_pages(s, stop);
	return true;
}

static bool same(const struct stop *a, const struct stop *b)
{
	return a->addr == b->addr && a->len == b->len &&
	       a->kinds == b->kinds && a->phys == b->phys;
}

bool stops_remove(struct stops *s, const struct stop *stop)
{
	for (u32 i = 0; i < s->count; i++) {
		if (!same(&s->list[i], stop))
			continue;
		s->list[i] = s->list[--s->count];
		renew_filter(s);
		return true;
	}
	return false;
}

void stops_clear(struct stops *s)
{
	s->count = 0;
	renew_filter(s);
}

const struct stop *stops_find(const struct stops *s, u8 kinds, bool phys,
			      u64 addr, u64 len)
{
	for (u32 i = 0; i < s->count; i++) {
		const struct stop *stop = &s->list[i];

		if ((stop->kinds & kinds) && stop->phys == phys &&
		    stop->addr - addr < len)
			return stop;
		if ((stop->kinds & kinds) && stop->phys == phys &&
		    addr - stop->addr < stop->len)
			return stop;
	}
	return NULL;
}

u8 stops_page_scan(const struct stops *s, bool phys, u64 addr)
{
	u64 page = ALIGN_DOWN(addr, PAGE_SIZE);
	u8 kinds = 0;

	for (u8 kind = STOP_EXEC; kind <= STOP_READ; kind <<= 1)
		if (stops_find(s, kind, phys, page, PAGE_SIZE))
			kinds |= kind;
	return kinds;
}

/* Long ranges hold a page of every likeness sooner or later. */
static bool page_like(const struct stop *stop, u64 addr, u64 mask)
{
	u64 first = stop->addr >> PAGE_SHIFT;
	u64 last = (stop->addr + stop->len - 1) >> PAGE_SHIFT;

	for (u64 page = first; page <= last; page++) {
		if (page - first == SLOTS_LIKE)
			return true;
		if (!((page ^ addr >> PAGE_SHIFT) & mask >> PAGE_SHIFT))
			return true;
	}
	return false;
}

u8 stops_page_like(const struct stops *s, u64 addr, u64 mask)
{
	u8 kinds = 0;

	for (u32 i = 0; i < s->count; i++)
		if (!s->list[i].phys && page_like(&s->list[i], addr, mask))
			kinds |= s->list[i].kinds;
	return kinds;
}

void stops_meet(struct stops *s, struct vcpu *v, const struct stop *stop,
		u64 at)
{
	if (s->due)
		return;
	s->due = true;
	s->met = *stop;
	s->at = at;
	v->hold |= HOLD_EVENTS;
	v->attention = 1;
}
