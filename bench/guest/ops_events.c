/* SPDX-License-Identifier: MIT */
/* Rows of events: system calls, faults, the timer. Gates are set for a row and
 * put back after it, so that a stray fault is still told. */
#include "nano.h"

#define VEC_IRQ0 0x20
#define PIT_HZ 1193182u

static void run_int80(u32 n)
{
	gate(0x80, on_return);
	run_user(user_int80, n);
	ungate(0x80);
}

static void unmap(u32 n)
{
	map_all();
	for (u32 i = 0; i < n; i++)
		*leaf(0, i) = 0;
	space_load(0);
}

static void prepare_fault(u32 n)
{
	unmap(1);
}

static void run_fault(u32 n)
{
	gate(14, on_skip_error);
	while (n--)
		__asm__ volatile("movl (%0), %%eax"
				 : : "b"((word)REGION) : "eax");
	ungate(14);
}

static void run_demand(u32 n)
{
	gate(14, on_demand);
	for (u32 i = 0; i < n; i++)
		touch(i);
	ungate(14);
}

static void run_divide(u32 n)
{
	gate(0, on_skip);
	while (n--)
		__asm__ volatile("divl %%ecx" : : "a"(1), "c"(0), "d"(0));
	ungate(0);
}

static void pic_start(u8 mask)
{
	static const u8 words[][2] = {
		{ 0x20, 0x11 }, { 0xa0, 0x11 }, { 0x21, VEC_IRQ0 },
		{ 0xa1, VEC_IRQ0 + 8 }, { 0x21, 4 }, { 0xa1, 2 }, { 0x21, 1 },
		{ 0xa1, 1 }, { 0xa1, 0xff },
	};

	for (u32 i = 0; i < ARRAY_SIZE(words); i++)
		outb(words[i][0], words[i][1]);
	outb(0x21, mask);
}

static void timer_start(u32 reload, const u8 *handler)
{
	timer_reload = reload;
	timer_count = timer_late = 0;
	gate(VEC_IRQ0, handler);
	outb(0x43, 0x34);
	outb(0x40, (u8)reload);
	outb(0x40, (u8)(reload >> 8));
	pic_start(0xfe);
}

static void timer_stop(void)
{
	__asm__ volatile("cli");
	outb(0x21, 0xff);
	ungate(VEC_IRQ0);
}

static void spin(u32 n)
{
	while (n--)
		__asm__ volatile("");
}

/* TSC ticks of `count` periods: from one interrupt to another. */
static u64 ticks_of_periods(u32 count)
{
	u64 start;

	__asm__ volatile("sti; hlt");
	start = rdtsc();
	while (count--)
		__asm__ volatile("hlt");
	return rdtsc() - start;
}

#define FAST_RELOAD 240 /* 5 kHz */
#define SLOW_RELOAD 2400
#define SLOWEST_RELOAD (FAST_RELOAD << 6)

/* The loops with the timer's interrupts in between; only those are counted. */
static u64 ticks_with(u32 loops, u32 reload)
{
	u64 start;

	timer_start(reload, on_timer);
	mark(MARK_BEGIN);
	__asm__ volatile("sti");
	start = rdtsc();
	spin(loops);
	start = rdtsc() - start;
	timer_stop();
	return start;
}

/*
 * Work of a 25th of a second and more takes so much longer with interrupts.
 * They come faster and faster, until they take a tenth of it: where one takes
 * longer than a period, nothing else would ever run.
 */
static u64 timed_interrupt(u32 *n)
{
	u32 loops = 1 << 14, reload = SLOWEST_RELOAD;
	u64 second, with, without;

	timer_start(SLOW_RELOAD, on_timer);
	second = ticks_of_periods(10) * (PIT_HZ / SLOW_RELOAD / 10);
	timer_stop();
	for (;; loops *= 2) {
		without = rdtsc();
		spin(loops);
		without = rdtsc() - without;
		if (without > divide(second, 25, 0))
			break;
	}
	for (;; reload /= 2) {
		with = ticks_with(loops, reload);
		if (reload == FAST_RELOAD || with > without + divide(without, 10, 0))
			break;
	}
	*n = timer_count ? timer_count : 1;
	return with > without ? with - without : 0;
}

#define WAKE_UPS 40

/* From the end of the timer's period to the handler's first look at it. */
static u64 timed_wakeup(u32 *n)
{
	u64 period;

	timer_start(SLOW_RELOAD, on_timer_latch);
	period = divide(ticks_of_periods(WAKE_UPS), WAKE_UPS, 0);
	timer_stop();
	*n = timer_count;
	return divide(period * timer_late, SLOW_RELOAD, 0);
}

const struct op event_ops[] = {
	{ .name = "syscall by INT 80h", .run = run_int80 },
	{ .name = "true page fault", .run = run_fault,
	  .prepare = prepare_fault },
	{ .name = "demand fault", .run = run_demand, .prepare = unmap,
	  .batch = PAGES },
	{ .name = "divide by zero", .run = run_divide },
	{ .name = "timer interrupt", .timed = timed_interrupt },
	{ .name = "HLT wake-up", .timed = timed_wakeup },
	{ 0 },
};
