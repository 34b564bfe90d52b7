/* SPDX-License-Identifier: MIT */
/* Calls and returns and nothing else: not among the programs that are averaged,
 * but the pair's own figure. */
#include "program.h"

__asm__(".globl leaf\nleaf:\n\tret\n");

u32 work(void)
{
	u32 n = 2000000;

	for (u32 i = 0; i < n; i++)
		__asm__ volatile("call leaf; call leaf; call leaf; call leaf;"
				 "call leaf; call leaf; call leaf; call leaf");
	return n;
}
