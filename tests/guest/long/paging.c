/* SPDX-License-Identifier: MIT */
/*
 * Four-level paging: every combination of P, W, U and NX at each level, with
 * CR0.WP on and off, for all six kinds of access: the fault's error code and
 * CR2, and the A and D flags left behind. Reserved bits, large pages, addresses
 * in the upper half, accesses over the end of a page.
 */
#include "long.h"

#define P	1ull
#define W	2ull
#define U	4ull
#define A	0x20ull
#define D	0x40ull
#define PS	0x80ull
#define NX	(1ull << 63)
#define ALL	(P | W | U)

static u64 pdpt[512] ALIGNED(4096), pd[512] ALIGNED(4096), pt[512] ALIGNED(4096);
static u8 page[4096] ALIGNED(4096);
static u8 large[2 << 20] ALIGNED(2 << 20);
static u64 *const entry[] = { &pt[3], &pd[2], &pdpt[1], &pml4[1] };
static u64 *const high_entry = &pml4[511];

#define LOW_VA	(1ull << 39 | 1ull << 30 | 2ull << 21 | 3ull << 12)
#define HIGH_VA	(LOW_VA - (1ull << 39) + 0xffffff8000000000ull)

/* What the page holds: for calls, for user code, and data. */
enum { AT_RET = 0, AT_INT = 16, AT_DATA = 32 };

static void load(void *at)
{
	__asm__ volatile("movb 32(%0), %%al" : : "r"(at) : "rax", "memory");
}

static void store(void *at)
{
	__asm__ volatile("movb $1, 32(%0)" : : "r"(at) : "memory");
}

static void call(void *at)
{
	__asm__ volatile("call *%0" : : "r"(at) : "memory");
}

static u64 user_at;
static void user_load(void *arg)
{
	__asm__ volatile("movb 32(%0), %%al; int $0x80" : : "r"(user_at));
}

static void user_store(void *arg)
{
	__asm__ volatile("movb $1, 32(%0); int $0x80" : : "r"(user_at));
}

static void user_call(void *arg)
{
	__asm__ volatile("jmp *%0" : : "r"(user_at + AT_INT));
}

static const struct {
	void (*fn)(void *);
	bool user;
} accesses[] = {
	{ load, 0 }, { store, 0 }, { call, 0 },
	{ user_load, 1 }, { user_store, 1 }, { user_call, 1 },
};

static void flush(void)
{
	WRITE_CR(3, READ_CR(3));
}

static u32 access(u32 i, u64 va)
{
	flush();
	if (!accesses[i].user)
		return catch(accesses[i].fn, (void *)va);
	user_at = va;
	return catch_user(accesses[i].fn, SEL_UCODE, 2);
}

static void reset_entries(void)
{
	pml4[1] = (u64)pdpt | ALL;
	pdpt[1] = (u64)pd | ALL;
	pd[2] = (u64)pt | ALL;
	pt[3] = (u64)page | ALL;
	pt[4] = 0;
	*high_entry = pml4[1];
}

/* A and D of all levels, two bits each. */
static u32 flags_left(void)
{
	u32 left = 0;

	for (u32 i = 0; i < 4; i++)
		left = left << 2 | (*entry[i] & A ? 1 : 0) |
		       (*entry[i] & D ? 2 : 0);
	return left;
}

static void one_level(u32 level, u64 large_flag)
{
	for (u32 bits = 0; bits < 16; bits++) {
		u32 h = 1, faults = 0;

		for (u32 i = 0; i < ARRAY_SIZE(accesses); i++) {
			u32 caught;

			reset_entries();
			if (large_flag)
				pd[2] = (u64)large | ALL | PS;
			*entry[level] &= ~(P | W | U);
			*entry[level] |= (bits & 7) | (bits & 8 ? NX : 0);
			caught = access(i, LOW_VA);
			if (caught == 15) {
				faults++;
				h = hash(h, (u32)last.error);
				h = hash(h, READ_CR(2) == LOW_VA + AT_DATA);
			}
			h = hash(h, caught);
			h = hash(h, flags_left());
		}
		print("%x%08x ", faults, h);
	}
	print("\n");
}

