/* SPDX-License-Identifier: MIT */
/*
 * What engines do besides running guest code, by kind: how often, and, while
 * somebody wants to know, for how long. The debugger's `exits` prints it.
 */
#ifndef LIB_COST_H
#define LIB_COST_H

#include "types.h"

#define COSTS(X)                                                          \
	X(TURN, "run loop: devices, timers, console")                     \
	X(CALLOUT, "bt: instruction called out of a block")               \
	X(INTERP, "bt: last instruction of a block interpreted")          \
	X(LINK, "bt: exit of a block not linked yet")                     \
	X(TRANSLATE, "bt: block translated")                              \
	X(PAGE_FAULT, "bt: page fault taken to the shadow MMU")           \
	X(STEP, "bt: instruction interpreted outside blocks")             \
	X(USER, "bt: user code run until it comes back")                  \
	X(VMEXIT, "vmx: exit handled")

enum cost {
#define X(name, text) COST_##name,
	COSTS(X)
#undef X
	COST_COUNT
};

struct cost_row {
	u64 count, ticks;
};

extern struct cost_row costs[COST_COUNT];
extern bool cost_timed;

const char *cost_text(enum cost c);

/* The time now, if it is wanted. */
static inline u64 cost_start(void)
{
	return __builtin_expect(cost_timed, 0) ? __builtin_ia32_rdtsc() : 0;
}

static inline void cost_end(enum cost c, u64 start)
{
	costs[c].count++;
	if (__builtin_expect(start != 0, 0))
		costs[c].ticks += __builtin_ia32_rdtsc() - start;
}

#endif
