/* SPDX-License-Identifier: MIT */
/*
 * The start of every benchmark program: work() once to warm up, then some
 * times by the clock, then one line on standard output
 *     CHECKSUM BEST_NS TOTAL_NS
 * and the exit. System calls: write, exit, clock_gettime, by INT 80h.
 */
#include "program.h"

#define RUNS 3

#define SYS_EXIT 1
#define SYS_WRITE 4
#define SYS_CLOCK_GETTIME 265
#define CLOCK_PROCESS_CPUTIME 2 /* a busy machine matters less */

void start(void);

static s32 system_call(u32 number, u32 a, u32 b, u32 c)
{
	s32 result;

	__asm__ volatile("int $0x80" : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
	return result;
}

static u64 now(void)
{
	u32 ts[2]; /* seconds, nanoseconds */

	system_call(SYS_CLOCK_GETTIME, CLOCK_PROCESS_CPUTIME, (u32)ts, 0);
	return (u64)ts[0] * 1000000000u + ts[1];
}

/* Decimal without a 64-bit division, which would want libgcc. */
static char *put_number(char *to, u64 value)
{
	char digits[20];
	u32 n = 0;

	do {
		u32 high = (u32)(value >> 32), low = (u32)value, rest;
		u32 quotient = high / 10;

		rest = high % 10;
		__asm__("divl %2" : "+a"(low), "+d"(rest) : "r"(10));
		digits[n++] = (char)('0' + rest);
		value = (u64)quotient << 32 | low;
	} while (value);
	while (n)
		*to++ = digits[--n];
	return to;
}

void start(void)
{
	u32 sum = work();
	u64 best = ~0ull, total = 0;
	char line[64], *p = line;

	for (u32 i = 0; i < RUNS; i++) {
		u64 begin = now(), took;

		if (work() != sum)
			system_call(SYS_EXIT, 1, 0, 0);
		took = now() - begin;
		total += took;
		if (took < best)
			best = took;
	}
	p = put_number(p, sum);
	*p++ = ' ';
	p = put_number(p, best);
	*p++ = ' ';
	p = put_number(p, total);
	*p++ = '\n';
	system_call(SYS_WRITE, 1, (u32)line, (u32)(p - line));
	system_call(SYS_EXIT, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n\tandl $-16, %esp\n\tcall start\n");
