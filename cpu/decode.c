/* SPDX-License-Identifier: MIT */
/*
 * The instruction decoder: prefixes, opcode maps, ModRM and SIB, operands.
 * What is defined is said by the tables in opcodes*.inc; this file only walks
 * them. It is pure: bytes in, struct insn out.
 */
#include "cpu/insn.h"

#include "cpu/opcodes.h"
#include "lib/string.h"

enum prefix_column { NP, P66, PF3, PF2 };

#define ROW(name, attrs, ...) { OP_##name, { __VA_ARGS__ }, (u32)(attrs) }
#define ONE(opcode, name, attrs, ...)                                     \
	[0][NP][opcode] = ROW(name, attrs, __VA_ARGS__),
#define TWO(prefix, opcode, name, attrs, ...)                             \
	[1][prefix][opcode] = ROW(name, attrs, __VA_ARGS__),
#define THREE38(prefix, opcode, name, attrs, ...)                         \
	[2][prefix][opcode] = ROW(name, attrs, __VA_ARGS__),
#define THREE3A(prefix, opcode, name, attrs, ...)                         \
	[3][prefix][opcode] = ROW(name, attrs, __VA_ARGS__),
#define GROUP1(opcode, group, attrs, ...)                                 \
	[0][NP][opcode] = { group, { __VA_ARGS__ },                       \
			    (u32)(ROW_GROUP | (attrs)) },
#define GROUP2(prefix, opcode, group, attrs, ...)                         \
	[1][prefix][opcode] = { group, { __VA_ARGS__ },                   \
				(u32)(ROW_GROUP | (attrs)) },
static const struct row maps[4][4][256] = {
#include "cpu/opcodes.inc"
#include "cpu/opcodes_sse.inc"
};

#define MEM(group, n, name, attrs, ...)                                   \
	[group][n] = ROW(name, attrs, __VA_ARGS__),
#define REG(group, n, name, attrs, ...)                                   \
	[group][8 + n] = ROW(name, attrs, __VA_ARGS__),
#define BOTH(group, n, name, attrs, ...)                                  \
	MEM(group, n, name, attrs, __VA_ARGS__)                           \
	REG(group, n, name, attrs, __VA_ARGS__)
#define RM(group, n, name, attrs) MEM(group, n, name, attrs)
#define GROUP_RM(group, n, sub) [group][8 + n] = { sub, { 0 }, ROW_GROUP_RM },
static const struct row groups[GRP_COUNT][16] = {
#include "cpu/opcodes_grp.inc"
};

#define ESC_MEM(opcode, n, pattern, access)                               \
	[opcode - 0xd8][n] = { OP_X87, { pattern }, access },
#define ESC_REG(...)
static const struct row esc_mem[8][8] = {
#include "cpu/opcodes_x87.inc"
};
#undef ESC_MEM
#undef ESC_REG

#define ESC_MEM(...)
#define ESC_REG(opcode, ...) [opcode - 0xd8] = { __VA_ARGS__ },
static const u8 esc_reg[8][8] = {
#include "cpu/opcodes_x87.inc"
};

static const u32 op_attrs[OP_COUNT] = {
#define OP(name, text, reads, writes, attrs) [OP_##name] = (u32)(attrs),
#include "cpu/ops.inc"
#undef OP
};

struct decoder {
	struct insn *insn;
	const u8 *bytes;
	unsigned avail;
	unsigned code_size;
	s8 seg_override; /* -1: none */
	enum decode_result why; /* of a false return */
};

static bool undefined(struct decoder *d)
{
	d->why = DECODE_UNDEFINED;
	return false;
}

/* Take n bytes, little endian. */
static bool take(struct decoder *d, unsigned n, u64 *value)
{
	struct insn *insn = d->insn;
	u64 v = 0;

	if (insn->len + n > INSN_MAX) {
		d->why = DECODE_TOO_LONG;
		return false;
	}
	if (insn->len + n > d->avail) {
		d->why = DECODE_MORE;
		return false;
	}
	for (unsigned i = 0; i < n; i++) {
		u8 byte = d->bytes[insn->len];

		insn->bytes[insn->len++] = byte;
		v |= (u64)byte << (8 * i);
	}
	*value = v;
	return true;
}

