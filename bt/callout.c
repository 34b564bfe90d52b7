/* SPDX-License-Identifier: MIT */
/*
 * What translated code calls: dispatch, and instructions that it leaves to C.
 * The instruction of a callout is decoded once for each place in the cache.
 * The commonest are done without the interpreter: bt/fast.h.
 */
#include "bt/fast.h"
#include "bt/machine.h"
#include "bt/segments.h"
#include "bt/xlate.h"
#include "lib/cost.h"
#include "lib/counters.h"
#include "lib/ring.h"
#include "lib/switches.h"
#include "log.h"

bool bt_wanted_elsewhere(const struct vcpu *v)
{
	_Static_assert(ACT_ACTIVE == 0, "what follows");
	if (likely(!(v->attention | v->activity | v->intr | v->nmi_pending |
		     v->db_pending)))
		return v->insn_count >= v->insn_stop;
	return v->attention || v->insn_count >= v->insn_stop ||
	       v->activity != ACT_ACTIVE || emu_event_ready(v);
}

const u8 *bt_on_dispatch(struct vcpu *v)
{
	bt.leave = LEAVE_NONE;
	if (bt_wanted_elsewhere(v) || !bt_can_translate(v))
		return NULL;
	return blocks_find(v);
}

const u8 *bt_on_interp(struct vcpu *v)
{
	u64 start = cost_start();
	const u8 *exec;

	count(CNT_CALLOUTS);
	if (!fast_return(v)) {
		ring_add(RING_CALLOUT, v->rip, 0);
		emu_step(bt.env.emu);
		segments_check(v);
		bt_mode_note_callout(&bt.env.emu->insn);
	}
	exec = cross_from_stub(v);
	cost_end(COST_INTERP, start);
	return exec;
}

const u8 *bt_on_stale(struct vcpu *v, const u8 *ret)
{
	struct bt_block *b = bt_cache_at(bt.cache, ret - 1);

	assert(b);
	v->rip = b->eip;
	bt_cache_drop_block(bt.cache, b);
	return bt_on_dispatch(v);
}

/* --- places ------------------------------------------------------------- */

/* A place in the cache that calls out, by what the call returns to. */
struct site {
	const u8 *ret; /* NULL: unused */
	u32 flushes;   /* of the cache, when this was noted */
	u32 mode;      /* of the block */
	bool segment;  /* a load of a segment register: see bt/fast.h */
	bool port;     /* IN or OUT, likewise */
	bool at_once;  /* which has nothing more to be asked: port_again() */
	bool steady;   /* when it has retired, modes are what they were */
	struct insn insn;
};

#define SITES 1024u

static struct site sites[SITES];

static struct site *site_slot(const u8 *ret)
{
	u64 h = (u64)(uintptr_t)ret;

	return &sites[(h ^ h >> 10) % SITES];
}

/* Changes registers, memory or devices and nothing that modes depend on. */
static bool is_steady(enum op op)
{
	switch (op) {
	case OP_RDTSC:
	case OP_IN:
	case OP_OUT:
	case OP_CPUID:
	case OP_FXSAVE:
	case OP_FXRSTOR:
		return true;
	default:
		return rule_of(op)->gen == gen_ident;
	}
}

static void note_site(struct site *s, const u8 *ret, u32 mode,
		      const struct insn *i)
{
	bool port = switch_on(SWITCH_fast) && fast_is_port(i, mode);

	*s = (struct site){
		.ret = ret, .flushes = bt.cache->flushes, .mode = mode,
		.segment = switch_on(SWITCH_fast) &&
			   fast_is_segment_load(i, mode),
		.port = port,
		.at_once = port && !bt.env.icount && !bt.env.stops->count &&
			   switch_on(SWITCH_sites),
		.steady = is_steady(i->op),
		.insn = *i,
	};
}

/* --- callouts ----------------------------------------------------------- */

/*
 * A block counts all it retires at its entry; a callout sees what has retired
 * so far. Returns what is to be added again to go on behind the callout: the
 * interpreter counts its instruction itself.
 */
static unsigned take_off_count(struct vcpu *v, const u8 *ret)
{
	const struct bt_block *b = bt_cache_at(bt.cache, ret - 1);
	unsigned ahead = bt_block_uncounted(b, ret - 1) & BT_COUNT_INSNS;

	v->insn_count -= ahead;
	if (bt_block_map(b, ret - 1)->flags & BT_MAP_CALLOUT)
		return ahead;
	return ahead - 1;
}

