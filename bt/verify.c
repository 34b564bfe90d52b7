/* SPDX-License-Identifier: MIT */
/*
 * See verify.h. Two passes over the bytes: the first decodes straight through
 * and checks each instruction by itself, marking where instructions start; the
 * second checks where every branch lands. This decoder shares nothing with the
 * translator's, so that one mistake does not hide in both.
 *
 * Of the general registers, rsp, r14 and r15 may not be named at all, except
 * that r15 + constant addresses the vcpu page.
 */
#include "bt/verify.h"

#include "bt/verify_tables.h"
#include "lib/string.h"

#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

struct vinsn {
	const u8 *start, *at, *end; /* bytes: first, next, limit */
	bool p66, p67, pf2, pf3, plock;
	u8 rex, map, opcode;
	u8 mod, reg, rm;
	bool has_mem;
	u32 row;
	s64 rel;
	unsigned operand_bytes; /* widest access through [r15 + constant] */
};

static bool take(struct vinsn *i, u8 *byte)
{
	if (i->at == i->end || i->at - i->start == 15)
		return false;
	*byte = *i->at++;
	return true;
}

static bool take_signed(struct vinsn *i, unsigned bytes, s64 *value)
{
	u64 v = 0;
	u8 b;

	for (unsigned n = 0; n < bytes; n++) {
		if (!take(i, &b))
			return false;
		v |= (u64)b << (8 * n);
	}
	*value = bytes ? sign_extend(v, 8 * bytes) : 0;
	return true;
}

static bool mark(bool *flag)
{
	bool first = !*flag;

	*flag = true;
	return first;
}

/* Each prefix at most once; segment overrides are not among them. */
static const char *take_prefixes(struct vinsn *i, u8 *byte)
{
	for (;;) {
		bool ok = true;

		if (!take(i, byte))
			return "the code ends within an instruction";
		if (*byte == 0x66)
			ok = mark(&i->p66);
		else if (*byte == 0x67)
			ok = mark(&i->p67);
		else if (*byte == 0xf0)
			ok = mark(&i->plock);
		else if (*byte == 0xf2)
			ok = mark(&i->pf2) && !i->pf3;
		else if (*byte == 0xf3)
			ok = mark(&i->pf3) && !i->pf2;
		else
			return NULL;
		if (!ok)
			return "a prefix is repeated";
	}
}

static const char *take_opcode(struct vinsn *i)
{
	static const u32 *const maps[] = { verify_one, verify_0f, verify_0f38,
					   verify_0f3a };
	const char *why;
	u8 b;

	why = take_prefixes(i, &b);
	if (why)
		return why;
	if ((b & 0xf0) == 0x40) {
		i->rex = b;
		if (!take(i, &b))
			return "the code ends within an instruction";
	}
	if (b == 0x0f) {
		i->map = 1;
		if (!take(i, &b))
			return "the code ends within an instruction";
		if (b == 0x38 || b == 0x3a) {
			i->map = b == 0x38 ? 2 : 3;
			if (!take(i, &b))
				return "the code ends within an instruction";
		}
	}
	i->opcode = b;
	i->row = maps[i->map][b];
	return i->row & V_OK ? NULL : "an opcode is not on the whitelist";
}

/* Of the registers 0..15; byte registers 4..7 without REX are AH to BH. */
static bool register_allowed(const struct vinsn *i, unsigned reg, bool byte)
{
	if (byte && !i->rex && reg >= 4 && reg < 8)
		return true;
	return reg != 4 && reg != 14 && reg != 15;
}

/* [r15 + disp], the whole access inside the page. */
static const char *check_vcpu_operand(const struct vinsn *i, unsigned base,
				      bool indexed, s64 disp)
{
	if (i->opcode == 0x8d && i->map == 0)
		return NULL; /* LEA touches nothing; its base is checked */
	if (base != 15 || indexed || i->mod == 0)
		return "a memory operand is neither 67h-addressed nor in the "
		       "vcpu page";
	if (disp < 0 || disp + 64 > (s64)PAGE_SIZE)
		return "a vcpu operand is outside the vcpu page";
	if (i->row & V_STR)
		return "an implied operand is not 67h-addressed";
	/* bit offsets reach beyond the operand */
	if (i->map == 1 && (i->opcode & 0xe7) == 0xa3)
		return "a bit-string operand is in the vcpu page";
	return NULL;
}

