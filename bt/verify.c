/* SPDX-License-Identifier: MIT */
/*
 * See verify.h. One pass over the bytes: each instruction is decoded and
 * judged by itself; where instructions start and where branches want to land
 * is marked in two bitmaps, compared in the end. This decoder shares nothing
 * with the translator's, so that one mistake does not hide in both.
 *
 * Of the general registers, rsp, r14 and r15 may not be named at all, except
 * that r15 + constant addresses the vcpu. No rule spans two instructions, so
 * that it does not matter where in the block execution begins; the look-up of
 * an indirect branch, the look at a filter and an STI count as one each.
 */
#include "bt/verify.h"

#include "bt/verify_tables.h"
#include "lib/string.h"

#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

enum { P66 = 1, P67 = 2, PF0 = 4, PF2 = 8, PF3 = 16 };

struct vinsn {
	const u8 *at, *end; /* next byte; the code's end, or 15 bytes on */
	u8 prefix; /* P66 and so on */
	u8 rex, map, opcode;
	u8 mod, reg, rm;
	u32 row;
	s64 rel;
};

static const char cut_short[] = "the code ends within an instruction";
static const char not_listed[] = "an opcode is not on the whitelist";
static const char bad_register[] = "rsp, r14 or r15 is an operand";
static const char bad_address[] = "an address is formed from rsp, r14 or r15";
static const char not_narrow[] =
	"a memory operand is neither 67h-addressed nor in the vcpu";

static bool take(struct vinsn *i, u8 *byte)
{
	if (i->at == i->end)
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

/* Segment overrides are not prefixes here but opcodes that are not listed. */
static unsigned prefix_bit(u8 byte)
{
	switch (byte) {
	case 0x66:
		return P66;
	case 0x67:
		return P67;
	case 0xf0:
		return PF0;
	case 0xf2:
		return PF2;
	case 0xf3:
		return PF3;
	}
	return 0;
}

/* Each at most once, and F2h never beside F3h. */
static const char *take_prefixes(struct vinsn *i, u8 *byte)
{
	for (;;) {
		unsigned bit;

		if (!take(i, byte))
			return cut_short;
		bit = prefix_bit(*byte);
		if (!bit)
			return NULL;
		if (i->prefix & (bit & (PF2 | PF3) ? PF2 | PF3 : bit))
			return "a prefix is repeated";
		i->prefix |= (u8)bit;
	}
}

static bool take_map(struct vinsn *i, u8 *byte)
{
	if (*byte != 0x0f)
		return true;
	i->map = 1;
	if (!take(i, byte))
		return false;
	if (*byte != 0x38 && *byte != 0x3a)
		return true;
	i->map = *byte == 0x38 ? 2 : 3;
	return take(i, byte);
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
			return cut_short;
	}
	if (!take_map(i, &b))
		return cut_short;
	i->opcode = b;
	i->row = maps[i->map][b];
	return i->row ? NULL : not_listed;
}

/* The one bit of V_FORMS that the instruction is. */
static u8 form_of(const struct vinsn *i)
{
	unsigned prefix = i->prefix & PF2 ? 3 : i->prefix & PF3 ? 2 :
			  i->prefix & P66 ? 1 : 0;

	return (u8)(1 << (2 * prefix + ((i->row & V_MODRM) && i->mod == 3)));
}

static const struct verify_group *find_group(const struct vinsn *i)
{
	for (unsigned n = 0; n < ARRAY_SIZE(verify_groups); n++) {
		const struct verify_group *g = &verify_groups[n];

		if (g->map == i->map && g->opcode == i->opcode &&
		    (g->forms & form_of(i)))
			return g;
	}
	return NULL;
}

static bool x87_allowed(const struct vinsn *i)
{
	return i->mod != 3 ? verify_x87[i->opcode & 7].memory >> i->reg & 1 :
			     verify_x87[i->opcode & 7].registers >>
					     (i->reg * 8 + i->rm) & 1;
}

static bool lock_allowed(const struct vinsn *i, const struct verify_group *g)
{
	if (!(i->row & V_MODRM) || i->mod == 3)
		return false;
	return g ? g->locked >> i->reg & 1 : i->row & V_LOCK;
}

