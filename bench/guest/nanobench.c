/* SPDX-License-Identifier: MIT */
/*
 * Runs every row: warm-up, a guess of its cost, then as often as fits the
 * budget of TSC ticks. Prints a table and the same as one JSON line; a monitor
 * that listens to marks prints its counts of each row in between, in order.
 * Command line: [pae] [budget=TICKS] [n=OPERATIONS] [row=NUMBER], where n=
 * stands for the guess, and row= is that row alone, the first being 1: two such
 * runs differ by the one operation, which is what a profile wants.
 */
#include "nano.h"

#define ROWS_MOST 64
#define WARM_UPS 3
#define WARM 64
#define GUESS 16
#define N_MOST (1u << 20)

struct result { const char *name; u32 n; u64 ticks; bool skipped; };

static struct result results[ROWS_MOST];
static u32 result_count;
static u32 budget = 20000000, fixed_n, only_row;

u64 divide(u64 value, u32 by, u32 *rest)
{
	u32 high = (u32)(value >> 32), low = (u32)value;
	u32 quotient = high / by, r = high % by;

	__asm__("divl %2" : "+a"(low), "+d"(r) : "r"(by));
	if (rest)
		*rest = r;
	return (u64)quotient << 32 | low;
}

static void print_u64(u64 value)
{
	char text[21];
	u32 at = sizeof(text) - 1, digit;

	text[at] = 0;
	do {
		value = divide(value, 10, &digit);
		text[--at] = (char)('0' + digit);
	} while (value);
	print("%s", text + at);
}

/* n operations in batches that can be prepared; their ticks. */
static u64 run(const struct op *op, u32 n)
{
	u64 total = 0;

	while (n) {
		u32 k = op->batch && op->batch < n ? op->batch : n;
		u64 start;

		if (op->prepare)
			op->prepare(k);
		mark(MARK_BEGIN);
		start = rdtsc();
		op->run(k);
		total += rdtsc() - start;
		mark(MARK_END);
		n -= k;
	}
	return total;
}

/* Ticks of n operations. Preparing each batch may cost more than they do
 * themselves, and is part of it. */
static u64 cost(const struct op *op, u32 n)
{
	u64 start = rdtsc(), ticks = run(op, n);

	return op->batch ? rdtsc() - start : ticks;
}

/* More and more until it takes a part of the budget that can be measured. */
static u32 affordable(const struct op *op)
{
	u32 n = op->batch ? op->batch : GUESS;
	u64 ticks = cost(op, n);

	while (ticks < budget / 16 && n < N_MOST / 4) {
		n *= 4;
		ticks = cost(op, n);
	}
	if (ticks >= budget)
		return n;
	n = (u32)divide((u64)n * budget, (u32)ticks + 1, 0);
	return n > N_MOST ? N_MOST : n;
}

static void measure(const struct op *op, struct result *r)
{
	*r = (struct result){ .name = op->name };
	if (op->can && !op->can()) {
		r->skipped = 1;
		return;
	}
	if (op->timed) {
		mark(MARK_BEGIN);
		r->ticks = op->timed(&r->n);
		mark(MARK_END);
	} else {
		for (u32 i = 0; i < WARM_UPS; i++)
			run(op, WARM);
		r->n = fixed_n ? fixed_n : affordable(op);
		mark(MARK_TELL); /* forgets what the warm-up added */
		r->ticks = run(op, r->n);
	}
	mark(MARK_TELL);
}

/* The monitor's line, if there is one, belongs to the row begun last. */
static void measure_all(const struct op *op)
{
	static u32 row;

	for (; op->name; op++) {
		struct result *r;

		if (++row != only_row && only_row)
			continue;
		r = &results[result_count++];
		print("row: %s\n", op->name);
		measure(op, r);
	}
}

static void print_table(void)
{
	print("%s paging: ticks an operation, how often\n", paging_name);
	for (u32 i = 0; i < result_count; i++) {
		const struct result *r = &results[i];
		u32 rest;
		u64 whole;

		if (r->skipped) {
			print("%s: not here\n", r->name);
			continue;
		}
		whole = divide(r->ticks, r->n, &rest);
		print("%s: ", r->name);
		print_u64(whole);
		print(".%02u %u\n", (u32)divide((u64)rest * 100, r->n, 0),
		      r->n);
	}
}

static void print_json(void)
{
	const char *gap = "";

	print("nanobench-json: {\"paging\": \"%s\", \"rows\": [",
	      paging_name);
	for (u32 i = 0; i < result_count; i++) {
		const struct result *r = &results[i];

		if (r->skipped)
			continue;
		print("%s{\"name\": \"%s\", \"n\": %u, \"ticks\": ", gap,
		      r->name, r->n);
		print_u64(r->ticks);
		print("}");
		gap = ", ";
	}
	print("]}\n");
}

/* What follows the option in the command line; 0: it is not there. */
static const char *option(const char *name)
{
	const char *text = command_line();

	for (char before = ' '; *text; before = *text++) {
		u32 i = 0;

		while (name[i] && text[i] == name[i])
			i++;
		if (!name[i] && before == ' ')
			return text + i;
	}
	return 0;
}

static void read_number(const char *name, u32 *value)
{
	const char *at = option(name);

	if (!at)
		return;
	for (*value = 0; *at >= '0' && *at <= '9'; at++)
		*value = *value * 10 + (u32)(*at - '0');
}

static void read_options(void)
{
	machine_choose(option("pae") != 0);
	read_number("budget=", &budget);
	read_number("n=", &fixed_n);
	read_number("row=", &only_row);
}

u32 main(void);
u32 main(void)
{
	read_options();
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	paging_start();
	measure_all(cpu_ops);
	measure_all(paging_ops);
	measure_all(event_ops);
	measure_all(machine_ops);
	print_table();
	print_json();
	return 0;
}
