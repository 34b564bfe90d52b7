/* SPDX-License-Identifier: MIT */
/*
 * The board as a guest sees it: each device's cases are rows of port writes,
 * expected reads, waits and interrupts (devices_cases.inc); then what rows
 * cannot say: timers over time, reset, and random traffic on every port.
 * LINKS: lib devices
 */
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "devices/board.h"
#include "devices/calendar.h"
#include "lib/counters.h"
#include "tests/host/test.h"

#define HZ 1000000000ull
#define SECOND HZ
#define USEC (HZ / 1000000)
#define START_2024 1709251199ull /* 2024-02-29 23:59:59, a Thursday */

static struct bench {
	u64 tsc;
	bool intr, a20;
	char serial[256], debug[64];
	unsigned serial_length, debug_length;
	struct board *board;
} bench;

static u64 bench_now(void *ctx)
{
	return bench.tsc;
}

static void bench_serial(void *ctx, u8 byte)
{
	bench.serial[bench.serial_length++ % sizeof(bench.serial)] = (char)byte;
}

static void bench_debug(void *ctx, u8 byte)
{
	bench.debug[bench.debug_length++ % sizeof(bench.debug)] = (char)byte;
}

static void bench_intr(void *ctx, bool level)
{
	CHECK(level != bench.intr, "INTR told without a change");
	bench.intr = level;
}

static u64 bench_wall(void *ctx)
{
	return START_2024;
}

static void bench_a20(void *ctx, bool open)
{
	bench.a20 = open;
}

static struct board *bench_start(bool uart2)
{
	const struct board_ops ops = {
		.now = bench_now, .tsc_hz = HZ, .serial_out = bench_serial,
		.debug_out = bench_debug, .intr = bench_intr,
		.wall_seconds = bench_wall, .ram_bytes = MIB(128),
		.a20 = bench_a20, .uart2 = uart2,
	};

	free(bench.board);
	memset(&bench, 0, sizeof(bench));
	bench.a20 = true;
	bench.board = board_init(aligned_alloc(64, board_size()), &ops);
	return bench.board;
}

/* Time passes as in the run loop: from deadline to deadline. */
static void bench_wait(u64 ticks)
{
	u64 end = bench.tsc + ticks;

	while (board_deadline(bench.board) <= end) {
		bench.tsc = board_deadline(bench.board);
		board_run(bench.board);
		CHECK(board_deadline(bench.board) > bench.tsc);
	}
	bench.tsc = end;
	board_run(bench.board);
}

/* --- Rows --- */

enum step_op { OUT, IN, WAIT, ACK, QUIET, SERIAL, STOP, A20, SENT };

struct step {
	enum step_op op;
	u16 port;
	u8 size;
	u32 value, mask;
};

struct device_case {
	const char *name;
	struct step step[64]; /* ends with a size of 0 */
};

#define O(p, v)      { OUT, p, 1, v, 0 }
#define OW(p, v)     { OUT, p, 2, v, 0 }
#define OD(p, v)     { OUT, p, 4, v, 0 }
#define I(p, v)      { IN, p, 1, v, 0xff }
#define IM(p, v, m)  { IN, p, 1, v, m }
#define IW(p, v)     { IN, p, 2, v, 0xffff }
#define ID(p, v)     { IN, p, 4, v, 0xffffffff }
#define T(us)        { WAIT, 0, 1, us, 0 }
#define V(vector)    { ACK, 0, 1, vector, 0 }  /* INTR is high; INTA */
#define Q            { QUIET, 0, 1, 0, 0 }     /* INTR is low */
#define RX(c, ok)    { SERIAL, 0, 1, c, ok }
#define S(why, code) { STOP, 0, 1, why, code }
#define G(open)      { A20, 0, 1, open, 0 }
#define TX(n, c)     { SENT, n, 1, c, 0 }      /* n bytes sent, c the last */
#define EOI          O(0x20, 0x20)
#define EOI2         O(0xa0, 0x20), O(0x20, 0x20)
#define UNMASK(m, s) O(0x21, (u8)~(m)), O(0xa1, (u8)~(s))
#define CMOS(i, v)   O(0x70, i), I(0x71, v)
#define CMOS_W(i, v) O(0x70, i), O(0x71, v)

static const struct device_case device_cases[] = {
#include "tests/host/devices_cases.inc"
};

static void check_in(const char *name, unsigned n, const struct step *s)
{
	u32 got = board_in(bench.board, s->port, s->size);

	CHECK((got & s->mask) == s->value, "%s, step %u: port %x: %x, want %x",
	      name, n, s->port, got, s->value);
}

