/* SPDX-License-Identifier: MIT */
/*
 * Operand patterns to operands: what the addressing methods and size codes of
 * the opcode tables mean for one instruction.
 */
#include "cpu/decode.h"

static unsigned pattern_size(const struct decoder *d, unsigned size)
{
	const struct insn *insn = d->insn;
	bool reg = insn->mod == 3;
	unsigned op = insn->op_size;

	switch ((enum opsize)size) {
	case SZ_0: return 0;
	case SZ_B: return 1;
	case SZ_W: return 2;
	case SZ_D: return 4;
	case SZ_Q: return 8;
	case SZ_O: return 16;
	case SZ_T: return 10;
	case SZ_V: return op;
	case SZ_Z: return MIN(op, 4u);
	case SZ_Y: return insn->rex & 8 ? 8 : 4;
	case SZ_P: return op + 2;
	case SZ_A: return op * 2;
	case SZ_S: return d->code_size == 8 ? 10 : 6;
	case SZ_VW: return reg ? op : 2;
	case SZ_DW: return reg ? 4 : 2;
	case SZ_DB: return reg ? 4 : 1;
	case SZ_CR: return d->code_size == 8 ? 8 : 4;
	case SZ_ENV: return op == 2 ? 14 : 28;
	case SZ_SAVE: return op == 2 ? 94 : 108;
	case SZ_FX: return 512;
	case SZ_8B: return insn->rex & 8 ? 16 : 8;
	}
	return 0;
}

static bool set_mem(struct operand *o, struct insn *insn)
{
	o->kind = OPK_MEM;
	insn->has_mem = true;
	return true;
}

/* General register n: without REX, byte registers 4..7 are AH..BH. */
static bool set_gpr(struct operand *o, const struct insn *insn, unsigned n,
		    enum operand_field field)
{
	o->kind = OPK_REG;
	o->field = field;
	o->reg = (u8)n;
	if (o->size == 1 && !insn->rex && n >= 4) {
		o->reg = (u8)(n - 4);
		o->high = 1;
	}
	return true;
}

static bool set_reg(struct operand *o, enum operand_kind kind, unsigned n,
		    enum operand_field field)
{
	o->kind = kind;
	o->field = field;
	o->reg = (u8)n;
	return true;
}

/* A register or memory operand in ModRM.rm; `kind` OPK_NONE: memory only. */
static bool set_rm(struct decoder *d, struct operand *o,
		   enum operand_kind kind)
{
	struct insn *insn = d->insn;
	unsigned n = insn->rm | decode_rex_bit(insn, 0);

	if (insn->mod != 3)
		return set_mem(o, insn);
	if (kind == OPK_NONE)
		return decode_undefined(d);
	if (kind == OPK_REG)
		return set_gpr(o, insn, n, FIELD_RM);
	return set_reg(o, kind, kind == OPK_MMX ? insn->rm : n, FIELD_RM);
}

/* A register operand in ModRM.rm that cannot be memory. */
static bool set_rm_reg(struct decoder *d, struct operand *o,
		       enum operand_kind kind)
{
	return d->insn->mod == 3 ? set_rm(d, o, kind) : decode_undefined(d);
}

static bool set_sreg(struct decoder *d, struct operand *o)
{
	struct insn *insn = d->insn;
	bool load = insn->opcode == 0x8e;

	if (insn->reg > SEG_GS || (load && insn->reg == SEG_CS))
		return decode_undefined(d);
	if (load && insn->reg == SEG_SS)
		insn->attrs |= ATTR_INHIBIT;
	return set_reg(o, OPK_SREG, insn->reg, FIELD_REG);
}

/* CR0, 2, 3, 4 (and 8 in 64-bit mode) exist; DR4 and 5 depend on CR4.DE. */
static bool set_control(struct decoder *d, struct operand *o,
			enum operand_kind kind)
{
	unsigned n = d->insn->reg | decode_rex_bit(d->insn, 2);
	bool ok = kind == OPK_CR ? n == 0 || (n >= 2 && n <= 4) || n == 8
				 : n < 8;

	return ok ? set_reg(o, kind, n, FIELD_REG) : decode_undefined(d);
}

/* An immediate of `size` bytes, for an operand of o->size bytes. */
static bool set_imm(struct decoder *d, struct operand *o, unsigned size,
		    bool sign)
{
	struct insn *insn = d->insn;
	u64 v;

	if (!insn->imm_size)
		insn->off_imm = insn->len;
	insn->imm_size = (u8)(insn->imm_size + size);
	if (!decode_take(d, size, &v))
		return false;
	if (sign)
		v = (u64)sign_extend(v, size * 8);
	if (o->size < 8)
		v &= BIT(o->size * 8) - 1;
	insn->imm = v;
	o->kind = OPK_IMM;
	return true;
}

