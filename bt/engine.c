/* SPDX-License-Identifier: MIT */
/*
 * The bt engine: kernel code from the translation cache, user code directly,
 * everything else by the interpreter, one instruction at a time.
 * Invariant: outside bt_enter() and bt_user_enter() all guest state is in the
 * vcpu, at an instruction boundary.
 */
#include "bt/bt.h"

#include "bt/desc.h"
#include "bt/fast.h"
#include "bt/machine.h"
#include "bt/segments.h"
#include "bt/tables.h"
#include "kernel/instr.h"
#include "kernel/irq.h"
#include "lib/cost.h"
#include "lib/counters.h"
#include "lib/ring.h"
#include "lib/switches.h"
#include "log.h"

/* A hidden fault that comes back this often was not filled: our bug. */
#define STUCK_FAULTS 256

/* Bits of the real control registers that follow the guest (design, D11). */
#define CR0_FOLLOWS (CR0_MP | CR0_EM | CR0_TS | CR0_AM)
#define CR4_FOLLOWS (CR4_TSD | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT)

struct bt bt;

static void load_root(void)
{
	hpa_t root = shadow_root(bt.env.shadow, &bt.mode);

	bt.root = root;
	write_cr3(root.a);
}

static void mirror_controls(void)
{
	const struct vcpu *v = bt.env.v;
	u64 cr0 = (read_cr0() & ~CR0_FOLLOWS) | (v->cr0 & CR0_FOLLOWS);
	u64 cr4 = (read_cr4() & ~CR4_FOLLOWS) | (v->cr4 & CR4_FOLLOWS);

	if (v->tsc_offset)
		cr4 |= CR4_TSD; /* RDTSC at CPL 3 would show the host's */
	if (cr0 != read_cr0())
		write_cr0(cr0);
	if (cr4 != read_cr4())
		write_cr4(cr4);
}

/* Blocks that show the host's TSC, or not, are what they should not be. The
 * running one leaves, as no block of its address is left. */
static void tsc_changed(const struct vcpu *v)
{
	static bool offset;

	if (offset != (v->tsc_offset != 0))
		blocks_flush();
	offset = v->tsc_offset;
}

static void bt_mode_changed(struct vcpu *v, unsigned what)
{
	tsc_changed(v);
	if (what & (MODE_CR3 | MODE_PAGING)) {
		walk_mode_of(v, &bt.mode);
		tables_forget();
		blocks_flush_tlb(what);
		load_root();
	}
	mirror_controls();
}

static void bt_invlpg(struct vcpu *v, gva_t gva)
{
	/* a large page's translation goes whole */
	tables_unmapped(gva.a & ~(MIB(4) - 1), MIB(4));
	blocks_invlpg(gva);
}

/* Before the first root is loaded there is nothing of the guest's to flush. */
static void bt_tlb_flush(struct vcpu *v, const gva_t *gva)
{
	if (!bt.root.a)
		return;
	if (gva)
		invlpg((const void *)gva->a);
	else
		write_cr3(bt.root.a);
}

static void bt_unmapped(struct vcpu *v, gva_t gva, u64 size)
{
	tables_unmapped(gva.a, size);
}

static void bt_tracked(struct vcpu *v, u64 gfn)
{
	fast_expect_stores(gfn);
}

static void check_stuck(gva_t gva)
{
	static u64 last_gva, last_count;
	static unsigned times;
	u64 progress = counters[CNT_HOST_FAULTS] - counters[CNT_HIDDEN_FAULTS] +
		       counters[CNT_CALLOUTS] + counters[CNT_DISPATCHES] +
		       counters[CNT_USER_ENTRIES];

	if (gva.a != last_gva || progress != last_count)
		times = 0;
	last_gva = gva.a;
	last_count = progress;
	if (++times > STUCK_FAULTS)
		panic("hidden fault at %#llx does not go away",
		      (unsigned long long)gva.a);
}

static bool page_fault(gva_t gva, u32 error)
{
	struct pagefault pf;
	gpa_t gpa;

	bt.leave = LEAVE_STEP;
	ring_add(RING_PAGE_FAULT, gva.a, error);
	if (gva.a >> 32) /* ran over 4 GiB: the interpreter wraps */
		return false;
	switch (shadow_fault(bt.env.shadow, &bt.mode, gva, error, &pf, &gpa)) {
	case SHADOW_FILLED:
		check_stuck(gva);
		return true;
	case SHADOW_GUEST:
		bt.leave = LEAVE_EVENT;
		bt.event = (struct event){
			.vector = VEC_PF, .kind = EV_EXCEPTION,
			.has_error = true, .error = pf.error, .cr2 = pf.gva.a,
		};
		return false;
	case SHADOW_TRACED:
	case SHADOW_MMIO:
		return false;
	}
	return false;
}

bool bt_page_fault(gva_t gva, u32 error)
{
	u64 start = cost_start();
	bool filled = page_fault(gva, error);

	cost_end(COST_PAGE_FAULT, start);
	return filled;
}

/* --- the engine ------------------------------------------------------- */

