/* SPDX-License-Identifier: MIT */
/*
 * Write tracking. One byte a frame says who subscribes; a frame that gains its
 * first subscriber is write-protected at once, one that loses its last becomes
 * writable again, if not at once then by the next hidden fault.
 */
#include "mm/track.h"
#include "bits.h"
#include "lib/string.h"

void track_init(struct track *t, u8 *bits, u64 frames)
{
	memset(t, 0, sizeof(*t));
	t->bits = bits;
	t->frames = frames;
}

void track_subscriber(struct track *t, enum track_who who, track_fn fn,
		      void *ctx)
{
	t->fn[who] = fn;
	t->ctx[who] = ctx;
}

void track_add(struct track *t, enum track_who who, u64 gfn)
{
	bool first;

	if (gfn >= t->frames)
		return;
	first = !t->bits[gfn];
	t->bits[gfn] |= (u8)BIT(who);
	if (first && t->protect)
		t->protect(t->protect_ctx, gfn);
}

void track_remove(struct track *t, enum track_who who, u64 gfn)
{
	if (gfn >= t->frames || !(t->bits[gfn] & BIT(who)))
		return;
	t->bits[gfn] &= (u8)~BIT(who);
	if (!t->bits[gfn] && t->unprotect)
		t->unprotect(t->protect_ctx, gfn);
}

/*
 * Subscribers are those of the moment of the write: one that unsubscribes
 * another from its callback does not silence it.
 */
void track_notify(struct track *t, gpa_t gpa, const void *old, unsigned size)
{
	u64 gfn = gpa.a >> PAGE_SHIFT;
	unsigned bits = gfn < t->frames ? t->bits[gfn] : 0;

	for (unsigned who = 0; bits; who++, bits >>= 1)
		if ((bits & 1) && t->fn[who])
			t->fn[who](t->ctx[who], gpa, old, size);
}
