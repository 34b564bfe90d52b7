/* SPDX-License-Identifier: MIT */
/*
 * One guest basic block into one block of host code: decode, apply the rule,
 * note the map, until control flow, the page's end or a cap. An instruction
 * that straddles the page is a block of its own; one that is undefined is the
 * interpreter's.
 */
#include "bt/xlate.h"

#include "lib/string.h"
#include "log.h"

/* The most host bytes that one guest instruction and an exit take. */
#define INSN_BYTES 256
/* Host bytes of the self-check for each source byte, and beside them. */
#define CHECK_BYTES_PER_BYTE 10
#define PREFIX_BYTES 128

static void note_map(struct xlate *x, u8 flags)
{
	x->map[x->map_count++] = (struct bt_map){
		.host = x->insns ? emit_offset(&x->e) : 0,
		.guest = x->eip - x->req->eip,
		.flags = flags,
	};
}

static bool lock_allowed(const struct insn *i)
{
	return !(i->prefixes & PFX_LOCK) ||
	       ((i->attrs & ATTR_LOCKABLE) && i->has_mem);
}

/*
 * The block's first instruction, with bytes of the next page: at its start, so
 * that the page is asked for only where the processor would fetch from it now.
 */
static enum decode_result decode_straddling(struct xlate *x)
{
	const struct bt_xlate_req *req = x->req;
	u32 have = MIN(req->avail, INSN_MAX);
	u8 bytes[INSN_MAX];
	const u8 *next;

	if (!req->next_page || req->self_check)
		return DECODE_MORE;
	next = req->next_page(req->ctx, &x->tail_gpa);
	if (!next)
		return DECODE_MORE;
	memcpy(bytes, req->bytes, have);
	memcpy(bytes + have, next, INSN_MAX - have);
	return insn_decode(&x->insn, bytes, INSN_MAX, 4);
}

static enum decode_result decode(struct xlate *x)
{
	u32 offset = x->eip - x->req->eip, end;
	enum decode_result result;

	result = insn_decode(&x->insn, x->req->bytes + offset,
			     x->req->avail - offset, 4);
	if (result == DECODE_MORE && !offset)
		result = decode_straddling(x);
	if (result != DECODE_OK)
		return result;
	if (!lock_allowed(&x->insn))
		return DECODE_UNDEFINED;
	end = offset + x->insn.len;
	x->tail_len = end > x->req->avail ? end - x->req->avail : 0;
	x->next_eip = x->eip + x->insn.len;
	return DECODE_OK;
}

/*
 * Operations whose undefined flags are one thing on one CPU or emulator and
 * another on the next. (Plain shifts and logic agree everywhere.)
 */
static bool flags_vary(enum op op)
{
	static const bool vary[OP_COUNT] = {
		[OP_MUL] = true, [OP_IMUL] = true, [OP_DIV] = true,
		[OP_IDIV] = true, [OP_BT] = true, [OP_BTS] = true,
		[OP_BTR] = true, [OP_BTC] = true, [OP_BSF] = true,
		[OP_BSR] = true, [OP_RCL] = true, [OP_RCR] = true,
		[OP_SHLD] = true, [OP_SHRD] = true, [OP_LZCNT] = true,
		[OP_TZCNT] = true,
	};

	return vary[op];
}

static bool stops_at(const struct xlate *x, u32 eip)
{
	return unlikely(x->req->want_stop != NULL) &&
	       x->req->want_stop(x->req->ctx, eip);
}

static bool forced_out(const struct xlate *x)
{
	if (x->req->same_flags && flags_vary(x->insn.op))
		return true;
	/* The shadow has to be in the vcpu when the guest is stopped in it. */
	if ((x->insn.attrs & ATTR_INHIBIT) && stops_at(x, x->next_eip))
		return true;
	return x->req->want_callout &&
	       x->req->want_callout(x->req->ctx, x->eip);
}

/* True: in place. False: nothing emitted, a callout is needed. */
static bool in_place(struct xlate *x, const struct rule *rule)
{
	u8 *start = x->e.p;
	struct insn saved = x->insn;

	if (!rule->gen || forced_out(x))
		return false;
	if (rule->gen(x))
		return true;
	x->e.p = start;
	x->insn = saved;
	return false;
}

static bool pushes(enum op op)
{
	return op == OP_PUSH || op == OP_PUSHF || op == OP_PUSH_SREG;
}

/* May the instruction change memory, and with it the block's own source? */
static bool may_store(const struct xlate *x, bool called_out)
{
	const struct insn *i = &x->insn;

	if (called_out || pushes(i->op) || i->op == OP_MOVS ||
	    i->op == OP_STOS)
		return true;
	if (!i->has_mem)
		return false;
	if (i->attrs & (ATTR_FPU | ATTR_MMX | ATTR_SSE))
		return true;
	return (i->opnd[0].kind == OPK_MEM && (i->attrs & ATTR_WRITES0)) ||
	       (i->opnd[1].kind == OPK_MEM && (i->attrs & ATTR_WRITES1));
}

/* The block runs on behind its Jcc: what follows is counted by itself. */
static void start_segment(struct xlate *x, struct bt_map *jcc)
{
	jcc->flags |= BT_MAP_BRANCH;
	finish_count(x);
	if (x->req->count)
		gen_count(x);
}

