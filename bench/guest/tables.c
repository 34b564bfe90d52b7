/* SPDX-License-Identifier: MIT */
/*
 * The page tables: 8 MiB identity-mapped for the image, and SPACES roots that
 * share it and differ in REGION. The leaves are here, in any format; the user
 * may touch everything, so that one image serves both rings.
 */
#include "nano.h"

#define IDENTITY_PAGES 2048
#define LEAF_FLAGS (P | W | U)

static u32 identity[IDENTITY_PAGES * 2] ALIGNED(4096);
static u32 leaves[SPACES][1024] ALIGNED(4096);
static u8 frames[PAGES][4096] ALIGNED(4096);

volatile u32 *leaf(u32 space, u32 page)
{
	return &leaves[space][page * entry_words()];
}

u32 entry_of(u32 page)
{
	return (u32)(word)frames[page] | LEAF_FLAGS;
}

static void fill_leaves(u32 s)
{
	for (u32 i = 0; i < PAGES; i++)
		*leaf(s, i) = entry_of(i);
	*leaf(s, MMIO_PAGE) = 0xfee00000u | LEAF_FLAGS | PCD;
}

void space_load(u32 space)
{
	WRITE_CR(3, machine_root(space));
}

void map_all(void)
{
	for (u32 i = 0; i < PAGES; i++)
		*leaf(0, i) = entry_of(i);
	space_load(0);
	for (u32 i = 0; i < PAGES; i++)
		touch(i);
}

void paging_start(void)
{
	for (u32 i = 0; i < IDENTITY_PAGES; i++)
		identity[i * entry_words()] = i << 12 | LEAF_FLAGS;
	for (u32 s = 0; s < SPACES; s++)
		fill_leaves(s);
	machine_link(identity, IDENTITY_PAGES * entry_words() / 1024, leaves);
	machine_paging_on();
	demand_leaf = (word)leaf(0, 0);
	demand_shift = entry_words() == 2 ? 3 : 2;
	demand_entry = entry_of(0);
}
