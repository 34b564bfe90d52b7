/* SPDX-License-Identifier: MIT */
/*
 * PAE paging: the access matrix with NX where the CPU has it, PDPTEs loaded
 * with CR3 only, 2 MiB pages, high physical bits, entries written in halves,
 * reserved bits.
 */
#include "paging.h"

static u64 pdpt[4] ALIGNED(32);
static u64 pdirs[4][512] ALIGNED(4096);
static u64 table[512] ALIGNED(4096), table2[512] ALIGNED(4096);
static u8 frames[4][4096] ALIGNED(4096);
static u32 target;
static bool nx;

static void do_read(void *arg) { *(volatile u32 *)target; }
static void do_write(void *arg) { *(volatile u32 *)target = 1; }
static void do_exec(void *arg) { ((void (*)(void))target)(); }

static void wrmsr(u32 msr, u32 value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"(value), "d"(0));
}

static void start(void)
{
	u32 a = 0x80000000, b, c, d;

	for (u32 i = 0; i < 4; i++)
		pdpt[i] = (u32)pdirs[i] | P;
	for (u32 i = 0; i < IDENTITY_MIB / 2; i++)
		pdirs[0][i] = i << 21 | P | W | PS;
	pdirs[1][0] = (u32)table | P | W | U;
	__asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	if (a >= 0x80000001) {
		a = 0x80000001;
		__asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
		nx = d >> 20 & 1;
	}
	if (nx)
		wrmsr(0xc0000080, 0x800);
	WRITE_CR(4, 0x20);
	WRITE_CR(3, pdpt);
	WRITE_CR(0, READ_CR(0) | 0x80010000u);
}

static u32 outcome(u32 caught)
{
	if (!caught || last.vector == 0x80)
		return 0x100;
	if (last.vector == 14)
		check(READ_CR(2) == target, "CR2");
	return last.vector << 8 | last.error;
}

static void matrix(void)
{
	static void (*const kinds[])(void *) = { do_read, do_write, do_exec };
	u32 h = 0;

	for (u32 bits = 0; bits < 64; bits++)
		for (u32 kind = 0; kind < 3; kind++) {
			u64 pde = (u32)table2 | (bits & 3) | U;
			u64 pte = (u32)frames[0] | (bits >> 2 & 3) | U;
			u32 r;

			if (nx && (bits & 16))
				pde |= NX;
			if (nx && (bits & 32))
				pte |= NX;
			frames[0][0] = 0xcd, frames[0][1] = 0x80;
			pdirs[1][1] = pde;
			table2[0] = pte;
			flush();
			target = TEST_VA + 0x200000;
			r = outcome(catch(kinds[kind], 0));
			h = hash(hash(h, r), (u32)table2[0] & 0xfff);
			h = hash(h, (u32)pdirs[1][1] & 0xfff);
			if ((bits & 15) == 15)
				print("nx %x access %u: %x\n", bits >> 4,
				      kind, r);
		}
	print("matrix %08x\n", h);
}

/* The CPU keeps the four PDPTEs until CR3 is loaded. */
static void pdpt_cache(void)
{
	target = 0x80000000u + 5 * 4096;
	pdirs[2][0] = (u32)table | P | W;
	table[5] = (u32)frames[1] | P | W;
	flush();
	print("pdpt: %x", outcome(catch(do_read, 0)));
	pdpt[2] = 0;
	invlpg(target);
	print(" changed, not loaded %x", outcome(catch(do_read, 0)));
	flush();
	print(" loaded %x", outcome(catch(do_read, 0)));
	pdpt[2] = (u32)pdirs[2] | P;
	print(" back, not loaded %x", outcome(catch(do_read, 0)));
	flush();
	print(" loaded %x\n", outcome(catch(do_read, 0)));
}

static void load_cr3(void *arg)
{
	flush();
}

static void reserved_bits(void)
{
	u32 caught;

	target = TEST_VA + 7 * 4096;
	table[7] = (u32)frames[1] | P | W | 1ull << 62;
	flush();
	print("reserved 62: %x", outcome(catch(do_read, 0)));
	table[7] = (u32)frames[1] | P | W | 1ull << 51;
	flush();
	print(" address 51: %x", outcome(catch(do_read, 0)));
	table[7] = 0;
	pdpt[3] = (u32)pdirs[3] | P | W;
	caught = catch(load_cr3, 0);
	print(" pdpte W: %x\n", outcome(caught));
	pdpt[3] = (u32)pdirs[3] | P;
	flush();
}

static void halves(void)
{
	volatile u32 *entry = (u32 *)&table[9];
	u32 sum = 0;

	for (u32 i = 0; i < 40; i++) {
		entry[0] = 0;
		invlpg(TEST_VA + 9 * 4096);
		target = TEST_VA + 9 * 4096;
		sum = hash(sum, outcome(catch(do_read, 0)));
		entry[1] = nx && (i & 1) ? 0x80000000u : 0;
		entry[0] = (u32)frames[i & 3] | P | W;
		*(u32 *)frames[i & 3] = 0x80cd | i << 16;
		sum = hash(sum, *(volatile u32 *)target);
		sum = hash(sum, outcome(catch(do_exec, 0)));
	}
	print("halves %08x\n", sum);
}

static void large(void)
{
	u64 *pde = &pdirs[1][3];

	*pde = P | W | PS;
	flush();
	target = TEST_VA + 0x600000 + (u32)frames[2] % 0x200000;
	*pde |= (u32)frames[2] & ~0x1fffffu;
	flush();
	do_read(0);
	print("large read %x", (u32)*pde & 0xfff);
	do_write(0);
	print(" written %x: %x\n", (u32)*pde & 0xfff, *(u32 *)frames[2]);
}

int main(void);
int main(void)
{
	start();
	print("nx %x\n", nx);
	matrix();
	pdpt_cache();
	reserved_bits();
	halves();
	large();
	return failures != 0;
}
