/* SPDX-License-Identifier: MIT */
/* The least 64-bit guest. */
#include "long.h"

int main(void);
int main(void)
{
	u64 product = 0x123456789abcdefull;

	for (u32 i = 0; i < 20; i++)
		product = product * 6364136223846793005ull + i;
	print("hello, 64 bits: %llx\n", product);
	return 0;
}
