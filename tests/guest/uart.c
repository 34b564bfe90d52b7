/* SPDX-License-Identifier: MIT */
/*
 * The 16550 at COM1 as a driver probes it: scratch register, divisor latch,
 * FIFO detection, loopback of data and modem lines, its interrupts.
 */
#include "guest.h"

#define COM1 0x3f8
static u32 hits, identity;

static bool on_irq(struct trap *t)
{
	if (t->vector != 0x24)
		return 0;
	hits++;
	identity = inb(COM1 + 2);
	outb(0x20, 0x20);
	return 1;
}

static void drain(void)
{
	while (!(inb(COM1 + 5) & 0x40))
		;
}

/* Until a bit of a register shows; gives up after a long while. */
static void wait_for(u16 port, u8 bit)
{
	for (u32 i = 0; i < 100000 && !(inb(port) & bit); i++)
		;
}

static void registers(void)
{
	u32 low, high;

	drain();
	outb(COM1 + 7, 0xa5);
	print("scratch %x", inb(COM1 + 7));
	outb(COM1 + 3, 0x83);
	low = inb(COM1);
	high = inb(COM1 + 1);
	outb(COM1 + 3, 3);
	print(" divisor %x lcr %x", high << 8 | low, inb(COM1 + 3));
	drain();
	outb(COM1 + 2, 0);
	print(" iir %x", inb(COM1 + 2));
	drain();
	outb(COM1 + 2, 1);
	print(" with fifo %x", inb(COM1 + 2));
	outb(COM1 + 1, 0x0f);
	low = inb(COM1 + 1);
	outb(COM1 + 1, 0);
	print(" ier %x\n", low);
}

static void modem_loop(void)
{
	for (u32 i = 0; i < 16; i++) {
		u32 status;

		drain();
		outb(COM1 + 4, (u8)(0x10 | i));
		status = inb(COM1 + 6) & 0xf0;
		outb(COM1 + 4, 3);
		print("%x ", status);
	}
	print("modem\n");
}

static void data_loop(void)
{
	u8 got[4];
	u32 count = 0;

	drain();
	outb(COM1 + 4, 0x12);
	outb(COM1 + 2, 7);
	for (u32 i = 0; i < 4; i++) {
		outb(COM1, (u8)(0x41 + i));
		wait_for(COM1 + 5, 1);
		if (inb(COM1 + 5) & 1)
			got[count++] = inb(COM1);
	}
	outb(COM1 + 4, 3);
	print("looped back %u:", count);
	for (u32 i = 0; i < count; i++)
		print(" %x", got[i]);
	print("\n");
}

static void transmit_interrupt(void)
{
	pic_init(0xef);
	trap_hook = on_irq;
	drain();
	outb(COM1 + 4, 0x0b); /* OUT2 lets the line through */
	outb(COM1 + 1, 2);
	outb(0x20, 0x0a);
	wait_for(0x20, 0x10);
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
	outb(COM1 + 1, 0);
	print("transmitter empty: %u hits iir %x\n", hits, identity & 0xf);
}

int main(void);
int main(void)
{
	registers();
	modem_loop();
	data_loop();
	transmit_interrupt();
	return failures != 0;
}
