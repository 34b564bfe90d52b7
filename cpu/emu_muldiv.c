/* SPDX-License-Identifier: MIT */
/*
 * Multiplication, division, and decimal arithmetic. The double-width values
 * are AX, DX:AX and EDX:EAX, so 8-byte operands are not met outside 64-bit
 * mode and are refused.
 */
#include "cpu/emu_alu.h"

/* Double-width result or dividend: AX for bytes, else DX:AX by size. */
static u64 wide_read(const struct vcpu *v, unsigned size)
{
	if (size == 1)
		return emu_gpr_read(v, R_AX, 2);
	return emu_gpr_read(v, R_DX, size) << 8 * size |
	       emu_gpr_read(v, R_AX, size);
}

static void wide_write(struct vcpu *v, unsigned size, u64 value)
{
	if (size == 1) {
		emu_gpr_write(v, R_AX, 2, value);
		return;
	}
	emu_gpr_write(v, R_AX, size, value);
	emu_gpr_write(v, R_DX, size, value >> 8 * size);
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
	u64 b, r;

	if (size > 4)
		return emu_unimplemented(e);
	if (!emu_read_opnd(e, o, &b))
		return false;
	r = emu_gpr_read(e->v, R_AX, size) * b;
	wide_write(e->v, size, r);
	multiply_flags(e, r, size, r >> 8 * size);
	return true;
}

static bool fits_signed(s64 x, unsigned size)
{
	return sign_extend((u64)x, 8 * size) == x;
}

/* One operand: the whole product in DX:AX. */
static bool imul_wide(struct emu *e, const struct operand *o)
{
	unsigned bits = 8 * o->size;
	u64 b;
	s64 r;

	if (!emu_read_opnd(e, o, &b))
		return false;
	r = sign_extend(e->v->gpr[R_AX], bits) * sign_extend(b, bits);
	wide_write(e->v, o->size, (u64)r);
	multiply_flags(e, (u64)r, o->size, !fits_signed(r, o->size));
	return true;
}

/* Two or three operands: op0 = op1 * op2, or op0 = op0 * op1; cut to size. */
bool op_imul(struct emu *e)
{
	const struct operand *o = e->insn.opnd;
	unsigned bits = 8 * o[0].size;
	u64 a, b;
	s64 r;

	if (o[0].size > 4)
		return emu_unimplemented(e);
	if (o[1].kind == OPK_NONE)
		return imul_wide(e, &o[0]);
	if (!emu_read_opnd(e, &o[1], &a))
		return false;
	b = o[2].kind == OPK_IMM ? e->insn.imm : emu_reg_read(e, &o[0]);
	r = sign_extend(a, bits) * sign_extend(b, bits);
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

bool op_div(struct emu *e)
{
	const struct operand *o = &e->insn.opnd[0];
	u64 a, b;

	if (o->size > 4)
		return emu_unimplemented(e);
	if (!emu_read_opnd(e, o, &b))
		return false;
	a = wide_read(e->v, o->size);
	if (!b || a / b > emu_size_mask(o->size))
		return divide_error(e);
	divide_write(e->v, o->size, a / b, a % b);
	return true;
}

bool op_idiv(struct emu *e)
{
	const struct operand *o = &e->insn.opnd[0];
	unsigned size = o->size;
	s64 a, b;
	u64 raw;

	if (size > 4)
		return emu_unimplemented(e);
	if (!emu_read_opnd(e, o, &raw))
		return false;
	a = sign_extend(wide_read(e->v, size), 16 * size);
	b = sign_extend(raw, 8 * size);
	/* The one quotient that even 64 bits cannot hold overflows anyway. */
	if (!b || (a == INT64_MIN && b == -1) || !fits_signed(a / b, size))
		return divide_error(e);
	divide_write(e->v, size, (u64)(a / b), (u64)(a % b));
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
