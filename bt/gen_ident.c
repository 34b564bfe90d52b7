/* SPDX-License-Identifier: MIT */
/*
 * Instructions that stay themselves: the same opcode, with ESP moved to r12
 * and 67h on a memory operand. Prefixes that mean nothing are left out, so the
 * result is never longer than 15 bytes; one-byte forms that 64-bit mode lost
 * take their two-byte form.
 */
#include "bt/xlate.h"

#include "lib/string.h"

/* Does ModRM.reg name a general register (and not an opcode extension)? */
static bool reg_is_gpr(const struct insn *i)
{
	u8 op = i->opcode;

	switch (i->map) {
	case 0:
		return (op < 0x40 && (op & 7) < 4) || op == 0x69 ||
		       op == 0x6b || (op >= 0x84 && op <= 0x8b) || op == 0x8d;
	case 1:
		return (op >= 0x40 && op <= 0x4f) ||
		       (op >= 0xa3 && op <= 0xad && op != 0xa8) || op == 0xaf ||
		       op == 0xb0 || op == 0xb1 || op == 0xb3 ||
		       (op >= 0xb6 && op <= 0xb8) ||
		       (op >= 0xbb && op <= 0xc1) || op == 0xc3;
	default:
		return op == 0xf0 || op == 0xf1; /* MOVBE, CRC32 */
	}
}

/* Is the register in ModRM.reg a byte register? */
static bool reg_is_byte(const struct insn *i)
{
	u8 op = i->opcode;

	if (i->map == 0)
		return !(op & 1) && (op < 0x40 || (op >= 0x84 && op <= 0x8a));
	return i->map == 1 && (op == 0xb0 || op == 0xc0);
}

/* Is ModRM.rm, as a register, a byte register? */
static bool rm_is_byte(const struct insn *i)
{
	u8 op = i->opcode;

	if (i->map == 0)
		return !(op & 1) && op != 0x8c && op != 0x8e;
	if (i->map == 1)
		return (op >= 0x90 && op <= 0x9f) || op == 0xb0 ||
		       op == 0xb6 || op == 0xbe || op == 0xc0;
	return op == 0xf0 && i->op == OP_CRC32;
}

/* F2 and F3 matter to strings and where they choose the operation. */
static u8 repeat_prefix(const struct insn *i)
{
	bool keep = i->map >= 2 || (i->attrs & (ATTR_STRING | ATTR_SSE)) ||
		    i->op == OP_POPCNT || i->op == OP_LZCNT ||
		    i->op == OP_TZCNT;

	if (!keep)
		return 0;
	if (i->prefixes & PFX_REPNE)
		return 0xf2;
	return i->prefixes & PFX_REP ? 0xf3 : 0;
}

static void start(const struct insn *i, struct enc *c)
{
	*c = (struct enc){
		.lock = i->prefixes & PFX_LOCK ? 0xf0 : 0,
		.rep = repeat_prefix(i),
		.opsize = i->prefixes & PFX_OPSIZE,
		.map = i->map,
		.opcode = i->opcode,
		.imm_size = i->imm_size,
	};
	memcpy(&c->imm, i->bytes + i->off_imm, MIN(i->imm_size, 4));
}

/* The undocumented aliases of an opcode take its documented form. */
static void settle_aliases(const struct insn *i, struct enc *c)
{
	if (c->map)
		return;
	if (c->opcode == 0x82)
		c->opcode = 0x80;
	if (i->op == OP_SHL)
		c->reg = 4;
	if (i->op == OP_TEST && c->opcode >= 0xf6)
		c->reg = 0;
}

/* r12 in place of esp; AH, CH, DH and BH must not meet a REX prefix. */
static void set_registers(const struct insn *i, struct enc *c, bool rm_gpr)
{
	c->reg = i->reg;
	c->rm = i->rm;
	if (reg_is_gpr(i)) {
		if (!reg_is_byte(i))
			c->reg = host_reg(i->reg);
		else if (i->reg >= 4)
			c->high = true;
	}
	if (c->has_mem || !rm_gpr)
		return;
	if (!rm_is_byte(i))
		c->rm = host_reg(i->rm);
	else if (i->rm >= 4)
		c->high = true;
}

/*
 * MOV between AH, CH, DH or BH and what takes a REX prefix to address, by way
 * of r10b and the low byte; no flag is touched, and where the access faults
 * the registers are as they were. Linux has one on its way to user code.
 */
static bool mov_high(struct xlate *x, const struct enc *c)
{
	struct emit *e = &x->e;
	u8 low = c->reg - 4;

	if (x->insn.op != OP_MOV || !c->has_mem)
		return false;
	if (c->opcode == 0x8a) {
		emit_rm_0f(e, 0xb6, H_10, c->mem);
		emit_rr(e, 0x86, c->reg, low); /* xchg low, high */
		emit_rr(e, 0x88, H_10, low);
		emit_rr(e, 0x86, c->reg, low);
		return true;
	}
	emit_rr(e, 0x86, c->reg, low);
	emit_rr(e, 0x88, low, H_10);
	emit_rr(e, 0x86, c->reg, low);
	emit_rm(e, 0x88, H_10, c->mem);
	return true;
}