static void check_stop(const char *name, const struct step *s)
{
	CHECK(board_stop_state(bench.board) == s->value, "%s", name);
	CHECK(board_stop_code(bench.board) == s->mask, "%s: code %x", name,
	      board_stop_code(bench.board));
}

static void check_ack(const char *name, unsigned n, const struct step *s)
{
	u8 vector;

	CHECK(bench.intr, "%s, step %u: no INTR", name, n);
	vector = board_intr_ack(bench.board);
	CHECK(vector == s->value, "%s, step %u: vector %02x", name, n, vector);
}

static void check_sent(const char *name, const struct step *s)
{
	CHECK(bench.serial_length == s->port, "%s: %u sent", name,
	      bench.serial_length);
	CHECK(bench.serial_length &&
	      (u8)bench.serial[bench.serial_length - 1] == s->value, "%s",
	      name);
}

static void run_step(const char *name, unsigned n, const struct step *s)
{
	switch (s->op) {
	case OUT:
		board_out(bench.board, s->port, s->size, s->value);
		break;
	case IN:
		check_in(name, n, s);
		break;
	case WAIT:
		bench_wait(s->value * USEC);
		break;
	case ACK:
		check_ack(name, n, s);
		break;
	case QUIET:
		CHECK(!bench.intr, "%s, step %u: INTR", name, n);
		break;
	case SERIAL:
		CHECK(board_serial_in(bench.board, (u8)s->value) == s->mask,
		      "%s, step %u", name, n);
		break;
	case STOP:
		check_stop(name, s);
		break;
	case A20:
		CHECK(bench.a20 == s->value, "%s, step %u: A20", name, n);
		break;
	case SENT:
		check_sent(name, s);
		break;
	}
}

static void test_rows(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(device_cases); i++) {
		const struct device_case *c = &device_cases[i];

		bench_start(false);
		for (unsigned n = 0; n < 64 && c->step[n].size; n++)
			run_step(c->name, n, &c->step[n]);
	}
}

/* --- Timers --- */

static unsigned serve(u8 vector, unsigned chip)
{
	unsigned served = 0;

	while (bench.intr) {
		u8 got = board_intr_ack(bench.board);

		CHECK(got == vector, "vector %02x", got);
		if (chip)
			board_out(bench.board, 0xa0, 1, 0x20);
		board_out(bench.board, 0x20, 1, 0x20);
		served++;
	}
	return served;
}

/* Linux's 250 Hz tick for ten seconds. */
static void test_pit_ticks(void)
{
	struct board *b = bench_start(false);
	unsigned ticks = 0;

	board_out(b, 0x21, 1, 0xfe);
	board_out(b, 0x43, 1, 0x34);
	board_out(b, 0x40, 1, 4773 & 0xff);
	board_out(b, 0x40, 1, 4773 >> 8);
	while (bench.tsc < 10 * SECOND) {
		bench.tsc = board_deadline(b);
		board_run(b);
		ticks += serve(0x08, 0);
	}
	CHECK(ticks == 10ull * 1193182 / 4773 + 1, "%u ticks", ticks);
}

/* 1024 Hz periodic interrupts, each one acknowledged by reading register C. */
static void test_rtc_periodic(void)
{
	struct board *b = bench_start(false);
	unsigned ticks = 0;

	board_out(b, 0x21, 1, 0xfb);
	board_out(b, 0xa1, 1, 0xfe);
	board_out(b, 0x70, 1, 0x0b);
	board_out(b, 0x71, 1, 0x42);
	board_out(b, 0x70, 1, 0x0c);
	board_in(b, 0x71, 1);
	while (bench.tsc < 10 * SECOND) {
		bench_wait(MIN(board_deadline(b), 10 * SECOND) - bench.tsc);
		if (!serve(0x70, 1))
			continue;
		CHECK(board_in(b, 0x71, 1) & 0x40);
		ticks++;
	}
	CHECK(ticks >= 10239 && ticks <= 10240, "%u ticks", ticks);
}

static u8 cmos(u8 reg)
{
	board_out(bench.board, 0x70, 1, reg);
	return (u8)board_in(bench.board, 0x71, 1);
}

