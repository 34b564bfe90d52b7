/* SPDX-License-Identifier: MIT */
/*
 * The 8254 against a slow reference that goes CLK by CLK on raw 16-bit
 * counts, over random control words, counts, gates and times; and its clock
 * over long times at awkward TSC rates.
 * LINKS: lib devices
 */
#include <stdlib.h>
#include <string.h>

#include "devices/pit.h"
#include "tests/host/test.h"

static u64 now_tsc;
static unsigned rises;
static bool irq_level;

static u64 fake_now(void *ctx)
{
	return now_tsc;
}

static void fake_irq(void *ctx, unsigned n, bool level)
{
	rises += level && !irq_level;
	irq_level = level;
}

static void start(struct pit *p, u64 hz)
{
	const struct clock clock = { fake_now, NULL, hz };
	const struct line irq = { fake_irq, NULL, 0 };

	now_tsc = 0;
	irq_level = false;
	pit_init(p, &clock, &irq);
}

/* --- The reference --- */

struct ref {
	u8 mode, rw, control;
	bool bcd, gate, out, null;
	bool written, pending, active, done, strobe, inhibit, odd, extra;
	u16 cr, ce;
};

static u16 ref_dec(const struct ref *r, u16 v)
{
	if (!r->bcd)
		return (u16)(v - 1);
	for (unsigned s = 0; s < 16; s += 4) {
		if (v >> s & 0xf)
			return (u16)(v - (1 << s));
		v = (u16)(v | 9 << s);
	}
	return v;
}

static void ref_take(struct ref *r)
{
	r->odd = r->cr & 1;
	r->ce = r->mode == 3 && r->odd ? r->cr - 1 : r->cr;
	r->null = r->extra = false;
}

static void ref_end_half(struct ref *r)
{
	r->out = !r->out;
	ref_take(r);
}

static void ref_clk_square(struct ref *r)
{
	if (r->extra) {
		ref_end_half(r);
		return;
	}
	r->ce = ref_dec(r, ref_dec(r, r->ce));
	if (r->ce)
		return;
	if (r->odd && r->out)
		r->extra = true;
	else
		ref_end_half(r);
}

static void ref_clk_rate(struct ref *r)
{
	if (r->ce == 1) {
		ref_take(r);
		r->out = true;
		return;
	}
	r->ce = ref_dec(r, r->ce);
	if (r->ce == 1)
		r->out = false;
}

static void ref_clk_once(struct ref *r)
{
	r->ce = ref_dec(r, r->ce);
	if (r->ce || r->done)
		return;
	r->done = true;
	r->strobe = r->mode >= 4;
	r->out = r->mode < 4;
}

static void ref_clk(struct ref *r)
{
	if (r->strobe) {
		r->strobe = false;
		r->out = true;
	}
	if (r->pending) {
		r->pending = r->done = false;
		r->active = true;
		ref_take(r);
		r->out = r->mode > 1;
		return;
	}
	if (!r->active || r->inhibit)
		return;
	if (!r->gate && r->mode != 1 && r->mode != 5)
		return;
	if (r->mode == 2)
		ref_clk_rate(r);
	else if (r->mode == 3)
		ref_clk_square(r);
	else
		ref_clk_once(r);
}

static void ref_control(struct ref *r, u8 v)
{
	bool gate = r->gate;

	*r = (struct ref){ .gate = gate, .control = v & 0x3f, .null = true,
			   .rw = v >> 4 & 3, .bcd = v & 1, };
	r->mode = v >> 1 & 7;
	r->mode = r->mode >= 6 ? r->mode - 4 : r->mode;
	r->out = r->mode > 0;
}

static void ref_count(struct ref *r, u16 raw)
{
	r->cr = raw;
	if (r->mode == 0 || r->mode == 4)
		r->pending = true;
	if ((r->mode == 2 || r->mode == 3) && !r->written)
		r->pending = true;
	if (r->mode == 0)
		r->out = false;
	r->written = r->null = true;
	r->inhibit = false;
}

static void ref_gate(struct ref *r, bool gate)
{
	bool rise = gate && !r->gate;

	r->gate = gate;
	if (!gate && (r->mode == 2 || r->mode == 3))
		r->out = true;
	if (rise && r->written && r->mode != 0 && r->mode != 4)
		r->pending = true;
}

/* CLKs to the next rise of OUT; NEVER when none comes. */
static u64 ref_next_rise(struct ref r)
{
	for (u64 n = 1; n < 200000; n++) {
		bool out = r.out;

		ref_clk(&r);
		if (!out && r.out)
			return n;
	}
	return NEVER;
}

/* --- Random histories --- */

static struct ref ref[3];

static u16 random_count(const struct ref *r)
{
	static const u16 odd_ones[] = { 0, 0, 2, 3, 4, 5, 0x9999, 0x100 };
	unsigned pick = (unsigned)rand() % 16;
	u16 v = pick < 8 ? odd_ones[pick] : (u16)(rand() % 0x300);

	if (pick == 15)
		v = (u16)rand();
	if (r->rw == 1)
		v &= 0xff;
	else if (r->rw == 2)
		v &= 0xff00;
	if (r->bcd)
		for (unsigned s = 0; s < 16; s += 4)
			if ((v >> s & 15) > 9)
				v = (u16)(v & ~(15 << s));
	return v == 1 ? 2 : v; /* 1 is illegal in modes 2 and 3 */
}

static void do_control(struct pit *p, unsigned i)
{
	u8 v = (u8)(i << 6 | (1 + rand() % 3) << 4 | (rand() & 15));

	pit_write(p, 3, 1, v);
	ref_control(&ref[i], v);
}

