/* SPDX-License-Identifier: MIT */
/*
 * Text on the VGA screen, all of it changed a few times a second for a while:
 * more than fits any pipe between the emulator and who should be reading it.
 */
#include "guest.h"

#define CELLS 2000

static volatile u32 ticks;

static bool on_timer(struct trap *t)
{
	if (t->vector != 0x20)
		return 0;
	ticks++;
	outb(0x20, 0x20);
	return 1;
}

static void start_timer(void)
{
	outb(0x20, 0x11), outb(0x21, 0x20), outb(0x21, 4), outb(0x21, 1);
	outb(0x21, 0xfe), outb(0xa1, 0xff);
	outb(0x43, 0x34), outb(0x40, 0), outb(0x40, 0); /* 18 Hz */
}

int main(void);
int main(void)
{
	volatile u16 *cells = (volatile u16 *)0xb8000;

	trap_hook = on_timer;
	start_timer();
	for (u32 round = 0; round < 48; round++) {
		for (u32 i = 0; i < CELLS; i++)
			cells[i] = (u16)(0x700 | ('A' + (i + round) % 26));
		for (ticks = 0; ticks < 5;)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
	}
	print("screen drawn\n");
	return 0;
}
