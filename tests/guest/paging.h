/* SPDX-License-Identifier: MIT */
/*
 * Page tables for the test images, two-level or PAE, over the same small set
 * of frames. Identity-maps the image with 4 KiB supervisor pages.
 */
#ifndef PAGING_H
#define PAGING_H

#include "guest.h"

enum {
	P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100,
};
#define NX (1ull << 63)

#define IDENTITY_MIB 8
#define TEST_VA 0x40000000u

static u32 dir[1024] ALIGNED(4096);
static u32 identity[IDENTITY_MIB / 4][1024] ALIGNED(4096);
static u32 test_table[1024] ALIGNED(4096);


/* Two-level tables, paging on. CR4.PSE as given. */
static inline void paging_on(u32 cr4)
{
	for (u32 i = 0; i < IDENTITY_MIB / 4; i++) {
		for (u32 j = 0; j < 1024; j++)
			identity[i][j] = (i << 22 | j << 12) | P | W;
		dir[i] = (u32)identity[i] | P | W;
	}
	dir[TEST_VA >> 22] = (u32)test_table | P | W | U;
	WRITE_CR(4, cr4);
	WRITE_CR(3, dir);
	WRITE_CR(0, READ_CR(0) | 0x80000000u);
}

static inline void flush(void)
{
	WRITE_CR(3, READ_CR(3));
}

#endif
