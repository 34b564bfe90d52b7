/* SPDX-License-Identifier: MIT */
/* From a command line to its handler, and the reading of arguments. */
#include "debug/monitor.h"

#include "kernel/console.h"
#include "lib/string.h"

#define LINE_MAX 128

static const struct {
	const char *name, *form, *text;
	void (*run)(const struct args *a);
} rows[] = {
#define X(name, form, text) { #name, form, text, cmd_##name },
	COMMANDS(X)
#undef X
};

static void print_row(unsigned i)
{
	console_printf("%-9s %-28s %s\n", rows[i].name, rows[i].form,
		       rows[i].text);
}

void cmd_help(const struct args *a)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (a->count < 2 || !strcmp(a->word[1], rows[i].name))
			print_row(i);
}

bool arg_address(const char *word, u64 *value)
{
	if (word[0] == '0' && (word[1] | 0x20) == 'x')
		word += 2;
	if (!*word || strlen(word) > 16)
		return false;
	for (*value = 0; *word; word++) {
		int digit = rsp_digit((u8)*word);

		if (digit < 0)
			return false;
		*value = *value << 4 | (u64)digit;
	}
	return true;
}

bool arg_count(const char *word, u64 *value)
{
	if (!*word || strlen(word) > 18)
		return false;
	for (*value = 0; *word; word++) {
		if (*word < '0' || *word > '9')
			return false;
		*value = *value * 10 + (u64)(*word - '0');
	}
	return true;
}

bool args_address(const struct args *a, unsigned i, u64 otherwise, u64 *value)
{
	*value = otherwise;
	if (i >= a->count || arg_address(a->word[i], value))
		return true;
	console_printf("not an address: %s\n", a->word[i]);
	return false;
}

bool args_count(const struct args *a, unsigned i, u64 otherwise, u64 *value)
{
	*value = otherwise;
	if (i >= a->count || arg_count(a->word[i], value))
		return true;
	console_printf("not a number: %s\n", a->word[i]);
	return false;
}

/* Cuts the line into words, in place. */
static void split(char *line, struct args *a)
{
	a->count = 0;
	for (;;) {
		while (*line == ' ')
			line++;
		if (!*line || a->count == ARGS_MAX)
			return;
		a->word[a->count++] = line;
		while (*line && *line != ' ')
			line++;
		if (*line)
			*line++ = 0;
	}
}

/* A command by its name, or by a beginning that no other has. */
static unsigned find(const char *word)
{
	unsigned found = ARRAY_SIZE(rows), n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!strcmp(rows[i].name, word))
			return i;
		if (!strncmp(rows[i].name, word, strlen(word))) {
			found = i;
			n++;
		}
	}
	return n == 1 ? found : ARRAY_SIZE(rows);
}

void monitor_run(const char *line)
{
	char copy[LINE_MAX];
	struct args a;
	unsigned i;

	for (i = 0; i < LINE_MAX - 1 && line[i]; i++)
		copy[i] = line[i];
	copy[i] = 0;
	split(copy, &a);
	if (!a.count)
		return;
	i = find(a.word[0]);
	if (i == ARRAY_SIZE(rows))
		console_printf("no command \"%s\"; try help\n", a.word[0]);
	else
		rows[i].run(&a);
}