static const char *check_low_operand(unsigned base, bool has_base,
				     unsigned index, bool indexed)
{
	if (has_base && (base == 4 || base >= 14))
		return "an address is formed from rsp, r14 or r15";
	if (indexed && index >= 14)
		return "an address is formed from rsp, r14 or r15";
	return NULL;
}

static const char *take_memory(struct vinsn *i)
{
	unsigned base = i->rm | (i->rex & REX_B ? 8 : 0), index = 0;
	bool has_base = true, indexed = false;
	unsigned disp_bytes = i->mod == 1 ? 1 : i->mod == 2 ? 4 : 0;
	s64 disp = 0;
	u8 sib;

	if (i->rm == 5 && i->mod == 0)
		return "an operand is rip-relative";
	if (i->rm == 4) {
		if (!take(i, &sib))
			return "the code ends within an instruction";
		base = (sib & 7) | (i->rex & REX_B ? 8 : 0);
		index = (sib >> 3 & 7) | (i->rex & REX_X ? 8 : 0);
		indexed = index != 4;
		if ((sib & 7) == 5 && i->mod == 0) {
			has_base = false;
			disp_bytes = 4;
		}
	}
	if (disp_bytes && !take_signed(i, disp_bytes, &disp))
		return "the code ends within an instruction";
	if (i->p67 || (i->opcode == 0x8d && i->map == 0))
		return check_low_operand(base, has_base, index, indexed);
	return check_vcpu_operand(i, has_base ? base : 16, indexed, disp);
}

static const char *check_group(const struct vinsn *i)
{
	unsigned bit = i->reg + (i->mod == 3 ? 8 : 0);

	for (unsigned n = 0; n < ARRAY_SIZE(verify_groups); n++) {
		const struct verify_group *g = &verify_groups[n];

		if (g->map == i->map && g->opcode == i->opcode)
			return g->allowed >> bit & 1 ?
				       NULL :
				       "a group's member is not on the whitelist";
	}
	return "a group is not listed";
}

/* Where a mandatory prefix makes another instruction of the same row. */
static const char *check_prefix_meaning(const struct vinsn *i)
{
	if (i->map == 1 && i->opcode == 0xb8 && !i->pf3)
		return "an opcode is not on the whitelist"; /* JMPE */
	if (i->map == 1 && (i->opcode == 0xae || i->opcode == 0xc7) &&
	    (i->p66 || i->pf2 || i->pf3))
		return "a prefix makes another instruction";
	if (i->map == 2 && i->opcode >= 0xf0 && i->pf3)
		return "a prefix makes another instruction";
	if (i->map == 1 && i->opcode == 0x78)
		return "an opcode is not on the whitelist";
	return NULL;
}

static const char *take_modrm(struct vinsn *i)
{
	const char *why;
	u8 b;

	if (!take(i, &b))
		return "the code ends within an instruction";
	i->mod = b >> 6;
	i->reg = b >> 3 & 7;
	i->rm = b & 7;
	if ((i->row & V_MEM) && i->mod == 3)
		return "a register form is not on the whitelist";
	if ((i->row & V_REG) && i->mod != 3)
		return "a memory form is not on the whitelist";
	why = i->row & V_GROUP ? check_group(i) : NULL;
	if (why)
		return why;
	if ((i->row & V_G) &&
	    !register_allowed(i, i->reg | (i->rex & REX_R ? 8 : 0),
			      i->row & V_G8))
		return "rsp, r14 or r15 is an operand";
	if (i->mod != 3)
		return take_memory(i);
	if ((i->row & V_E) &&
	    !register_allowed(i, i->rm | (i->rex & REX_B ? 8 : 0),
			      i->row & V_E8))
		return "rsp, r14 or r15 is an operand";
	return NULL;
}

/* TEST is the one member of F6 and F7 with an immediate. */
static unsigned immediate_bytes(const struct vinsn *i)
{
	unsigned z = i->p66 && !(i->rex & REX_W) ? 2 : 4;

	if (i->map == 0 && (i->opcode == 0xf6 || i->opcode == 0xf7))
		return i->reg > 1 ? 0 : i->opcode == 0xf6 ? 1 : z;
	if (i->row & V_IV)
		return i->rex & REX_W ? 8 : z;
	if (i->row & V_MOFFS)
		return 4;
	return i->row & V_IB ? 1 : i->row & V_IZ ? z : 0;
}

