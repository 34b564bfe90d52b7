/* SPDX-License-Identifier: MIT */
/* The monitor's command line: good values, and the words for bad ones. LINKS: lib */
#include <setjmp.h>
#include <string.h>

#define fatal test_fatal
#include "boot/cmdline.c"
#undef fatal

#include "lib/format.h"
#include "tests/host/test.h"

static jmp_buf stopped;
static char message[200];
static u64 seen_sinks;
static enum log_level seen_level;
static enum machine_exit_mode seen_mode;

void test_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fmt_vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	longjmp(stopped, 1);
}

void console_set_sinks(u64 set)
{
	seen_sinks = set;
}

void console_set_level(enum log_level max)
{
	seen_level = max;
}

void machine_exit_mode_set(enum machine_exit_mode mode)
{
	seen_mode = mode;
}

/* The fatal line for this command line; "" when it is good. */
static const char *run(const char *line)
{
	message[0] = 0;
	if (!setjmp(stopped))
		cmdline_apply(line);
	return message;
}

static void test_good(void)
{
	CHECK(!*run(""));
	CHECK(seen_sinks == CONSOLE_ALL && seen_level == LOG_INFO && seen_mode == MACHINE_HALT);
	CHECK(!*run("  engine=bt   mem=256M cache=0x800k time=icount "));
	CHECK(options.engine == ENGINE_BT && options.time == TIME_ICOUNT);
	CHECK(options.mem == MIB(256) && options.cache == MIB(2));
	CHECK(!*run("mem=1g console=vga,com2 loglevel=debug on-exit=qemu"));
	CHECK(options.mem == GIB(1) && seen_sinks == (CONSOLE_VGA | CONSOLE_COM2));
	CHECK(seen_level == LOG_DEBUG && seen_mode == MACHINE_QEMU);
}

static void test_bad(void)
{
	static const struct { const char *line, *bad; } cases[] = {
		{ "bogus=1", "unknown option \"bogus=1\"" },
		{ "mem=1M word mem=2M", "unknown option \"word\"" },
		{ "=", "unknown option \"=\"" },
		{ "engine=", "bad value in option \"engine=\"" },
		{ "engine=btx", "bad value in option \"engine=btx\"" },
		{ "engine=b", "bad value in option \"engine=b\"" },
		{ "mem", "bad value in option \"mem\"" },
		{ "mem=M", "bad value in option \"mem=M\"" },
		{ "mem=12Q", "bad value in option \"mem=12Q\"" },
		{ "mem=12MB", "bad value in option \"mem=12MB\"" },
		{ "mem=-1", "bad value in option \"mem=-1\"" },
		{ "mem=9999999999G", "bad value in option \"mem=9999999999G\"" },
		{ "mem=99999999999999999999", "bad value in option \"mem=99999999999999999999\"" },
		{ "console=com1,lp", "bad value in option \"console=com1,lp\"" },
		{ "console=", "bad value in option \"console=\"" },
		{ "x=1 y=2", "unknown option \"x=1\"" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *got = run(cases[i].line);

		CHECK(strstr(got, cases[i].bad), "%s: %s", cases[i].line, got);
	}
	run("mem=zzz on-exit=reboot");
	CHECK(seen_mode == MACHINE_REBOOT, "the exit mode counts before the mistake");
}

int main(void)
{
	test_good();
	test_bad();
	return test_end("cmdline");
}