/* Prefixes, REX and ModRM.reg as far as they choose the instruction. */
static const char *check_form(const struct vinsn *i)
{
	const struct verify_group *g = NULL;

	if ((i->row & (V_REL8 | V_REL32)) &&
	    (i->rex || (i->prefix & ~(i->row & V_ECX ? P67 : 0))))
		return "a branch carries a prefix";
	if (!(i->row & form_of(i)) || ((i->rex & REX_W) && !(i->row & V_W)))
		return "a prefix or form is not on the whitelist";
	if (i->row & V_GROUP) {
		g = find_group(i);
		if (!g || !(g->allowed >> i->reg & 1))
			return "a group's member is not on the whitelist";
	}
	if ((i->row & V_X87) && !x87_allowed(i))
		return "an x87 instruction is not on the whitelist";
	if ((i->prefix & PF0) && !lock_allowed(i, g))
		return "LOCK is not allowed here";
	if ((i->row & V_STR) && !(i->prefix & P67))
		return "an implied operand is not 67h-addressed";
	return NULL;
}

/* --- registers and memory ---------------------------------------------- */

/* Of the registers 0..15; byte registers 4..7 without REX are AH to BH. */
static bool reserved(unsigned reg)
{
	return reg == 4 || reg == 11 || reg >= 14;
}

static bool register_allowed(const struct vinsn *i, unsigned reg, bool byte)
{
	if (byte && !i->rex && reg >= 4 && reg < 8)
		return true;
	return !reserved(reg);
}

static unsigned extend(const struct vinsn *i, unsigned low, unsigned rex_bit)
{
	return low | (i->rex & rex_bit ? 8 : 0);
}

static unsigned store_bytes(const struct vinsn *i)
{
	if (!(i->opcode & 1))
		return 1;
	return i->rex & REX_W ? 8 : i->prefix & P66 ? 2 : 4;
}

/* The 8 is the widest load. */
static const char *check_vcpu_range(const struct vinsn *i, bool store, s64 at)
{
	s64 size = store_bytes(i);

	if (!store)
		return at >= 0 && at + 8 <= (s64)sizeof(struct vcpu) ?
			       NULL :
			       "a vcpu operand is outside the vcpu";
	for (unsigned n = 0; n < ARRAY_SIZE(verify_vcpu_stores); n++) {
		s64 field = verify_vcpu_stores[n].offset;

		if (at >= field &&
		    at + size <= field + verify_vcpu_stores[n].bytes)
			return NULL;
	}
	return "a store is to a field of the vcpu that is not listed";
}

/* [r15 + disp]. Bit strings, atomics and vectors are not among the forms. */
static const char *check_vcpu_operand(const struct vinsn *i, s64 disp)
{
	for (unsigned n = 0; n < ARRAY_SIZE(verify_vcpu_forms); n++) {
		const struct verify_vcpu_form *f = &verify_vcpu_forms[n];

		if (f->map == i->map && f->opcode == i->opcode &&
		    (f->regs >> i->reg & 1))
			return check_vcpu_range(i, f->store, disp);
	}
	return "an instruction may not have a vcpu operand";
}

#define NO_REG 4 /* rsp can be no index, and is refused as a base */

static const char *check_address(const struct vinsn *i, unsigned base,
				 unsigned index, s64 disp)
{
	bool lea = i->map == 0 && i->opcode == 0x8d;

	if (base == 15 && index == NO_REG && !lea && !(i->prefix & P67))
		return check_vcpu_operand(i, disp);
	if (!lea && !(i->prefix & P67))
		return not_narrow;
	return (base != NO_REG && reserved(base)) ||
	       (index != NO_REG && reserved(index)) ? bad_address : NULL;
}

