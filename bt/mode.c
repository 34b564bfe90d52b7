/* SPDX-License-Identifier: MIT */
/* Which guest state translated code serves, and the mode word of a block. */
#include "bt/block.h"

#define AR_USABLE_MASK (AR_UNUSABLE | AR_P | AR_S)
#define AR_USABLE      (AR_P | AR_S)

/* Limit 4 GiB - 1 and nothing about the segment to check any more. */
static bool plain_data(const struct segment *s)
{
	u32 must = AR_USABLE_MASK | AR_CODE | AR_DOWN | AR_WRITE;

	return (s->ar & must) == (AR_USABLE | AR_WRITE) &&
	       s->limit == 0xffffffff;
}

static enum bt_seg classify(const struct segment *s)
{
	if (!plain_data(s))
		return BT_SEG_OTHER;
	return s->base ? BT_SEG_BASED : BT_SEG_FLAT;
}

/*
 * The segment registers that a mode tells apart. A kernel may leave FS or GS
 * to its processes: it should not be translated once for each state that they
 * leave it in, so those two join when code is seen to address through them.
 * Till then such code, BT_SEG_OTHER to the translator, is called out.
 */
static u8 told_apart = BIT(SEG_ES) | BIT(SEG_SS) | BIT(SEG_DS);

#define TOLD_APART_AFTER 16

void bt_mode_note_callout(const struct insn *insn)
{
	static u8 callouts[SEG_GS + 1];

	if (insn->has_mem && insn->seg >= SEG_FS && insn->seg <= SEG_GS &&
	    ++callouts[insn->seg] == TOLD_APART_AFTER)
		told_apart |= BIT(insn->seg);
}

u32 bt_mode_of(const struct vcpu *v)
{
	u32 mode = v->cpl;

	for (unsigned n = SEG_ES; n <= SEG_GS; n++)
		if (told_apart & BIT(n))
			mode |= classify(&v->seg[n]) << (2 + 2 * n);
	return mode;
}

static bool flat_code32(const struct segment *s)
{
	return (s->ar & (AR_USABLE_MASK | AR_CODE | AR_L | AR_DB)) ==
		       (AR_USABLE | AR_CODE | AR_DB) &&
	       !s->base && s->limit == 0xffffffff;
}

bool bt_can_translate(const struct vcpu *v)
{
	return vcpu_protected(v) && v->cpl < 3 && !vcpu_long_mode(v) &&
	       !(v->rflags & (EFLAGS_VM | EFLAGS_TF)) &&
	       !(v->dr[7] & DR7_ENABLED) && !v->shadow && !v->db_pending &&
	       flat_code32(&v->seg[SEG_CS]) && (v->seg[SEG_SS].ar & AR_DB);
}

static const struct {
	const u8 *address;
	bool is_call;
} stubs[BT_STUB_COUNT] = {
#define BT_IS_CALL 1
#define BT_IS_JMP  0
#define X(name, how) [BT_STUB_##name] = { bt_stub_##name, BT_IS_##how },
	BT_STUBS(X)
#undef X
};

const u8 *bt_stub_address(enum bt_stub stub)
{
	return stubs[stub].address;
}

bool bt_stub_is_call(enum bt_stub stub)
{
	return stubs[stub].is_call;
}
