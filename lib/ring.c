/* SPDX-License-Identifier: MIT */
/*
 * The event ring. `next` only grows; entry n lives at n modulo the size, so
 * that a reader can tell from `next` alone which entries are there.
 */
#include "lib/ring.h"

#include "bits.h"
#include "lib/string.h"

static struct ring first;
static struct ring *ring = &first;
u32 ring_classes = ~0u;

static const char *const names[RING_EVENT_COUNT] = {
#define X(name, text) [RING_##name] = text,
	RING_EVENTS(X)
#undef X
};

void ring_add(enum ring_event event, u64 a, u64 b)
{
	u32 seq;

	if (!(ring_classes >> event & 1))
		return;
	seq = ring->next++;
	ring->entry[seq % RING_SIZE] = (struct ring_entry){
		.tsc = __builtin_ia32_rdtsc(),
		.a = a,
		.b = b,
		.event = event,
		.seq = seq,
	};
}

void ring_move(struct ring *to)
{
	memcpy(to, ring, sizeof(*to));
	ring = to;
}

/* An entry that is not the one it should be was never written. */
const struct ring_entry *ring_entry_of(const struct ring *r, unsigned n)
{
	u32 seq = r->next - 1 - n;
	const struct ring_entry *e = &r->entry[seq % RING_SIZE];

	if (n >= RING_SIZE || n >= r->next || e->seq != seq)
		return NULL;
	return e;
}

const struct ring_entry *ring_last(unsigned n)
{
	return ring_entry_of(ring, n);
}

const char *ring_event_name(enum ring_event event)
{
	return (unsigned)event < RING_EVENT_COUNT ? names[event] : "?";
}
