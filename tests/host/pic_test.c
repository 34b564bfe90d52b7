/* SPDX-License-Identifier: MIT */
/*
 * The 8259A pair against a naive reference: flags a level, and an explicit
 * list of the levels in order of priority. Random inputs, command words,
 * acknowledges and polls.
 * LINKS: lib devices
 */
#include <stdlib.h>
#include <string.h>

#include "devices/pic.h"
#include "tests/host/test.h"

static bool intr;
static unsigned intr_changes;

static void fake_intr(void *ctx, unsigned n, bool level)
{
	CHECK(level != intr, "INTR told without a change");
	intr = level;
	intr_changes++;
}

/* --- The reference --- */

struct level {
	bool line, request, masked, service, elcr;
};

struct ref {
	struct level level[8];
	unsigned order[8]; /* highest priority first */
	unsigned base, icw;
	bool ltim, aeoi, nested, rotate, special, single, icw4;
	bool read_isr, poll, master;
};

static struct ref ref[2];

static bool ref_level_mode(const struct ref *r, unsigned i)
{
	return r->ltim || r->level[i].elcr;
}

/* i becomes the lowest. */
static void ref_rotate(struct ref *r, unsigned i)
{
	for (unsigned k = 0; k < 8; k++)
		r->order[k] = (i + 1 + k) % 8;
}

static int ref_pending(const struct ref *r)
{
	if (r->icw)
		return -1;
	for (unsigned k = 0; k < 8; k++) {
		unsigned i = r->order[k];
		const struct level *l = &r->level[i];
		bool blocks = l->service;

		if (r->special && l->masked)
			blocks = false;
		if (r->nested && r->master && i == 2)
			blocks = false;
		if (blocks)
			return -1;
		if (l->request && !l->masked)
			return (int)i;
	}
	return -1;
}

static void ref_line(struct ref *r, unsigned i, bool high)
{
	struct level *l = &r->level[i];

	if (high && (!l->line || ref_level_mode(r, i)))
		l->request = true;
	if (!high)
		l->request = false;
	l->line = high;
}

static void ref_cascade(void)
{
	ref_line(&ref[0], 2, ref_pending(&ref[1]) >= 0);
}

static void ref_accept(struct ref *r, unsigned i)
{
	if (!ref_level_mode(r, i))
		r->level[i].request = false;
	if (!r->aeoi)
		r->level[i].service = true;
	else if (r->rotate)
		ref_rotate(r, i);
}

static unsigned ref_ack(void)
{
	int i = ref_pending(&ref[0]), j;

	if (i < 0)
		return ref[0].base + 7;
	ref_accept(&ref[0], (unsigned)i);
	if (i != 2)
		return ref[0].base + (unsigned)i;
	j = ref_pending(&ref[1]);
	if (j >= 0)
		ref_accept(&ref[1], (unsigned)j);
	ref_line(&ref[0], 2, false);
	ref_cascade();
	return ref[1].base + (j < 0 ? 7 : (unsigned)j);
}

/* The level that a nonspecific EOI ends; -1: none. */
static int ref_eoi(struct ref *r)
{
	for (unsigned k = 0; k < 8; k++) {
		struct level *l = &r->level[r->order[k]];

		if (!l->service || (r->special && l->masked))
			continue;
		l->service = false;
		return (int)r->order[k];
	}
	return -1;
}

static void ref_ocw2(struct ref *r, u8 v)
{
	bool rotate = v & 0x80, specific = v & 0x40, eoi = v & 0x20;
	int i = v & 7;

	if (!eoi && !specific)
		r->rotate = rotate;
	if (eoi && !specific)
		i = ref_eoi(r);
	if (eoi && specific)
		r->level[i].service = false;
	if (rotate && (eoi || specific) && i >= 0)
		ref_rotate(r, (unsigned)i);
}

static void ref_icw1(struct ref *r, u8 v)
{
	r->ltim = v & 8;
	r->single = v & 2;
	r->icw4 = v & 1;
	r->icw = 2;
	for (unsigned i = 0; i < 8; i++) {
		struct level *l = &r->level[i];

		l->masked = l->service = false;
		l->request = l->line && ref_level_mode(r, i);
	}
	ref_rotate(r, 7);
	r->aeoi = r->nested = r->rotate = r->special = false;
	r->read_isr = r->poll = false;
}

static void ref_write(struct ref *r, unsigned a0, u8 v)
{
	if (!a0 && (v & 0x10)) {
		ref_icw1(r, v);
	} else if (!a0 && (v & 8)) {
		if (v & 0x40)
			r->special = v & 0x20;
		if (v & 4)
			r->poll = true;
		else if (v & 2)
			r->read_isr = v & 1;
	} else if (!a0) {
		ref_ocw2(r, v);
	} else if (r->icw == 2) {
		r->base = v & 0xf8;
		r->icw = r->single ? (r->icw4 ? 4 : 0) : 3;
	} else if (r->icw == 3) {
		r->icw = r->icw4 ? 4 : 0;
	} else if (r->icw == 4) {
		r->aeoi = v & 2;
		r->nested = v & 16;
		r->icw = 0;
	} else {
		for (unsigned i = 0; i < 8; i++)
			r->level[i].masked = v >> i & 1;
	}
	ref_cascade();
}

