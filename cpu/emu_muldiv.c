/* SPDX-License-Identifier: MIT */
/*
 * Multiplication, division, and decimal arithmetic. The double-width values
 * are AX, DX:AX, EDX:EAX and RDX:RAX.
 */
#include "cpu/emu_alu.h"

typedef unsigned __int128 u128;
typedef __int128 s128;

/* Double-width dividend: AX for bytes, else DX:AX by size. */
static u128 wide_read(const struct vcpu *v, unsigned size)
{
	if (size == 1)
		return emu_gpr_read(v, R_AX, 2);
	return (u128)emu_gpr_read(v, R_DX, size) << 8 * size |
	       emu_gpr_read(v, R_AX, size);
}

static void wide_write(struct vcpu *v, unsigned size, u128 value)
{
	if (size == 1) {
		emu_gpr_write(v, R_AX, 2, (u64)value);
		return;
	}
	emu_gpr_write(v, R_AX, size, (u64)value);
	emu_gpr_write(v, R_DX, size, (u64)(value >> 8 * size));
}

static void multiply_flags(struct emu *e, u64 low, unsigned size, bool over)
{
	emu_set_flags(e, EFLAGS_ARITH,
		      alu_szp(low & emu_size_mask(size), size) |
			      (over ? EFLAGS_CF | EFLAGS_OF : 0));
}

bool op_mul(struct emu *e)
{
	const struct operand *o = &e->insn.opnd[0];
	unsigned size = o->size;
	u128 r;
	u64 b;

	if (!emu_read_opnd(e, o, &b))
		return false;
	r = (u128)emu_gpr_read(e->v, R_AX, size) * b;
	wide_write(e->v, size, r);
	multiply_flags(e, (u64)r, size, r >> 8 * size);
	return true;
}

static bool fits_signed(s128 x, unsigned size)
{
	return sign_extend((u64)x, 8 * size) == x;
}

/* One operand: the whole product in DX:AX. */
static bool imul_wide(struct emu *e, const struct operand *o)
{
	unsigned bits = 8 * o->size;
	u64 b;
	s128 r;

	if (!emu_read_opnd(e, o, &b))
		return false;
	r = (s128)sign_extend(e->v->gpr[R_AX], bits) * sign_extend(b, bits);
	wide_write(e->v, o->size, (u128)r);
	multiply_flags(e, (u64)r, o->size, !fits_signed(r, o->size));
	return true;
}

/* Two or three operands: op0 = op1 * op2, or op0 = op0 * op1; cut to size. */
bool op_imul(struct emu *e)
{
	const struct operand *o = e->insn.opnd;
	unsigned bits = 8 * o[0].size;
	u64 a, b;
	s128 r;

	if (o[1].kind == OPK_NONE)
		return imul_wide(e, &o[0]);
	if (!emu_read_opnd(e, &o[1], &a))
		return false;
	b = o[2].kind == OPK_IMM ? e->insn.imm : emu_reg_read(e, &o[0]);
	r = (s128)sign_extend(a, bits) * sign_extend(b, bits);
	emu_reg_write(e, &o[0], (u64)r);
	multiply_flags(e, (u64)r, o[0].size, !fits_signed(r, o[0].size));
	return true;
}

/* Quotient and remainder: AL and AH for bytes, else AX and DX by size. */
static void divide_write(struct vcpu *v, unsigned size, u64 q, u64 r)
{
	if (size == 1) {
		emu_gpr_write(v, R_AX, 2, (q & 0xff) | (r & 0xff) << 8);
		return;
	}
	emu_gpr_write(v, R_AX, size, q);
	emu_gpr_write(v, R_DX, size, r);
}

static bool divide_error(struct emu *e)
{
	return emu_raise(e, VEC_DE, false, 0);
}

/*
 * a / b with a quotient of 64 bits; false: it does not fit. By the processor's
 * own DIV, since the compiler's division of 128 bits would want a library.
 */
static bool divide(u128 a, u64 b, u64 *q, u64 *r)
{
	u64 high = (u64)(a >> 64);

	if (high >= b) /* b = 0, too */
		return false;
	__asm__("divq %4"
		: "=a"(*q), "=d"(*r)
		: "a"((u64)a), "d"(high), "r"(b)
		: "cc");
	return true;
}

