/* SPDX-License-Identifier: MIT */
/* The encoder: prefixes, REX, opcode, ModRM, SIB, displacement, immediate. */
#include "bt/emit.h"

#include "log.h"

#define REX   0x40
#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

void emit_init(struct emit *e, u8 *write, const u8 *exec, u64 size)
{
	*e = (struct emit){
		.start = write, .p = write, .end = write + size, .exec = exec,
	};
}

void emit_u8(struct emit *e, u8 value)
{
	if (e->p == e->end)
		e->overflow = true;
	else
		*e->p++ = value;
}

static void emit_uint(struct emit *e, u32 value, unsigned size)
{
	for (; size--; value >>= 8)
		emit_u8(e, (u8)value);
}

void emit_u32(struct emit *e, u32 value)
{
	emit_uint(e, value, 4);
}

static u8 rex_of(const struct enc *c)
{
	u8 rex = 0;

	if (c->wide)
		rex |= REX_W;
	if (c->has_modrm && c->reg >= 8)
		rex |= REX_R;
	if (!c->has_mem)
		return c->rm >= 8 ? rex | REX_B : rex;
	if (c->mem.base >= 8)
		rex |= REX_B;
	if (c->mem.index >= 8)
		rex |= REX_X;
	return rex;
}

bool enc_needs_rex(const struct enc *c)
{
	return rex_of(c) != 0;
}

static void emit_prefixes(struct emit *e, const struct enc *c)
{
	u8 rex = rex_of(c);

	assert(!(rex && c->high));
	if (c->lock)
		emit_u8(e, c->lock);
	if (c->rep)
		emit_u8(e, c->rep);
	if (c->opsize)
		emit_u8(e, 0x66);
	if (c->narrow || (c->has_mem && c->mem.narrow))
		emit_u8(e, 0x67);
	if (rex)
		emit_u8(e, REX | rex);
}

static void emit_opcode(struct emit *e, const struct enc *c)
{
	if (c->map)
		emit_u8(e, 0x0f);
	if (c->map == 2)
		emit_u8(e, 0x38);
	if (c->map == 3)
		emit_u8(e, 0x3a);
	emit_u8(e, c->has_modrm ? c->opcode : c->opcode | (c->rm & 7));
}

static void emit_modrm(struct emit *e, unsigned mod, unsigned reg, unsigned rm)
{
	emit_u8(e, (u8)(mod << 6 | (reg & 7) << 3 | (rm & 7)));
}

static void emit_sib(struct emit *e, const struct mem *m, unsigned base)
{
	unsigned index = m->index == H_NONE ? 4 : (unsigned)m->index & 7;

	emit_u8(e, (u8)(__builtin_ctz(m->scale) << 6 | index << 3 |
			(base & 7)));
}

/*
 * "32-Bit Addressing Forms with the ModR/M Byte" and their 64-bit changes: no
 * base is mod 0 with a SIB whose base is 5, since rm 5 there is relative to
 * rip; rm 4 means a SIB; base 5 cannot do without a displacement.
 */
static void emit_mem(struct emit *e, unsigned reg, const struct mem *m)
{
	bool sib = m->index != H_NONE || m->base == H_NONE || (m->base & 7) == 4;
	unsigned mod;

	if (m->base == H_NONE) {
		emit_modrm(e, 0, reg, 4);
		emit_sib(e, m, 5);
		emit_u32(e, (u32)m->disp);
		return;
	}
	if (!m->disp && (m->base & 7) != 5)
		mod = 0;
	else
		mod = m->disp == (s8)m->disp ? 1 : 2;
	emit_modrm(e, mod, reg, sib ? 4 : (unsigned)m->base);
	if (sib)
		emit_sib(e, m, (unsigned)m->base);
	emit_uint(e, (u32)m->disp, mod == 2 ? 4 : mod);
}

void emit_enc(struct emit *e, const struct enc *c)
{
	emit_prefixes(e, c);
	emit_opcode(e, c);
	if (c->has_modrm && c->has_mem)
		emit_mem(e, c->reg, &c->mem);
	else if (c->has_modrm)
		emit_modrm(e, 3, c->reg, c->rm);
	emit_uint(e, c->imm, c->imm_size);
}

