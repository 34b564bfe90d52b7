/* SPDX-License-Identifier: MIT */
/*
 * Write tracking: who wants to know of writes to a guest frame subscribes to
 * it. The shadow MMU maps a frame read-only while anyone subscribes, so every
 * write arrives here. Invariant: a frame with a subscriber has no writable
 * shadow entry.
 */
#ifndef MM_TRACK_H
#define MM_TRACK_H

#include "bits.h"

enum track_who { TRACK_SHADOW, TRACK_CODE, TRACK_ROM, TRACK_WHO_COUNT };

/*
 * Called after the bytes gpa..gpa+size-1 (within one frame) have been written.
 * `old` holds the bytes before.
 */
typedef void (*track_fn)(void *ctx, gpa_t gpa, const void *old, unsigned size);

struct track {
	u8 *bits; /* one byte a frame: BIT(enum track_who) */
	u64 frames;
	track_fn fn[TRACK_WHO_COUNT];
	void *ctx[TRACK_WHO_COUNT];
	/* The shadow MMU's hooks: make every mapping of the frame read-only,
	 * and those writable again that may be. */
	void (*protect)(void *ctx, u64 gfn);
	void (*unprotect)(void *ctx, u64 gfn);
	void *protect_ctx;
};

/* bits: `frames` zeroed bytes. */
void track_init(struct track *t, u8 *bits, u64 frames);
void track_subscriber(struct track *t, enum track_who who, track_fn fn,
		      void *ctx);
void track_add(struct track *t, enum track_who who, u64 gfn);
void track_remove(struct track *t, enum track_who who, u64 gfn);

static inline bool track_any(const struct track *t, u64 gfn)
{
	return gfn < t->frames && t->bits[gfn];
}

static inline bool track_has(const struct track *t, enum track_who who,
			     u64 gfn)
{
	return gfn < t->frames && (t->bits[gfn] & BIT(who));
}

/* BIT(enum track_who) of every subscriber. */
static inline unsigned track_who(const struct track *t, u64 gfn)
{
	return gfn < t->frames ? t->bits[gfn] : 0;
}

/* Tell every subscriber of the frame. Called by gpm_write(). */
void track_notify(struct track *t, gpa_t gpa, const void *old, unsigned size);

#endif
