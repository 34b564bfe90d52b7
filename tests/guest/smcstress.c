/* SPDX-License-Identifier: MIT */
/*
 * A small machine that keeps rewriting itself at random: routines of a few
 * instructions in four pages, called, patched, moved by remapping, through two
 * addresses. The sum of all results must not depend on who runs it.
 */
#include "paging.h"

#define PAGES 4
#define SLOTS 16

static u8 frames[PAGES][4096] ALIGNED(4096);
static u32 map[PAGES];

typedef u32 (*fn_t)(u32);

static fn_t at(u32 page, u32 slot, bool alias)
{
	return (fn_t)(TEST_VA + (alias ? 0x10000 : 0) + page * 4096 +
		      slot * 256 + 16);
}

/* mov eax,[esp+4]; 1-6 random operations on eax; ret */
static void write_routine(u8 *p)
{
	static const u8 ops[][2] = {
		{ 0x05, 4 }, { 0x35, 4 }, { 0x2d, 4 }, { 0x0d, 4 }, { 0x25, 4 },
		{ 0x40, 0 }, { 0x48, 0 },
	};
	u32 count = 1 + random() % 6, v = 0x0424448b;

	copy(p, &v, 4);
	p += 4;
	while (count--) {
		const u8 *op = ops[random() % ARRAY_SIZE(ops)];

		*p++ = op[0];
		v = random();
		copy(p, &v, op[1]);
		p += op[1];
	}
	*p = 0xc3;
}

static void remap(void)
{
	u32 a = random() % PAGES, b = random() % PAGES, t = map[a];

	map[a] = map[b];
	map[b] = t;
	for (u32 i = 0; i < PAGES; i++) {
		test_table[i] = (u32)frames[map[i]] | P | W;
		test_table[16 + i] = test_table[i];
	}
	flush();
}

static void patch(u32 page, u32 slot, bool alias)
{
	u8 *p = (u8 *)at(page, slot, alias);
	u32 r = random();

	if (r & 1)
		write_routine(p);
	else if (p[4] != 0x40 && p[4] != 0x48 && p[4] != 0xc3)
		copy(p + 5, &r, 4); /* an immediate only */
	else
		p[4] ^= p[4] == 0xc3 ? 0 : 8; /* inc and dec change places */
}

int main(void);
int main(void)
{
	u32 sum = 1;

	paging_on(0);
	for (u32 i = 0; i < PAGES; i++)
		for (u32 s = 0; s < SLOTS; s++)
			write_routine(frames[i] + s * 256 + 16);
	for (u32 i = 0; i < PAGES; i++)
		map[i] = i;
	remap();
	for (u32 round = 0; round < 8; round++) {
		for (u32 i = 0; i < 500; i++) {
			u32 r = random(), page = r % PAGES;
			u32 slot = r >> 8 & (SLOTS - 1);

			if ((r >> 16 & 15) == 0)
				remap();
			else if ((r >> 16 & 15) < 4)
				patch(page, slot, r >> 20 & 1);
			/* Data beside the code, now and then. */
			if ((r >> 24 & 7) == 0)
				*(u32 *)(frames[page] + slot * 256) += r;
			sum = at(page, slot, r >> 21 & 1)(sum);
		}
		print("round %u: %08x\n", round, sum);
	}
	return 0;
}