/* While UIP is clear there are 244 us to read without an update. */
static void test_rtc_uip(void)
{
	unsigned warned = 0, quiet = 0;
	u8 before = 0, second;

	bench_start(false);
	for (unsigned n = 0; n < 30000; n++) {
		bool uip = cmos(0x0a) & 0x80;

		second = cmos(0);
		if (n && second != before && !uip)
			CHECK(warned, "updated without a warning");
		if (!uip) {
			bench.tsc += 243 * USEC;
			CHECK(cmos(0) == second, "changed within 244 us");
			quiet++;
		}
		warned = uip;
		before = cmos(0);
		bench.tsc += 20 * USEC;
	}
	CHECK(quiet > 20000);
}

static void test_calendar(void)
{
	u64 days = 0;

	for (unsigned year = 1970; year < 2420; year++) {
		for (unsigned month = 1; month <= 12; month++) {
			static const u8 length[] = { 31, 28, 31, 30, 31, 30,
						     31, 31, 30, 31, 30, 31 };
			bool leap = !(year % 4) &&
				    (year % 100 || !(year % 400));
			unsigned n = length[month - 1] +
				     (month == 2 && leap);

			for (unsigned day = 1; day <= n; day++, days++) {
				struct calendar t = calendar_from_seconds(
					days * 86400 + 3661);

				CHECK(t.year == year && t.month == month &&
				      t.day == day && t.hour == 1 &&
				      t.minute == 1 && t.second == 1);
				CHECK(calendar_to_seconds(&t) ==
				      days * 86400 + 3661);
			}
		}
	}
}

/* --- The board --- */

static void test_uart2(void)
{
	struct board *b = bench_start(true);

	board_out(b, 0x2ff, 1, 0x5a);
	CHECK(board_in(b, 0x2ff, 1) == 0x5a);
	CHECK(board_in(b, 0x3ff, 1) == 0);
	board_out(b, 0x2f8, 1, 'x');
	CHECK(!bench.serial_length);
}

static void test_reset(void)
{
	struct board *b = bench_start(false);

	board_out(b, 0x21, 1, 0xee);
	board_out(b, 0x3fc, 1, 0x0b);
	board_out(b, 0x3f9, 1, 0x02);
	bench_wait(60000 * USEC);
	CHECK(bench.intr);
	cmos(0x40);
	board_out(b, 0x71, 1, 0x77);
	board_out(b, 0x64, 1, 0xfe);
	CHECK(board_stop_state(b) == BOARD_RESET);
	board_out(b, 0xf4, 1, 3);
	CHECK(board_stop_state(b) == BOARD_RESET, "the first reason stays");
	board_reset(b);
	CHECK(board_stop_state(b) == BOARD_RUNNING && !bench.intr);
	CHECK(board_in(b, 0x21, 1) == 0xff && board_in(b, 0x3f9, 1) == 0);
	CHECK(cmos(0x40) == 0x77, "the battery keeps the memory");
}

static void test_unclaimed(void)
{
	struct board *b = bench_start(false);
	u64 before = counters[CNT_PORT_UNCLAIMED];

	CHECK(board_in(b, 0x279, 1) == 0xff);
	CHECK(board_in(b, 0x1f0, 2) == 0xffff);
	CHECK(board_in(b, 0xffff, 4) != 0x12345678);
	CHECK(counters[CNT_PORT_UNCLAIMED] >= before + 4);
}

static void test_fuzz(void)
{
	static const u8 sizes[] = { 1, 1, 2, 4 };
	struct board *b = bench_start(true);

	srand(3);
	for (unsigned n = 0; n < 1000000; n++) {
		u16 port = (u16)(rand() % 4 ? rand() & 0xff : rand());
		u8 size = sizes[rand() & 3];
		u32 value = (u32)rand() ^ (u32)rand() << 16;

		if (!(rand() % 8))
			port = (u16)(0x3f8 + rand() % 8);
		if (rand() & 1)
			board_out(b, port, size, value);
		else
			CHECK(size == 4 ||
			      !(board_in(b, port, size) >> 8 * size));
		bench.tsc += (u64)rand() % 4096 << rand() % 20;
		board_run(b);
		if (!(rand() % 16))
			board_serial_in(b, (u8)value);
		if (bench.intr && (rand() & 1))
			board_intr_ack(b);
		CHECK(board_intr_level(b) == bench.intr);
		if (board_stop_state(b) != BOARD_RUNNING && !(rand() % 64))
			board_reset(b);
	}
}

int main(void)
{
	test_rows();
	test_pit_ticks();
	test_rtc_periodic();
	test_rtc_uip();
	test_calendar();
	test_uart2();
	test_reset();
	test_unclaimed();
	test_fuzz();
	free(bench.board);
	return test_end("devices");
}
