/* SPDX-License-Identifier: MIT */
/*
 * Two- and one-operand arithmetic and logic, and the conditions that read its
 * flags. Each operation is a pure function; the handlers around them differ
 * only in which operands they write.
 */
#include "cpu/emu_alu.h"

#include "cpu/cpuid.h"

#define INLINE static inline __attribute__((always_inline))

/* r = op(a, b), with the flags before in *flags and those after stored. */
#define ALU_ARGS u64 a, u64 b, unsigned size, u32 *flags

INLINE u64 alu_adc(ALU_ARGS)
{
	u64 r = (a + b + (*flags & EFLAGS_CF)) & emu_size_mask(size);

	*flags = alu_add_flags(a, b, r, size);
	return r;
}

INLINE u64 alu_sbb(ALU_ARGS)
{
	u64 r = (a - b - (*flags & EFLAGS_CF)) & emu_size_mask(size);

	*flags = alu_sub_flags(a, b, r, size);
	return r;
}

INLINE u64 alu_add(ALU_ARGS)
{
	*flags = 0;
	return alu_adc(a, b, size, flags);
}

INLINE u64 alu_sub(ALU_ARGS)
{
	*flags = 0;
	return alu_sbb(a, b, size, flags);
}

INLINE u64 alu_and(ALU_ARGS)
{
	*flags = alu_szp(a & b, size);
	return a & b;
}

INLINE u64 alu_or(ALU_ARGS)
{
	*flags = alu_szp(a | b, size);
	return a | b;
}

INLINE u64 alu_xor(ALU_ARGS)
{
	*flags = alu_szp(a ^ b, size);
	return a ^ b;
}

/* op0 = fn(op0, op1) */
INLINE bool binary(struct emu *e, u64 (*fn)(ALU_ARGS))
{
	const struct operand *o = e->insn.opnd;
	u32 flags = emu_flags(e);
	u64 a, b;

	if (!emu_read_opnd(e, &o[1], &b) || !emu_read_rmw(e, &o[0], &a))
		return false;
	if (!emu_write_rmw(e, &o[0], fn(a, b, o[0].size, &flags)))
		return false;
	emu_set_flags(e, EFLAGS_ARITH, flags);
	return true;
}

/* fn(op0, op1), flags only */
INLINE bool compare(struct emu *e, u64 (*fn)(ALU_ARGS))
{
	const struct operand *o = e->insn.opnd;
	u32 flags = emu_flags(e);
	u64 a, b;

	if (!emu_read_opnd(e, &o[0], &a) || !emu_read_opnd(e, &o[1], &b))
		return false;
	fn(a, b, o[0].size, &flags);
	emu_set_flags(e, EFLAGS_ARITH, flags);
	return true;
}

bool op_add(struct emu *e) { return binary(e, alu_add); }
bool op_adc(struct emu *e) { return binary(e, alu_adc); }
bool op_sub(struct emu *e) { return binary(e, alu_sub); }
bool op_sbb(struct emu *e) { return binary(e, alu_sbb); }
bool op_and(struct emu *e) { return binary(e, alu_and); }
bool op_or(struct emu *e) { return binary(e, alu_or); }
bool op_xor(struct emu *e) { return binary(e, alu_xor); }
bool op_cmp(struct emu *e) { return compare(e, alu_sub); }
bool op_test(struct emu *e) { return compare(e, alu_and); }

/* op0 = fn(a, b) where one of the two is op0 and the other a constant. */
INLINE bool unary(struct emu *e, u64 (*fn)(ALU_ARGS), bool from_zero, u64 by,
		  u32 which)
{
	const struct operand *o = &e->insn.opnd[0];
	u32 flags = 0;
	u64 a, r;

	if (!emu_read_rmw(e, o, &a))
		return false;
	r = from_zero ? fn(0, a, o->size, &flags) : fn(a, by, o->size, &flags);
	if (!emu_write_rmw(e, o, r))
		return false;
	emu_set_flags(e, which, flags);
	return true;
}

bool op_inc(struct emu *e)
{
	return unary(e, alu_add, false, 1, EFLAGS_ARITH & ~EFLAGS_CF);
}

bool op_dec(struct emu *e)
{
	return unary(e, alu_sub, false, 1, EFLAGS_ARITH & ~EFLAGS_CF);
}

bool op_neg(struct emu *e)
{
	return unary(e, alu_sub, true, 0, EFLAGS_ARITH);
}

bool op_not(struct emu *e)
{
	const struct operand *o = &e->insn.opnd[0];
	u64 a;

	return emu_read_rmw(e, o, &a) &&
	       emu_write_rmw(e, o, ~a & emu_size_mask(o->size));
}

bool op_xadd(struct emu *e)
{
	const struct operand *o = e->insn.opnd;
	u64 a, b = emu_reg_read(e, &o[1]);
	u32 flags;

	if (!emu_read_rmw(e, &o[0], &a))
		return false;
	/* The sum last: XADD r, r of one register leaves it there. */
	emu_reg_write(e, &o[1], a);
	if (!emu_write_rmw(e, &o[0], alu_add(a, b, o[0].size, &flags)))
		return false;
	emu_set_flags(e, EFLAGS_ARITH, flags);
	return true;
}

/*
 * Memory is written on a mismatch too, with what was there; a register is not,
 * so that its upper half stays.
 */
