/* SPDX-License-Identifier: MIT */
/*
 * The monitor at COM1: the escape key takes the line from the guest and gives
 * it back. A command's output stops after each page, since a serial terminal
 * may have no way back; while it waits, the guest stands.
 */
#include "debug/monitor.h"

#include "kernel/console.h"
#include "kernel/host.h"
#include "lib/string.h"

#define ESCAPE    0x1d /* Ctrl-] */
#define CTRL_C    0x03
#define CTRL_D    0x04
#define CTRL_U    0x15
#define BACKSPACE 0x08
#define DELETE    0x7f
#define PROMPT    "penumbra> "

unsigned console_page = 24;

static bool active;
static char line[128];
static unsigned length;
static unsigned shown; /* lines since the last pause */
static bool discard;   /* the rest of the output is not wanted */

static void put(const char *text)
{
	while (*text)
		host_console_put((u8)*text++);
}

static void prompt(void)
{
	length = 0;
	put(PROMPT);
}

/* --- Pages ------------------------------------------------------------ */

static u8 wait_key(void)
{
	volatile u8 wake = 0;
	int byte;

	while ((byte = host_console_get()) < 0)
		host_idle(&wake);
	return (u8)byte;
}

static void pause_page(void)
{
	u8 key;

	put("-- more: space, Enter for a line, q to stop --");
	vm_clock_hold(dbg.vm);
	key = wait_key();
	if (dbg.state != DEBUG_STANDING)
		vm_clock_release(dbg.vm);
	put("\r                                              \r");
	discard = key == 'q' || key == CTRL_C || key == ESCAPE;
	shown = key == '\r' || key == '\n' ? shown - 1 : 0;
}

static void show(void *ctx, char c)
{
	if (discard)
		return;
	if (c == '\n')
		host_console_put('\r');
	host_console_put((u8)c);
	if (c == '\n' && console_page && ++shown >= console_page - 1)
		pause_page();
}

static void run_line(void)
{
	line[length] = 0;
	put("\r\n");
	shown = 0;
	discard = false;
	console_capture(show, NULL);
	monitor_run(line);
	console_capture(NULL, NULL);
	if (active && !port_has_com1())
		prompt();
}

void cmd_page(const struct args *a)
{
	u64 lines = 0;

	if (a->count > 1 && strcmp(a->word[1], "off") &&
	    !args_count(a, 1, 0, &lines))
		return;
	console_page = a->count > 1 ? (unsigned)lines : console_page;
	console_printf(console_page ? "%u lines a page\n" : "no pages\n",
		       console_page);
}

void cmd_gdb(const struct args *a)
{
	if (dbg.gdb.in_monitor) {
		console_printf("you are in gdb\n");
		return;
	}
	console_printf("this line is gdb's until it detaches\n");
	active = false;
	port_take_com1(true);
	if (!port_has_com1())
		console_printf("no: gdb has COM2\n");
}

/* --- Keys ------------------------------------------------------------- */

static void enter(void)
{
	active = true;
	put("\r\n");
	prompt();
}

static void leave(void)
{
	active = false;
	put("\r\n");
}

static void edit(u8 byte)
{
	if ((byte == BACKSPACE || byte == DELETE) && length) {
		length--;
		put("\b \b");
	} else if (byte == CTRL_U || byte == CTRL_C) {
		put("\r\n");
		prompt();
	} else if (byte >= ' ' && byte < DELETE && length < sizeof(line) - 1) {
		line[length++] = (char)byte;
		host_console_put(byte);
	}
}

/* gdb's first words, right behind the escape key. */
static bool gdb_calls(u8 byte)
{
	if (length || (byte != '$' && byte != '+'))
		return false;
	port_take_com1(true);
	active = !port_has_com1();
	return !active && port_typed(byte);
}

bool monitor_typed(u8 byte)
{
	if (!active) {
		if (byte == ESCAPE)
			enter();
		return byte == ESCAPE;
	}
	if (byte == ESCAPE || (byte == CTRL_D && !length)) {
		leave();
		return true;
	}
	if (gdb_calls(byte))
		return true;
	if (byte == '\r' || byte == '\n')
		run_line();
	else
		edit(byte);
	return true;
}

void monitor_stopped(void)
{
	if (!active || dbg.gdb.attached)
		return;
	console_printf("\nthe guest stands at %llx\n",
		       (unsigned long long)stops_pc(dbg.vm->v));
	prompt();
}

/* --- monitor COMMAND in gdb ------------------------------------------- */

static struct {
	char text[512];
	unsigned length;
} for_gdb;

static void flush_for_gdb(void)
{
	gdb_say(&dbg.gdb, for_gdb.text, for_gdb.length);
	for_gdb.length = 0;
}

static void keep_for_gdb(void *ctx, char c)
{
	for_gdb.text[for_gdb.length++] = c;
	if (for_gdb.length == sizeof(for_gdb.text))
		flush_for_gdb();
}

void monitor_for_gdb(const char *command)
{
	console_capture(keep_for_gdb, NULL);
	monitor_run(command);
	console_capture(NULL, NULL);
	flush_for_gdb();
}
