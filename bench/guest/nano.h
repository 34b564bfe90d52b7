/* SPDX-License-Identifier: MIT */
/*
 * nanobench: one privileged operation at a time, timed by the TSC. The rows
 * are in ops_*.c; nanobench.c runs them all the same way.
 */
#ifndef NANO_H
#define NANO_H

#include "guest.h"

/*
 * A row: run(n) does the operation n times and is what is timed; prepare(n)
 * makes ready for that, untimed, at most `batch` at a time (0: any number).
 * A row that has to time itself gives timed(&n) instead: ticks for n.
 */
struct op {
	const char *name;
	void (*run)(u32 n);
	void (*prepare)(u32 n);
	u32 batch;
	bool (*can)(void); /* NULL: always */
	u64 (*timed)(u32 *n);
};

extern const struct op cpu_ops[], paging_ops[], event_ops[];

static inline u64 rdtsc(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

u64 divide(u64 value, u32 by, u32 *rest);

/* Tells the monitor, if one listens (vm/marks.c). */
enum { MARK_BEGIN = 1, MARK_END = 2, MARK_TELL = 3 };
static inline void mark(u8 what)
{
	outb(0xe8, what);
}

/* ---- paging (tables.c) ---- */

#define REGION 0x40000000u /* pages of the rows' own */
#define SPACES 16          /* address spaces that differ in REGION alone */
#define PAGES  256         /* of REGION, backed by frames of their own */
#define MMIO_PAGE 300      /* of REGION: the local APIC's registers */

enum { P = 1, W = 2, U = 4, PCD = 0x10, AVAILABLE = 0x200 };

extern bool pae;

void paging_start(void);
void space_load(u32 space);
/* The low half of the leaf entry of REGION's page; the high one stays 0. */
volatile u32 *leaf(u32 space, u32 page);
u32 entry_of(u32 page); /* what maps it, present */
/* All of REGION's pages mapped and touched, in space 0. */
void map_all(void);

static inline u8 touch(u32 page)
{
	return *(volatile u8 *)(REGION + page * 4096);
}

/* ---- handlers (handlers.asm) ---- */

extern const u8 on_return[], on_skip[], on_skip_error[], on_demand[];
extern const u8 on_timer[], on_timer_latch[], on_sysenter[];
extern u32 demand_leaf, demand_shift, demand_entry;
extern u32 timer_count, timer_late, timer_reload;
extern u32 user_count;
void user_int80(void);
void user_sysenter(void);
extern void (*const call_targets[64])(void);
void call_once(u32 n);
void call_indirect(u32 n, u32 mask);

#endif
