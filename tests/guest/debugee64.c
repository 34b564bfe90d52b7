/* SPDX-License-Identifier: MIT */
/* A debugger's guest in long mode: the work is in debugee64.asm. */
#include "guest.h"

u32 long_run(void);

int main(void);
int main(void)
{
	print("into long mode\n");
	print("back with %x\n", long_run());
	return failures != 0;
}
