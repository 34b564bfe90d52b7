/* SPDX-License-Identifier: MIT */
#include "debug/internal.h"

#include "kernel/console.h"
bool monitor_typed(u8 byte) { return false; }
static void to_gdb(void *ctx, char c)
{
	gdb_say(&dbg.gdb, &c, 1);
}
void monitor_for_gdb(const char *line)
{
	console_capture(to_gdb, NULL);
	console_printf("no commands yet: %s\n", line);
	console_capture(NULL, NULL);
}
void monitor_stopped(void) {}