/* The site's instruction without the interpreter; false: not done. *steady:
 * modes are what they were. */
static bool do_fast(struct vcpu *v, struct site *s, bool *steady)
{
	if (s->port) {
		fast_port(v, &s->insn);
	} else if (!s->segment || !fast_load_segment(v, &s->insn, steady)) {
		return false;
	}
	v->rip = (u32)(v->rip + s->insn.len);
	v->insn_count++;
	count(CNT_FAST_CALLOUTS);
	return true;
}

static void interpret(struct vcpu *v, struct site *s)
{
	ring_add(RING_CALLOUT, v->rip, 0);
	emu_step_as(bt.env.emu, &s->insn);
	segments_check(v);
	bt_mode_note_callout(&s->insn);
}

static void do_callout(struct vcpu *v, struct site *s, const u8 *ret,
		       bool *steady)
{
	struct emu *e = bt.env.emu;
	u64 rip = v->rip;
	u32 mode;

	if (s->ret == ret && s->flushes == bt.cache->flushes &&
	    switch_on(SWITCH_sites)) {
		*steady = s->steady;
		if (bt.env.stops->count || !do_fast(v, s, steady))
			interpret(v, s);
		return;
	}
	mode = bt_mode_of(v);
	ring_add(RING_CALLOUT, rip, 0);
	emu_step(e);
	segments_check(v);
	if (v->rip == rip + e->insn.len)
		note_site(s, ret, mode, &e->insn);
	bt_mode_note_callout(&e->insn);
}

/* May the block go on behind its callout? Only when nothing that shaped it, and
 * nothing that events depend on, has changed. */
static bool goes_on(const struct vcpu *v, const struct site *s, u64 next,
		    bool steady)
{
	if (v->rip != next)
		return false;
	return steady || (bt_can_translate(v) && bt_mode_of(v) == s->mode);
}

static const u8 *call_out(struct vcpu *v, const u8 *ret)
{
	unsigned ahead = bt.env.icount ? take_off_count(v, ret) : 0;
	struct site *s = site_slot(ret);
	u64 generation = blocks_generation();
	u64 rip = v->rip;
	bool steady = false;

	do_callout(v, s, ret, &steady);
	bt.leave = LEAVE_NONE;
	if (bt_wanted_elsewhere(v))
		return NULL;
	if (s->ret == ret && blocks_generation() == generation &&
	    goes_on(v, s, rip + s->insn.len, steady)) {
		v->insn_count += ahead;
		return ret;
	}
	return bt_can_translate(v) ? blocks_find(v) : NULL;
}

/*
 * Is the place known for an IN or OUT? Exact counts and stops are not asked
 * for: the one never changes, the other flushes the cache.
 */
static inline bool port_again(const struct site *s, const u8 *ret)
{
	return likely(!(((uintptr_t)s->ret ^ (uintptr_t)ret) |
			(s->flushes ^ bt.cache->flushes) | !s->at_once |
			cost_timed));
}

static void port_once_more(struct vcpu *v, const struct site *s)
{
	fast_port(v, &s->insn);
	v->insn_count++;
	count(CNT_FAST_CALLOUTS);
	count(CNT_CALLOUTS);
	cost_end(COST_CALLOUT, 0);
}

/* Of the ticks of a timer, most callouts are ports. The EFLAGS that say whether
 * an event can be taken are not in v: any that waits leaves. */
enum bt_store bt_on_port(struct vcpu *v, const u8 *ret)
{
	const struct site *s = site_slot(ret);
	u64 generation = blocks_generation();

	if (!port_again(s, ret))
		return BT_STORE_REFUSED;
	port_once_more(v, s);
	return (v->intr | v->nmi_pending | v->db_pending | v->activity) ||
			       blocks_generation() != generation ?
		       BT_STORE_LEAVES :
		       BT_STORE_DONE;
}

const u8 *bt_on_callout(struct vcpu *v, const u8 *ret)
{
	u64 start = cost_start();
	const u8 *exec = call_out(v, ret);

	count(CNT_CALLOUTS);
	cost_end(COST_CALLOUT, start);
	return exec;
}
