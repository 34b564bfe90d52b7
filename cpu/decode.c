/* SPDX-License-Identifier: MIT */
/*
 * The instruction decoder: prefixes, opcode maps, ModRM and SIB, operands.
 * What is defined is said by the tables in opcodes*.inc; this file only walks
 * them. It is pure: bytes in, struct insn out.
 */
#include "cpu/decode.h"

#include "lib/string.h"

static const u32 op_attrs[OP_COUNT] = {
#define OP(name, text, reads, writes, attrs) [OP_##name] = (u32)(attrs),
#include "cpu/ops.inc"
#undef OP
};

/* Take n bytes, little endian. */
bool decode_take(struct decoder *d, unsigned n, u64 *value)
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

	if (!decode_take(d, 1, &v))
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

/* --- ModRM --- */

bool decode_modrm(struct decoder *d)
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

/* Displacement of `size` bytes. */
bool decode_disp(struct decoder *d, unsigned size)
{
	struct insn *insn = d->insn;
	u64 v;

	insn->disp_size = (u8)size;
	if (!size)
		return true;
	insn->off_disp = insn->len;
	if (!decode_take(d, size, &v))
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
		return decode_disp(d, 2);
	insn->base = base[insn->rm];
	insn->index = index[insn->rm];
	if (insn->base == R_BP)
		insn->seg = SEG_SS;
	return decode_disp(d, insn->mod);
}

/* SIB byte; *disp: size of the displacement, by the base. */
static bool read_sib(struct decoder *d, unsigned *disp)
{
	struct insn *insn = d->insn;

	if (!take_byte(d, &insn->sib))
		return false;
	insn->has_sib = true;
	insn->scale = (u8)(1 << (insn->sib >> 6));
	insn->index = (s8)((insn->sib >> 3 & 7) | decode_rex_bit(insn, 1));
	if (insn->index == R_SP)
		insn->index = -1;
	if ((insn->sib & 7) == 5 && insn->mod == 0)
		*disp = 4;
	else
		insn->base = (s8)((insn->sib & 7) | decode_rex_bit(insn, 0));
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
		insn->base = (s8)(insn->rm | decode_rex_bit(insn, 0));
	}
	if (insn->base == R_SP || insn->base == R_BP)
		insn->seg = SEG_SS;
	return decode_disp(d, disp);
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

/* ModRM and what follows it, as the row wants it. */
static bool read_address(struct decoder *d, const struct row *row)
{
	struct insn *insn = d->insn;

	if (!insn->has_modrm && !decode_uses_modrm(row))
		return true;
	if (!decode_modrm(d))
		return false;
	if (row->attrs & ROW_MODREG)
		insn->mod = 3;
	if (insn->mod == 3)
		return true;
	return insn->addr_size == 2 ? read_mem16(d) : read_mem32(d);
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
	found = decode_find_row(d->insn);
	if (!found || !found->op)
		return decode_undefined(d);
	if (!decode_resolve_group(d, found, row))
		return false;
	if (row->op == OP_X87 && !decode_resolve_x87(d, row))
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
		return decode_undefined(d);
	set_sizes(d, row.attrs);
	set_addr_size(d);
	if (!read_address(d, &row) || !decode_operands(d, &row))
		return false;
	set_op(d, &row);
	if ((insn->prefixes & PFX_LOCK) && !lock_allowed(insn))
		return decode_undefined(d);
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
