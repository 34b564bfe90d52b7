/* SPDX-License-Identifier: MIT */
/*
 * One step of the interpreter: fetch, decode, execute, then either retire or
 * roll back and deliver the fault. This file alone moves RIP and counts
 * instructions; what each instruction does is in the handlers.
 */
#include "cpu/emu_internal.h"

/* A weak name is NULL when no file defines the handler. */
#define H(name, fn) bool op_##fn(struct emu *e) __attribute__((weak));
#include "cpu/emu_ops.inc"
#undef H

static bool (*const handlers[OP_COUNT])(struct emu *e) = {
#define H(name, fn) [OP_##name] = op_##fn,
#include "cpu/emu_ops.inc"
#undef H
};

bool emu_raise(struct emu *e, unsigned vector, bool has_error, u32 error)
{
	e->fault = (struct event){
		.vector = vector,
		.kind = EV_EXCEPTION,
		.has_error = has_error,
		.error = error,
	};
	e->fault_set = true;
	return false;
}

bool emu_raise_pf(struct emu *e, const struct pagefault *pf)
{
	emu_raise(e, VEC_PF, true, pf->error);
	e->fault.cr2 = pf->gva.a;
	return false;
}

/* A guest must not be able to flood the console: the first few are enough. */
#define UNIMPLEMENTED_LOGGED 20

bool emu_unimplemented(struct emu *e)
{
	const struct insn *i = &e->insn;
	u64 first = 0;

	count(CNT_UNIMPLEMENTED);
	if (counters[CNT_UNIMPLEMENTED] > UNIMPLEMENTED_LOGGED)
		return emu_ud(e);
	memcpy(&first, i->bytes, MIN(i->len, 8));
	log_warn("unimplemented instruction %s at %x:%llx, bytes %llx",
		 op_name(i->op), e->v->seg[SEG_CS].sel,
		 (unsigned long long)e->v->rip,
		 (unsigned long long)__builtin_bswap64(first));
	return emu_ud(e);
}

void emu_snapshot(struct emu *e)
{
	const struct vcpu *v = e->v;
	unsigned n = vcpu_long_mode(v) ? GPR_COUNT : 8;

	for (unsigned i = 0; i < n; i++)
		e->saved_gpr[i] = v->gpr[i];
	e->saved_rip = v->rip;
	e->saved_rflags = v->rflags;
}

static void roll_back(struct emu *e)
{
	struct vcpu *v = e->v;
	unsigned n = vcpu_long_mode(v) ? GPR_COUNT : 8;

	for (unsigned i = 0; i < n; i++)
		v->gpr[i] = e->saved_gpr[i];
	v->rip = e->saved_rip;
	v->rflags = e->saved_rflags;
	v->db_pending = e->saved_db_pending;
	v->db_dr6 = e->saved_db_dr6;
}

#define FETCH_MAX 16 /* one more than needed: a round number is faster */

/* In 64-bit mode only the canonical addresses end. */
static unsigned canonical_bytes_left(u64 rip)
{
	if (!is_canonical(rip))
		return 0;
	return is_canonical(rip + FETCH_MAX - 1) ? FETCH_MAX :
						   (unsigned)(BIT(47) - rip);
}

/* Bytes of the code segment from offset on, at most FETCH_MAX. */
static unsigned code_bytes_left(const struct vcpu *v, u64 offset)
{
	u64 limit = v->seg[SEG_CS].limit;

	if (vcpu_64bit(v))
		return canonical_bytes_left(offset);
	if (limit == 0xffffffff)
		return FETCH_MAX;
	if (offset > limit)
		return 0;
	return MIN(limit - offset + 1, FETCH_MAX);
}

/* The bytes at RIP, as far as they are read yet; the rest is zero. */
union code_bytes {
	u8 byte[FETCH_MAX];
	u64 word[2];
};

/*
 * The decoder is pure, so its results can be kept by the bytes that they came
 * from. Every step still reads the guest's bytes: nothing here can go stale.
 * The slot is chosen by address only because that spreads well.
 */
struct memo {
	u64 word[2], mask[2]; /* the instruction's bytes; which count */
	u8 code_size;         /* 0: empty */
	struct insn insn;
};

#define MEMO_COUNT 2048

static struct memo memos[MEMO_COUNT];

static struct memo *memo_slot(u64 linear)
{
	return &memos[(linear ^ linear >> 11) % MEMO_COUNT];
}

static bool memo_matches(const struct memo *m, const union code_bytes *code,
			 unsigned have, unsigned code_size)
{
	return !((m->word[0] ^ code->word[0]) & m->mask[0]) &&
	       !((m->word[1] ^ code->word[1]) & m->mask[1]) &&
	       m->code_size == code_size && m->insn.len <= have;
}

static void memo_fill(struct memo *m, const union code_bytes *code,
		      unsigned code_size, const struct insn *insn)
{
	unsigned len = insn->len;

	m->word[0] = code->word[0];
	m->word[1] = code->word[1];
	m->mask[0] = emu_size_mask(MIN(len, 8));
	m->mask[1] = len > 8 ? emu_size_mask(len - 8) : 0;
	m->code_size = code_size;
	m->insn = *insn;
}

/* Append the bytes that one page holds. */
static bool fetch_more(struct emu *e, u64 linear, union code_bytes *code,
		       unsigned *have, unsigned want)
{
	struct pagefault pf;
	unsigned got = 0;

	linear += *have;
	if (!vcpu_64bit(e->v))
		linear = (u32)linear;
	if (!e->ops->fetch(e->ctx, GVA(linear), code->byte + *have,
			   want - *have, emu_acc(e) | ACC_FETCH, &got, &pf))
		return emu_raise_pf(e, &pf);
	*have += got;
	return true;
}

