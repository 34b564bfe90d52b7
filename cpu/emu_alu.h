/* SPDX-License-Identifier: MIT */
/*
 * Flags arithmetic that the integer handlers share. Values are 1, 2, 4 or 8
 * bytes, zero-extended; flags are a set of EFLAGS_ARITH bits. Flags that the
 * manual leaves undefined get what Intel CPUs give.
 */
#ifndef CPU_EMU_ALU_H
#define CPU_EMU_ALU_H

#include "cpu/emu_internal.h"

static inline u64 alu_sign(unsigned size)
{
	return 1ull << (8 * size - 1);
}

/* SF, ZF and PF of a result. */
static inline u32 alu_szp(u64 r, unsigned size)
{
	return (r & alu_sign(size) ? EFLAGS_SF : 0) | (r ? 0 : EFLAGS_ZF) |
	       (__builtin_parity((u8)r) ? 0 : EFLAGS_PF);
}

/* All flags of r = a + b + carry in. */
static inline u32 alu_add_flags(u64 a, u64 b, u64 r, unsigned size)
{
	u64 carry = (a & b) | ((a | b) & ~r);
	u64 over = (a ^ r) & (b ^ r);

	return (carry & alu_sign(size) ? EFLAGS_CF : 0) |
	       (over & alu_sign(size) ? EFLAGS_OF : 0) |
	       ((a ^ b ^ r) & EFLAGS_AF) | alu_szp(r, size);
}

/* All flags of r = a - b - borrow in. */
static inline u32 alu_sub_flags(u64 a, u64 b, u64 r, unsigned size)
{
	u64 borrow = (~a & b) | ((~a | b) & r);
	u64 over = (a ^ b) & (a ^ r);

	return (borrow & alu_sign(size) ? EFLAGS_CF : 0) |
	       (over & alu_sign(size) ? EFLAGS_OF : 0) |
	       ((a ^ b ^ r) & EFLAGS_AF) | alu_szp(r, size);
}

static inline u32 emu_flags(const struct emu *e)
{
	return e->v->rflags & EFLAGS_ARITH;
}

/* Replace the flags in `which`. */
static inline void emu_set_flags(struct emu *e, u32 which, u32 flags)
{
	e->v->rflags = (e->v->rflags & ~(u64)which) | (flags & which);
}

/* Condition of Jcc, SETcc and CMOVcc: the low 4 bits of the opcode. */
bool emu_condition(const struct emu *e);

#endif