static void do_count(struct pit *p, unsigned i)
{
	u16 v = random_count(&ref[i]);

	if (ref[i].rw == 2) {
		pit_write(p, i, 1, v >> 8);
	} else {
		pit_write(p, i, 1, v & 0xff);
		if (ref[i].rw == 3) {
			if (ref[i].mode == 0) {
				ref[i].inhibit = true;
				ref[i].pending = ref[i].out = false;
			}
			if (!(rand() % 4)) {
				now_tsc += 3;
				for (int n = 0; n < 9; n++)
					ref_clk(&ref[n % 3]);
			}
			pit_write(p, i, 1, v >> 8);
		}
	}
	ref_count(&ref[i], v);
}

static void do_gate(struct pit *p)
{
	bool gate = rand() & 1;

	pit_write_port61(p, 0, 1, gate);
	ref_gate(&ref[2], gate);
}

/* Time passes; IRQ 0 shows whether OUT0 rose. */
static void do_wait(struct pit *p)
{
	static const unsigned range[4] = { 8, 64, 1500, 150000 };
	unsigned n = (unsigned)rand() % range[rand() & 3];
	unsigned rose = 0;

	for (unsigned k = 0; k < n; k++) {
		bool out = ref[0].out;

		for (unsigned i = 0; i < 3; i++)
			ref_clk(&ref[i]);
		rose += !out && ref[0].out;
	}
	rises = 0;
	now_tsc += n;
	pit_run(p);
	CHECK(rises == !!rose, "rises %u of %u, mode %u, n %u", rises, rose,
	      ref[0].mode, n);
}

static void check_counter(struct pit *p, unsigned i)
{
	const struct ref *r = &ref[i];
	u8 status;
	u16 count;

	pit_write(p, 3, 1, 0xc0 | 2u << i);
	status = (u8)pit_read(p, i, 1);
	CHECK(status == (r->out << 7 | r->null << 6 | r->control),
	      "counter %u status %02x, want out %u null %u %02x", i, status,
	      r->out, r->null, r->control);
	count = (u16)pit_read(p, i, 1);
	if (r->rw == 2)
		count = (u16)(count << 8);
	if (r->rw == 3)
		count = (u16)(count | pit_read(p, i, 1) << 8);
	if (!r->active)
		return;
	CHECK(count == (r->rw == 1 ? r->ce & 0xff :
			r->rw == 2 ? r->ce & 0xff00 : r->ce),
	      "counter %u mode %u bcd %u count %04x, want %04x", i, r->mode,
	      r->bcd, count, r->ce);
}

static void check_deadline(struct pit *p)
{
	u64 want = ref_next_rise(ref[0]);

	CHECK(p->deadline == (want == NEVER ? NEVER : now_tsc + want),
	      "deadline in %lld, want %lld, mode %u",
	      (long long)(p->deadline - now_tsc), (long long)want, ref[0].mode);
}

static void test_random(void)
{
	static struct pit p;

	srand(1);
	start(&p, PIT_HZ);
	for (unsigned i = 0; i < 3; i++) {
		ref[i].gate = i != 2;
		ref_control(&ref[i], 0x30);
	}
	for (unsigned n = 0; n < 6000; n++) {
		unsigned i = (unsigned)rand() % 3, op = (unsigned)rand() % 16;

		if (op == 0)
			do_control(&p, i);
		else if (op < 4)
			do_count(&p, i);
		else if (op < 7)
			do_gate(&p);
		else
			do_wait(&p);
		for (i = 0; i < 3; i++)
			check_counter(&p, i);
		if (!(n % 32))
			check_deadline(&p);
	}
}

/* --- Time --- */

/* Ten minutes at each rate: every edge at its TSC, none lost, no drift. */
static void test_drift(void)
{
	static const u64 rates[] = {
		1193183, 14318180, 999999999, 2999999937, 4800000001,
	};
	static struct pit p;

	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
		u64 end = rates[i] * 600, edges = 0, first;

		start(&p, rates[i]);
		pit_write(&p, 3, 1, 0x34);
		pit_write(&p, 0, 1, 11932 & 0xff);
		pit_write(&p, 0, 1, 11932 >> 8);
		first = p.deadline;
		rises = 0;
		while (p.deadline <= end) {
			now_tsc = p.deadline;
			edges++;
			pit_run(&p);
		}
		CHECK(rises == edges);
		/* The load takes a CLK: the first edge comes at 11933. */
		CHECK(edges == (600ull * PIT_HZ - 1) / 11932, "%llu edges",
		      (unsigned long long)edges);
		CHECK(first == clock_unscale(&p.clock, 11933, PIT_HZ));
	}
}

static void test_clock(void)
{
	struct clock c = { fake_now, NULL, 2999999937 };

	for (u64 n = 1; n < 1ull << 50; n = n * 3 + 7) {
		u64 tsc = clock_unscale(&c, n, PIT_HZ);

		CHECK(clock_scale(&c, tsc, PIT_HZ) == n);
		CHECK(clock_scale(&c, tsc - 1, PIT_HZ) == n - 1);
	}
}

/* A guest that was away for a second gets one edge, not a hundred. */
static void test_coalesce(void)
{
	static struct pit p;

	start(&p, PIT_HZ);
	pit_write(&p, 3, 1, 0x34);
	pit_write(&p, 0, 1, 0x9c);
	pit_write(&p, 0, 1, 0x2e);
	now_tsc += PIT_HZ;
	rises = 0;
	pit_run(&p);
	CHECK(rises == 1);
	CHECK(p.deadline > now_tsc && p.deadline <= now_tsc + 0x2e9c);
}

int main(void)
{
	test_random();
	test_drift();
	test_clock();
	test_coalesce();
	return test_end("pit");
}
