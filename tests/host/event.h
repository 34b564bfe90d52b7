/* SPDX-License-Identifier: MIT */
/*
 * For tests of events: code that is stepped with delivery, events made by
 * hand, and a task to switch to.
 */
#ifndef TESTS_HOST_EVENT_H
#define TESTS_HOST_EVENT_H

#include "tests/host/machine.h"

/* Delivers to the first handler; a fault stays in e.fault. */
static inline bool deliver_only(const struct event *ev)
{
	m->e.fault_set = false;
	return emu_deliver(&m->e, ev) == EMU_OK;
}

static inline struct event exception(unsigned vector, bool has_error, u32 error)
{
	return (struct event){ .vector = vector, .kind = EV_EXCEPTION,
			       .has_error = has_error, .error = error };
}

static inline void step(void)
{
	m->e.no_deliver = false;
	emu_step(&m->e);
}

static inline void code(const void *bytes, unsigned n)
{
	memcpy(m->mem + CODE, bytes, n);
}

#define CODE_IS(...)                                                      \
	code((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static inline u32 handler(unsigned vector)
{
	return HANDLER + 16 * vector;
}

/* Fill the other TSS (32-bit) with a task at CPL 3. */
static inline void put_task(void)
{
	static const u16 sel[] = { S_DATA3 | 3, S_CODE3 | 3, S_DATA3 | 3,
				   S_DATA3 | 3, 0, 3 };
	unsigned i;

	put32(TSS_OTHER + 0x1c, 0x7000);
	put32(TSS_OTHER + 0x20, 0x12000);
	put32(TSS_OTHER + 0x24, 0x3202);
	for (i = 0; i < 8; i++)
		put32(TSS_OTHER + 0x28 + 4 * i, 0x1000 + i);
	put32(TSS_OTHER + 0x38, STACK3);
	for (i = 0; i < 6; i++)
		put16(TSS_OTHER + 0x48 + 4 * i, sel[i]);
	put16(TSS_OTHER + 0x60, S_LDT);
}

#endif