void emit_rr(struct emit *e, u8 opcode, u8 reg, u8 rm)
{
	emit_enc(e, &(struct enc){ .opcode = opcode, .has_modrm = true,
				   .reg = reg, .rm = rm });
}

void emit_rm(struct emit *e, u8 opcode, u8 reg, struct mem mem)
{
	emit_enc(e, &(struct enc){ .opcode = opcode, .has_modrm = true,
				   .reg = reg, .has_mem = true, .mem = mem });
}

void emit_rm_0f(struct emit *e, u8 opcode, u8 reg, struct mem mem)
{
	emit_enc(e, &(struct enc){ .map = 1, .opcode = opcode,
				   .has_modrm = true, .reg = reg,
				   .has_mem = true, .mem = mem });
}

void emit_rm16(struct emit *e, u8 opcode, u8 reg, struct mem mem)
{
	emit_enc(e, &(struct enc){ .opsize = true, .opcode = opcode,
				   .has_modrm = true, .reg = reg,
				   .has_mem = true, .mem = mem });
}

void emit_ri(struct emit *e, u8 ext, u8 rm, u32 imm)
{
	emit_enc(e, &(struct enc){ .opcode = 0x81, .has_modrm = true,
				   .reg = ext, .rm = rm, .imm_size = 4,
				   .imm = imm });
}

void emit_mov(struct emit *e, u8 dst, u8 src)
{
	emit_rr(e, 0x8b, dst, src);
}

void emit_mov_wide(struct emit *e, u8 dst, u8 src)
{
	emit_enc(e, &(struct enc){ .wide = true, .opcode = 0x8b,
				   .has_modrm = true, .reg = dst, .rm = src });
}

void emit_load(struct emit *e, u8 dst, struct mem mem)
{
	emit_rm(e, 0x8b, dst, mem);
}

void emit_load_wide(struct emit *e, u8 dst, struct mem mem)
{
	emit_enc(e, &(struct enc){ .wide = true, .opcode = 0x8b,
				   .has_modrm = true, .reg = dst,
				   .has_mem = true, .mem = mem });
}

void emit_store(struct emit *e, struct mem mem, u8 src)
{
	emit_rm(e, 0x89, src, mem);
}

void emit_store_imm(struct emit *e, struct mem mem, u32 imm)
{
	emit_enc(e, &(struct enc){ .opcode = 0xc7, .has_modrm = true,
				   .has_mem = true, .mem = mem, .imm_size = 4,
				   .imm = imm });
}

void emit_store_imm8(struct emit *e, struct mem mem, u8 imm)
{
	emit_enc(e, &(struct enc){ .opcode = 0xc6, .has_modrm = true,
				   .has_mem = true, .mem = mem, .imm_size = 1,
				   .imm = imm });
}

void emit_lea(struct emit *e, u8 dst, struct mem mem)
{
	mem.narrow = false; /* the result is cut to 32 bits anyway */
	emit_rm(e, 0x8d, dst, mem);
}

void emit_lea_wide(struct emit *e, u8 dst, struct mem mem)
{
	emit_enc(e, &(struct enc){ .wide = true, .opcode = 0x8d,
				   .has_modrm = true, .reg = dst,
				   .has_mem = true, .mem = mem });
}

void emit_rel32(struct emit *e, u8 opcode, const u8 *target)
{
	const u8 *next = e->exec + emit_offset(e) + 5;
	s64 rel = target - next;

	assert(rel == (s32)rel);
	emit_u8(e, opcode);
	emit_u32(e, (u32)rel);
}

u32 emit_short(struct emit *e, u8 opcode)
{
	emit_u8(e, opcode);
	emit_u8(e, 0);
	return emit_offset(e);
}

void emit_here(struct emit *e, u32 from)
{
	u32 rel = emit_offset(e) - from;

	if (e->overflow)
		return;
	assert(rel < 0x80);
	e->start[from - 1] = (u8)rel;
}
