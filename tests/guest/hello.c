/* SPDX-License-Identifier: MIT */
/* The least guest: its command line, a sum, an exit. */
#include "guest.h"

int main(void);
int main(void)
{
	u32 sum = 0;

	print("hello, command line [%s]\n", command_line());
	for (u32 i = 1; i <= 100; i++)
		sum += i;
	print("sum %u\n", sum);
	return sum == 5050 ? 0 : 1;
}
