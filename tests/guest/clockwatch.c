/* SPDX-License-Identifier: MIT */
/*
 * A guest that would notice if its time ran on while a debugger holds it. It
 * spins through a second of timer ticks, stopping by in middle() half-way, and
 * says what it saw: the longest time between two looks at the TSC, the whole,
 * the seconds of the clock, all against the length of a tick. Not in the list
 * of images: the debugger's tests run it.
 */
#include "paging.h"

#define TICKS 100 /* at 100 Hz */
#define UNIT  10  /* times are told in units of 2^10 of the TSC's */

__asm__(".pushsection .text\n"
	".globl u_tsc\n"
	"u_tsc: rdtsc; movl %eax, user_tsc; movl %edx, user_tsc + 4\n"
	"int $0x81\n"
	".popsection");
void u_tsc(void);
volatile u64 user_tsc;

static volatile u32 ticks;
static u64 longest, last_look;

static bool on_tick(struct trap *t)
{
	if (t->vector != 0x20)
		return 0;
	ticks++;
	outb(0x20, 0x20);
	return 1;
}

static u64 tsc(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

/* Every look at the TSC is checked: it only grows. */
static u64 look(void)
{
	u64 now = tsc();

	check(now >= last_look, "the TSC goes back");
	if (now - last_look > longest)
		longest = now - last_look;
	last_look = now;
	return now;
}

static u64 spin_until(u32 count)
{
	while (ticks < count)
		look();
	return look();
}

static u32 cmos(u8 index)
{
	outb(0x70, index);
	return inb(0x71);
}

static u32 seconds(void)
{
	while (cmos(10) & 0x80)
		;
	return (cmos(0) >> 4) * 10 + (cmos(0) & 15) + (cmos(2) & 15) * 60;
}

static void map_for_user(void)
{
	for (u32 i = 0; i < 1024; i++)
		identity[0][i] |= U;
	dir[0] |= U;
	flush();
}

NOINLINE void middle(void);
NOINLINE void middle(void)
{
	__asm__ volatile("nop");
}

/* User code sees the same time, whatever way it gets there. */
static void look_as_user(void)
{
	u64 before = look();

	catch_user(u_tsc, 0x202);
	check(user_tsc >= before && user_tsc <= look(), "the user's TSC");
}

int main(void);
int main(void)
{
	u32 second, tick;
	u64 start;

	paging_on(0);
	map_for_user();
	trap_hook = on_tick;
	pic_init(0xfe);
	pit_start(11932);
	__asm__ volatile("sti" : : : "memory");
	second = seconds();
	last_look = tsc();
	start = spin_until(1);
	tick = (u32)((spin_until(11) - start) >> UNIT) / 10;
	look_as_user();
	spin_until(TICKS / 2);
	longest = 0;
	middle();
	look_as_user();
	spin_until(TICKS);
	print("saw tick %u longest %u whole %u seconds %u\n", tick,
	      (u32)(longest >> UNIT), (u32)((look() - start) >> UNIT),
	      (seconds() + 600 - second) % 600);
	return failures != 0;
}
