/* SPDX-License-Identifier: MIT */
/*
 * The run loop: devices, then the engine that can run the state, then its
 * exit. Device time is looked at only here, so an engine returns with
 * EXIT_ATTENTION whenever v->attention is set.
 */
#include "vm/debug.h"

#include "kernel/host.h"
#include "lib/counters.h"
#include "lib/format.h"
#include "lib/ring.h"
#include "log.h"

/* A guest that does not read loses what it is typed, as on a real line. */
static void hold_byte(struct serial_held *h, u8 byte)
{
	if (h->count < sizeof(h->bytes))
		h->bytes[(h->head + h->count++) % sizeof(h->bytes)] = byte;
}

/*
 * Bytes typed at the console go to the guest's serial port, in order. All of
 * them are looked at, for the debugger's escape key may be behind others.
 */
void vm_feed_serial(struct vm *vm)
{
	struct serial_held *h = &vm->held;
	int byte;

	while ((byte = host_console_get()) >= 0)
		if (!vm->debugger || !vm->debugger->typed(vm, (u8)byte))
			hold_byte(h, (u8)byte);
	while (h->count && board_serial_in(vm->board, h->bytes[h->head])) {
		h->head = (u16)((h->head + 1) % sizeof(h->bytes));
		h->count--;
	}
}

/* Make the host interrupt us (or the engine count) up to the next deadline. */
static void arm_deadline(struct vm *vm)
{
	u64 deadline = board_deadline(vm->board);
	u64 timer = MIN(vm_host_time(vm, deadline), vm->wake_at);

	if (vm->config.icount)
		vm->v->insn_stop = MIN(deadline, vm_digest_next(vm));
	else if (timer != vm->timer_at)
		host_timer_set(timer);
	vm->armed = deadline;
	vm->timer_at = timer;
}

static bool board_ended(struct vm *vm, enum vm_end *end, u32 *status)
{
	switch (board_stop_state(vm->board)) {
	case BOARD_RUNNING:
		return false;
	case BOARD_EXIT_PORT:
		*status = board_stop_code(vm->board) >> 1;
		*end = VM_END_EXIT_PORT;
		return true;
	case BOARD_RESET:
		*end = VM_END_RESET;
		return true;
	case BOARD_POWER_OFF:
		*end = VM_END_POWER_OFF;
		return true;
	}
	return false;
}

/* With icount, idle time passes in one step. */
static void idle(struct vm *vm)
{
	u64 start = host_tsc();

	if (!vm->config.icount)
		host_idle(&vm->v->attention);
	else if (vm->v->insn_stop != ~0ull)
		vm->v->insn_count = MAX(vm->v->insn_count, vm->v->insn_stop);
	count_add(CNT_TSC_IDLE, host_tsc() - start);
}

/* HLT with nothing that could ever wake it: only an NMI, and we have none. */
static bool halted_for_good(const struct vcpu *v)
{
	return !(v->rflags & EFLAGS_IF) && !v->nmi_pending;
}

static const struct engine *pick_engine(struct vm *vm)
{
	const struct engine *e = vm->config.engine;

	return e->can_run(vm->v) ? e : vm->config.fallback;
}

/* The fallback runs so many instructions until the engine is asked again. */
#define FALLBACK_INSNS 64

static void limit_fallback(struct vm *vm, const struct engine *e)
{
	struct vcpu *v = vm->v;

	if (!vm->config.icount)
		v->insn_stop = e == vm->config.engine ? ~0ull :
			       v->insn_count + FALLBACK_INSNS;
}

static void run_engine(struct vm *vm, struct vcpu_exit *exit)
{
	const struct engine *e = pick_engine(vm);
	u64 start = host_tsc();

	*exit = (struct vcpu_exit){ .reason = EXIT_ATTENTION };
	vm->last = e;
	limit_fallback(vm, e);
	e->run(vm->v, exit);
	assert(exit->reason < EXIT_COUNT);
	count((enum counter)(CNT_EXIT_ATTENTION + exit->reason));
	ring_add(RING_EXIT, exit->reason, vm->v->rip);
	count_add(CNT_TSC_GUEST, host_tsc() - start);
}

static bool handle_exit(struct vm *vm, const struct vcpu_exit *exit,
			enum vm_end *end)
{
	switch (exit->reason) {
	case EXIT_SHUTDOWN:
		*end = VM_END_SHUTDOWN;
		return true;
	case EXIT_ERROR:
		fmt_snprintf(vm->error, sizeof(vm->error), "%s",
			     exit->message ? exit->message : "no reason given");
		*end = VM_END_ERROR;
		return true;
	default:
		return false;
	}
}

static void service_devices(struct vm *vm)
{
	vm->v->attention = 0;
	vm_feed_serial(vm);
	board_run(vm->board);
	if (vm->config.trace_every)
		vm_digest(vm);
	arm_deadline(vm);
}

static enum vm_end run_until_end(struct vm *vm, u32 *status)
{
	struct vcpu_exit exit;
	enum vm_end end;

	for (;;) {
		service_devices(vm);
		if (board_ended(vm, &end, status))
			return end;
		if (vm->debugger && !vm->debugger->turn(vm, &end))
			return end;
		if (vm->v->activity == ACT_HALTED && !emu_event_ready(vm->v)) {
			if (halted_for_good(vm->v))
				return VM_END_HALT;
			idle(vm);
			continue;
		}
		run_engine(vm, &exit);
		if (handle_exit(vm, &exit, &end))
			return end;
	}
}

enum vm_end vm_run(struct vm *vm, u32 *status)
{
	static const u32 statuses[] = {
#define X(name, text, code) [VM_END_##name] = code,
		VM_ENDS(X)
#undef X
	};
	enum vm_end end;

	vm->armed = vm->timer_at = 0;
	vm->wake_at = ~0ull;
	vm->tsc_start = host_tsc();
	vm->guest_start = vm_now(vm);
	walk_mode_of(vm->v, &vm->mode);
	host_attention_hook(&vm->v->attention);
	*status = 0;
	end = run_until_end(vm, status);
	if (end != VM_END_EXIT_PORT)
		*status = statuses[end];
	if (vm->debugger)
		vm->debugger->ending(vm, end, *status);
	host_attention_hook(NULL);
	vm_digest_end(vm);
	return end;
}

const char *vm_end_text(enum vm_end end)
{
	static const char *const texts[] = {
#define X(name, text, code) [VM_END_##name] = text,
		VM_ENDS(X)
#undef X
	};

	return texts[end];
}
