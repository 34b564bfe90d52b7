/* SPDX-License-Identifier: MIT */
/*
 * The counts behind the translator's adaptation. Invariant: nothing here has
 * to be right, a lost count only delays an adaptation.
 */
#include "bt/adapt.h"

#include "lib/switches.h"

/* Faults at one instruction before it becomes a callout. */
#define HOT_FAULTS 4
/* Weight of writes to one code frame before its blocks check themselves: one
 * that hit a block is far worse than one beside them. */
#define HOT_WRITES 1024
#define HOT_HIT    32
#define HOT_SLOTS  4096

/* Instructions until a page that was hot may be tracked again, at first; each
 * time that it does not keep quiet it waits twice as long, up to a limit. */
#define PROBATION     (1ull << 23)
#define PROBATION_MAX (1ull << 26)

/* Direct-mapped event counts; a collision only delays an adaptation. */
struct hot {
	u64 key;
	u32 count;
	u64 wait, until; /* frames: see PROBATION */
};

static struct hot hot_insns[HOT_SLOTS], hot_frames[HOT_SLOTS];

static struct hot *hot_slot(struct hot *table, u64 key)
{
	return &table[(key ^ key >> 12) % HOT_SLOTS];
}

static u32 hot_count(struct hot *table, u64 key)
{
	const struct hot *h = hot_slot(table, key);

	return h->key == key ? h->count : 0;
}

static u32 hot_bump(struct hot *table, u64 key, u32 by)
{
	struct hot *h = hot_slot(table, key);

	if (h->key != key)
		*h = (struct hot){ .key = key };
	return h->count += by;
}

bool adapt_faults(u32 eip)
{
	return switch_on(SWITCH_adapt) &&
	       hot_count(hot_insns, eip) >= HOT_FAULTS;
}

bool adapt_count_fault(u32 eip)
{
	return hot_bump(hot_insns, eip, 1) == HOT_FAULTS;
}

void adapt_forgive(u32 eip)
{
	struct hot *h = hot_slot(hot_insns, eip);

	if (h->key == eip)
		h->count = 0;
}

bool adapt_rewritten(u64 gfn)
{
	return hot_count(hot_frames, gfn) >= HOT_WRITES;
}

bool adapt_count_write(u64 gfn, bool hit, u64 now)
{
	struct hot *h = hot_slot(hot_frames, gfn);

	if (hot_bump(hot_frames, gfn, hit ? HOT_HIT : 1) < HOT_WRITES)
		return false;
	h->wait = MIN(MAX(h->wait * 2, PROBATION), PROBATION_MAX);
	h->until = now + h->wait;
	return true;
}

/* Is the frame's time over? Of those that are tracked the rate of writes
 * counts. */
static bool is_over(struct hot *h, u64 now)
{
	if (h->count < HOT_WRITES) {
		h->count /= 2;
		if (!h->count)
			h->wait /= 2;
		return false;
	}
	if (now < h->until)
		return false;
	h->count = 0;
	return true;
}

void adapt_look_around(u64 now, void (*track)(u64 gfn))
{
	static u64 next;

	if (now < next)
		return;
	next = now + PROBATION / 2;
	for (unsigned i = 0; i < HOT_SLOTS; i++)
		if (is_over(&hot_frames[i], now))
			track(hot_frames[i].key);
}
