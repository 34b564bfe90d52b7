/* SPDX-License-Identifier: MIT */
/*
 * Address spaces as a kernel uses them, at random: several directories that
 * share tables, pages mapped, protected, unmapped and aged, CR3 loads with
 * and without global pages, WP on and off, user and kernel accesses. The sum
 * covers every value read, every fault and every A and D bit.
 */
#include "paging.h"

#define SPACES 4
#define PAGES 64
#define FRAMES 16

static u32 dirs[SPACES][1024] ALIGNED(4096);
static u32 tables[SPACES + 1][1024] ALIGNED(4096); /* the last is shared */
static u8 frames[FRAMES][4096] ALIGNED(4096);
static u32 target, value, sum, faults;

#define SHARED_VA (TEST_VA + 0x400000)

static void do_read(void *arg) { value = *(volatile u32 *)target; }
static void do_write(void *arg) { *(volatile u32 *)target = value; }

static void make_spaces(void)
{
	paging_on(0);
	for (u32 s = 0; s < SPACES; s++) {
		for (u32 i = 0; i < IDENTITY_MIB / 4; i++)
			dirs[s][i] = dir[i];
		dirs[s][TEST_VA >> 22] = (u32)tables[s] | P | W | U;
		dirs[s][SHARED_VA >> 22] = (u32)tables[SPACES] | P | W | U;
	}
	WRITE_CR(3, dirs[0]);
}

static u32 *entry(u32 space, u32 page)
{
	return page < PAGES ? &tables[space][page] :
			      &tables[SPACES][page - PAGES];
}

static u32 address(u32 page)
{
	return (page < PAGES ? TEST_VA + page * 4096 :
			       SHARED_VA + (page - PAGES) * 4096) +
	       (random() & 0xffc);
}

static void access(u32 page)
{
	target = address(page);
	value = random();
	if (catch(random() & 1 ? do_read : do_write, 0)) {
		faults++;
		sum = hash(sum, last.error);
		sum = hash(sum, READ_CR(2));
	}
	sum = hash(sum, value);
}

static void change(u32 space, u32 page)
{
	u32 *e = entry(space, page);
	u32 r = random();

	sum = hash(sum, *e);
	if (r & 3)
		*e = (u32)frames[r >> 8 & (FRAMES - 1)] | (r >> 16 & (P | W));
	else if (r & 4)
		*e &= ~(u32)(A | D);
	else
		*e = 0;
	if (r & 8)
		invlpg(page < PAGES ? TEST_VA + page * 4096 :
				      SHARED_VA + (page - PAGES) * 4096);
	else
		flush();
}

static void step(void)
{
	static u32 space;
	u32 r = random(), page = (r >> 8) % (2 * PAGES);

	switch (r & 15) {
	case 0:
		space = r >> 4 & (SPACES - 1);
		WRITE_CR(3, dirs[space]);
		break;
	case 1:
		WRITE_CR(0, READ_CR(0) ^ 0x10000);
		break;
	case 2:
		dirs[space][TEST_VA >> 22] ^= W;
		flush();
		break;
	case 3: case 4: case 5:
		change(space, page);
		break;
	case 6: /* another space's entry: it is flushed when loaded */
		*entry((space + 1) & (SPACES - 1), page % PAGES) =
			(u32)frames[r >> 20 & (FRAMES - 1)] | P | W;
		break;
	default:
		access(page);
	}
}

int main(void);
int main(void)
{
	make_spaces();
	for (u32 round = 0; round < 10; round++) {
		for (u32 i = 0; i < 2000; i++)
			step();
		print("round %u: %u faults %08x\n", round, faults, sum);
	}
	for (u32 s = 0; s <= SPACES; s++)
		for (u32 i = 0; i < PAGES; i++)
			sum = hash(sum, tables[s][i]);
	print("tables %08x\n", sum);
	return failures != 0;
}