bool op_cmpxchg(struct emu *e)
{
	const struct operand *o = e->insn.opnd;
	unsigned size = o[0].size;
	u64 acc = emu_gpr_read(e->v, R_AX, size);
	u32 flags;
	u64 old;

	if (!emu_read_rmw(e, &o[0], &old))
		return false;
	alu_sub(acc, old, size, &flags);
	if ((acc == old || o[0].kind == OPK_MEM) &&
	    !emu_write_rmw(e, &o[0],
			   acc == old ? emu_reg_read(e, &o[1]) : old))
		return false;
	if (acc != old)
		emu_gpr_write(e->v, R_AX, size, old);
	emu_set_flags(e, EFLAGS_ARITH, flags);
	return true;
}

/* RDX:RAX against 16 bytes, which must be aligned. */
bool op_cmpxchg16b(struct emu *e)
{
	struct vcpu *v = e->v;
	u64 ea = emu_ea(e), old[2], new[2] = { v->gpr[R_BX], v->gpr[R_CX] };
	unsigned acc = emu_acc(e) | ACC_WRITE;
	bool equal;

	if (!cpuid_has(FEAT_CX16))
		return emu_ud(e);
	if (!emu_linear(e, e->insn.seg, ea, sizeof(old), acc, &e->rmw_gva))
		return false;
	if (e->rmw_gva.a & 15)
		return emu_gp(e, 0);
	if (!emu_read_lin(e, e->rmw_gva, old, sizeof(old), acc))
		return false;
	equal = old[0] == v->gpr[R_AX] && old[1] == v->gpr[R_DX];
	if (!emu_write_rmw_bytes(e, equal ? new : old, sizeof(old)))
		return false;
	if (!equal) {
		v->gpr[R_AX] = old[0];
		v->gpr[R_DX] = old[1];
	}
	emu_set_flags(e, EFLAGS_ZF, equal ? EFLAGS_ZF : 0);
	return true;
}

static u64 pair_read(const struct vcpu *v, unsigned high, unsigned low)
{
	return v->gpr[high] << 32 | (u32)v->gpr[low];
}

bool op_cmpxchg8b(struct emu *e)
{
	struct vcpu *v = e->v;
	u64 want = pair_read(v, R_DX, R_AX);
	u64 old;

	if (!e->insn.has_mem)
		return emu_ud(e);
	if (!emu_read_rmw_mem(e, e->insn.seg, emu_ea(e), 8, &old))
		return false;
	if (!emu_write_rmw_mem(e, 8,
			       old == want ? pair_read(v, R_CX, R_BX) : old))
		return false;
	if (old != want) {
		emu_gpr_write(v, R_AX, 4, old);
		emu_gpr_write(v, R_DX, 4, old >> 32);
	}
	emu_set_flags(e, EFLAGS_ZF, old == want ? EFLAGS_ZF : 0);
	return true;
}

/* "EFLAGS Condition Codes": bit 0 of the code inverts the test. */
bool emu_condition(const struct emu *e)
{
	u32 f = e->v->rflags;
	bool less = !(f & EFLAGS_SF) != !(f & EFLAGS_OF);
	bool yes;

	switch ((e->insn.opcode & 15) >> 1) {
	case 0: yes = f & EFLAGS_OF; break;
	case 1: yes = f & EFLAGS_CF; break;
	case 2: yes = f & EFLAGS_ZF; break;
	case 3: yes = f & (EFLAGS_CF | EFLAGS_ZF); break;
	case 4: yes = f & EFLAGS_SF; break;
	case 5: yes = f & EFLAGS_PF; break;
	case 6: yes = less; break;
	default: yes = less || (f & EFLAGS_ZF); break;
	}
	return yes != (e->insn.opcode & 1);
}

bool op_setcc(struct emu *e)
{
	return emu_write_opnd(e, &e->insn.opnd[0], emu_condition(e));
}

/* The source is read whatever the condition; 32-bit forms clear bits 63:32. */
bool op_cmovcc(struct emu *e)
{
	const struct operand *o = e->insn.opnd;
	u64 value;

	if (!emu_read_opnd(e, &o[1], &value))
		return false;
	if (!emu_condition(e))
		value = emu_reg_read(e, &o[0]);
	emu_reg_write(e, &o[0], value);
	return true;
}

static bool flag_op(struct emu *e, u64 clear, u64 toggle)
{
	e->v->rflags = (e->v->rflags & ~clear) ^ toggle;
	return true;
}

bool op_clc(struct emu *e) { return flag_op(e, EFLAGS_CF, 0); }
bool op_stc(struct emu *e) { return flag_op(e, EFLAGS_CF, EFLAGS_CF); }
bool op_cmc(struct emu *e) { return flag_op(e, 0, EFLAGS_CF); }
bool op_cld(struct emu *e) { return flag_op(e, EFLAGS_DF, 0); }
bool op_std(struct emu *e) { return flag_op(e, EFLAGS_DF, EFLAGS_DF); }

bool op_salc(struct emu *e)
{
	emu_gpr_write(e->v, R_AX, 1, e->v->rflags & EFLAGS_CF ? 0xff : 0);
	return true;
}

#define AH_FLAGS (EFLAGS_ARITH & ~EFLAGS_OF)

static bool ah_flags_offered(const struct emu *e)
{
	return !vcpu_64bit(e->v) || cpuid_has(FEAT_LAHF64);
}

bool op_lahf(struct emu *e)
{
	u64 ah = (e->v->rflags & AH_FLAGS) | EFLAGS_MBS;

	if (!ah_flags_offered(e))
		return emu_ud(e);
	e->v->gpr[R_AX] = (e->v->gpr[R_AX] & ~0xff00ull) | ah << 8;
	return true;
}

bool op_sahf(struct emu *e)
{
	if (!ah_flags_offered(e))
		return emu_ud(e);
	emu_set_flags(e, AH_FLAGS, e->v->gpr[R_AX] >> 8);
	return true;
}