static const char *take_memory(struct vinsn *i)
{
	unsigned base = extend(i, i->rm, REX_B), index = NO_REG;
	unsigned disp_bytes = i->mod == 1 ? 1 : i->mod == 2 ? 4 : 0;
	s64 disp = 0;
	u8 sib;

	if (i->rm == 5 && i->mod == 0)
		return "an operand is rip-relative";
	if (i->rm == 4) {
		if (!take(i, &sib))
			return cut_short;
		base = extend(i, sib & 7, REX_B);
		index = extend(i, sib >> 3 & 7, REX_X);
		if (base == 4)
			return bad_address;
		if ((sib & 7) == 5 && i->mod == 0) {
			base = NO_REG;
			disp_bytes = 4;
		}
	}
	if (!take_signed(i, disp_bytes, &disp))
		return cut_short;
	return check_address(i, base, index, disp);
}

/* Do V_G and V_E mean general registers, or those of MMX and XMM? */
static bool general(const struct vinsn *i)
{
	bool rep = i->prefix & (PF2 | PF3);

	return !(i->row & (rep ? V_GPR_NOREP : V_GPR_REP));
}

static bool take_modrm(struct vinsn *i)
{
	u8 b;

	if (!take(i, &b))
		return false;
	i->mod = b >> 6;
	i->reg = b >> 3 & 7;
	i->rm = b & 7;
	return true;
}

static const char *take_operands(struct vinsn *i)
{
	if ((i->row & V_G) && general(i) &&
	    !register_allowed(i, extend(i, i->reg, REX_R), i->row & V_G8))
		return bad_register;
	if (i->mod != 3)
		return take_memory(i);
	if ((i->row & V_E) && general(i) &&
	    !register_allowed(i, extend(i, i->rm, REX_B), i->row & V_E8))
		return bad_register;
	return NULL;
}

/* TEST is the one member of F6 and F7 with an immediate. */
static unsigned immediate_bytes(const struct vinsn *i)
{
	unsigned z = i->prefix & P66 ? 2 : 4;

	if (i->map == 0 && (i->opcode == 0xf6 || i->opcode == 0xf7))
		return i->reg ? 0 : i->opcode == 0xf6 ? 1 : z;
	return i->row & V_IB ? 1 : i->row & V_IZ ? z : 0;
}

static const char *decode(struct vinsn *i, const u8 *at, const u8 *end)
{
	const char *why;
	s64 unused;

	*i = (struct vinsn){ .at = at, .end = end - at < 15 ? end : at + 15 };
	why = take_opcode(i);
	if (!why && (i->row & V_MODRM) && !take_modrm(i))
		why = cut_short;
	if (!why)
		why = check_form(i);
	if (!why && (i->row & V_MODRM))
		why = take_operands(i);
	if (why)
		return why;
	if ((i->row & V_O) &&
	    !register_allowed(i, extend(i, i->opcode & 7, REX_B),
			      i->row & V_G8))
		return bad_register;
	if (!take_signed(i, immediate_bytes(i), &unused) ||
	    !take_signed(i, i->row & V_REL8 ? 1 : i->row & V_REL32 ? 4 : 0,
			 &i->rel))
		return cut_short;
	return NULL;
}

/* --- branches ---------------------------------------------------------- */

#define WORDS (BT_BLOCK_BYTES / 64)

struct pass {
	const struct bt_cache *c;
	const struct bt_block *b;
	const u8 *code; /* of b, to be read */
	u64 starts[WORDS]; /* an instruction starts at this offset */
	u64 wanted[WORDS]; /* a branch lands there */
};

static void set_bit(u64 *map, u64 bit)
{
	map[bit / 64] |= BIT(bit % 64);
}

/* -1: none. */
static int stub_at(const u8 *target, bool called)
{
	for (int s = 0; s < BT_STUB_COUNT; s++)
		if (target == bt_stub_address((enum bt_stub)s))
			return bt_stub_is_call((enum bt_stub)s) == called ? s :
									    -1;
	return -1;
}

static bool is_block_entry(const struct bt_cache *c, const u8 *target)
{
	const struct bt_block *b = bt_cache_at(c, target);

	return b && b->exec == target && (b->flags & BT_BLOCK_INSERTED) &&
	       !(b->flags & BT_BLOCK_DEAD);
}

