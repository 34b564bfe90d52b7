/* SPDX-License-Identifier: MIT */
/*
 * The monitor's command line: each option and value, a row each, and each way
 * to be wrong. A mistake is fatal, so those lines run in a child process.
 *
 * LINKS: lib kernel
 * SRCS: boot/cmdline.c
 */
#include "boot/cmdline.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/console.h"
#include "kernel/exit.h"
#include "lib/switches.h"
#include "tests/host/test.h"

/* What the monitor's side was told. */
static struct {
	u64 sinks;
	enum log_level level;
	enum machine_exit_mode exit_mode;
	unsigned calls;
} told;

void console_set_sinks(u64 sinks)
{
	told.sinks = sinks;
	told.calls++;
}

void console_set_level(enum log_level level)
{
	told.level = level;
}

void machine_exit_mode_set(enum machine_exit_mode mode)
{
	told.exit_mode = mode;
}

/* Each line is read by a fresh process, as at boot; its output: what it said. */
static int child(const char *line, int (*then)(const void *), const void *arg,
		 char *said, size_t size)
{
	int out[2], status;
	ssize_t n;
	pid_t pid;

	fflush(stdout);
	if (pipe(out) || (pid = fork()) < 0)
		exit(2);
	if (!pid) {
		dup2(out[1], 2);
		cmdline_apply(line);
		_exit(then ? then(arg) : 0);
	}
	close(out[1]);
	n = read(out[0], said, size - 1);
	said[n > 0 ? n : 0] = 0;
	close(out[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- good lines --------------------------------------------------------- */

struct good {
	const char *line;
	const void *field;
	u64 value;
	u8 size;
};

#define ROW32(line, field, value) { line, &options.field, value, 4 }
#define ROW64(line, field, value) { line, &options.field, value, 8 }
#define TOLD(line, field, value)                                          \
	{ line, &told.field, value, sizeof(told.field) }

static const struct good good[] = {
	ROW32("", engine, ENGINE_AUTO),
	ROW64("", mem, 0), ROW64("", cache, 0), ROW32("", time, TIME_TSC),
	ROW32("", gdb, GDB_AUTO), ROW32("", trace_memory, 0),
	TOLD("", sinks, CONSOLE_ALL), TOLD("", level, LOG_INFO),
	TOLD("", exit_mode, MACHINE_HALT),
	ROW32("engine=auto", engine, ENGINE_AUTO),
	ROW32("engine=vmx", engine, ENGINE_VMX),
	ROW32("engine=bt", engine, ENGINE_BT),
	ROW32("engine=interp", engine, ENGINE_INTERP),
	ROW64("mem=4194304", mem, MIB(4)), ROW64("mem=4096K", mem, MIB(4)),
	ROW64("mem=256M", mem, MIB(256)), ROW64("mem=256m", mem, MIB(256)),
	ROW64("mem=3G", mem, GIB(3)), ROW64("mem=3g", mem, GIB(3)),
	ROW64("mem=0x10M", mem, MIB(16)), ROW64("mem=0", mem, 0),
	ROW64("mem=0x7fffff", mem, 0x7fffff),
	ROW64("mem=8589934591G", mem, 8589934591ull << 30),
	ROW64("cache=2M", cache, MIB(2)),
	TOLD("console=com1", sinks, CONSOLE_COM1),
	TOLD("console=com2", sinks, CONSOLE_COM2),
	TOLD("console=vga", sinks, CONSOLE_VGA),
	TOLD("console=e9", sinks, CONSOLE_E9),
	TOLD("console=com1,vga,e9", sinks,
	     CONSOLE_COM1 | CONSOLE_VGA | CONSOLE_E9),
	TOLD("console=e9,", sinks, CONSOLE_E9), /* harmless */
	ROW32("gdb=com1", gdb, GDB_COM1), ROW32("gdb=com2", gdb, GDB_COM2),
	ROW32("gdb=off", gdb, GDB_OFF),
	ROW32("audit=1", audit, 1), ROW32("audit=0", audit, 0),
	ROW32("gdb-wait=1", gdb_wait, 1), ROW32("gdb-wait=0", gdb_wait, 0),
	TOLD("on-exit=halt", exit_mode, MACHINE_HALT),
	TOLD("on-exit=reboot", exit_mode, MACHINE_REBOOT),
	TOLD("on-exit=qemu", exit_mode, MACHINE_QEMU),
	{ "", &switches_off, 0, 4 },
	{ "no=chain", &switches_off, BIT(SWITCH_chain), 4 },
	{ "no=prefill,tlb", &switches_off,
	  BIT(SWITCH_prefill) | BIT(SWITCH_tlb), 4 },
	TOLD("loglevel=error", level, LOG_ERROR),
	TOLD("loglevel=warn", level, LOG_WARN),
	TOLD("loglevel=info", level, LOG_INFO),
	TOLD("loglevel=debug", level, LOG_DEBUG),
	ROW32("time=tsc", time, TIME_TSC),
	ROW32("time=icount", time, TIME_ICOUNT),
	ROW32("", no_long_mode, false),
	ROW32("long-mode=auto", no_long_mode, false),
	ROW32("long-mode=off", no_long_mode, true),
	ROW64("trace-from=12", trace_from, 12),
	ROW64("trace-to=0xff", trace_to, 255),
	ROW64("trace-to=0xFf", trace_to, 255),
	ROW64("trace-every=1000000007", trace_every, 1000000007),
	ROW32("trace-memory=on", trace_memory, 1),
	ROW32("trace-blocks=on", trace_blocks, 1),
	ROW32("trace-memory=off", trace_memory, 0),
	ROW32("trace-memory=pages", trace_memory, 2),
	/* several, spaces anywhere, the last one wins */
	ROW64("engine=bt mem=8M on-exit=qemu", mem, MIB(8)),
	ROW32("  engine=bt   mem=8M ", engine, ENGINE_BT),
	ROW64("mem=8M mem=16M", mem, MIB(16)),
};

static int has_value(const void *arg)
{
	const struct good *g = arg;
	u64 value = 0;

	memcpy(&value, g->field, g->size);
	if (value != g->value)
		fprintf(stderr, "%#llx", (unsigned long long)value);
	return value != g->value || told.calls != 1;
}

/* --- wrong lines ---------------------------------------------------------- */

struct wrong {
	const char *line, *says;
};

static const struct wrong wrong[] = {
	{ "frob=1", "unknown option \"frob=1\"" },
	{ "frob", "unknown option \"frob\"" },
	{ "=", "unknown option \"=\"" },
	{ "=bt", "unknown option \"=bt\"" },
	{ "Engine=bt", "unknown option" },
	{ "engines=bt", "unknown option" },
	{ "engin=bt", "unknown option" },
	{ "engine", "bad value in option \"engine\"" },
	{ "engine=", "bad value in option \"engine=\"" },
	{ "engine=svm", "bad value in option \"engine=svm\"" },
	{ "engine=b", "bad value" }, { "engine=btt", "bad value" },
	{ "engine=BT", "bad value" }, { "engine==bt", "bad value" },
	{ "mem=", "bad value" }, { "mem", "bad value" },
	{ "mem=M", "bad value" }, { "mem=64X", "bad value" },
	{ "mem=64MB", "bad value" }, { "mem=64 M", "unknown option \"M\"" },
	{ "mem=-1", "bad value" }, { "mem=+1", "bad value" },
	{ "mem=0x", "bad value" }, { "mem=0xg", "bad value" },
	{ "mem=12a", "bad value" }, { "mem=1.5G", "bad value" },
	{ "mem=8589934592G", "bad value" },
	{ "mem=99999999999999999999", "bad value" },
	{ "mem=0x10000000000000000", "bad value" },
	{ "mem=18014398509481984K", "bad value" },
	{ "console=", "bad value" }, { "console=com3", "bad value" },
	{ "console=,", "bad value" }, { "console=,com1", "bad value" },
	{ "console=com1,,vga", "bad value" },
	{ "console=com1 vga", "unknown option \"vga\"" },
	{ "gdb=on", "bad value" }, { "gdb-wait=yes", "bad value" }, { "on-exit=off", "bad value" },
	{ "on_exit=halt", "unknown option" },
	{ "loglevel=7", "bad value" }, { "no=this", "bad value" }, { "time=icount,tsc", "bad value" },
	{ "trace-from=1K", "bad value" }, { "trace-to=", "bad value" },
	{ "trace-memory=1", "bad value" }, { "long-mode=on", "bad value" },
	/* the first mistake is the one named */
	{ "engine=bt one two=3", "unknown option \"one\"" },
	{ "mem=q frob=1", "bad value in option \"mem=q\"" },
};

/* A mistake waits until on-exit= is known, wherever it stands. */
static void test_late_exit_mode(void)
{
	char said[256];

	CHECK(child("frob on-exit=qemu", NULL, NULL, said, sizeof(said)) == 2);
	CHECK(strstr(said, "frob"));
}

/* Any text at all: it is either read or refused in words. */
static void test_noise(unsigned cases)
{
	static const char letters[] = "engim=bt0x9fKMG, ,-\t\x7f\x80=loCv";
	u64 state = 1;

	while (cases--) {
		char line[64], said[256];
		unsigned n = 0;
		int status;

		while (n < 1 + state % 40) {
			state = state * 6364136223846793005ull + 1;
			line[n++] = letters[(state >> 33) %
					    (sizeof(letters) - 1)];
		}
		line[n] = 0;
		status = child(line, NULL, NULL, said, sizeof(said));
		CHECK(status == 0 || (status == 2 && strstr(said, "option")),
		      "\"%s\": status %d, %s", line, status, said);
	}
}

int main(void)
{
	char said[256];

	for (unsigned n = 0; n < ARRAY_SIZE(good); n++)
		CHECK(!child(good[n].line, has_value, &good[n], said,
			     sizeof(said)), "\"%s\": %s", good[n].line, said);
	for (unsigned n = 0; n < ARRAY_SIZE(wrong); n++)
		CHECK(child(wrong[n].line, NULL, NULL, said, sizeof(said)) ==
			      2 && strstr(said, wrong[n].says),
		      "\"%s\": %s", wrong[n].line, said);
	test_late_exit_mode();
	test_noise(300);
	return test_end("cmdline");
}