/* LOOPcc and JRCXZ, which 67h makes count in ECX. */
static bool is_loop(const struct vinsn *i)
{
	return i->map == 0 && (i->opcode & 0xfc) == 0xe0;
}

static const char *take_operands(struct vinsn *i)
{
	unsigned reg = (i->opcode & 7) | (i->rex & REX_B ? 8 : 0);
	const char *why = check_prefix_meaning(i);
	unsigned rel = i->row & V_REL8 ? 1 : i->row & V_REL32 ? 4 : 0;
	s64 unused;

	if (!why && (i->row & V_MODRM))
		why = take_modrm(i);
	if (why)
		return why;
	if ((i->row & V_O) && !register_allowed(i, reg, i->row & V_G8))
		return "rsp, r14 or r15 is an operand";
	if ((i->row & (V_STR | V_MOFFS)) && !i->p67)
		return "an implied operand is not 67h-addressed";
	if (rel && (i->p66 || (i->p67 && !is_loop(i)) || i->plock || i->rex))
		return "a branch carries a prefix";
	if (rel)
		return take_signed(i, rel, &i->rel) ?
			       NULL :
			       "the code ends within an instruction";
	return take_signed(i, immediate_bytes(i), &unused) ?
		       NULL :
		       "the code ends within an instruction";
}

static const char *decode(struct vinsn *i, const u8 *at, const u8 *end)
{
	const char *why;

	memset(i, 0, sizeof(*i));
	i->start = i->at = at;
	i->end = end;
	why = take_opcode(i);
	return why ? why : take_operands(i);
}

/* --- branches ---------------------------------------------------------- */

struct starts {
	u8 bit[BT_BLOCK_BYTES / 8];
};

static bool is_stub(const u8 *target, bool called, bool *returns)
{
	for (int s = 0; s < BT_STUB_COUNT; s++) {
		if (target != bt_stub_address((enum bt_stub)s))
			continue;
		*returns = s == BT_STUB_callout;
		return bt_stub_is_call((enum bt_stub)s) == called;
	}
	return false;
}

static bool is_block_entry(const struct bt_cache *c, const u8 *target)
{
	const struct bt_block *b = bt_cache_at(c, target);

	return b && b->exec == target && (b->flags & BT_BLOCK_INSERTED);
}

static const char *check_target(const struct bt_cache *c,
				const struct bt_block *b,
				const struct vinsn *i, const struct starts *s)
{
	u64 offset = (u64)(i->at - b->write) + (u64)i->rel;
	const u8 *target = b->exec + offset;
	bool returns;

	if (i->row & V_CALL)
		return is_stub(target, true, &returns) ?
			       NULL :
			       "a call does not reach a listed stub";
	if (offset < b->host_len)
		return s->bit[offset / 8] >> (offset % 8) & 1 ?
			       NULL :
			       "a branch lands within an instruction";
	if (is_stub(target, false, &returns) || is_block_entry(c, target))
		return NULL;
	return "a branch leaves for neither a stub nor a block's entry";
}

/* Does the code run on behind this instruction? */
static bool falls_through(const struct bt_block *b, const struct vinsn *i)
{
	const u8 *target = b->exec + (i->at - b->write) + i->rel;
	bool returns = true;

	if (i->row & V_CALL)
		is_stub(target, true, &returns);
	else if (i->row & V_END)
		returns = false;
	return returns;
}

static const char *mark_starts(const struct bt_block *b, struct starts *s)
{
	const u8 *end = b->write + b->host_len;
	bool open = true;
	struct vinsn i;

	for (const u8 *at = b->write; at < end; at = i.at) {
		u64 offset = (u64)(at - b->write);
		const char *why = decode(&i, at, end);

		if (why)
			return why;
		s->bit[offset / 8] |= (u8)(1 << (offset % 8));
		open = falls_through(b, &i);
	}
	return open ? "the code runs on past its end" : NULL;
}

const char *bt_verify(const struct bt_cache *c, const struct bt_block *b)
{
	const u8 *end = b->write + b->host_len;
	struct starts starts = { 0 };
	const char *why;
	struct vinsn i;

	if (!b->host_len || b->host_len > BT_BLOCK_BYTES)
		return "the block has an impossible length";
	why = mark_starts(b, &starts);
	for (const u8 *at = b->write; !why && at < end; at = i.at) {
		why = decode(&i, at, end);
		if (!why && (i.row & (V_REL8 | V_REL32)))
			why = check_target(c, b, &i, &starts);
	}
	return why;
}
