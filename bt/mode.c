/* SPDX-License-Identifier: MIT */
/* Which guest state translated code serves, and the mode word of a block. */
#include "bt/block.h"

#define AR_USABLE_MASK (AR_UNUSABLE | AR_P | AR_S)
#define AR_USABLE      (AR_P | AR_S)

/*
 * Plain data has the limit 4 GiB - 1 and nothing about the segment to check any
 * more. Without branches: this is asked before each block that is looked for.
 */
static u32 classify(const struct segment *s)
{
	const u32 must = AR_USABLE_MASK | AR_CODE | AR_DOWN | AR_WRITE;
	bool plain = !(((s->ar & must) ^ (AR_USABLE | AR_WRITE)) | ~s->limit);

	_Static_assert(BT_SEG_OTHER == 0 && BT_SEG_BASED == 1 &&
		       BT_SEG_FLAT == 2, "what follows");
	return (u32)plain << !s->base;
}

/*
 * The segment registers that a mode tells apart. A kernel may leave FS or GS
 * to its processes: it should not be translated once for each state that they
 * leave it in, so those two join when code is seen to address through them.
 * Till then such code, BT_SEG_OTHER to the translator, is called out.
 */
#define BITS_OF(seg) (3u << (2 + 2 * (seg))) /* in a mode */

static u32 told_apart = BITS_OF(SEG_ES) | BITS_OF(SEG_SS) | BITS_OF(SEG_DS);

#define TOLD_APART_AFTER 16

void bt_mode_note_callout(const struct insn *insn)
{
	static u8 callouts[SEG_GS + 1];

	if (insn->has_mem && insn->seg >= SEG_FS && insn->seg <= SEG_GS &&
	    ++callouts[insn->seg] == TOLD_APART_AFTER)
		told_apart |= BITS_OF(insn->seg);
}

static inline u32 class_of(const struct vcpu *v, enum sreg seg)
{
	return classify(&v->seg[seg]) << (2 + 2 * seg);
}

u32 bt_mode_of(const struct vcpu *v)
{
	return v->cpl | (told_apart & (class_of(v, SEG_ES) |
				       class_of(v, SEG_SS) |
				       class_of(v, SEG_DS) |
				       class_of(v, SEG_FS) |
				       class_of(v, SEG_GS)));
}

/* Not 0: something is unlike flat 32-bit code. */
static u64 unlike_code32(const struct segment *s)
{
	const u32 must = AR_USABLE_MASK | AR_CODE | AR_L | AR_DB;

	return ((s->ar & must) ^ (AR_USABLE | AR_CODE | AR_DB)) | s->base |
	       (u32)~s->limit;
}

bool bt_can_translate(const struct vcpu *v)
{
	u64 held = (v->rflags & (EFLAGS_VM | EFLAGS_TF)) | v->shadow |
		   v->db_pending | (v->dr[7] & DR7_ENABLED);

	return !(held | unlike_code32(&v->seg[SEG_CS]) |
		 (~v->seg[SEG_SS].ar & AR_DB)) &&
	       v->cpl < 3 && vcpu_protected(v) && !vcpu_long_mode(v);
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
