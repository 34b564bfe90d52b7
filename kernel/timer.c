/* SPDX-License-Identifier: MIT */
/*
 * The TSC is the clock; PIT channel 0 in one-shot mode is the alarm. One shot
 * reaches 55 ms at most: the interrupt re-arms until the deadline is there. A
 * later deadline leaves the shot under way alone, so setting one is cheap.
 */
#include "kernel/timer.h"

#include "kernel/host.h"
#include "kernel/instr.h"
#include "kernel/irq.h"
#include "log.h"

#define PIT_HZ 1193182u
#define PIT_CHANNEL0 0x40
#define PIT_CHANNEL2 0x42
#define PIT_CONTROL  0x43
#define PORT_B       0x61 /* channel 2: gate and speaker */

/* Control word: channel, access mode, operating mode */
#define PIT_CH0_ONE_SHOT 0x30
#define PIT_CH2_ONE_SHOT 0xb0
#define PIT_CH2_LATCH    0x80

#define PIT_MAX 0xffffu
#define NEVER   (~0ull)

static u64 tsc_hz;
static u64 deadline = NEVER;
static u64 shot_at = NEVER; /* when the PIT fires; NEVER: it does not */

u64 host_tsc(void)
{
	return rdtsc();
}

u64 host_tsc_hz(void)
{
	return tsc_hz;
}

struct sample {
	u64 tsc;
	u16 count;
};

static struct sample take_sample(void)
{
	struct sample s;
	u8 low;

	outb(PIT_CONTROL, PIT_CH2_LATCH);
	s.tsc = rdtsc();
	low = inb(PIT_CHANNEL2);
	s.count = (u16)(low | inb(PIT_CHANNEL2) << 8);
	return s;
}

/* The quickest of a few: the CPU under us may be taken away at any time. */
static struct sample best_sample(void)
{
	struct sample best = { 0 };
	u64 shortest = ~0ull;

	for (unsigned i = 0; i < 5; i++) {
		u64 start = rdtsc();
		struct sample s = take_sample();
		u64 took = rdtsc() - start;

		if (took < shortest) {
			shortest = took;
			best = s;
		}
	}
	return best;
}

/* One try of about 20 ms; 0 when the count has wrapped meanwhile. */
static u64 measure_once(void)
{
	struct sample a, b;

	outb(PIT_CONTROL, PIT_CH2_ONE_SHOT);
	outb(PIT_CHANNEL2, PIT_MAX & 0xff);
	outb(PIT_CHANNEL2, PIT_MAX >> 8);
	a = best_sample();
	for (unsigned i = 0; i < 10000000; i++) {
		b = take_sample();
		if (b.count + PIT_HZ / 50 < a.count || b.count > a.count)
			break;
	}
	b = best_sample();
	if (b.count >= a.count)
		return 0;
	return (b.tsc - a.tsc) * PIT_HZ / (u64)(a.count - b.count);
}

/* Two tries that agree: one may have lost the CPU for longer than it knows. */
static u64 measure_tsc_hz(void)
{
	u8 port_b = inb(PORT_B);
	u64 hz = 0, previous = 0;

	outb(PORT_B, (u8)((port_b & ~2) | 1)); /* gate on, speaker off */
	for (unsigned i = 0; i < 20; i++) {
		previous = hz;
		hz = measure_once();
		if (hz && hz - previous + hz / 1000 < hz / 500)
			break;
	}
	outb(PORT_B, port_b);
	if (!hz)
		fatal("the PIT does not count: no way to measure the TSC");
	return hz;
}

static void shoot(u64 ticks)
{
	outb(PIT_CONTROL, PIT_CH0_ONE_SHOT);
	outb(PIT_CHANNEL0, (u8)ticks);
	outb(PIT_CHANNEL0, (u8)(ticks >> 8));
}

/* Arm the PIT for the deadline or as near to it as it goes. */
static void arm(void)
{
	u64 now = rdtsc();
	u64 left = deadline > now ? deadline - now : 0;
	u64 longest = (u64)PIT_MAX * tsc_hz / PIT_HZ;

	if (left > longest)
		left = longest;
	shoot(MAX(left * PIT_HZ / tsc_hz, 1u));
	shot_at = now + left;
}

static void timer_irq(struct host_frame *f)
{
	shot_at = NEVER;
	if (deadline == NEVER)
		return;
	if (deadline > rdtsc()) {
		arm();
		return;
	}
	deadline = NEVER;
	irq_set_attention();
}

void host_timer_set(u64 deadline_tsc)
{
	u64 flags = read_rflags();

	cli();
	deadline = deadline_tsc;
	if (deadline < shot_at)
		arm();
	if (flags & EFLAGS_IF)
		sti();
}

void host_idle(const volatile u8 *wake)
{
	cli();
	if (*wake)
		sti();
	else
		sti_hlt();
}

void timer_nap(u64 ticks)
{
	u64 until;

	cli();
	until = rdtsc() + ticks;
	if (until < shot_at) {
		shoot(MAX(ticks * PIT_HZ / tsc_hz, 1u));
		shot_at = until;
	}
	sti_hlt();
}

void timer_init(void)
{
	tsc_hz = measure_tsc_hz();
	irq_set_handler(IRQ_VECTOR(IRQ_TIMER), timer_irq);
	irq_unmask(IRQ_TIMER);
}