/*
 * A byte that the instruction does not need is never touched: the next page
 * is read only when the decoder asks for more.
 */
static bool decode_fetching(struct emu *e, u64 linear, union code_bytes *code,
			    unsigned have, unsigned want)
{
	unsigned code_size = vcpu_code_size(e->v);

	for (;;) {
		switch (insn_decode(&e->insn, code->byte, have, code_size)) {
		case DECODE_OK:
			memo_fill(memo_slot(linear), code, code_size, &e->insn);
			return true;
		case DECODE_UNDEFINED:
			return emu_ud(e);
		case DECODE_TOO_LONG:
			return emu_gp(e, 0);
		case DECODE_MORE:
			break;
		}
		if (have == want)
			return emu_gp(e, 0);
		if (!fetch_more(e, linear, code, &have, want))
			return false;
	}
}

static bool fetch_and_decode(struct emu *e)
{
	struct vcpu *v = e->v;
	u64 linear = vcpu_code_linear(v, v->rip);
	unsigned want = code_bytes_left(v, v->rip);
	union code_bytes code = { .word = { 0, 0 } };
	const struct memo *m = memo_slot(linear);
	unsigned have = 0;

	if (!want)
		return emu_gp(e, 0);
	if (!fetch_more(e, linear, &code, &have, want))
		return false;
	if (likely(memo_matches(m, &code, have, vcpu_code_size(v)))) {
		e->insn = m->insn;
		return true;
	}
	return decode_fetching(e, linear, &code, have, want);
}

static bool lock_ok(const struct insn *i)
{
	return !(i->prefixes & PFX_LOCK) ||
	       ((i->attrs & ATTR_LOCKABLE) && i->has_mem);
}

/* What holds for many instructions alike, in the order of their priority. */
static bool check_allowed(struct emu *e)
{
	const struct insn *i = &e->insn;

	if (unlikely(!lock_ok(i)))
		return emu_ud(e);
	if (likely(!(i->attrs & (ATTR_PROT | ATTR_PRIV))))
		return true;
	if ((i->attrs & ATTR_PROT) && vcpu_real_addressing(e->v))
		return emu_ud(e);
	if ((i->attrs & ATTR_PRIV) && e->v->cpl)
		return emu_gp(e, 0);
	return true;
}

/* RF suppresses this instruction's breakpoint only; IRET may set it anew. */
static bool breakpoints_pass(struct emu *e)
{
	struct vcpu *v = e->v;
	bool rf = v->rflags & EFLAGS_RF;

	if (emu_debug_on(e) && !rf && !emu_debug_fetch(e))
		return false;
	v->rflags &= ~EFLAGS_RF;
	return true;
}

static bool take_insn(struct emu *e, const struct insn *known)
{
	if (!known)
		return fetch_and_decode(e);
	e->insn = *known;
	return true;
}

static bool execute(struct emu *e, const struct insn *known)
{
	struct vcpu *v = e->v;

	if (!breakpoints_pass(e) || !take_insn(e, known) || !check_allowed(e))
		return false;
	e->rip_next = v->rip + e->insn.len;
	if (!vcpu_64bit(v))
		e->rip_next = (u32)e->rip_next;
	if (unlikely(!handlers[e->insn.op]))
		return emu_unimplemented(e);
	return handlers[e->insn.op](e);
}

/* Between iterations RF is set, as in the image that an event would push. */
static void retire(struct emu *e)
{
	struct vcpu *v = e->v;

	if (unlikely(e->repeat)) {
		v->rflags |= EFLAGS_RF;
		return;
	}
	v->rip = e->rip_next;
	v->insn_count++;
	count(CNT_INTERPRETED);
	if (vcpu_protected(v) && v->cpl < 3)
		count(CNT_INTERPRETED_KERNEL);
}

static enum emu_result settle(const struct vcpu *v)
{
	switch (v->activity) {
	case ACT_HALTED:
		return EMU_HALTED;
	case ACT_SHUTDOWN:
		return EMU_SHUTDOWN;
	default:
		return EMU_OK;
	}
}

static enum emu_result fail(struct emu *e)
{
	assert(e->fault_set);
	roll_back(e);
	if (emu_stops_on(e))
		emu_stops_forget(e);
	if (e->no_deliver)
		return EMU_OK;
	e->v->shadow = SHADOW_NONE;
	return emu_deliver(e, &e->fault);
}

static enum emu_result step(struct emu *e, const struct insn *known)
{
	struct vcpu *v = e->v;
	u8 shadow = v->shadow;

	if (emu_stops_on(e) && emu_stops_fetch(e))
		return settle(v);
	emu_snapshot(e);
	e->saved_db_pending = v->db_pending;
	e->saved_db_dr6 = v->db_dr6;
	e->single_step = v->rflags & EFLAGS_TF;
	e->fault_set = false;
	e->repeat = false;
	if (!execute(e, known))
		return fail(e);
	retire(e);
	if (emu_stops_on(e) && !e->repeat)
		e->stops->over = false;
	if (shadow)
		v->shadow = SHADOW_NONE;
	if (unlikely(e->single_step || v->db_pending) &&
	    emu_debug_retire(e) == EMU_SHUTDOWN)
		return EMU_SHUTDOWN;
	return settle(v);
}

enum emu_result emu_step(struct emu *e)
{
	return step(e, NULL);
}

enum emu_result emu_step_as(struct emu *e, const struct insn *insn)
{
	return step(e, insn);
}
