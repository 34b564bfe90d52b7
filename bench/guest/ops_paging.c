/* SPDX-License-Identifier: MIT */
/* Rows of paging: entries changed, translations dropped, spaces switched. */
#include "nano.h"

static void prepare_present(u32 n)
{
	map_all();
}

static void prepare_absent(u32 n)
{
	map_all();
	for (u32 i = 0; i < n; i++)
		*leaf(0, i) = 0;
	space_load(0);
}

/* The pages' entries in turn: `value`, and so much more for each. */
static void write_entries(u32 n, u32 value, u32 more)
{
	volatile u32 *entry = leaf(0, 0);
	u32 step = (u32)(leaf(0, 1) - entry);

	for (; n--; entry += step, value += more)
		*entry = value;
}

static void run_same_presence(u32 n)
{
	write_entries(n, entry_of(0) | AVAILABLE, 4096);
}

static void run_to_absent(u32 n)
{
	write_entries(n, 0, 0);
}

static void run_to_present(u32 n)
{
	write_entries(n, entry_of(0), 4096);
}

/* As a kernel unmaps: the entry, then the translation. */
static void run_unmap(u32 n)
{
	for (u32 i = 0; i < n; i++) {
		*leaf(0, i) = 0;
		invlpg(REGION + i * 4096);
	}
}

static void run_invlpg(u32 n)
{
	while (n--)
		invlpg(REGION);
}

static void run_invlpg_touch(u32 n)
{
	while (n--) {
		invlpg(REGION);
		touch(0);
	}
}

static void run_cr3(u32 n)
{
	while (n--)
		space_load(0);
}

static void run_cr3_touch(u32 n)
{
	while (n--) {
		space_load(0);
		for (u32 i = 0; i < 16; i++)
			touch(i);
	}
}

static void spaces(u32 n, u32 count)
{
	for (u32 s = 0; n--; s = s + 1 == count ? 0 : s + 1) {
		space_load(s);
		for (u32 i = 0; i < 4; i++)
			touch(i);
	}
	space_load(0);
}

static void run_spaces2(u32 n)
{
	spaces(n, 2);
}

static void run_spaces4(u32 n)
{
	spaces(n, 4);
}

static void run_spaces16(u32 n)
{
	spaces(n, 16);
}

static void run_mmio(u32 n)
{
	while (n--)
		*(volatile u32 *)(word)(REGION + MMIO_PAGE * 4096 + 0x30);
}

const struct op paging_ops[] = {
	{ .name = "PTE, presence unchanged", .run = run_same_presence,
	  .prepare = prepare_present, .batch = PAGES },
	{ .name = "PTE, present to not", .run = run_to_absent,
	  .prepare = prepare_present, .batch = PAGES },
	{ .name = "PTE, not to present", .run = run_to_present,
	  .prepare = prepare_absent, .batch = PAGES },
	{ .name = "PTE to not present, invlpg", .run = run_unmap,
	  .prepare = prepare_present, .batch = PAGES },
	{ .name = "invlpg", .run = run_invlpg, .prepare = prepare_present },
	{ .name = "invlpg, touch", .run = run_invlpg_touch,
	  .prepare = prepare_present },
	{ .name = "CR3 reload", .run = run_cr3 },
	{ .name = "CR3 reload, touch 16", .run = run_cr3_touch,
	  .prepare = prepare_present },
	{ .name = "switch of 2 spaces, touch 4", .run = run_spaces2 },
	{ .name = "switch of 4 spaces, touch 4", .run = run_spaces4 },
	{ .name = "switch of 16 spaces, touch 4", .run = run_spaces16 },
	{ .name = "MMIO read", .run = run_mmio },
	{ 0 },
};
