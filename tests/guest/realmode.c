/* SPDX-License-Identifier: MIT */
/*
 * Protected mode to real mode and back: segment caches across the switch,
 * real-mode interrupts through the vector table, exceptions there, "unreal"
 * limits, A20 not wrapped, IDT moved by LIDT.
 */
#include "guest.h"

extern const u8 real_start[], real_end[];
extern u32 real_switch(u32 routine); /* realmode.asm */
extern const u32 real_routines[];
extern const u32 real_routine_count;
extern const u32 real_results;

int main(void);
int main(void)
{
	const u32 *results = (const u32 *)real_results;

	copy((void *)0x8000, real_start, (u32)(real_end - real_start));
	for (u32 i = 0; i < real_routine_count; i++) {
		u32 got = real_switch(real_routines[i]);

		print("routine %u: %x:", i, got);
		for (u32 j = 0; j < 8; j++)
			print(" %x", results[j]);
		print("\n");
	}
	return failures != 0;
}
