/* SPDX-License-Identifier: MIT */
/*
 * The monitor's commands: one row each in monitor.c, handlers in cmd_*.c. A
 * handler prints with console_printf(), wherever that leads, and may be called
 * whenever the guest is outside its engine.
 */
#ifndef DEBUG_MONITOR_H
#define DEBUG_MONITOR_H

#include "debug/internal.h"

#define ARGS_MAX 8

/* The words of a command line; word[0] is the command. */
struct args {
	unsigned count;
	const char *word[ARGS_MAX];
};

void monitor_run(const char *line);

/* Hexadecimal, with or without 0x; false: it is not. */
bool arg_address(const char *word, u64 *value);
/* Decimal. */
bool arg_count(const char *word, u64 *value);
/* Address of the word at `i`, or `otherwise`; says what is wrong. */
bool args_address(const struct args *a, unsigned i, u64 otherwise, u64 *value);
bool args_count(const struct args *a, unsigned i, u64 otherwise, u64 *value);

#define COMMANDS(X)                                                       \
	X(help, "[COMMAND]", "what there is")                             \
	X(regs, "", "the guest's registers")                              \
	X(x, "[p:]ADDR [BYTES]", "memory, linear or (p:) physical")       \
	X(pt, "ADDR", "the guest's page walk beside the shadow entries")  \
	X(stats, "[new]", "the counters, or what was added since the last") \
	X(exits, "[on|off]", "exits by reason; on: what they cost, too")  \
	X(hot, "[on|off|COUNT]", "where the guest spends its time")       \
	X(tb, "ADDR | on | off", "a translated block; on: count its runs") \
	X(audit, "", "compare every shadow entry with the guest's tables") \
	X(irq, "", "interrupt controllers, timer, what is pending")       \
	X(trace, "[COUNT] | on|off [CLASS...]", "the last events")        \
	X(loglevel, "[error|warn|info|debug]", "how much is said")        \
	X(page, "LINES|off", "pause after so many lines of output")       \
	X(phys, "[on|off]", "gdb's addresses are physical")               \
	X(pause, "", "stop the guest")                                    \
	X(continue, "", "let it run")                                     \
	X(step, "[COUNT]", "execute single instructions")                 \
	X(reset, "", "end the guest as its reset line would")             \
	X(quit, "", "end the guest")                                      \
	X(gdb, "", "lend this line to gdb until it detaches")             \
	X(crash, "", "panic, to see what is left of it")

#define X(name, form, text) void cmd_##name(const struct args *a);
COMMANDS(X)
#undef X

/* --- console.c -------------------------------------------------------- */

/* Lines of a page at COM1; 0: no pages. */
extern unsigned console_page;

/* --- cmd_stats.c ------------------------------------------------------ */

/* Time to look where the guest is? Called between entries. */
void hot_sample(void);

#endif
