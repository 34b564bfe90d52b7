/* SPDX-License-Identifier: MIT */
/* The page allocator over a fake RAM, against a plain model. LINKS: lib kernel */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The real one under test beside the stand-ins of tests/host/fake.c. */
#define palloc real_palloc
#define palloc_low real_palloc_low
#define palloc_free real_palloc_free
#define palloc_free_bytes real_palloc_free_bytes
#define palloc_total_bytes real_palloc_total_bytes
#define host_virt real_host_virt
#define host_phys real_host_phys
#include "kernel/palloc.c"

#include "tests/host/test.h"

#define RAM_BYTES MIB(64)

static u8 *ram;

void *host_virt(hpa_t pa)
{
	return ram + pa.a;
}

hpa_t host_phys(const void *p)
{
	return HPA((const u8 *)p - ram);
}

static const struct host_memory memory = {
	.ram = {
		{ 0, 0x9fc00 },
		{ MIB(1), MIB(30) + 0x800 },
		{ MIB(32), RAM_BYTES },
	},
	.ram_count = 3,
	.keep = { { MIB(1), MIB(1) + 0x1234 }, { MIB(40) - 1, MIB(40) + 1 } },
	.keep_count = 2,
};

static bool is_zero(const u8 *p, u64 bytes)
{
	return !p[0] && !memcmp(p, p + 1, bytes - 1);
}

/* May the allocator hand out this range at all? */
static bool legal(u64 start, u64 end)
{
	bool in_ram = false;

	for (unsigned i = 1; i < memory.ram_count; i++)
		in_ram |= start >= memory.ram[i].start && end <= memory.ram[i].end;
	for (unsigned i = 0; i < memory.keep_count; i++)
		if (start < memory.keep[i].end && memory.keep[i].start < end)
			return false;
	return in_ram;
}

static void test_random(void)
{
	struct { u8 *p; u64 pages; } held[64] = { 0 };
	u64 before = palloc_free_bytes();

	for (unsigned i = 0; i < 20000; i++) {
		unsigned k = (unsigned)rand() % 64;

		if (held[k].p) {
			u64 pages = held[k].pages;

			CHECK(held[k].p[0] == (u8)k && held[k].p[pages * PAGE_SIZE - 1] == (u8)k);
			palloc_free(held[k].p, pages);
			CHECK(held[k].p[0] == 0xcc);
			held[k].p = NULL;
			continue;
		}
		u64 pages = 1 + (u64)rand() % (rand() % 8 ? 4 : 600);
		u64 align = PAGE_SIZE << (rand() % 10);
		u8 *p = palloc(pages, align);

		if (!p)
			continue;
		u64 pa = host_phys(p).a;

		CHECK(!(pa & (align - 1)));
		CHECK(legal(pa, pa + pages * PAGE_SIZE), "at %lx", pa);
		CHECK(is_zero(p, pages * PAGE_SIZE));
		memset(p, (int)k, pages * PAGE_SIZE);
		held[k].p = p;
		held[k].pages = pages;
	}
	for (unsigned k = 0; k < 64; k++)
		if (held[k].p)
			palloc_free(held[k].p, held[k].pages);
	CHECK(palloc_free_bytes() == before);
}

static void test_exhaustion(void)
{
	u64 before = palloc_free_bytes(), n = 0;
	void **all = calloc(RAM_BYTES / PAGE_SIZE, sizeof(*all));

	while ((all[n] = palloc(1, PAGE_SIZE)))
		n++;
	CHECK(n * PAGE_SIZE == before);
	CHECK(palloc_free_bytes() == 0);
	while (n)
		palloc_free(all[--n], 1);
	CHECK(palloc_free_bytes() == before);
	CHECK(palloc(0, PAGE_SIZE) == NULL);
	CHECK(palloc(RAM_BYTES / PAGE_SIZE, PAGE_SIZE) == NULL);
	CHECK(palloc(~0ull >> 13, PAGE_SIZE) == NULL);
	free(all);
}

int main(void)
{
	ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	palloc_init(&memory);
	palloc_init_high();
	CHECK(palloc_total_bytes() == 0x9f000 + MIB(29) + MIB(32));
	test_random();
	test_exhaustion();
	return test_end("palloc");
}