/* *open: does the code run on behind the branch? */
static const char *check_branch(struct pass *p, const struct vinsn *i,
				bool *open)
{
	u64 offset = (u64)(i->at - p->code) + (u64)i->rel;
	const u8 *target = p->b->exec + offset;
	int stub;

	*open = !(i->row & V_END);
	if (i->row & V_CALL) {
		stub = stub_at(target, true);
		*open = stub == BT_STUB_callout || stub == BT_STUB_store ||
			stub == BT_STUB_port;
		return stub >= 0 ? NULL : "a call does not reach a listed stub";
	}
	if (offset < p->b->host_len) {
		set_bit(p->wanted, offset);
		return NULL;
	}
	if (stub_at(target, false) >= 0 || is_block_entry(p->c, target))
		return NULL;
	return "a branch leaves for neither a stub nor a block's entry";
}

static s32 word_at(const u8 *at)
{
	return (s32)(at[0] | at[1] << 8 | at[2] << 16 | (u32)at[3] << 24);
}

/* Do the bytes from `at` on say the same, but for the word in them? */
static bool same_look_up(const u8 *at)
{
	for (unsigned n = 0; n < sizeof(verify_look_up); n++)
		if (at[n] != verify_look_up[n] && n - LOOK_UP_MISS >= 4)
			return false;
	return true;
}

static bool is_look_up(const struct pass *p, const u8 *at, const u8 *end)
{
	const u8 *next = p->b->exec + (at - p->code) + LOOK_UP_MISS + 4;

	return end - at >= (s64)sizeof(verify_look_up) && same_look_up(at) &&
	       next + word_at(at + LOOK_UP_MISS) ==
		       bt_stub_address(BT_STUB_miss);
}

static bool stands_at(const u8 *at, const u8 *end, const u8 *unit, s64 size)
{
	return at[0] == unit[0] && end - at >= size &&
	       !memcmp(at, unit, (u64)size);
}

/* The length of a sequence that is known to the byte, or 0. */
static unsigned fixed_unit(const u8 *at, const u8 *end)
{
	if (stands_at(at, end, verify_filter, sizeof(verify_filter)))
		return sizeof(verify_filter);
	if (stands_at(at, end, verify_sti, sizeof(verify_sti)))
		return sizeof(verify_sti);
	return 0;
}

static const char *check_insns(struct pass *p)
{
	const u8 *start = p->code, *end = start + p->b->host_len;
	bool open = true;
	struct vinsn i;

	for (const u8 *at = start; at < end; at = i.at) {
		const char *why;
		unsigned unit;

		if (is_look_up(p, at, end)) {
			set_bit(p->starts, (u64)(at - start));
			i.at = at + sizeof(verify_look_up);
			open = false;
			continue;
		}
		open = true;
		unit = fixed_unit(at, end);
		if (unit) {
			set_bit(p->starts, (u64)(at - start));
			i.at = at + unit;
			continue;
		}
		why = decode(&i, at, end);
		if (!why && (i.row & (V_REL8 | V_REL32)))
			why = check_branch(p, &i, &open);
		if (why)
			return why;
		set_bit(p->starts, (u64)(at - start));
	}
	return open ? "the code runs on past its end" : NULL;
}

static bool lies_in_cache(const struct bt_cache *c, const struct bt_block *b)
{
	u64 offset = (u64)(b->exec - c->cfg.exec);

	return offset < c->cfg.size && b->host_len <= c->cfg.size - offset;
}

const char *bt_verify(const struct bt_cache *c, const struct bt_block *b)
{
	unsigned words = (b->host_len + 63u) / 64;
	struct pass p;
	const char *why;

	if (!b->host_len || b->host_len > BT_BLOCK_BYTES)
		return "the block has an impossible length";
	if (!lies_in_cache(c, b))
		return "the block does not lie in the cache";
	p.c = c;
	p.b = b;
	p.code = bt_block_code(c, b);
	for (unsigned n = 0; n < words; n++)
		p.starts[n] = p.wanted[n] = 0;
	why = check_insns(&p);
	for (unsigned n = 0; !why && n < words; n++)
		if (p.wanted[n] & ~p.starts[n])
			why = "a branch lands within an instruction";
	return why;
}