static bool finish(struct xlate *x, const struct enc *c)
{
	if (c->high && enc_needs_rex(c))
		return mov_high(x, c);
	emit_enc(&x->e, c);
	return true;
}

static bool modrm_form(struct xlate *x, struct enc *c, bool rm_gpr)
{
	const struct insn *i = &x->insn;

	c->has_modrm = true;
	c->has_mem = i->has_mem;
	set_registers(i, c, rm_gpr);
	settle_aliases(i, c);
	if (c->has_mem && !guest_mem(x, &c->mem))
		return false;
	if (i->op == OP_LEA)
		c->mem.narrow = false;
	return finish(x, c);
}

/* A0 to A3: as 8A, 8B, 88, 89 with an absolute operand. */
static bool moffs_form(struct xlate *x, struct enc *c)
{
	static const u8 opcode[] = { 0x8a, 0x8b, 0x88, 0x89 };

	c->opcode = opcode[x->insn.opcode & 3];
	c->has_modrm = c->has_mem = true;
	c->reg = R_AX;
	return guest_mem(x, &c->mem) && finish(x, c);
}

/* Registers in the low bits of the opcode. */
static void opcode_register(const struct insn *i, struct enc *c)
{
	bool byte = !i->map && i->opcode >= 0xb0 && i->opcode <= 0xb7;
	bool has = i->map ? i->opcode >= 0xc8 && i->opcode <= 0xcf :
		   i->opcode >> 3 == 0x90 >> 3 || i->opcode >> 4 == 0xb;

	if (!has)
		return;
	c->opcode &= 0xf8;
	c->rm = byte ? i->opcode & 7 : host_reg(i->opcode & 7);
	c->high = byte && c->rm >= 4;
}

bool gen_ident(struct xlate *x)
{
	const struct insn *i = &x->insn;
	struct enc c;

	if (i->op == OP_BSWAP && i->op_size != 4)
		return false; /* undefined: let one engine define it */
	start(i, &c);
	if (i->has_modrm)
		return modrm_form(x, &c, true);
	if (i->has_mem)
		return moffs_form(x, &c);
	opcode_register(i, &c);
	return finish(x, &c);
}

/*
 * QEMU 7.2 computes the flags of CMPXCHG8B from operands and operation of
 * different instructions: rubbish, in reserved and system bits of pushed
 * images too. A jump makes it settle the flags beforehand.
 */
bool gen_cmpxchg8b(struct xlate *x)
{
	emit_here(&x->e, emit_short(&x->e, 0xeb));
	return gen_ident(x);
}

/* The address size of the counter, too, comes from 67h. */
bool gen_string(struct xlate *x)
{
	const struct insn *i = &x->insn;
	struct enc c;

	if (i->addr_size != 4)
		return false;
	for (unsigned n = 0; n < ARRAY_SIZE(i->opnd); n++) {
		if (i->opnd[n].kind == OPK_STRING_SRC && !seg_flat(x, i->seg))
			return false;
		if (i->opnd[n].kind == OPK_STRING_DST && !seg_flat(x, SEG_ES))
			return false;
	}
	start(i, &c);
	c.narrow = true;
	return finish(x, &c);
}

bool gen_xlat(struct xlate *x)
{
	struct enc c;

	if (x->insn.addr_size != 4 || !seg_flat(x, x->insn.seg))
		return false;
	start(&x->insn, &c);
	c.narrow = true;
	return finish(x, &c);
}

bool gen_nop(struct xlate *x)
{
	return true;
}

bool gen_pause(struct xlate *x)
{
	emit_enc(&x->e, &(struct enc){ .rep = 0xf3, .opcode = 0x90 });
	return true;
}

/* 40 to 4F are REX prefixes now. */
bool gen_incdec(struct xlate *x)
{
	const struct insn *i = &x->insn;
	struct enc c;

	if (i->has_modrm)
		return gen_ident(x);
	start(i, &c);
	c.opcode = 0xff;
	c.has_modrm = true;
	c.reg = i->op == OP_DEC;
	c.rm = host_reg(i->opcode & 7);
	return finish(x, &c);
}

/* The environment holds addresses of the host's: FLDENV, FNSTENV, FRSTOR and
 * FNSAVE are the interpreter's. */
bool gen_x87(struct xlate *x)
{
	const struct insn *i = &x->insn;
	struct enc c;

	if (i->has_mem && (i->reg == 4 || i->reg == 6) &&
	    (i->opcode == 0xd9 || i->opcode == 0xdd))
		return false;
	emit_store_imm8(&x->e, VCPU_MEM(x87_ours), 1);
	start(i, &c);
	c.opsize = false;
	return modrm_form(x, &c, false);
}

/* MASKMOV stores through EDI, which no memory operand shows. */
bool gen_simd(struct xlate *x)
{
	const struct insn *i = &x->insn;
	struct enc c;

	if (i->map == 1 && i->opcode == 0xf7)
		return false;
	for (unsigned n = 0; n < ARRAY_SIZE(i->opnd); n++)
		if (i->opnd[n].kind == OPK_REG && i->opnd[n].reg == R_SP)
			return false;
	start(i, &c);
	if (!i->has_modrm)
		return finish(x, &c);
	return modrm_form(x, &c, false);
}
