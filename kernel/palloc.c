/* SPDX-License-Identifier: MIT */
/*
 * The page allocator: one bit a frame, set while the frame is in use or no
 * RAM. First fit from below; frames under `lowest` are all in use. Used only
 * outside interrupts.
 */
#include "kernel/host.h"
#include "kernel/memory.h"
#include "lib/string.h"
#include "log.h"

#define POISON 0xcc
#define LOW_MEMORY MIB(1) /* firmware's tables and the text screen */
#define BOOT_MAPPED GIB(4)

static u64 *bitmap;
static u64 frame_count; /* that the bitmap covers */
static u64 frame_limit; /* that may be allocated now */
static u64 lowest;
static u64 free_count, total_count;

static u64 words(u64 frames)
{
	return (frames + 63) / 64;
}

/* First frame in [from, end) whose bit is `used`; end when there is none. */
static u64 find(u64 from, u64 end, bool used)
{
	while (from < end) {
		u64 word = bitmap[from / 64];
		u64 rest = (used ? word : ~word) >> (from % 64);

		if (rest)
			return MIN(end, from + (u64)__builtin_ctzll(rest));
		from = (from | 63) + 1;
	}
	return end;
}

static u64 count_bits(u64 x)
{
	u64 n = 0;

	if (x == ~0ull)
		return 64;
	for (; x; x &= x - 1)
		n++;
	return n;
}

/* Marks [from, from + n); returns how many frames changed. */
static u64 mark(u64 from, u64 n, bool used)
{
	u64 changed = 0;

	for (u64 end = from + n; from < end;) {
		u64 bits = MIN(end - from, 64 - from % 64);
		u64 mask = BITS(bits - 1, 0) << (from % 64);
		u64 *word = &bitmap[from / 64];

		changed += count_bits((used ? ~*word : *word) & mask);
		*word = used ? *word | mask : *word & ~mask;
		from += bits;
	}
	return changed;
}

static bool find_run(u64 n, u64 align, u64 limit, u64 *start)
{
	u64 at = lowest;

	for (;;) {
		u64 stop;

		at = ALIGN_UP(find(at, limit, false), align);
		if (at > limit || limit - at < n)
			return false;
		stop = find(at, at + n, true);
		if (stop == at + n)
			break;
		at = stop;
	}
	*start = at;
	return true;
}

/* Below frame `limit`. */
static void *take(u64 pages, u64 align, u64 limit)
{
	u64 start;
	void *p;

	if (!pages || !find_run(pages, MAX(align >> PAGE_SHIFT, 1u), limit,
				&start))
		return NULL;
	mark(start, pages, true);
	free_count -= pages;
	if (start == lowest)
		lowest = start + pages;
	p = host_virt(HPA(start << PAGE_SHIFT));
	return memset(p, 0, pages << PAGE_SHIFT);
}

void *palloc(u64 pages, u64 align)
{
	return take(pages, align, frame_limit);
}

void *palloc_low(u64 pages)
{
	return take(pages, PAGE_SIZE,
		    MIN(frame_limit, BOOT_MAPPED >> PAGE_SHIFT));
}

void palloc_free(void *p, u64 pages)
{
	u64 start = host_phys(p).a >> PAGE_SHIFT;
	u64 freed;

	memset(p, POISON, pages << PAGE_SHIFT);
	freed = mark(start, pages, false);
	assert(freed == pages);
	free_count += pages;
	lowest = MIN(lowest, start);
}

u64 palloc_free_bytes(void)
{
	return free_count << PAGE_SHIFT;
}

u64 palloc_total_bytes(void)
{
	return total_count << PAGE_SHIFT;
}

static bool overlaps(const struct memory_range *r, u64 start, u64 end)
{
	return start < r->end && r->start < end;
}

/* The end of what is in the way of [start, end), or 0. */
static u64 obstacle(const struct host_memory *m, u64 start, u64 end)
{
	for (unsigned i = 0; i < m->keep_count; i++)
		if (overlaps(&m->keep[i], start, end))
			return m->keep[i].end;
	return 0;
}

/* Room for the bitmap itself, which nothing can allocate yet. */
static u64 place_bitmap(const struct host_memory *m, u64 bytes)
{
	for (unsigned i = 0; i < m->ram_count; i++) {
		u64 end = MIN(m->ram[i].end, BOOT_MAPPED);
		u64 at = ALIGN_UP(MAX(m->ram[i].start, LOW_MEMORY), PAGE_SIZE);
		u64 past;

		while (at + bytes <= end && (past = obstacle(m, at, at + bytes)))
			at = ALIGN_UP(past, PAGE_SIZE);
		if (at + bytes <= end)
			return at;
	}
	fatal("no room in RAM for %lu KiB of page allocator", bytes >> 10);
}

static void keep(u64 start, u64 end)
{
	u64 from = start >> PAGE_SHIFT;
	u64 to = MIN(ALIGN_UP(end, PAGE_SIZE) >> PAGE_SHIFT, frame_count);

	if (from < to)
		free_count -= mark(from, to - from, true);
}

static void add_ram(const struct memory_range *r)
{
	u64 from = ALIGN_UP(r->start, PAGE_SIZE) >> PAGE_SHIFT;
	u64 to = r->end >> PAGE_SHIFT;

	if (from < to)
		free_count += mark(from, to - from, false);
}

void palloc_init(const struct host_memory *m)
{
	u64 top = 0, bytes, at;

	for (unsigned i = 0; i < m->ram_count; i++)
		top = MAX(top, m->ram[i].end);
	frame_count = top >> PAGE_SHIFT;
	bytes = ALIGN_UP(words(frame_count) * 8, PAGE_SIZE);
	at = place_bitmap(m, bytes);
	bitmap = host_virt(HPA(at));
	memset(bitmap, 0xff, bytes);

	for (unsigned i = 0; i < m->ram_count; i++)
		add_ram(&m->ram[i]);
	total_count = free_count;
	keep(0, LOW_MEMORY);
	keep(at, at + bytes);
	for (unsigned i = 0; i < m->keep_count; i++)
		keep(m->keep[i].start, m->keep[i].end);
	frame_limit = MIN(frame_count, BOOT_MAPPED >> PAGE_SHIFT);
}

void palloc_init_high(void)
{
	frame_limit = frame_count;
}
