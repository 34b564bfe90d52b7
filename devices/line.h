/* SPDX-License-Identifier: MIT */
/*
 * What a device is wired with: an output line, the clock that it counts by,
 * the wire that stops the machine and the A20 gate. The board makes them and
 * hands them over at init; a device never sees the board.
 */
#ifndef DEVICES_LINE_H
#define DEVICES_LINE_H

#include "bits.h"
#include "devices/board.h"

#define NEVER (~0ull) /* a deadline that does not come */

struct line {
	void (*set)(void *ctx, unsigned n, bool level);
	void *ctx;
	unsigned n;
};

static inline void line_set(const struct line *l, bool level)
{
	if (l->set)
		l->set(l->ctx, l->n, level);
}

struct stop_line {
	void (*stop)(void *ctx, enum board_stop why, u32 code);
	void *ctx;
};

static inline void stop_now(const struct stop_line *s, enum board_stop why,
			    u32 code)
{
	s->stop(s->ctx, why, code);
}

/* The A20 gate: the i8042 and port 92h both move it and both show it. */
struct a20_gate {
	bool open;
	void (*moved)(void *ctx, bool open);
	void *ctx;
};

static inline void a20_set(struct a20_gate *g, bool open)
{
	if (g->open == open)
		return;
	g->open = open;
	if (g->moved)
		g->moved(g->ctx, open);
}

struct clock {
	u64 (*now)(void *ctx); /* in TSC ticks */
	void *ctx;
	u64 hz;
};

static inline u64 clock_now(const struct clock *c)
{
	return c->now(c->ctx);
}

/*
 * Whole periods of rate `rate` in `tsc` ticks. Seconds and rest are scaled
 * apart, so that nothing overflows and nothing is rounded: no drift.
 */
static inline u64 clock_scale(const struct clock *c, u64 tsc, u32 rate)
{
	return tsc / c->hz * rate + tsc % c->hz * rate / c->hz;
}

/* The first TSC at which clock_scale() gives n. */
static inline u64 clock_unscale(const struct clock *c, u64 n, u32 rate)
{
	return n / rate * c->hz + (n % rate * c->hz + rate - 1) / rate;
}

#endif