static u8 ref_read(struct ref *r, unsigned a0)
{
	u8 irr = 0, isr = 0, imr = 0;
	int i;

	for (i = 0; i < 8; i++) {
		irr |= (u8)(r->level[i].request << i);
		isr |= (u8)(r->level[i].service << i);
		imr |= (u8)(r->level[i].masked << i);
	}
	if (!r->poll)
		return a0 ? imr : r->read_isr ? isr : irr;
	r->poll = false;
	i = ref_pending(r);
	if (i < 0)
		return 0;
	ref_accept(r, (unsigned)i);
	if (!r->master)
		ref_line(&ref[0], 2, false);
	ref_cascade();
	return (u8)(0x80 | i);
}

/* --- Random histories --- */

static void write_both(struct pic *p, unsigned n, unsigned a0, u8 v)
{
	if (n)
		pic_write_slave(p, a0, 1, v);
	else
		pic_write_master(p, a0, 1, v);
	ref_write(&ref[n], a0, v);
}

static void read_both(struct pic *p, unsigned n, unsigned a0)
{
	u8 got = (u8)(n ? pic_read_slave(p, a0, 1) : pic_read_master(p, a0, 1));
	u8 want = ref_read(&ref[n], a0);

	CHECK(got == want, "chip %u a0 %u: %02x, want %02x", n, a0, got, want);
}

static void init_both(struct pic *p, unsigned n)
{
	u8 icw1 = (u8)(0x11 | (rand() % 8 ? 0 : 8));
	u8 icw4 = (u8)(1 | (rand() % 3 ? 0 : 2) | (rand() % 3 ? 0 : 16));

	write_both(p, n, 0, icw1);
	write_both(p, n, 1, (u8)rand());
	write_both(p, n, 1, n ? 2 : 4);
	write_both(p, n, 1, icw4);
}

static void elcr_both(struct pic *p)
{
	static const u8 writable[2] = { 0xf8, 0xde };
	unsigned n = (unsigned)rand() & 1;
	u8 v = (u8)(rand() & rand());

	pic_write_elcr(p, n, 1, v);
	CHECK(pic_read_elcr(p, n, 1) == (v & writable[n]));
	for (unsigned i = 0; i < 8; i++) {
		struct level *l = &ref[n].level[i];
		bool elcr = v & writable[n] & 1u << i;

		if (elcr != l->elcr)
			l->request = l->line && (elcr || ref[n].ltim);
		l->elcr = elcr;
	}
	ref_cascade();
}

static void line_both(struct pic *p)
{
	unsigned irq = (unsigned)rand() % 16;
	bool high = rand() % 3;

	if (irq == 2)
		return;
	pic_set_irq(p, irq, high);
	if (ref[irq / 8].level[irq % 8].line != high)
		ref_line(&ref[irq / 8], irq % 8, high);
	ref_cascade();
}

static void ack_both(struct pic *p)
{
	u8 got = pic_ack(p);
	unsigned want = ref_ack();

	CHECK(got == want, "vector %02x, want %02x", got, want);
}

static void random_op(struct pic *p)
{
	unsigned n = (unsigned)rand() & 1, op = (unsigned)rand() % 64;

	if (op == 0)
		init_both(p, n);
	else if (op == 1)
		write_both(p, n, (unsigned)rand() & 1, (u8)rand());
	else if (op == 2)
		elcr_both(p);
	else if (op < 6)
		write_both(p, n, 1, (u8)(rand() & rand()));
	else if (op < 18)
		write_both(p, n, 0, (u8)(rand() % 3 ? 0x20 : rand() & 0xe7));
	else if (op < 22)
		write_both(p, n, 0, (u8)(8 | (rand() & 0x67)));
	else if (op < 26)
		read_both(p, n, (unsigned)rand() & 1);
	else if (op < 40)
		ack_both(p);
	else
		line_both(p);
}

static void start(struct pic *p)
{
	const struct line out = { fake_intr, NULL, 0 };

	intr = false;
	pic_init(p, &out);
	memset(ref, 0, sizeof(ref));
	for (unsigned n = 0; n < 2; n++) {
		ref[n].master = n == 0;
		ref_rotate(&ref[n], 7);
		for (unsigned i = 0; i < 8; i++)
			ref[n].level[i].masked = true;
	}
}

static void test_random(void)
{
	static struct pic p;

	srand(2);
	start(&p);
	init_both(&p, 0);
	init_both(&p, 1);
	for (unsigned n = 0; n < 300000; n++) {
		random_op(&p);
		CHECK(intr == (ref_pending(&ref[0]) >= 0));
		CHECK(p.intr == intr);
		if (test_failed)
			break;
		/* Registers, when no poll is pending to be disturbed. */
		if (n % 8)
			continue;
		for (unsigned c = 0; c < 2; c++)
			if (!ref[c].poll) {
				read_both(&p, c, 0);
				read_both(&p, c, 1);
			}
	}
	CHECK(intr_changes > 10000, "%u changes", intr_changes);
}

int main(void)
{
	test_random();
	return test_end("pic");
}
