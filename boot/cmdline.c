/* SPDX-License-Identifier: MIT */
/*
 * Command line options: one row each. A row names where its value goes and
 * how it is written; a row with choices accepts those words only.
 *
 *   OPT_CHOICE  one of the words          -> u32, the word's value
 *   OPT_SET     some of them, with commas -> u32, their values or-ed
 *   OPT_SIZE    bytes, or with K, M, G    -> u64
 *   OPT_NUMBER  decimal or 0x hexadecimal -> u64
 */
#include "boot/cmdline.h"

#include "kernel/console.h"
#include "kernel/exit.h"
#include "lib/string.h"
#include "lib/switches.h"
#include "vm/vm.h"

struct options options;

static u32 console = CONSOLE_ALL;
static u32 level = LOG_INFO;
static u32 on_exit = MACHINE_HALT;

struct choice {
	const char *word;
	u32 value;
};

enum option_kind { OPT_CHOICE, OPT_SET, OPT_SIZE, OPT_NUMBER };

struct option {
	const char *name;
	enum option_kind kind;
	void *target;
	const struct choice *choices; /* ends with a NULL word */
};

#define CHOICES(...) (const struct choice[]){ __VA_ARGS__, { NULL, 0 } }

static const struct choice switches[] = {
#define X(name) { #name, 1u << SWITCH_##name },
	SWITCHES(X)
#undef X
	{ NULL, 0 },
};

/* clang-format off */
static const struct option rows[] = {
	{ "engine", OPT_CHOICE, &options.engine, CHOICES(
		{ "auto", ENGINE_AUTO }, { "vmx", ENGINE_VMX },
		{ "bt", ENGINE_BT }, { "interp", ENGINE_INTERP }) },
	{ "mem", OPT_SIZE, &options.mem, NULL },
	{ "cache", OPT_SIZE, &options.cache, NULL },
	{ "console", OPT_SET, &console, CHOICES(
		{ "com1", CONSOLE_COM1 }, { "com2", CONSOLE_COM2 },
		{ "vga", CONSOLE_VGA }, { "e9", CONSOLE_E9 }) },
	{ "no", OPT_SET, &switches_off, switches },
	{ "gdb", OPT_CHOICE, &options.gdb, CHOICES(
		{ "off", GDB_OFF }, { "com1", GDB_COM1 }, { "com2", GDB_COM2 }) },
	{ "audit", OPT_CHOICE, &options.audit, CHOICES(
		{ "0", false }, { "1", true }) },
	{ "gdb-wait", OPT_CHOICE, &options.gdb_wait, CHOICES(
		{ "0", false }, { "1", true }) },
	{ "on-exit", OPT_CHOICE, &on_exit, CHOICES(
		{ "halt", MACHINE_HALT }, { "reboot", MACHINE_REBOOT },
		{ "qemu", MACHINE_QEMU }) },
	{ "loglevel", OPT_CHOICE, &level, CHOICES(
		{ "error", LOG_ERROR }, { "warn", LOG_WARN },
		{ "info", LOG_INFO }, { "debug", LOG_DEBUG }) },
	{ "time", OPT_CHOICE, &options.time, CHOICES(
		{ "tsc", TIME_TSC }, { "icount", TIME_ICOUNT }) },
	{ "long-mode", OPT_CHOICE, &options.no_long_mode, CHOICES(
		{ "auto", false }, { "off", true }) },
	{ "trace-from", OPT_NUMBER, &options.trace_from, NULL },
	{ "trace-to", OPT_NUMBER, &options.trace_to, NULL },
	{ "trace-every", OPT_NUMBER, &options.trace_every, NULL },
	{ "trace-blocks", OPT_CHOICE, &options.trace_blocks, CHOICES(
		{ "off", false }, { "on", true }) },
	{ "marks", OPT_CHOICE, &options.marks, CHOICES(
		{ "off", false }, { "on", true }) },
	{ "trace-memory", OPT_CHOICE, &options.trace_memory, CHOICES(
		{ "off", DIGEST_REGISTERS }, { "on", DIGEST_MEMORY },
		{ "pages", DIGEST_PAGES }) },
};
/* clang-format on */

