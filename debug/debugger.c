/* SPDX-License-Identifier: MIT */
/*
 * Running and standing: the hooks of the run loop. The guest stands inside
 * turn(), at an instruction boundary outside its engine; what was changed of
 * it meanwhile is told to the engine when it goes on.
 */
#include "debug/monitor.h"

#include "kernel/console.h"
#include "kernel/host.h"
#include "lib/string.h"
#include "log.h"

struct debugger dbg;

/* --- Between standing and running ------------------------------------- */

static void stand(u8 signal, u8 kinds, u64 at)
{
	vm_clock_hold(dbg.vm);
	dbg.state = DEBUG_STANDING;
	dbg.why = (struct gdb_stop){ signal, kinds, at };
}

void debugger_pause(u8 signal)
{
	if (dbg.state != DEBUG_STANDING)
		stand(signal, 0, 0);
}

static void tell_everyone(void)
{
	gdb_stopped(&dbg.gdb);
	monitor_stopped();
}

/* What was changed while the guest stood. */
static void settle(void)
{
	target_store_fx();
	if (dbg.stops_changed)
		vm_stops_changed(dbg.vm);
	dbg.stops_changed = false;
}

void debugger_resume(enum gdb_resume how, u64 start, u64 end)
{
	settle();
	vm_clock_release(dbg.vm);
	vm_step_over(dbg.vm);
	dbg.range_start = how == GDB_STEP_RANGE ? start : 0;
	dbg.range_end = how == GDB_STEP_RANGE ? end : 0;
	dbg.state = how == GDB_CONTINUE ? DEBUG_RUNNING : DEBUG_STEPPING;
}

/* The guest met a stop: it stands before the instruction, or after the access. */
static void take_stop(void)
{
	const struct stops *s = &dbg.vm->stops;

	stand(GDB_SIGTRAP, s->met.kinds, s->at);
	vm_stop_taken(dbg.vm);
	tell_everyone();
}

/* True: the guest has to be let run for it (it is halted). */
static bool step(void)
{
	const struct vcpu *v = dbg.vm->v;

	if (!vm_step(dbg.vm))
		return true;
	if (vm_stop_due(dbg.vm)) {
		take_stop();
	} else if (v->rip - dbg.range_start >= dbg.range_end - dbg.range_start ||
		   v->activity != ACT_ACTIVE) {
		stand(GDB_SIGTRAP, 0, 0);
		tell_everyone();
	}
	return false;
}

/* --- The hooks -------------------------------------------------------- */

static void listen(void)
{
	int byte;

	while ((byte = port_get()) >= 0) {
		bool was_there = dbg.gdb.attached;

		gdb_take(&dbg.gdb, (u8)byte);
		if (was_there && !dbg.gdb.attached)
			port_take_com1(false);
	}
}

static void wait_for_bytes(struct vm *vm)
{
	vm->v->attention = 0;
	vm_feed_serial(vm);
	listen();
	if (dbg.state == DEBUG_STANDING && !dbg.end)
		host_idle(&vm->v->attention);
	vm->v->attention = 1; /* a timer may have been due meanwhile */
}

void debugger_end(enum vm_end how)
{
	dbg.end = true;
	dbg.how = how;
}

static bool turn(struct vm *vm, enum vm_end *end)
{
	if (unlikely(vm_stop_due(vm)))
		take_stop();
	listen();
	while (dbg.state != DEBUG_RUNNING && !dbg.end) {
		if (dbg.state == DEBUG_STANDING)
			wait_for_bytes(vm);
		else if (step())
			break;
		else
			listen();
	}
	*end = dbg.how;
	hot_sample();
	return !dbg.end;
}

static bool typed(struct vm *vm, u8 byte)
{
	return port_typed(byte) || monitor_typed(byte);
}

/* A guest that dies of something gdb may want to see stands once more. */
static void ending(struct vm *vm, enum vm_end end, u32 status)
{
	bool death = end == VM_END_SHUTDOWN || end == VM_END_HALT ||
		     end == VM_END_ERROR;

	if (death && dbg.gdb.attached) {
		stand(end == VM_END_SHUTDOWN ? GDB_SIGSEGV : GDB_SIGABRT, 0, 0);
		tell_everyone();
		while (dbg.state == DEBUG_STANDING && !dbg.end)
			wait_for_bytes(vm);
	}
	gdb_exited(&dbg.gdb, (u8)status);
	console_divert_com1(NULL);
}

static const struct vm_debugger hooks = {
	.turn = turn,
	.typed = typed,
	.ending = ending,
};

const char *debugger_start(struct vm *vm, const struct debug_config *config)
{
	const char *why = port_open(config);

	if (why)
		return why;
	dbg.vm = vm;
	dbg.config = *config;
	target_init();
	autopsy_init();
	gdb_init(&dbg.gdb, &target_ops, NULL, port_put);
	vm->debugger = &hooks;
	if (config->wait)
		stand(GDB_SIGTRAP, 0, 0);
	return NULL;
}
