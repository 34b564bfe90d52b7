/* SPDX-License-Identifier: MIT */
/*
 * nanobench: one privileged operation at a time, timed by the TSC. The rows
 * are in ops_*.c; nanobench.c runs them all the same way. All of it is built
 * for 32 and for 64 bits; what only one of them has is in machine*.c and
 * handlers*.asm.
 */
#ifndef NANO_H
#define NANO_H

#ifdef __x86_64__
#include "long.h"
#else
#include "guest.h"
#endif

typedef unsigned long word; /* as wide as a register */

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
extern const struct op machine_ops[];

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

extern const char *paging_name;

void paging_start(void);
void space_load(u32 space);
/* The low half of the leaf entry of REGION's page; the high one stays 0. */
volatile u32 *leaf(u32 space, u32 page);
u32 entry_of(u32 page); /* what maps it, present */
/* All of REGION's pages mapped and touched, in space 0. */
void map_all(void);

static inline u8 touch(u32 page)
{
	return *(volatile u8 *)(word)(REGION + page * 4096);
}

/* ---- the machine's format and modes (machine32.c, machine64.c) ---- */

/* Before paging_start(): the format, by the command line. */
void machine_choose(bool pae);
/* Leaf entries are so many words of 32 bits apart. */
u32 entry_words(void);
/* The roots, over tables whose leaves are filled in. */
void machine_link(u32 *identity, u32 tables, u32 (*leaves)[1024]);
void machine_paging_on(void);
word machine_root(u32 space);

/* Vector's gate leads to a handler; back to the library's. The one of INT 80h
 * is open to the user. */
void gate(u32 vector, const void *entry);
void ungate(u32 vector);
/* code at CPL 3, until it runs into a privileged instruction. */
void run_user(void (*code)(void), u32 count);

/* ---- handlers (handlers32.asm, handlers64.asm) ---- */

extern const u8 on_return[], on_skip[], on_skip_error[], on_demand[];
extern const u8 on_timer[], on_timer_latch[], on_syscall[];
extern word demand_leaf;
extern u32 demand_shift, demand_entry;
extern u32 timer_count, timer_late, timer_reload;
extern u32 user_count;
void user_int80(void);
void user_syscall(void); /* by SYSENTER; of 64 bits, by SYSCALL */
void call_once(u32 n);
void call_indirect(u32 n, u32 mask);

#endif