/* A piece of the line; not terminated. */
struct text {
	const char *at;
	size_t length;
};

static bool text_is(struct text t, const char *word)
{
	return strlen(word) == t.length && !strncmp(t.at, word, t.length);
}

/* What stands before the first `end`; *rest follows it. */
static struct text text_until(struct text t, char end, struct text *rest)
{
	struct text head = { t.at, 0 };

	while (head.length < t.length && t.at[head.length] != end)
		head.length++;
	*rest = (struct text){ t.at + head.length, t.length - head.length };
	if (rest->length)
		*rest = (struct text){ rest->at + 1, rest->length - 1 };
	return head;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Digits in front, the rest in *rest; false when there are none or too many. */
static bool parse_digits(struct text t, u64 *value, struct text *rest)
{
	int base = 10, digits = 0;

	if (t.length > 2 && t.at[0] == '0' && t.at[1] == 'x') {
		base = 16;
		t = (struct text){ t.at + 2, t.length - 2 };
	}
	for (*value = 0; t.length; t.at++, t.length--, digits++) {
		int d = digit_value(*t.at);

		if (d >= base)
			break;
		if (*value > (~0ull >> 1) / (u64)base - 1)
			return false;
		*value = *value * (u64)base + (u64)d;
	}
	*rest = t;
	return digits;
}

static bool parse_number(struct text t, u64 *value)
{
	struct text rest;

	return parse_digits(t, value, &rest) && !rest.length;
}

static bool parse_size(struct text t, u64 *value)
{
	struct text rest;
	unsigned shift = 0;

	if (!parse_digits(t, value, &rest) || rest.length > 1)
		return false;
	if (rest.length) {
		char unit = *rest.at & ~0x20;

		shift = unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;
		if (!shift || *value >> (63 - shift))
			return false;
	}
	*value <<= shift;
	return true;
}

static bool parse_choice(const struct option *o, struct text t, u32 *value)
{
	for (const struct choice *c = o->choices; c->word; c++) {
		if (text_is(t, c->word)) {
			*value = c->value;
			return true;
		}
	}
	return false;
}

static bool parse_set(const struct option *o, struct text t, u32 *set)
{
	u32 sum = 0, one;

	while (t.length) {
		if (!parse_choice(o, text_until(t, ',', &t), &one))
			return false;
		sum |= one;
	}
	*set = sum;
	return sum;
}

static bool parse_value(const struct option *o, struct text t)
{
	switch (o->kind) {
	case OPT_CHOICE:
		return parse_choice(o, t, o->target);
	case OPT_SET:
		return parse_set(o, t, o->target);
	case OPT_SIZE:
		return parse_size(t, o->target);
	case OPT_NUMBER:
		return parse_number(t, o->target);
	}
	return false;
}

static const struct option *find(struct text name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (text_is(name, rows[i].name))
			return &rows[i];
	return NULL;
}

/* NULL, or what is wrong with it. */
static const char *parse_word(struct text word)
{
	struct text value, name = text_until(word, '=', &value);
	const struct option *o = find(name);

	if (!o)
		return "unknown option";
	return parse_value(o, value) ? NULL : "bad value in option";
}

static void apply(void)
{
	console_set_sinks(console);
	console_set_level(level);
	machine_exit_mode_set(on_exit);
}

/* The first mistake waits until all else, on-exit= above all, is known. */
void cmdline_apply(const char *line)
{
	struct text rest = { line, strlen(line) }, wrong = { 0 };
	const char *error = NULL;

	while (rest.length) {
		struct text word = text_until(rest, ' ', &rest);
		const char *why = word.length ? parse_word(word) : NULL;

		if (why && !error) {
			error = why;
			wrong = word;
		}
	}
	apply();
	if (error)
		fatal("command line: %s \"%.*s\"", error, (int)wrong.length, wrong.at);
}