static bool take_byte(struct decoder *d, u8 *byte)
{
	u64 v;

	if (!take(d, 1, &v))
		return false;
	*byte = (u8)v;
	return true;
}

/* --- Prefixes --- */

/* In 64-bit mode only FS and GS overrides count. */
static void prefix_segment(struct decoder *d, enum sreg seg)
{
	d->insn->prefixes |= PFX_SEG;
	if (d->code_size != 8 || seg >= SEG_FS)
		d->seg_override = seg;
}

static void prefix_rep(struct insn *insn, u8 which)
{
	insn->prefixes &= (u8)~(PFX_REP | PFX_REPNE);
	insn->prefixes |= which;
}

static bool is_prefix(struct decoder *d, u8 byte)
{
	struct insn *insn = d->insn;

	switch (byte) {
	case 0x26: prefix_segment(d, SEG_ES); break;
	case 0x2e: prefix_segment(d, SEG_CS); break;
	case 0x36: prefix_segment(d, SEG_SS); break;
	case 0x3e: prefix_segment(d, SEG_DS); break;
	case 0x64: prefix_segment(d, SEG_FS); break;
	case 0x65: prefix_segment(d, SEG_GS); break;
	case 0x66: insn->prefixes |= PFX_OPSIZE; break;
	case 0x67: insn->prefixes |= PFX_ADSIZE; break;
	case 0xf0: insn->prefixes |= PFX_LOCK; break;
	case 0xf2: prefix_rep(insn, PFX_REPNE); break;
	case 0xf3: prefix_rep(insn, PFX_REP); break;
	default: return false;
	}
	insn->rex = 0; /* REX counts only right before the opcode */
	return true;
}

/* Prefixes and the first opcode byte. */
static bool read_prefixes(struct decoder *d, u8 *byte)
{
	struct insn *insn = d->insn;

	for (;;) {
		if (!take_byte(d, byte))
			return false;
		if (is_prefix(d, *byte))
			continue;
		if (d->code_size != 8 || (*byte & 0xf0) != 0x40)
			break;
		insn->rex = *byte;
	}
	if (insn->rex)
		insn->prefixes |= PFX_REX;
	return true;
}

/* --- Opcode --- */

static bool read_opcode(struct decoder *d)
{
	struct insn *insn = d->insn;
	u8 byte;

	if (!read_prefixes(d, &byte))
		return false;
	insn->off_opcode = (u8)(insn->len - 1);
	if (byte == 0x0f) {
		insn->map = 1;
		if (!take_byte(d, &byte))
			return false;
		if (byte == 0x38 || byte == 0x3a) {
			insn->map = byte == 0x38 ? 2 : 3;
			if (!take_byte(d, &byte))
				return false;
		}
	}
	insn->opcode = byte;
	return true;
}

static const struct row *find_row(const struct insn *insn)
{
	const struct row (*columns)[256] = maps[insn->map];
	const struct row *np = &columns[NP][insn->opcode];
	enum prefix_column col = NP;

	if (insn->prefixes & PFX_REP)
		col = PF3;
	else if (insn->prefixes & PFX_REPNE)
		col = PF2;
	else if (insn->prefixes & PFX_OPSIZE)
		col = P66;
	if (col == NP || columns[col][insn->opcode].op)
		return &columns[col][insn->opcode];
	if (np->attrs & ROW_NP)
		return NULL;
	if ((np->attrs & ROW_NOREP) && col != P66)
		return NULL;
	return np;
}

/* --- ModRM --- */

static bool read_modrm(struct decoder *d)
{
	struct insn *insn = d->insn;

	if (insn->has_modrm)
		return true;
	insn->off_modrm = insn->len;
	if (!take_byte(d, &insn->modrm))
		return false;
	insn->has_modrm = true;
	insn->mod = insn->modrm >> 6;
	insn->reg = insn->modrm >> 3 & 7;
	insn->rm = insn->modrm & 7;
	return true;
}

