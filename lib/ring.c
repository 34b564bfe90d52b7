/* SPDX-License-Identifier: MIT */
/*
 * The event ring. `next` only grows; entry n lives at n modulo the size, so
 * that a reader can tell from `next` alone which entries are there.
 */
#include "lib/ring.h"

#include "bits.h"

static struct ring_entry ring[RING_SIZE];
static u32 next;
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
	seq = next++;
	ring[seq % RING_SIZE] = (struct ring_entry){
		.tsc = __builtin_ia32_rdtsc(),
		.a = a,
		.b = b,
		.event = event,
		.seq = seq,
	};
}

const struct ring_entry *ring_last(unsigned n)
{
	if (n >= RING_SIZE || n >= next)
		return NULL;
	return &ring[(next - 1 - n) % RING_SIZE];
}

const char *ring_event_name(enum ring_event event)
{
	return (unsigned)event < RING_EVENT_COUNT ? names[event] : "?";
}