static bool set_rel(struct decoder *d, struct operand *o, unsigned size)
{
	if (!set_imm(d, o, size == 1 ? 1 : MIN(d->insn->op_size, 4u), false))
		return false;
	d->insn->imm = (u64)sign_extend(d->insn->imm, d->insn->imm_size * 8u);
	o->kind = OPK_REL;
	o->size = d->insn->op_size;
	return true;
}

/* The 16 bits behind a far pointer's offset, or ENTER's level. */
static bool set_imm2(struct decoder *d, unsigned size)
{
	u64 v;

	d->insn->imm_size = (u8)(d->insn->imm_size + size);
	if (!decode_take(d, size, &v))
		return false;
	d->insn->imm2 = (u16)v;
	return true;
}

static bool set_far(struct decoder *d, struct operand *o)
{
	if (!set_imm(d, o, d->insn->op_size, false) || !set_imm2(d, 2))
		return false;
	o->kind = OPK_FAR;
	return true;
}

static bool set_moffs(struct decoder *d, struct operand *o)
{
	struct insn *insn = d->insn;
	unsigned size = insn->addr_size;

	if (!decode_disp(d, size))
		return false;
	if (size < 8)
		insn->disp &= (s64)(BIT(size * 8) - 1);
	return set_mem(o, insn);
}

static bool set_operand(struct decoder *d, struct operand *o, unsigned pat)
{
	struct insn *insn = d->insn;
	unsigned reg = insn->reg | decode_rex_bit(insn, 2);
	unsigned z = (insn->opcode & 7) | decode_rex_bit(insn, 0);

	o->size = (u16)pattern_size(d, PAT_SIZE(pat));
	switch ((enum method)PAT_METHOD(pat)) {
	case AM_NONE: return true;
	case AM_E: return set_rm(d, o, OPK_REG);
	case AM_M: return set_rm(d, o, OPK_NONE);
	case AM_R: return set_gpr(o, insn, insn->rm | decode_rex_bit(insn, 0),
				  FIELD_RM);
	case AM_G: return set_gpr(o, insn, reg, FIELD_REG);
	case AM_Z: return set_gpr(o, insn, z, FIELD_OPCODE);
	case AM_I: return PAT_SIZE(pat) == SZ_Z
			? (o->size = insn->op_size,
			   set_imm(d, o, MIN(insn->op_size, 4u), true))
			: set_imm(d, o, o->size, false);
	case AM_S: return set_imm(d, o, 1, true);
	case AM_J: return set_rel(d, o, o->size);
	case AM_A: return set_far(d, o);
	case AM_O: return set_moffs(d, o);
	case AM_X: return set_reg(o, OPK_STRING_SRC, R_SI, FIELD_NONE);
	case AM_Y: return set_reg(o, OPK_STRING_DST, R_DI, FIELD_NONE);
	case AM_C: return set_control(d, o, OPK_CR);
	case AM_D: return set_control(d, o, OPK_DR);
	case AM_SREG: return set_sreg(d, o);
	case AM_V: return set_reg(o, OPK_XMM, reg, FIELD_REG);
	case AM_W: return set_rm(d, o, OPK_XMM);
	case AM_U: return set_rm_reg(d, o, OPK_XMM);
	case AM_P: return set_reg(o, OPK_MMX, insn->reg, FIELD_REG);
	case AM_Q: return set_rm(d, o, OPK_MMX);
	case AM_N: return set_rm_reg(d, o, OPK_MMX);
	case AM_ST: return set_reg(o, OPK_X87, insn->rm, FIELD_RM);
	case AM_FIX: return set_reg(o, OPK_REG, PAT_REG(pat), FIELD_NONE);
	case AM_FSEG: return set_reg(o, OPK_SREG, PAT_REG(pat), FIELD_NONE);
	case AM_ONE: insn->imm = 1; o->kind = OPK_IMM; return true;
	case AM_ENTER: return set_imm(d, o, 2, false) && set_imm2(d, 1);
	}
	return decode_undefined(d);
}

/* Does any operand live in ModRM? */
bool decode_uses_modrm(const struct row *row)
{
	const u32 with = 1u << AM_E | 1u << AM_M | 1u << AM_R | 1u << AM_G |
			 1u << AM_C | 1u << AM_D | 1u << AM_SREG |
			 1u << AM_V | 1u << AM_W | 1u << AM_U | 1u << AM_P |
			 1u << AM_Q | 1u << AM_N | 1u << AM_ST;

	return (with >> PAT_METHOD(row->pat[0]) & 1) ||
	       (with >> PAT_METHOD(row->pat[1]) & 1);
}

bool decode_operands(struct decoder *d, const struct row *row)
{
	struct insn *insn = d->insn;

	for (unsigned i = 0; i < 3; i++) {
		if (!set_operand(d, &insn->opnd[i], row->pat[i]))
			return false;
	}
	if (d->seg_override >= 0)
		insn->seg = (u8)d->seg_override;
	return true;
}