static unsigned rex_bit(const struct insn *insn, unsigned bit)
{
	return (insn->rex >> bit & 1) << 3;
}

/* Displacement of `size` bytes. */
static bool read_disp(struct decoder *d, unsigned size)
{
	struct insn *insn = d->insn;
	u64 v;

	insn->disp_size = (u8)size;
	if (!size)
		return true;
	insn->off_disp = insn->len;
	if (!take(d, size, &v))
		return false;
	insn->disp = sign_extend(v, size * 8);
	return true;
}

/* "16-Bit Addressing Forms with the ModR/M Byte" */
static bool read_mem16(struct decoder *d)
{
	static const s8 base[8] = { R_BX, R_BX, R_BP, R_BP,
				    R_SI, R_DI, R_BP, R_BX };
	static const s8 index[8] = { R_SI, R_DI, R_SI, R_DI, -1, -1, -1, -1 };
	struct insn *insn = d->insn;

	if (insn->mod == 0 && insn->rm == 6)
		return read_disp(d, 2);
	insn->base = base[insn->rm];
	insn->index = index[insn->rm];
	if (insn->base == R_BP)
		insn->seg = SEG_SS;
	return read_disp(d, insn->mod);
}

/* SIB byte; *disp: size of the displacement, by the base. */
static bool read_sib(struct decoder *d, unsigned *disp)
{
	struct insn *insn = d->insn;

	if (!take_byte(d, &insn->sib))
		return false;
	insn->has_sib = true;
	insn->scale = (u8)(1 << (insn->sib >> 6));
	insn->index = (s8)((insn->sib >> 3 & 7) | rex_bit(insn, 1));
	if (insn->index == R_SP)
		insn->index = -1;
	if ((insn->sib & 7) == 5 && insn->mod == 0)
		*disp = 4;
	else
		insn->base = (s8)((insn->sib & 7) | rex_bit(insn, 0));
	return true;
}

/* "32-Bit Addressing Forms with the ModR/M Byte" */
static bool read_mem32(struct decoder *d)
{
	static const u8 disp_sizes[3] = { 0, 1, 4 };
	struct insn *insn = d->insn;
	unsigned disp = disp_sizes[insn->mod];

	if (insn->rm == 4) {
		if (!read_sib(d, &disp))
			return false;
	} else if (insn->rm == 5 && insn->mod == 0) {
		disp = 4;
		insn->rip_rel = d->code_size == 8;
	} else {
		insn->base = (s8)(insn->rm | rex_bit(insn, 0));
	}
	if (insn->base == R_SP || insn->base == R_BP)
		insn->seg = SEG_SS;
	return read_disp(d, disp);
}

/* --- Rows --- */

static bool has_mandatory(const struct insn *insn)
{
	return insn->prefixes & (PFX_OPSIZE | PFX_REP | PFX_REPNE);
}

/* Follow groups to the row that names an operation. */
static bool resolve(struct decoder *d, const struct row *row, struct row *out)
{
	struct insn *insn = d->insn;

	*out = *row;
	while (out->attrs & (ROW_GROUP | ROW_GROUP_RM)) {
		unsigned n;

		if (!read_modrm(d))
			return false;
		n = insn->reg + (insn->mod == 3 ? 8 : 0);
		if (out->attrs & ROW_GROUP_RM)
			n = insn->rm;
		row = &groups[out->op][n];
		if (!row->op || (row->attrs & ROW_NP && has_mandatory(insn)))
			return undefined(d);
		if (row->pat[0])
			memcpy(out->pat, row->pat, sizeof(out->pat));
		out->op = row->op;
		out->attrs &= (u32)~(ROW_GROUP | ROW_GROUP_RM);
		out->attrs |= row->attrs;
	}
	return true;
}

static bool resolve_x87(struct decoder *d, struct row *row)
{
	struct insn *insn = d->insn;
	unsigned esc = insn->opcode - 0xd8u;

	if (!read_modrm(d))
		return false;
	if (insn->mod != 3) {
		*row = esc_mem[esc][insn->reg];
		return row->op || undefined(d);
	}
	if (!(esc_reg[esc][insn->reg] >> insn->rm & 1))
		return undefined(d);
	if (insn->opcode == 0xdf && insn->reg == 4) { /* FNSTSW AX */
		row->pat[0] = wAX;
		row->attrs |= A_W;
	}
	return true;
}