static const char *bt_probe(void)
{
	return NULL; /* long mode is all it needs, and boot has checked that */
}

static const char *bt_init(const struct engine_env *env)
{
	bt.env = *env;
	walk_mode_of(env->v, &bt.mode);
	blocks_init(env->cache_bytes);
	desc_init();
	host_exception_hook = bt_exception;
	host_irq_hook = bt_irq;
	return NULL;
}

static bool bt_can_run(const struct vcpu *v)
{
	return v->activity != ACT_SHUTDOWN;
}

/*
 * A REP into a traced page is a page that is put to other use: after its first
 * bytes nobody traces it any more, and translated code goes on. Where that does
 * not get on by itself the interpreter does many iterations at once. RF, which
 * stands between iterations, is what translated code never shows.
 */
static enum emu_result interpret(struct vcpu *v)
{
	static u64 rip, left;
	struct emu *e = bt.env.emu;
	enum emu_result result;

	e->one_piece = switch_on(SWITCH_pieces) && !bt.env.icount &&
		       bt_can_translate(v) &&
		       !(v->rip == rip && v->gpr[R_CX] == left);
	result = emu_step(e);
	if (e->one_piece && e->repeat) {
		rip = v->rip;
		left = v->gpr[R_CX];
		v->rflags &= ~EFLAGS_RF;
	}
	e->one_piece = false;
	segments_check(v);
	return result;
}

static enum emu_result step(void)
{
	u64 start = cost_start();
	enum emu_result result = EMU_OK;

	if (!fast_entry(bt.env.v))
		result = interpret(bt.env.v);
	cost_end(COST_STEP, start);
	return result;
}

static enum emu_result deliver(const struct event *ev)
{
	enum emu_result result;

	if (fast_deliver(bt.env.v, ev))
		return EMU_OK;
	result = emu_deliver(bt.env.emu, ev);
	segments_check(bt.env.v);
	return result;
}

static void poll_events(void)
{
	struct event ev;

	if (emu_event_ready(bt.env.v) && emu_take_event(bt.env.emu, &ev))
		deliver(&ev);
}

/* What guest code was left for. */
static enum emu_result handle_leave(void)
{
	enum leave why = bt.leave;

	bt.leave = LEAVE_NONE;
	if (why == LEAVE_EVENT)
		return deliver(&bt.event);
	return why == LEAVE_STEP ? step() : EMU_OK;
}

static void tell_observer(void)
{
	if (bt.env.observe)
		bt.env.observe(bt.env.observe_ctx);
}

static enum emu_result run_some(struct vcpu *v)
{
	const u8 *exec = NULL;

	bt.leave = LEAVE_NONE;
	if (bt_can_translate(v))
		exec = blocks_find(v);
	else
		tell_observer();
	if (exec)
		bt_enter(v, exec);
	else if (bt.env.icount || !user_direct(v) || !user_run(v))
		return step(); /* CPL 3 run directly would not be counted */
	return handle_leave();
}

static void run_until_exit(struct vcpu *v, struct vcpu_exit *exit)
{
	exit->reason = EXIT_ATTENTION;
	for (;;) {
		poll_events();
		if (v->activity == ACT_SHUTDOWN) {
			exit->reason = EXIT_SHUTDOWN;
			return;
		}
		if (v->activity == ACT_HALTED) {
			exit->reason = EXIT_HALT;
			return;
		}
		if (*(volatile u8 *)&v->attention ||
		    v->insn_count >= v->insn_stop)
			return;
		run_some(v);
		if (unlikely(bt.broken)) {
			exit->reason = EXIT_ERROR;
			exit->message = bt.broken;
			return;
		}
	}
}

static void bt_run(struct vcpu *v, struct vcpu_exit *exit)
{
	if (!bt.root.a)
		bt_mode_changed(v, MODE_CR3 | MODE_PAGING | MODE_OTHER);
	blocks_look_around();
	segments_check(v); /* the debugger may have changed them */
	run_until_exit(v, exit);
}

/* Translated code counts in the vcpu page. */
static void bt_update_counters(struct vcpu *v)
{
	const struct bt_plain *p = bt_plain(v);

	counters[CNT_IND_MISSES] = p->ind_misses;
	counters[CNT_IND_HITS] = p->ind_branches - p->ind_misses;
}

static void bt_stops_changed(struct vcpu *v)
{
	blocks_flush();
}

static void bt_count_runs(struct vcpu *v, bool on)
{
	if (bt.count_runs != on)
		blocks_flush();
	bt.count_runs = on;
}

const struct engine bt_engine = {
	.name = "bt",
	.needs_shadow = true,
	.reloads = true,
	.probe = bt_probe,
	.init = bt_init,
	.can_run = bt_can_run,
	.run = bt_run,
	.mode_changed = bt_mode_changed,
	.invlpg = bt_invlpg,
	.tlb_flush = bt_tlb_flush,
	.unmapped = bt_unmapped,
	.tracked = bt_tracked,
	.stops_changed = bt_stops_changed,
	.show_code = bt_show_code,
	.update_counters = bt_update_counters,
	.count_runs = bt_count_runs,
};
