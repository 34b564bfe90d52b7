/* SPDX-License-Identifier: MIT */
/*
 * Shifts and rotates. The count is masked to 5 bits (6 for 8-byte operands);
 * a masked count of 0 changes no flag, yet the operand is still written.
 */
#include "cpu/emu_alu.h"

/* In: a, count (not 0), flags. Out: the result; flags in *flags. */
#define SHIFT_ARGS u64 a, unsigned count, unsigned size, u32 *flags

#define CF_OF (EFLAGS_CF | EFLAGS_OF)

static bool msb(u64 x, unsigned size)
{
	return x & alu_sign(size);
}

/* Shifts to the left and left rotates: OF = CF xor the new top bit. */
static u32 of_left(u64 r, unsigned size, bool cf)
{
	return (cf ? EFLAGS_CF : 0) | (msb(r, size) != cf ? EFLAGS_OF : 0);
}

/* To the right: OF = xor of the two top bits of the result. */
static u32 of_right(u64 r, unsigned size, bool cf)
{
	return (cf ? EFLAGS_CF : 0) |
	       (msb(r ^ r << 1, size) ? EFLAGS_OF : 0);
}

static u32 keep_but_cf_of(u32 flags)
{
	return flags & ~CF_OF;
}

static u64 shift_left(u64 a, unsigned count)
{
	return count < 64 ? a << count : 0;
}

static u64 shift_right(u64 a, unsigned count)
{
	return count < 64 ? a >> count : 0;
}

static u64 alu_shl(SHIFT_ARGS)
{
	u64 r = shift_left(a, count) & emu_size_mask(size);
	bool cf = msb(shift_left(a, count - 1), size);

	*flags = of_left(r, size, cf) | alu_szp(r, size);
	return r;
}

static u64 alu_shr(SHIFT_ARGS)
{
	u64 r = shift_right(a, count);

	*flags = of_right(r, size, shift_right(a, count - 1) & 1) |
		 alu_szp(r, size);
	return r;
}

static u64 alu_sar(SHIFT_ARGS)
{
	s64 wide = sign_extend(a, 8 * size);
	u64 r = (u64)(wide >> count) & emu_size_mask(size);

	*flags = (wide >> (count - 1) & 1 ? EFLAGS_CF : 0) | alu_szp(r, size);
	return r;
}

static u64 rotate_left(u64 a, unsigned count, unsigned size)
{
	unsigned n = count % (8 * size);

	if (!n)
		return a;
	return (a << n | a >> (8 * size - n)) & emu_size_mask(size);
}

static u64 alu_rol(SHIFT_ARGS)
{
	u64 r = rotate_left(a, count, size);

	*flags = keep_but_cf_of(*flags) | of_left(r, size, r & 1);
	return r;
}

static u64 alu_ror(SHIFT_ARGS)
{
	u64 r = rotate_left(a, 8 * size - count % (8 * size), size);

	*flags = keep_but_cf_of(*flags) | of_right(r, size, msb(r, size));
	return r;
}

/*
 * One bit at a time: rare, and the carry makes a register of 8 * size + 1
 * bits, of which 8- and 16-bit operands see the count modulo.
 */
static u64 alu_rcl(SHIFT_ARGS)
{
	bool cf = *flags & EFLAGS_CF;

	for (count %= 8 * size + 1; count; count--) {
		bool out = msb(a, size);

		a = (a << 1 | cf) & emu_size_mask(size);
		cf = out;
	}
	*flags = keep_but_cf_of(*flags) | of_left(a, size, cf);
	return a;
}

static u64 alu_rcr(SHIFT_ARGS)
{
	bool cf = *flags & EFLAGS_CF;

	for (count %= 8 * size + 1; count; count--) {
		bool out = a & 1;

		a = a >> 1 | (cf ? alu_sign(size) : 0);
		cf = out;
	}
	*flags = keep_but_cf_of(*flags) | of_right(a, size, cf);
	return a;
}

static unsigned mask_count(u64 count, unsigned size)
{
	return count & (size == 8 ? 63 : 31);
}

static bool shift(struct emu *e, u64 (*fn)(SHIFT_ARGS))
{
	const struct operand *o = e->insn.opnd;
	u32 flags = emu_flags(e);
	unsigned count;
	u64 a, n;

	if (!emu_read_opnd(e, &o[1], &n) || !emu_read_rmw(e, &o[0], &a))
		return false;
	count = mask_count(n, o[0].size);
	if (count)
		a = fn(a, count, o[0].size, &flags);
	if (!emu_write_rmw(e, &o[0], a))
		return false;
	emu_set_flags(e, EFLAGS_ARITH, flags);
	return true;
}

bool op_shl(struct emu *e) { return shift(e, alu_shl); }
bool op_shr(struct emu *e) { return shift(e, alu_shr); }
bool op_sar(struct emu *e) { return shift(e, alu_sar); }
bool op_rol(struct emu *e) { return shift(e, alu_rol); }
bool op_ror(struct emu *e) { return shift(e, alu_ror); }
bool op_rcl(struct emu *e) { return shift(e, alu_rcl); }
bool op_rcr(struct emu *e) { return shift(e, alu_rcr); }

/* Bits of a, then of b, then of a again: what 16-bit counts over 16 see. */
static u64 alu_shld(u64 a, u64 b, unsigned count, unsigned size, u32 *flags)
{
	unsigned bits = 8 * size;
	u64 r = shift_left(a, count), mask = emu_size_mask(size);
	bool cf = count <= bits ? a >> (bits - count) & 1
				: b >> (2 * bits - count) & 1;

	r |= count <= bits ? shift_right(b, bits - count)
			   : b << (count - bits) | a >> (2 * bits - count);
	r &= mask;
	*flags = of_left(r, size, cf) | alu_szp(r, size);
	return r;
}

static u64 alu_shrd(u64 a, u64 b, unsigned count, unsigned size, u32 *flags)
{
	unsigned bits = 8 * size;
	u64 r = shift_right(a, count), mask = emu_size_mask(size);
	bool cf = count <= bits ? a >> (count - 1) & 1
				: b >> (count - bits - 1) & 1;

	r |= count <= bits ? shift_left(b, bits - count)
			   : b >> (count - bits) | a << (2 * bits - count);
	r &= mask;
	*flags = of_right(r, size, cf) | alu_szp(r, size);
	return r;
}

static bool shift_double(struct emu *e, u64 (*fn)(u64 a, u64 b, unsigned count,
						  unsigned size, u32 *flags))
{
	const struct operand *o = e->insn.opnd;
	u32 flags = emu_flags(e);
	unsigned count;
	u64 a, n;

	if (!emu_read_opnd(e, &o[2], &n) || !emu_read_rmw(e, &o[0], &a))
		return false;
	count = mask_count(n, o[0].size);
	if (count)
		a = fn(a, emu_reg_read(e, &o[1]), count, o[0].size, &flags);
	if (!emu_write_rmw(e, &o[0], a))
		return false;
	emu_set_flags(e, EFLAGS_ARITH, flags);
	return true;
}

bool op_shld(struct emu *e) { return shift_double(e, alu_shld); }
bool op_shrd(struct emu *e) { return shift_double(e, alu_shrd); }
