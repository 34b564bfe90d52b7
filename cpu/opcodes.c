/* SPDX-License-Identifier: MIT */
/*
 * The opcode tables as C arrays, and the way from an opcode, its prefixes and
 * its ModRM byte to the row that defines it. The tables are opcodes*.inc.
 */
#include "cpu/decode.h"

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

const struct row *decode_find_row(const struct insn *insn)
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

static bool has_mandatory(const struct insn *insn)
{
	return insn->prefixes & (PFX_OPSIZE | PFX_REP | PFX_REPNE);
}

/* Follow groups to the row that names an operation. */
bool decode_resolve_group(struct decoder *d, const struct row *row,
			  struct row *out)
{
	struct insn *insn = d->insn;

	*out = *row;
	while (out->attrs & (ROW_GROUP | ROW_GROUP_RM)) {
		unsigned n;

		if (!decode_modrm(d))
			return false;
		n = insn->reg + (insn->mod == 3 ? 8 : 0);
		if (out->attrs & ROW_GROUP_RM)
			n = insn->rm;
		row = &groups[out->op][n];
		if (!row->op || (row->attrs & ROW_NP && has_mandatory(insn)))
			return decode_undefined(d);
		if (row->pat[0])
			memcpy(out->pat, row->pat, sizeof(out->pat));
		out->op = row->op;
		out->attrs &= (u32)~(ROW_GROUP | ROW_GROUP_RM);
		out->attrs |= row->attrs;
	}
	return true;
}

bool decode_resolve_x87(struct decoder *d, struct row *row)
{
	struct insn *insn = d->insn;
	unsigned esc = insn->opcode - 0xd8u;

	if (!decode_modrm(d))
		return false;
	if (insn->mod != 3) {
		*row = esc_mem[esc][insn->reg];
		return row->op || decode_undefined(d);
	}
	if (!(esc_reg[esc][insn->reg] >> insn->rm & 1))
		return decode_undefined(d);
	if (insn->opcode == 0xdf && insn->reg == 4) { /* FNSTSW AX */
		row->pat[0] = wAX;
		row->attrs |= A_W;
	}
	return true;
}
