/* SPDX-License-Identifier: MIT */
/* The rows of native_rows.inc and native64_rows.inc, and random numbers. */
#ifndef TESTS_HOST_NATIVE_ROW_H
#define TESTS_HOST_NATIVE_ROW_H

#include "bits.h"

enum { W = 1, V = 2, R8 = 4, CC = 8, LOCK = 16, COUNT = 32, DIVIDE = 64,
       MEM = 128, SAME = 256, BITOFF = 512, NEW = 1024, MEM16 = 2048,
       XLAT = 4096, SMALL = 8192, STACK = 1 << 14, FRAME = 1 << 15,
       STRING = 1 << 16, SMALLCX = 1 << 17, TARGET = 1 << 18,
       RETURN = 1 << 19,
       NO66 = 1 << 20,  /* no operand size prefix */
       WIDE = 1 << 21,  /* always with REX.W */
       ALIGN = 1 << 22, /* memory operand mostly aligned to 16 */
       FARPTR = 1 << 23, UD = 1 << 24 };

enum { NO_RM = -1, REG = -2, SREG = -3 };
enum { IMM_Z = 16, IMM_ENTER, IMM_REL, IMM_REL8, IMM_V, IMM_MOFFS };

struct row {
	const char *text;
	u8 prefix, map, opcode;
	s8 modrm;
	u8 imm;
	u32 flags, undefined;
};

static u64 seed = 0x9e3779b97f4a7c15ull;

static u32 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed >> 16);
}

static bool one_in(unsigned n)
{
	return rnd() % n == 0;
}

/* Has the CPU the instructions of the rows marked NEW? */
static bool host_is_new(void)
{
	return __builtin_cpu_supports("popcnt") &&
	       __builtin_cpu_supports("sse4.2") &&
	       __builtin_cpu_supports("lzcnt") &&
	       __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("movbe");
}

#endif
