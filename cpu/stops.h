/* SPDX-License-Identifier: MIT */
/*
 * What a debugger wants the guest stopped at: instructions and data, by linear
 * or by physical address, as many as it likes. Nothing of it is in the guest:
 * no byte of its memory, no debug register. Plain data; the debugger owns it
 * and changes it only while the guest is stopped, then says so to the engine
 * (struct engine's stops_changed) and to the shadow MMU.
 *
 * The contract of whoever runs guest instructions: an instruction that lies on
 * a page with STOP_EXEC, and an access to a page with STOP_WRITE or STOP_READ,
 * is the interpreter's. (bt may translate such pages: no block then begins at
 * or runs over a stop.) emu_step() sees the stop, leaves the guest before the
 * instruction, or after it for data, and asks for attention; v->hold keeps
 * events off until the run loop has been.
 */
#ifndef CPU_STOPS_H
#define CPU_STOPS_H

#include "cpu/vcpu.h"

enum stop_kind {
	STOP_EXEC = BIT(0),
	STOP_WRITE = BIT(1),
	STOP_READ = BIT(2),
};

struct stop {
	u64 addr, len; /* STOP_EXEC: len 1 */
	u8 kinds;      /* enum stop_kind */
	bool phys;     /* guest-physical, else linear */
};

#define STOPS_FILTER 4096

struct stops {
	struct stop *list; /* the debugger's array */
	u32 count, room;
	u8 kinds[2]; /* of all stops: linear, physical */
	u8 filter[2][STOPS_FILTER]; /* kinds by page number modulo */

	bool due;        /* one was met: `met` and `at` say which and where */
	struct stop met;
	u64 at;          /* first byte of the access, or the instruction */
	bool over;       /* the instruction at over_pc runs though it is one */
	u64 over_pc;
};

/* False: no room. The same stop may be there twice and then goes twice. */
bool stops_add(struct stops *s, const struct stop *stop);
/* False: there is no such stop. */
bool stops_remove(struct stops *s, const struct stop *stop);
void stops_clear(struct stops *s);

/* Kinds of the stops on the page of a linear or physical address. */
u8 stops_page_scan(const struct stops *s, bool phys, u64 addr);

static inline u8 stops_page(const struct stops *s, bool phys, u64 addr)
{
	if (likely(!s->filter[phys][(addr >> PAGE_SHIFT) % STOPS_FILTER]))
		return 0;
	return stops_page_scan(s, phys, addr);
}

/* Kinds of linear stops on any page that agrees with addr in mask's bits. */
u8 stops_page_like(const struct stops *s, u64 addr, u64 mask);

/* The first stop of these kinds that touches the bytes; NULL: none. */
const struct stop *stops_find(const struct stops *s, u8 kinds, bool phys,
			      u64 addr, u64 len);

/* Have the instruction at the vcpu's pc, a REP as a whole, run first. */
static inline void stops_step_over(struct stops *s, u64 pc)
{
	s->over = true;
	s->over_pc = pc;
}

/* Note that one is met; the vcpu then stays where it gets to. */
void stops_meet(struct stops *s, struct vcpu *v, const struct stop *stop,
		u64 at);

/* Linear address of the next instruction. */
static inline u64 stops_pc(const struct vcpu *v)
{
	u64 pc = v->seg[SEG_CS].base + v->rip;

	return vcpu_long_mode(v) ? pc : (u32)pc;
}

/* Is the next instruction on a page that only the interpreter may run? Of
 * physical stops the shadow MMU has to say it. */
static inline bool stops_bar(const struct stops *s, const struct vcpu *v)
{
	return unlikely(s->count) &&
	       (stops_page(s, false, stops_pc(v)) & (STOP_EXEC | STOP_READ));
}

#endif