static void combinations(void)
{
	for (u32 wp = 0; wp < 2; wp++) {
		WRITE_CR(0, (READ_CR(0) & ~(1ull << 16)) | wp << 16);
		for (u32 level = 0; level < 4; level++) {
			print("wp %x level %x: ", wp, level + 1);
			one_level(level, 0);
		}
		for (u32 level = 1; level < 4; level++) {
			print("wp %x level %x, 2 MiB: ", wp, level + 1);
			one_level(level, PS);
		}
	}
}

static void show(const char *what, u32 caught)
{
	print("%s: %u error %llx cr2 %llx left %x\n", what, caught - 1,
	      caught == 15 ? last.error : 0, caught == 15 ? READ_CR(2) : 0,
	      flags_left());
}

static u32 physical_bits(void)
{
	u32 a = 0x80000008, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return a & 0xff;
}

static void reserved(void)
{
	u32 top = physical_bits();
	static const char *const names[] = { "pte", "pde", "pdpte", "pml4e" };

	for (u32 level = 0; level < 4; level++)
		for (u32 bit = top; bit < 52; bit += 51 - top) {
			reset_entries();
			*entry[level] |= 1ull << bit;
			show(names[level], access(1, LOW_VA));
		}
	for (u32 level = 2; level < 4; level++) {
		reset_entries();
		*entry[level] |= PS;
		show(names[level], access(3, LOW_VA));
	}
	for (u32 bit = 13; bit < 21; bit += 7) {
		reset_entries();
		pd[2] = (u64)large | ALL | PS | 1ull << bit;
		show("large", access(0, LOW_VA));
	}
	reset_entries();
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(1ull << 11));
	show("fetch, no nxe", access(5, LOW_VA));
	pt[3] &= ~P;
	show("fetch, no nxe, absent", access(5, LOW_VA));
	pt[3] |= P | NX;
	show("nx, no nxe", access(0, LOW_VA));
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1ull << 11);
}

static void upper_half(void)
{
	reset_entries();
	flush();
	show("one byte, high", catch(store, (void *)HIGH_VA));
	*high_entry = 0;
	flush();
	show("absent, high", catch(store, (void *)HIGH_VA));
	show("absent, high, user", access(4, HIGH_VA));
}

static void wide_store(void *at)
{
	__asm__ volatile("movq %1, (%0)" : : "r"(at), "r"(~0ull) : "memory");
}

/* Whether a page's A is set before the other page faults is the CPU's choice. */
static void show_fault(const char *what, u32 caught)
{
	print("%s: %u error %llx cr2 %llx\n", what, caught - 1, last.error,
	      READ_CR(2));
}

static void crossing(void)
{
	reset_entries();
	flush();
	fill(page, 0x11, sizeof(page) - 4);
	show_fault("wide over the end",
		   catch(wide_store, (void *)(LOW_VA + 4092)));
	print("bytes %x %x\n", page[4091], page[4092]);
	pt[4] = (u64)large | P | U;
	flush();
	WRITE_CR(0, READ_CR(0) | 1ull << 16);
	show_fault("wide, second read-only",
		   catch(wide_store, (void *)(LOW_VA + 4092)));
	pt[4] |= W;
	flush();
	show("wide", catch(wide_store, (void *)(LOW_VA + 4092)));
	print("bytes %x %x %x %x\n", page[4091], page[4092], large[3],
	      (u32)(pt[4] & (A | D)));
}

int main(void);
int main(void)
{
	static const u8 code[] = { 0xcd, 0x80 };

	u8 *same = large + 3 * 4096; /* what LOW_VA is in the large page */

	page[AT_RET] = same[AT_RET] = 0xc3;
	copy(page + AT_INT, code, sizeof(code));
	copy(same + AT_INT, code, sizeof(code));
	combinations();
	reserved();
	upper_half();
	crossing();
	return failures != 0;
}