/* What one row cannot say. */
static void adjust_row(struct decoder *d, struct row *row)
{
	struct insn *insn = d->insn;
	bool rep = insn->prefixes & PFX_REP;

	if (insn->map == 0 && insn->opcode == 0x90 && !(insn->rex & 1))
		*row = (struct row){ rep ? OP_PAUSE : OP_NOP, { 0 }, 0 };
	if (row->op == OP_ARPL && d->code_size == 8)
		*row = (struct row){ OP_MOVSXD, { Gv, Ed }, A_MOV };
	if (row->op == OP_CMPXCHG8B && (insn->rex & 8))
		row->op = OP_CMPXCHG16B;
}

static void set_sizes(struct decoder *d, u32 attrs)
{
	struct insn *insn = d->insn;
	bool op66 = insn->prefixes & PFX_OPSIZE;

	if (d->code_size != 8) {
		insn->op_size = op66 ? (u8)(6 - d->code_size) : (u8)d->code_size;
		return;
	}
	insn->op_size = op66 ? 2 : 4;
	if (attrs & ROW_D64)
		insn->op_size = op66 ? 2 : 8;
	if ((insn->rex & 8) || (attrs & ROW_F64))
		insn->op_size = 8;
}

static void set_addr_size(struct decoder *d)
{
	struct insn *insn = d->insn;
	bool ad67 = insn->prefixes & PFX_ADSIZE;

	if (d->code_size == 8)
		insn->addr_size = ad67 ? 4 : 8;
	else
		insn->addr_size = ad67 ? (u8)(6 - d->code_size)
				       : (u8)d->code_size;
}

/* --- Operands --- */

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
	unsigned n = insn->rm | rex_bit(insn, 0);

	if (insn->mod != 3)
		return set_mem(o, insn);
	if (kind == OPK_NONE)
		return undefined(d);
	if (kind == OPK_REG)
		return set_gpr(o, insn, n, FIELD_RM);
	return set_reg(o, kind, kind == OPK_MMX ? insn->rm : n, FIELD_RM);
}

/* A register operand in ModRM.rm that cannot be memory. */
static bool set_rm_reg(struct decoder *d, struct operand *o,
		       enum operand_kind kind)
{
	return d->insn->mod == 3 ? set_rm(d, o, kind) : undefined(d);
}

static bool set_sreg(struct decoder *d, struct operand *o)
{
	struct insn *insn = d->insn;
	bool load = insn->opcode == 0x8e;

	if (insn->reg > SEG_GS || (load && insn->reg == SEG_CS))
		return undefined(d);
	if (load && insn->reg == SEG_SS)
		insn->attrs |= ATTR_INHIBIT;
	return set_reg(o, OPK_SREG, insn->reg, FIELD_REG);
}

/* CR0, 2, 3, 4 (and 8 in 64-bit mode) exist; DR4 and 5 depend on CR4.DE. */
static bool set_control(struct decoder *d, struct operand *o,
			enum operand_kind kind)
{
	unsigned n = d->insn->reg | rex_bit(d->insn, 2);
	bool ok = kind == OPK_CR ? n == 0 || (n >= 2 && n <= 4) || n == 8
				 : n < 8;

	return ok ? set_reg(o, kind, n, FIELD_REG) : undefined(d);
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
	if (!take(d, size, &v))
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
	if (!take(d, size, &v))
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

	if (!read_disp(d, size))
		return false;
	if (size < 8)
		insn->disp &= (s64)(BIT(size * 8) - 1);
	return set_mem(o, insn);
}