bool op_div(struct emu *e)
{
	const struct operand *o = &e->insn.opnd[0];
	u64 b, q, r;

	if (!emu_read_opnd(e, o, &b))
		return false;
	if (!divide(wide_read(e->v, o->size), b, &q, &r) ||
	    q > emu_size_mask(o->size))
		return divide_error(e);
	divide_write(e->v, o->size, q, r);
	return true;
}

/* A double-width value as its sign and its magnitude. */
static u128 magnitude(u128 a, unsigned size, bool *negative)
{
	*negative = a >> (16 * size - 1) & 1;
	if (*negative)
		a = -a;
	return size == 8 ? a : a & (((u128)1 << 16 * size) - 1);
}

bool op_idiv(struct emu *e)
{
	const struct operand *o = &e->insn.opnd[0];
	unsigned size = o->size;
	u64 raw, q, r;
	bool negative;
	u128 a;
	s64 b;

	if (!emu_read_opnd(e, o, &raw))
		return false;
	a = magnitude(wide_read(e->v, size), size, &negative);
	b = sign_extend(raw, 8 * size);
	if (!divide(a, b < 0 ? -(u64)b : (u64)b, &q, &r) ||
	    !fits_signed(negative != (b < 0) ? -(s128)q : (s128)q, size))
		return divide_error(e);
	/* The remainder has the sign of the dividend. */
	divide_write(e->v, size, negative != (b < 0) ? -q : q,
		     negative ? -r : r);
	return true;
}

static void set_al(struct emu *e, u8 al, u32 flags)
{
	emu_gpr_write(e->v, R_AX, 1, al);
	emu_set_flags(e, EFLAGS_ARITH, flags | alu_szp(al, 1));
}

/* AAA and AAS: AX moves by 106h or -106h, in one piece as since the 286. */
static bool ascii_adjust(struct emu *e, u16 by)
{
	u16 ax = e->v->gpr[R_AX];
	bool adjust = (ax & 15) > 9 || (e->v->rflags & EFLAGS_AF);

	if (adjust)
		ax += by;
	ax &= 0xff0f;
	emu_gpr_write(e->v, R_AX, 2, ax);
	set_al(e, (u8)ax, adjust ? EFLAGS_AF | EFLAGS_CF : 0);
	return true;
}

bool op_aaa(struct emu *e) { return ascii_adjust(e, 0x106); }
bool op_aas(struct emu *e) { return ascii_adjust(e, (u16)-0x106); }

bool op_daa(struct emu *e)
{
	u8 old = e->v->gpr[R_AX], al = old;
	u32 was = emu_flags(e), flags = 0;

	if ((old & 15) > 9 || (was & EFLAGS_AF)) {
		al += 6;
		flags |= EFLAGS_AF;
	}
	if (old > 0x99 || (was & EFLAGS_CF)) {
		al += 0x60;
		flags |= EFLAGS_CF;
	}
	set_al(e, al, flags);
	return true;
}

bool op_das(struct emu *e)
{
	u8 old = e->v->gpr[R_AX], al = old;
	u32 was = emu_flags(e), flags = 0;

	if ((old & 15) > 9 || (was & EFLAGS_AF)) {
		flags |= EFLAGS_AF | (old < 6 ? EFLAGS_CF : 0);
		al -= 6;
	}
	if (old > 0x99 || (was & EFLAGS_CF)) {
		al -= 0x60;
		flags |= EFLAGS_CF;
	}
	set_al(e, al, flags);
	return true;
}

bool op_aam(struct emu *e)
{
	u8 base = e->insn.imm, al = e->v->gpr[R_AX];

	if (!base)
		return divide_error(e);
	emu_gpr_write(e->v, R_AX, 2, al % base | al / base << 8);
	set_al(e, al % base, 0);
	return true;
}

bool op_aad(struct emu *e)
{
	u16 ax = e->v->gpr[R_AX];
	u8 al = (u8)(ax + (ax >> 8) * (u8)e->insn.imm);

	emu_gpr_write(e->v, R_AX, 2, al);
	set_al(e, al, 0);
	return true;
}
