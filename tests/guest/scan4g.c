/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest: reads, writes and jumps all over its 4 GiB of linear
 * addresses, nearly all of them unmapped, then everywhere through pages that
 * lead to no memory. Nothing but page faults may come of the first part, and
 * nothing at all of the second but a monitor that is still there.
 */
#include "paging.h"

static u32 target;
static u8 frame[4096] ALIGNED(4096);

static void do_read(void *arg) { *(volatile u32 *)target; }
static void do_write(void *arg) { *(volatile u32 *)target = target; }
static void do_jump(void *arg)
{
	__asm__ volatile("jmp *%0" : : "r"(target));
}
static void do_ret(void *arg)
{
	__asm__ volatile("pushl %0; ret" : : "r"(target));
}
static void do_movs(void *arg)
{
	__asm__ volatile("rep movsl" : : "S"(target), "D"(frame), "c"(2)
			 : "memory");
}
static void do_bts(void *arg)
{
	__asm__ volatile("btsl %0, %1" : : "r"(target), "m"(*frame)
			 : "memory");
}

static void (*const kinds[])(void *) = {
	do_read, do_write, do_jump, do_ret, do_movs,
};

static bool spared(u32 va)
{
	return va < IDENTITY_MIB << 20 || va >= 0xffffe000u;
}

static u32 sweep(u32 step, u32 offset)
{
	u32 h = 0, faults = 0;

	for (u32 i = 0; i < 0xffffffffu / step; i++) {
		target = i * step + offset;
		if (spared(target))
			continue;
		for (u32 k = 0; k < ARRAY_SIZE(kinds); k++) {
			u32 caught = catch(kinds[k], 0);

			faults += caught == 15;
			h = hash(h, caught << 8 | last.error);
			h = hash(h, READ_CR(2));
		}
	}
	print("step %x offset %x: %u page faults %08x\n", step, offset,
	      faults, h);
	return faults;
}

/* Bit offsets reach 256 MiB either way from the operand. */
static void bits(void)
{
	u32 h = 0;

	for (u32 i = 0; i < 64; i++) {
		target = 0x10000000u + i * 0x3800000u;
		h = hash(h, catch(do_bts, 0));
		h = hash(h, READ_CR(2));
	}
	print("bit strings %08x\n", h);
}

/* The last bytes of the space, and the wrap. */
static void edges(void)
{
	for (u32 back = 1; back <= 8; back++) {
		u32 r, w;

		target = -back;
		r = catch(do_read, 0);
		if (back < 4) /* runs over the end: see the list's notes */
			continue;
		w = catch(do_write, 0);
		print("-%u: %u %u cr2 -%u\n", back, r, w, -READ_CR(2));
	}
}

/* Whatever is there, outside of RAM: reads and writes go nowhere. */
static void nowhere(void)
{
	static u32 big[1024] ALIGNED(4096);
	u32 count = 0;

	WRITE_CR(4, READ_CR(4) | 0x10);
	for (u32 top = 512; top < 1008; top += 8) {
		for (u32 i = 0; i < 4; i++)
			big[i] = dir[i];
		big[TEST_VA >> 22] = top << 22 | P | W | PS;
		WRITE_CR(3, big);
		for (u32 i = 0; i < 16; i++) {
			target = TEST_VA + i * 0x3fffc;
			count += catch(do_read, 0) == 0;
			count += catch(do_write, 0) == 0;
		}
	}
	WRITE_CR(3, dir);
	print("nowhere: %u accesses\n", count);
}

int main(void);
int main(void)
{
	paging_on(0);
	sweep(0x800000, 0);
	sweep(0x800000, 0xffe);
	sweep(0x2345677, 0x89);
	bits();
	edges();
	nowhere();
	return failures != 0;
}
