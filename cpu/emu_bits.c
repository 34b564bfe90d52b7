/* SPDX-License-Identifier: MIT */
/*
 * Bit tests and scans, byte order, CRC32. A bit test of memory with a
 * register offset reaches the whole address space around the operand.
 */
#include "cpu/emu_alu.h"

enum bit_action { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

static u64 bit_apply(enum bit_action what, u64 a, u64 bit)
{
	switch (what) {
	case BIT_SET:
		return a | bit;
	case BIT_RESET:
		return a & ~bit;
	case BIT_COMPLEMENT:
		return a ^ bit;
	default:
		return a;
	}
}

/* Offset of the word that holds the bit: the register offset is signed. */
static u64 bit_string_ea(const struct emu *e, u64 offset, unsigned size)
{
	unsigned bits = 8 * size;
	s64 words = sign_extend(offset, bits) >> __builtin_ctz(bits);

	return (emu_ea(e) + (u64)words * size) & emu_size_mask(e->insn.addr_size);
}

static void set_carry(struct emu *e, bool cf)
{
	emu_set_flags(e, EFLAGS_CF, cf ? EFLAGS_CF : 0);
}

static bool bit_in_memory(struct emu *e, enum bit_action what, u64 offset,
			  u64 bit, unsigned size)
{
	bool far = e->insn.opnd[1].kind == OPK_REG;
	u64 ea = far ? bit_string_ea(e, offset, size) : emu_ea(e);
	u64 a = 0;

	if (what == BIT_TEST) {
		if (!emu_read_mem(e, e->insn.seg, ea, &a, size))
			return false;
	} else if (!emu_read_rmw_mem(e, e->insn.seg, ea, size, &a) ||
		   !emu_write_rmw_mem(e, size, bit_apply(what, a, bit))) {
		return false;
	}
	set_carry(e, a & bit);
	return true;
}

static bool bit_test(struct emu *e, enum bit_action what)
{
	const struct operand *o = e->insn.opnd;
	unsigned size = o[0].size;
	u64 offset, bit, a;

	if (!emu_read_opnd(e, &o[1], &offset))
		return false;
	bit = 1ull << (offset & (8 * size - 1));
	if (o[0].kind == OPK_MEM)
		return bit_in_memory(e, what, offset, bit, size);
	a = emu_reg_read(e, &o[0]);
	if (what != BIT_TEST)
		emu_reg_write(e, &o[0], bit_apply(what, a, bit));
	set_carry(e, a & bit);
	return true;
}

bool op_bt(struct emu *e) { return bit_test(e, BIT_TEST); }
bool op_bts(struct emu *e) { return bit_test(e, BIT_SET); }
bool op_btr(struct emu *e) { return bit_test(e, BIT_RESET); }
bool op_btc(struct emu *e) { return bit_test(e, BIT_COMPLEMENT); }

/* Of 0 the destination keeps its value, as every CPU does. */
static bool bit_scan(struct emu *e, bool reverse)
{
	const struct operand *o = e->insn.opnd;
	u64 a, r;

	if (!emu_read_opnd(e, &o[1], &a))
		return false;
	if (!a) {
		emu_set_flags(e, EFLAGS_ARITH, EFLAGS_ZF | EFLAGS_PF);
		return true;
	}
	r = reverse ? 63 - __builtin_clzll(a) : __builtin_ctzll(a);
	emu_reg_write(e, &o[0], r);
	emu_set_flags(e, EFLAGS_ARITH, alu_szp(r, 8) & ~EFLAGS_ZF);
	return true;
}

bool op_bsf(struct emu *e) { return bit_scan(e, false); }
bool op_bsr(struct emu *e) { return bit_scan(e, true); }

/* op0 = r, CF and ZF as the zero counts define them. */
static bool finish_count(struct emu *e, u64 r, u32 flags)
{
	emu_reg_write(e, &e->insn.opnd[0], r);
	emu_set_flags(e, EFLAGS_ARITH, flags | (r ? 0 : EFLAGS_ZF));
	return true;
}

bool op_lzcnt(struct emu *e)
{
	const struct operand *o = e->insn.opnd;
	unsigned bits = 8 * o[0].size;
	u64 a;

	if (!emu_read_opnd(e, &o[1], &a))
		return false;
	return a ? finish_count(e, __builtin_clzll(a) - (64 - bits), 0)
		 : finish_count(e, bits, EFLAGS_CF);
}

bool op_tzcnt(struct emu *e)
{
	const struct operand *o = e->insn.opnd;
	u64 a;

	if (!emu_read_opnd(e, &o[1], &a))
		return false;
	return a ? finish_count(e, __builtin_ctzll(a), 0)
		 : finish_count(e, 8 * o[0].size, EFLAGS_CF);
}

/* By hand: the compiler's builtin would want a library. */
static unsigned ones(u64 a)
{
	unsigned n = 0;

	for (; a; a &= a - 1)
		n++;
	return n;
}

bool op_popcnt(struct emu *e)
{
	u64 a;

	return emu_read_opnd(e, &e->insn.opnd[1], &a) &&
	       finish_count(e, ones(a), 0);
}

bool op_bswap(struct emu *e)
{
	const struct operand *o = &e->insn.opnd[0];
	u64 a = emu_reg_read(e, o);

	/* The 16-bit form is undefined; processors clear the register. */
	if (o->size == 2)
		a = 0;
	else if (o->size == 4)
		a = __builtin_bswap32(a);
	else
		a = __builtin_bswap64(a);
	emu_reg_write(e, o, a);
	return true;
}

bool op_movbe(struct emu *e)
{
	const struct operand *o = e->insn.opnd;
	u64 a;

	if (!emu_read_opnd(e, &o[1], &a))
		return false;
	return emu_write_opnd(e, &o[0],
			      __builtin_bswap64(a) >> (64 - 8 * o[0].size));
}

#define CRC32C_REFLECTED 0x82f63b78u

bool op_crc32(struct emu *e)
{
	const struct operand *o = e->insn.opnd;
	u32 crc = emu_gpr_read(e->v, o[0].reg, 4);
	u64 a;

	if (!emu_read_opnd(e, &o[1], &a))
		return false;
	for (unsigned i = 0; i < 8u * o[1].size; i++, a >>= 1)
		crc = crc >> 1 ^ ((crc ^ a) & 1 ? CRC32C_REFLECTED : 0);
	emu_reg_write(e, &o[0], crc);
	return true;
}
