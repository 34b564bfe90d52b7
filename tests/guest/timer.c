/* SPDX-License-Identifier: MIT */
/*
 * The PC's clocks as a kernel finds them: 8259 masks, priorities and
 * registers, 8254 modes and latches, HLT until a tick, the RTC's registers
 * and update. Counts and orders only, no times.
 */
#include "guest.h"

static u32 ticks[16], order[8], order_count;
static bool slow_handler;

static void eoi(u32 line)
{
	if (line >= 8)
		outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

static bool on_irq(struct trap *t)
{
	if (t->vector < 0x20 || t->vector >= 0x30)
		return 0;
	ticks[t->vector - 0x20]++;
	if (order_count < ARRAY_SIZE(order))
		order[order_count++] = t->vector - 0x20;
	if (t->vector == 0x28)
		outb(0x70, 0x0c), inb(0x71);
	if (!slow_handler)
		eoi(t->vector - 0x20);
	return 1;
}

static u8 pic_read(u16 port, u8 command)
{
	outb(port, command);
	return inb(port);
}

static void pit(u8 control, u16 count)
{
	outb(0x43, control);
	outb(0x40, (u8)count);
	outb(0x40, (u8)(count >> 8));
}

static void halt(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

static void periodic(void)
{
	outb(0x21, 0xfe);
	pit(0x34, 11932); /* 100 Hz */
	for (u32 i = 0; i < 20; i++)
		halt();
	/* More than one may get in before CLI where the machine is slow. */
	check(ticks[0] >= 20, "rate generator");
	pit(0x36, 5966);
	ticks[0] = 0;
	for (u32 i = 0; i < 20; i++)
		halt();
	check(ticks[0] >= 20, "square wave");
}

static void one_shot(void)
{
	ticks[0] = 0;
	pit(0x30, 2000);
	halt();
	__asm__ volatile("sti" : : : "memory");
	for (u32 i = 0; i < 20000 && ticks[0] < 2; i++)
		__asm__ volatile("" : : : "memory");
	__asm__ volatile("cli" : : : "memory");
	print("one shot: %u\n", ticks[0]);
	outb(0x43, 0xe2); /* read back: status of channel 0 */
	print("status %x\n", inb(0x40) & 0xbf);
}

static void latch(void)
{
	u32 a, b;

	outb(0x21, 0xff);
	pit(0x34, 0xffff);
	outb(0x43, 0);
	a = inb(0x40);
	a |= (u32)inb(0x40) << 8;
	for (volatile u32 i = 0; i < 1000; i++)
		;
	outb(0x43, 0);
	b = inb(0x40);
	b |= (u32)inb(0x40) << 8;
	check(a != b, "the counter counts");
	outb(0x43, 0);
	for (volatile u32 i = 0; i < 1000; i++)
		;
	b = inb(0x40);
	outb(0x43, 0); /* ignored: the latch is held */
	b |= (u32)inb(0x40) << 8;
	check(b != 0, "latch held");
}

static void masks_and_priority(void)
{
	outb(0x21, 0xff);
	pit(0x30, 100);
	while (!(pic_read(0x20, 0x0a) & 1))
		;
	print("irr %x isr %x mask %x\n", pic_read(0x20, 0x0a) & 1,
	      pic_read(0x20, 0x0b), inb(0x21));
	ticks[0] = 0;
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
	print("masked: %u", ticks[0]);
	slow_handler = 1;
	outb(0x21, 0xfe);
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
	print(" unmasked: %u isr %x", ticks[0], pic_read(0x20, 0x0b));
	outb(0x20, 0x60); /* specific end of interrupt 0 */
	print(" ended: isr %x\n", pic_read(0x20, 0x0b));
	slow_handler = 0;
}

/* Speaker gate and channel 2 output by port 61h. */
static void channel_two(void)
{
	u32 spins = 0;

	outb(0x61, (inb(0x61) & 0xfc) | 1);
	outb(0x43, 0xb0);
	outb(0x42, 0xe8);
	outb(0x42, 3);
	print("out low %u", inb(0x61) >> 5 & 1);
	while (!(inb(0x61) & 0x20) && spins < 100000000)
		spins++;
	print(" then high %u\n", inb(0x61) >> 5 & 1);
	outb(0x61, inb(0x61) & 0xfc);
}

static u8 cmos(u8 index)
{
	outb(0x70, index);
	return inb(0x71);
}

static void rtc(void)
{
	u32 second, same = 1;

	while (cmos(10) & 0x80)
		;
	second = cmos(0);
	print("rtc: b %x d %x\n", cmos(11) & 0xf6, cmos(13));
	check((second & 15) < 10 && second < 0x60, "BCD seconds");
	check((cmos(7) & 15) < 10 && cmos(7) <= 0x31, "BCD day");
	outb(0x70, 10), outb(0x71, 0x26);
	outb(0x70, 11), outb(0x71, 0x42); /* periodic interrupt, 24 hours */
	cmos(12);
	outb(0x21, 0xfb), outb(0xa1, 0xfe);
	ticks[8] = 0;
	for (u32 i = 0; i < 50; i++)
		halt();
	check(ticks[8] >= 50, "periodic interrupt of the RTC");
	outb(0x70, 11), outb(0x71, 2);
	outb(0xa1, 0xff);
	for (u32 i = 0; i < 20000000 && same; i++)
		same = cmos(0) == second;
	check(!same, "the second moves on");
	outb(0x70, 0x30), outb(0x71, 0x5a);
	print("cmos ram %x\n", cmos(0x30));
}

int main(void);
int main(void)
{
	trap_hook = on_irq;
	pic_init(0xff);
	periodic();
	one_shot();
	latch();
	masks_and_priority();
	channel_two();
	rtc();
	return failures != 0;
}