static void translate_one(struct xlate *x, bool inhibited)
{
	const struct rule *rule = rule_of(x->insn.op);
	u8 flags = inhibited ? BT_MAP_INHIBIT : 0;
	struct bt_map *m = &x->map[x->map_count];
	bool in_cache;

	note_map(x, flags);
	in_cache = in_place(x, rule);
	if (!in_cache) {
		m->flags |= BT_MAP_CALLOUT;
		if (rule->ends || (x->insn.attrs & ATTR_BRANCH))
			gen_interp(x);
		else if (!gen_called_store(x) && !gen_called_port(x))
			gen_callout(x);
	}
	x->segment += in_cache;
	if (in_cache && x->insn.op == OP_JCC && !x->done)
		start_segment(x, m);
	if (x->req->self_check && !x->done && may_store(x, !in_cache)) {
		x->eip = x->next_eip;
		x->insns++;
		note_map(x, 0);
		gen_exit(x, x->eip, 0);
		x->insns--;
		x->eip -= x->insn.len;
	}
}

static void interpret_one(struct xlate *x, bool inhibited)
{
	note_map(x, BT_MAP_CALLOUT | (inhibited ? BT_MAP_INHIBIT : 0));
	gen_interp(x);
	x->insns++;
}

static bool room_for_more(const struct xlate *x)
{
	u32 len = x->eip - x->req->eip;
	u32 check = x->req->self_check ? len * CHECK_BYTES_PER_BYTE : 0;
	u32 max = x->req->max_insns ? x->req->max_insns : BT_BLOCK_INSNS;

	return x->insns < max && len < x->req->avail &&
	       emit_offset(&x->e) - x->prefix + check + PREFIX_BYTES +
	       2 * INSN_BYTES < BT_BLOCK_BYTES;
}

static void fall_through(struct xlate *x, bool inhibited)
{
	note_map(x, inhibited ? BT_MAP_INHIBIT : 0);
	gen_exit(x, x->eip, 0);
}

/* Guest instructions from x->req->eip on; leaves x->eip behind the last. */
static void translate_insns(struct xlate *x)
{
	bool inhibited = false;

	while (!x->done) {
		enum decode_result result;

		if (!room_for_more(x)) {
			fall_through(x, inhibited);
			return;
		}
		if (stops_at(x, x->eip)) {
			interpret_one(x, inhibited);
			return;
		}
		result = decode(x);
		/* A straddling instruction is the next block, but an interrupt
		 * shadow would not reach there. */
		if (result == DECODE_MORE && x->insns && !inhibited) {
			fall_through(x, false);
			return;
		}
		if (result != DECODE_OK) {
			interpret_one(x, inhibited);
			return;
		}
		translate_one(x, inhibited);
		inhibited = x->insn.attrs & ATTR_INHIBIT;
		x->insns++;
		x->eip = x->next_eip;
	}
}

/* check_len: source bytes that the prefix compares; 0: no self-check. */
static void translate_pass(struct xlate *x, const struct bt_xlate_req *req,
			   struct emit *e, unsigned check_len)
{
	memset(x, 0, sizeof(*x));
	x->req = req;
	x->eip = req->eip;
	x->e = *e;
	if (check_len)
		gen_self_check(x, check_len);
	if (req->count)
		gen_count(x);
	x->prefix = emit_offset(&x->e);
	translate_insns(x);
	finish_late_exits(x);
	finish_count(x);
}

/* Source bytes in the block's own page. */
static u32 source_length(const struct xlate *x)
{
	u32 len = x->eip - x->req->eip - x->tail_len;

	/* An instruction that was left to the interpreter counts as source. */
	return len ? len : 1;
}

/* What is known of a block before it has its place. */
static void fill_key(struct bt_block *key, const struct xlate *x)
{
	const struct bt_xlate_req *req = x->req;

	assert(!((req->gpa.a ^ req->eip) & ~PAGE_MASK));
	*key = (struct bt_block){
		.eip = req->eip,
		.mode = (u16)req->mode,
		.guest_len = (u16)source_length(x),
		.prefix = (u16)x->prefix,
		.tail_len = (u8)x->tail_len,
		.insns = (u8)x->insns,
		.counted = req->count ? (u8)x->counted : 0,
		.flags = (req->self_check ? BT_BLOCK_SELF_CHECK : 0) |
			 (x->looks_up ? BT_BLOCK_LOOKS_UP : 0),
		.map_count = (u8)x->map_count,
		.exit_count = (u8)x->exit_count,
		.frame.gfn = (u32)(req->gpa.a >> PAGE_SHIFT),
	};
}

enum bt_xlate_result bt_translate(struct bt_cache *c,
				  const struct bt_xlate_req *req,
				  struct bt_block **block)
{
	struct bt_block key;
	struct xlate x;
	struct emit e;

	if (!bt_cache_reserve(c, &e))
		return BT_XLATE_FULL;
	translate_pass(&x, req, &e, 0);
	if (req->self_check)
		translate_pass(&x, req, &e, source_length(&x));
	fill_key(&key, &x);
	*block = bt_cache_commit(c, &x.e, &key, x.map, x.exits,
				 x.tail_gpa.a >> PAGE_SHIFT);
	return BT_XLATE_OK;
}
