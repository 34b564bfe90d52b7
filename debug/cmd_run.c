/* SPDX-License-Identifier: MIT */
/* Commands that stop the guest, let it run, and end it; and small settings. */
#include "debug/monitor.h"

#include "kernel/console.h"
#include "kernel/exit.h"
#include "lib/string.h"

#define STEPS_MAX 100000

static void say_where(void)
{
	const struct vcpu *v = dbg.vm->v;

	console_printf("%04x:%08llx, linear %llx\n", v->seg[SEG_CS].sel,
		       (unsigned long long)v->rip,
		       (unsigned long long)stops_pc(v));
}

void cmd_pause(const struct args *a)
{
	debugger_pause(GDB_SIGINT);
	gdb_stopped(&dbg.gdb); /* if it waits for that */
	say_where();
}

/* A gdb that thinks that it stands has to let it go itself. */
void cmd_continue(const struct args *a)
{
	if (dbg.state != DEBUG_STANDING)
		console_printf("it runs\n");
	else if (dbg.gdb.attached)
		console_printf("gdb has stopped it: continue there\n");
	else
		debugger_resume(GDB_CONTINUE, 0, 0);
}

void cmd_step(const struct args *a)
{
	u64 count;

	if (!args_count(a, 1, 1, &count))
		return;
	debugger_pause(GDB_SIGINT);
	vm_clock_release(dbg.vm);
	for (u64 i = 0; i < MIN(count, STEPS_MAX); i++)
		if (!vm_step(dbg.vm) || vm_stop_due(dbg.vm))
			break;
	vm_clock_hold(dbg.vm);
	if (vm_stop_due(dbg.vm))
		vm_stop_taken(dbg.vm);
	say_where();
}

void cmd_reset(const struct args *a)
{
	debugger_end(VM_END_RESET);
}

void cmd_quit(const struct args *a)
{
	debugger_end(VM_END_DEBUGGER);
}

void cmd_crash(const struct args *a)
{
	panic("asked for at the monitor's console");
}

void cmd_phys(const struct args *a)
{
	if (a->count > 1)
		dbg.gdb.phys = !strcmp(a->word[1], "on");
	console_printf("gdb's addresses are %s\n",
		       dbg.gdb.phys ? "physical" : "linear");
}

void cmd_loglevel(const struct args *a)
{
	static const char *const levels[] = {
		[LOG_ERROR] = "error", [LOG_WARN] = "warn",
		[LOG_INFO] = "info", [LOG_DEBUG] = "debug",
	};

	for (unsigned i = 0; a->count > 1 && i < ARRAY_SIZE(levels); i++)
		if (!strcmp(a->word[1], levels[i]))
			console_set_level((enum log_level)i);
	console_printf("log level: %s\n", levels[console_level()]);
}
