/* SPDX-License-Identifier: MIT */
/*
 * Code that rewrites itself: the running instruction (its own bytes), the next one, one later
 * in the same block, one in another block of the same page, data beside code,
 * code seen through a second linear address and through a changed mapping.
 */
#include "paging.h"

static u8 frames[3][4096] ALIGNED(4096);
#define CODE_VA TEST_VA
#define ALIAS_VA (TEST_VA + 0x10000)

typedef u32 (*fn_t)(u32);

/* mov eax, imm32; ret */
static void emit_const(u8 *at, u32 value)
{
	at[0] = 0xb8;
	copy(at + 1, &value, 4);
	at[5] = 0xc3;
}

/* A routine patches its own next instruction each time round a loop. */
static u32 next_instruction(u32 rounds)
{
	u32 sum;

	__asm__ volatile("xorl %%eax, %%eax\n"
			 "1: movl %%ecx, 2f+1\n"
			 "2: addl $0x12345678, %%eax\n"
			 "loop 1b\n"
			 : "=a"(sum), "+c"(rounds) : : "memory", "cc");
	return sum;
}

/*
 * ADD m32, imm32 onto its own immediate: it doubles with each execution. Twice
 * in a row, so that the second comes by fall-through. (What REP STOS does to
 * itself depends on the processor's model.)
 */
static u32 same_instruction(u32 rounds)
{
	u8 *code = frames[2] + 0x100;
	u32 (*fn)(void) = (u32 (*)(void))(u32)code;
	u32 sum = 0;

	for (u32 n = 0; n < 2; n++) {
		u8 *p = code + 10 * n;
		u32 words[] = { (u32)(p + 6), 0x10003 + n };

		p[0] = 0x81, p[1] = 0x05;
		copy(p + 2, words, 8);
	}
	code[20] = 0xc3;
	for (u32 i = 0; i < rounds; i++) {
		fn();
		sum = hash(sum, *(u32 *)(code + 6) ^ *(u32 *)(code + 16));
	}
	return sum;
}

/* `add eax, imm32` has opcode 5 and no ModRM: its immediate is at 1. */
static u32 later_in_block(u32 rounds)
{
	u32 sum;

	__asm__ volatile("xorl %%eax, %%eax\n"
			 "1: movl %%ecx, 2f+1\n"
			 "nop; nop; nop\n"
			 "xorl %%edx, %%edx\n"
			 "2: addl $0x12345678, %%eax\n"
			 "loop 1b\n"
			 : "=a"(sum), "+c"(rounds) : : "memory", "cc", "edx");
	return sum;
}

static u32 same_page_data(void)
{
	u8 *page = frames[0];
	volatile u32 *data = (u32 *)(page + 0x800);
	u32 sum = 0;

	emit_const(page, 7);
	*data = 0;
	for (u32 i = 0; i < 2000; i++) {
		*data += i;
		sum = hash(sum, ((fn_t)page)(0) + *data);
	}
	return sum;
}

static u32 rewritten(void)
{
	u32 sum = 0;

	for (u32 i = 0; i < 500; i++) {
		emit_const(frames[0] + (i & 7) * 64, i * 0x9e3779b9);
		for (u32 j = 0; j <= (i & 7); j++)
			sum = hash(sum,
				   i < 8 && j > i ? 0 :
				   ((fn_t)(frames[0] + j * 64))(0));
	}
	return sum;
}

static u32 alias(void)
{
	u32 sum = 0;

	test_table[0] = (u32)frames[0] | P | W;
	test_table[16] = (u32)frames[0] | P | W;
	flush();
	for (u32 i = 0; i < 200; i++) {
		emit_const((u8 *)ALIAS_VA + 0x40, i);
		sum = hash(sum, ((fn_t)(CODE_VA + 0x40))(0));
		emit_const((u8 *)CODE_VA + 0x40, ~i);
		sum = hash(sum, ((fn_t)(ALIAS_VA + 0x40))(0));
	}
	return sum;
}

static u32 remapped(bool one_page)
{
	u32 sum = 0;

	for (u32 f = 0; f < 3; f++)
		emit_const(frames[f] + 0x80, 0x1000 + f);
	for (u32 i = 0; i < 300; i++) {
		test_table[0] = (u32)frames[i % 3] | P | W;
		if (one_page)
			invlpg(CODE_VA);
		else
			flush();
		sum = hash(sum, ((fn_t)(CODE_VA + 0x80))(0));
	}
	return sum;
}

/* An instruction over a page boundary whose second half gets rewritten. */
static u32 straddling(void)
{
	u32 sum = 0;

	for (u32 i = 0; i < 100; i++) {
		emit_const(frames[1] + 4096 - 3, i << 20 | i);
		sum = hash(sum, ((fn_t)(frames[1] + 4096 - 3))(0));
	}
	return sum;
}

/* A store in the middle of an unrolled run that hits the run's own tail. */
static u32 own_tail(void)
{
	u8 *code = frames[0] + 0x400, *p = code;
	u32 at = (u32)code + 40, sum = 0;

	*p++ = 0x8b, *p++ = 0x44, *p++ = 0x24, *p++ = 4; /* mov eax,[esp+4] */
	*p++ = 0xa3;                                     /* mov [at+1],eax */
	at++;
	copy(p, &at, 4);
	fill(p + 4, 0x90, 31);
	emit_const(code + 40, 0);
	for (u32 i = 0; i < 100; i++)
		sum = hash(sum, ((fn_t)code)(i * 77));
	return sum;
}

static void all(const char *when)
{
	print("%s same %x next %x later %x\n", when, same_instruction(40),
	      next_instruction(100), later_in_block(100));
	print("%s data %x rewritten %x tail %x straddling %x\n", when,
	      same_page_data(), rewritten(), own_tail(), straddling());
}

int main(void);
int main(void)
{
	check(next_instruction(10) == 55, "next instruction");
	all("unpaged");
	paging_on(0);
	all("paged");
	print("alias %x remap %x %x\n", alias(), remapped(0), remapped(1));
	return failures != 0;
}
