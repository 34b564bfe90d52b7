/* SPDX-License-Identifier: MIT */
/*
 * The page tables: 8 MiB identity-mapped for the image, and SPACES roots that
 * share it and differ in REGION. Two-level or PAE, over the same arrays; the
 * user may touch everything, so that one image serves both rings.
 */
#include "nano.h"

#define IDENTITY_PAGES 2048
#define LEAF_FLAGS (P | W | U)

bool pae;

static u32 identity[IDENTITY_PAGES * 2] ALIGNED(4096);
static u32 shared_dir[1024] ALIGNED(4096);     /* PAE: the first GiB */
static u32 dirs[SPACES][1024] ALIGNED(4096);   /* PAE: the second GiB */
static u32 pdpts[SPACES][8] ALIGNED(4096);
static u32 leaves[SPACES][1024] ALIGNED(4096);
static u8 frames[PAGES][4096] ALIGNED(4096);

static u32 stride(void)
{
	return pae ? 2 : 1;
}

volatile u32 *leaf(u32 space, u32 page)
{
	return &leaves[space][page * stride()];
}

u32 entry_of(u32 page)
{
	return (u32)frames[page] | LEAF_FLAGS;
}

static void fill_identity(void)
{
	for (u32 i = 0; i < IDENTITY_PAGES; i++)
		identity[i * stride()] = i << 12 | LEAF_FLAGS;
}

/* The directory entries of the identity map, from `dir` on. */
static void link_identity(u32 *dir)
{
	u32 tables = IDENTITY_PAGES * stride() / 1024;

	for (u32 i = 0; i < tables; i++)
		dir[i * stride()] = ((u32)identity + i * 4096) | LEAF_FLAGS;
}

static void make_space(u32 s)
{
	u32 index = pae ? 0 : REGION >> 22;

	dirs[s][index] = (u32)leaves[s] | LEAF_FLAGS;
	for (u32 i = 0; i < PAGES; i++)
		*leaf(s, i) = entry_of(i);
	*leaf(s, MMIO_PAGE) = 0xfee00000u | LEAF_FLAGS | PCD;
	if (pae) {
		pdpts[s][0] = (u32)shared_dir | P;
		pdpts[s][2] = (u32)dirs[s] | P;
	} else {
		link_identity(dirs[s]);
	}
}

void space_load(u32 space)
{
	WRITE_CR(3, pae ? (u32)pdpts[space] : (u32)dirs[space]);
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
	fill_identity();
	if (pae)
		link_identity(shared_dir);
	for (u32 s = 0; s < SPACES; s++)
		make_space(s);
	WRITE_CR(4, pae ? 0x20 : 0);
	space_load(0);
	WRITE_CR(0, READ_CR(0) | 0x80010000u); /* PG, WP */
	demand_leaf = (u32)leaf(0, 0);
	demand_shift = pae ? 3 : 2;
	demand_entry = entry_of(0);
}
