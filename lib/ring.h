/* SPDX-License-Identifier: MIT */
/*
 * The event ring: what happened last, for panics and the debugger. One writer
 * a CPU, no locks, nothing allocated.
 */
#ifndef LIB_RING_H
#define LIB_RING_H

#include "types.h"

#define RING_EVENTS(X)                                                    \
	X(EXIT, "exit")           /* a: enum exit_reason, b: guest rip */ \
	X(DELIVER, "deliver")     /* a: vector, b: error code */          \
	X(FAULT, "host-fault")    /* a: vector, b: host rip */            \
	X(PAGE_FAULT, "page-fault") /* a: gva, b: error code */           \
	X(BLOCK, "translate")     /* a: guest linear pc, b: bytes */      \
	X(CALLOUT, "callout")     /* a: guest pc, b: opcode */            \
	X(IRQ, "host-irq")        /* a: vector, b: interrupted rip */     \
	X(FLUSH, "flush")         /* a: what, b: 0 */                     \
	X(USER, "user-entry")     /* a: eip, b: esp */                    \
	X(PORT, "port")           /* a: port | size << 16, b: value */

enum ring_event {
#define X(name, text) RING_##name,
	RING_EVENTS(X)
#undef X
	RING_EVENT_COUNT
};

struct ring_entry {
	u64 tsc;
	u64 a, b;
	u32 event;
	u32 seq;
};

#define RING_SIZE 4096

extern u32 ring_classes; /* bit n: events of class n are noted; all at first */

void ring_add(enum ring_event event, u64 a, u64 b);

/* The ring's memory. It may be moved, once there is a place that lasts. */
struct ring {
	u32 next; /* only grows */
	u32 unused;
	struct ring_entry entry[RING_SIZE];
};

/* From now on there, with what was noted so far. */
void ring_move(struct ring *to);
/* Of any ring, whatever its contents: the n-th last entry, or NULL. */
const struct ring_entry *ring_entry_of(const struct ring *r, unsigned n);

/* The n-th last entry (0: newest); NULL when there is none. */
const struct ring_entry *ring_last(unsigned n);
const char *ring_event_name(enum ring_event event);

#endif