static bool set_operand(struct decoder *d, struct operand *o, unsigned pat)
{
	struct insn *insn = d->insn;
	unsigned reg = insn->reg | rex_bit(insn, 2);
	unsigned z = (insn->opcode & 7) | rex_bit(insn, 0);

	o->size = (u16)pattern_size(d, PAT_SIZE(pat));
	switch ((enum method)PAT_METHOD(pat)) {
	case AM_NONE: return true;
	case AM_E: return set_rm(d, o, OPK_REG);
	case AM_M: return set_rm(d, o, OPK_NONE);
	case AM_R: return set_gpr(o, insn, insn->rm | rex_bit(insn, 0),
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
	return undefined(d);
}

/* Does any operand live in ModRM? */
static bool uses_modrm(const struct row *row)
{
	const u32 with = 1u << AM_E | 1u << AM_M | 1u << AM_R | 1u << AM_G |
			 1u << AM_C | 1u << AM_D | 1u << AM_SREG |
			 1u << AM_V | 1u << AM_W | 1u << AM_U | 1u << AM_P |
			 1u << AM_Q | 1u << AM_N | 1u << AM_ST;

	return (with >> PAT_METHOD(row->pat[0]) & 1) ||
	       (with >> PAT_METHOD(row->pat[1]) & 1);
}

/* ModRM and what follows it, as the row wants it. */
static bool read_address(struct decoder *d, const struct row *row)
{
	struct insn *insn = d->insn;

	if (!insn->has_modrm && !uses_modrm(row))
		return true;
	if (!read_modrm(d))
		return false;
	if (row->attrs & ROW_MODREG)
		insn->mod = 3;
	if (insn->mod == 3)
		return true;
	return insn->addr_size == 2 ? read_mem16(d) : read_mem32(d);
}

static bool read_operands(struct decoder *d, const struct row *row)
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

/* --- The whole --- */

/* Is the data operand a byte? */
static bool is_byte_form(const struct insn *insn)
{
	bool out = insn->op == OP_OUT || insn->op == OP_OUTS;
	const struct operand *o = &insn->opnd[out ? 1 : 0];

	return o->size == 1 && o->kind != OPK_IMM;
}

static void set_op(struct decoder *d, const struct row *row)
{
	struct insn *insn = d->insn;

	insn->op = row->op;
	if (insn->op == OP_CWDE && insn->op_size == 2)
		insn->op = OP_CBW;
	if (insn->op == OP_CDQ && insn->op_size == 2)
		insn->op = OP_CWD;
	insn->attrs |= row->attrs & (u32)~ROW_ONLY;
	insn->attrs |= op_attrs[insn->op];
	if (insn->has_modrm)
		insn->attrs |= ATTR_MODRM;
	if (is_byte_form(insn))
		insn->attrs |= ATTR_BYTE;
}

static bool lock_allowed(const struct insn *insn)
{
	return (insn->attrs & ATTR_LOCKABLE) && insn->opnd[0].kind == OPK_MEM;
}

static bool find_and_resolve(struct decoder *d, struct row *row)
{
	const struct row *found;

	if (!read_opcode(d))
		return false;
	found = find_row(d->insn);
	if (!found || !found->op)
		return undefined(d);
	if (!resolve(d, found, row))
		return false;
	if (row->op == OP_X87 && !resolve_x87(d, row))
		return false;
	adjust_row(d, row);
	return true;
}

static bool decode(struct decoder *d)
{
	struct insn *insn = d->insn;
	struct row row;

	if (!find_and_resolve(d, &row))
		return false;
	if (row.attrs & (d->code_size == 8 ? ROW_I64 : ROW_O64))
		return undefined(d);
	set_sizes(d, row.attrs);
	set_addr_size(d);
	if (!read_address(d, &row) || !read_operands(d, &row))
		return false;
	set_op(d, &row);
	if ((insn->prefixes & PFX_LOCK) && !lock_allowed(insn))
		return undefined(d);
	return true;
}

enum decode_result insn_decode(struct insn *insn, const u8 *bytes,
			       unsigned avail, unsigned code_size)
{
	struct decoder d = {
		.insn = insn,
		.bytes = bytes,
		.avail = avail,
		.code_size = code_size,
		.seg_override = -1,
	};

	memset(insn, 0, sizeof(*insn));
	insn->base = insn->index = -1;
	insn->scale = 1;
	insn->seg = SEG_DS;
	return decode(&d) ? DECODE_OK : d.why;
}
