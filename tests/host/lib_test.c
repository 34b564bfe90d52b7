/* SPDX-License-Identifier: MIT */
/* lib/: formatting against the C library's, and the ring. LINKS: lib */
#include <string.h>

#include "lib/counters.h"
#include "lib/format.h"
#include "lib/ring.h"

#include "tests/host/test.h"

#define SAME(...)                                                         \
	do {                                                              \
		char ours[80], libc[80];                                  \
		int n = fmt_snprintf(ours, sizeof(ours), __VA_ARGS__);    \
		int m = snprintf(libc, sizeof(libc), __VA_ARGS__);        \
		CHECK(n == m && !strcmp(ours, libc), "[%s] for [%s]",     \
		      ours, libc);                                        \
	} while (0)

static void test_format(void)
{
	SAME("plain %% text");
	SAME("%d|%i|%5d|%-5d|%05d|%+d|% d", 1, -2, 3, 4, -5, 6, 7);
	SAME("%u %x %X %#x %#o %08x", 4000000000u, 0xabcdu, 0xABCDu, 255u, 8u, 0x1fu);
	SAME("%016llx %llu %lld", 0x123456789abcdefull, ~0ull, -1ll);
	SAME("%hhx %hd %zu %ld", 0xff, -3, sizeof(int), -9l);
	SAME("%s|%8s|%-8s|%.2s|%.*s|%*s", "ab", "cd", "ef", "ghi", 1, "jk", 4, "l");
	SAME("%c|%3c|%-3c|", 'x', 'y', 'z');
	SAME("%.3d|%8.3d|%-8.3d|%.0d|", 5, 6, 7, 0);
	SAME("%*d|%-*d|%*d", 6, 1, 6, 2, -6, 3);
	SAME("%p", (void *)(uintptr_t)0x1234);
	SAME("%d %lld", -2147483647 - 1, -9223372036854775807ll - 1);
}

static void test_truncation(void)
{
	char buf[4] = "zzz";

	CHECK(fmt_snprintf(buf, sizeof(buf), "%d", 123456) == 6);
	CHECK(!strcmp(buf, "123"));
	CHECK(fmt_snprintf(NULL, 0, "%s", "abc") == 3);
}

static void test_ring(void)
{
	CHECK(ring_last(0) == NULL);
	for (u64 i = 0; i < RING_SIZE + 10; i++)
		ring_add(RING_EXIT, i, 0);
	CHECK(ring_last(0)->a == RING_SIZE + 9);
	CHECK(ring_last(RING_SIZE - 1)->a == 10);
	CHECK(ring_last(RING_SIZE) == NULL);
	CHECK(!strcmp(ring_event_name(RING_EXIT), "exit"));
}

/* To memory of its own; and what any memory may hold is not taken for one. */
static void test_ring_move(void)
{
	static struct ring place, wild;
	u64 last = ring_last(0)->a;

	ring_move(&place);
	CHECK(ring_last(0)->a == last && ring_entry_of(&place, 0)->a == last);
	ring_add(RING_PORT, 1, 2);
	CHECK(ring_last(0)->b == 2 && ring_entry_of(&place, 0)->b == 2);
	memset(&wild, 0x5a, sizeof(wild));
	for (unsigned n = 0; n < RING_SIZE + 2; n++)
		CHECK(!ring_entry_of(&wild, n));
	memset(&wild, 0, sizeof(wild));
	CHECK(!ring_entry_of(&wild, 0));
	ring_classes = (u32)BIT(RING_PORT);
	ring_add(RING_EXIT, 7, 7);
	CHECK(ring_last(0)->a == 1, "a class that is off was noted");
	ring_classes = ~0u;
}

int main(void)
{
	test_format();
	test_truncation();
	test_ring();
	test_ring_move();
	CHECK(!strcmp(counter_name(CNT_EXIT_HALT), "exit_halt"));
	return test_end("lib");
}
