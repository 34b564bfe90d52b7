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

int main(void);
int main(void)
{
	volatile u16 *cells = (volatile u16 *)0xb8000;

	trap_hook = on_timer;
	pic_init(0xfe);
	pit_start(0); /* 18 Hz */
	for (u32 round = 0; round < 48; round++) {
		for (u32 i = 0; i < CELLS; i++)
			cells[i] = (u16)(0x700 | ('A' + (i + round) % 26));
		for (ticks = 0; ticks < 5;)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
	}
	print("screen drawn\n");
	return 0;
}
