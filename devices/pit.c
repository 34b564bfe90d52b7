/* SPDX-License-Identifier: MIT */
/*
 * The 8254, after the Intel data sheet. A counter is a state that jumps from
 * event to event (a load, a move of OUT); between events it only decrements,
 * so any number of CLKs costs a few steps. Whole periods of modes 2 and 3 are
 * taken off at once. The same steps, run on a copy, find the next deadline.
 *
 * IRQ 0 sees every rise of OUT0, but a fall only when the guest caused it:
 * a guest that the monitor delays must not lose its tick to the next half of
 * the wave.
 */
#include "devices/pit.h"

#include "lib/string.h"

#define RW_LSB 1
#define RW_MSB 2
#define RW_BOTH 3

#define PORT61_GATE2   BIT(0)
#define PORT61_WRITE   0x0f
#define PORT61_REFRESH BIT(4)
#define PORT61_OUT2    BIT(5)
#define REFRESH_TICKS  18 /* counter 1 as every BIOS leaves it */

static bool counter_is_bcd(const struct pit_counter *c)
{
	return c->control & 1;
}

static u32 counter_base(const struct pit_counter *c)
{
	return counter_is_bcd(c) ? 10000 : 65536;
}

static unsigned counter_rw(const struct pit_counter *c)
{
	return c->control >> 4;
}

static bool counter_periodic(const struct pit_counter *c)
{
	return c->mode == 2 || c->mode == 3;
}

/* GATE starts modes 1 and 5 but does not hold them. */
static bool counter_enabled(const struct pit_counter *c)
{
	if (!c->loaded || c->hold)
		return false;
	return c->gate || c->mode == 1 || c->mode == 5;
}

static void counter_take(struct pit_counter *c)
{
	c->odd = c->reload & 1;
	c->count = c->mode == 3 ? c->reload & ~1u : c->reload;
	c->null = false;
}

/* The CLK that moves CR to the count. */
static void counter_load(struct pit_counter *c)
{
	counter_take(c);
	c->load = c->strobe = false;
	c->loaded = c->live = true;
	c->out = c->mode > 1;
}

/* CLKs that are left of a half of mode 3's wave. */
static u32 counter_half(const struct pit_counter *c)
{
	return c->count / 2 + (c->odd && c->out);
}

/* CLKs to the next event; 0: none will come by itself. */
static u32 counter_event(const struct pit_counter *c)
{
	if (c->load || c->strobe)
		return 1;
	if (!counter_enabled(c))
		return 0;
	if (c->mode == 2)
		return c->out && c->count > 1 ? c->count - 1 : c->count;
	if (c->mode == 3)
		return counter_half(c);
	return c->live ? c->count : 0;
}

static void counter_step_rate(struct pit_counter *c, u32 n)
{
	c->count -= n;
	if (c->count == 1)
		c->out = false;
	if (c->count)
		return;
	counter_take(c);
	c->out = true;
}

static void counter_step_square(struct pit_counter *c, u32 n)
{
	if (n < counter_half(c)) {
		c->count -= 2 * n;
		return;
	}
	counter_take(c);
	c->out = !c->out || c->reload == 1; /* 1 is illegal: no low half */
}

static void counter_step_once(struct pit_counter *c, u64 n)
{
	u32 base = counter_base(c);

	c->count = (c->count + base - (u32)(n % base)) % base;
	if (!c->live || c->count)
		return;
	c->live = false;
	c->out = c->mode <= 1;
	c->strobe = c->mode >= 4;
}

/* n CLKs, none of them beyond the next event. */
static void counter_step(struct pit_counter *c, u64 n)
{
	if (c->load) {
		counter_load(c);
		return;
	}
	if (c->strobe) {
		c->strobe = false;
		c->out = true;
	}
	if (!counter_enabled(c))
		return;
	if (c->mode == 2)
		counter_step_rate(c, (u32)n);
	else if (c->mode == 3)
		counter_step_square(c, (u32)n);
	else
		counter_step_once(c, n);
}

static bool counter_steady(const struct pit_counter *c)
{
	return counter_periodic(c) && counter_enabled(c) && !c->load &&
	       !c->null;
}

/* n CLKs pass. True when OUT rose. */
static bool counter_advance(struct pit_counter *c, u64 n)
{
	bool rose = false;

	while (n) {
		u32 event = counter_event(c);
		bool out = c->out;

		if (counter_steady(c) && n >= c->reload) {
			rose |= c->reload > 1;
			n %= c->reload;
			continue;
		}
		if (!event || event > n) {
			counter_step(c, n);
			break;
		}
		counter_step(c, event);
		rose |= !out && c->out;
		n -= event;
	}
	return rose;
}

/* CLKs to the next rise of OUT; 0: none. At most a few events lie before. */
static u64 counter_next_rise(struct pit_counter c)
{
	u64 total = 0;

	for (unsigned i = 0; i < 8; i++) {
		u32 event = counter_event(&c);
		bool out = c.out;

		if (!event)
			return 0;
		counter_step(&c, event);
		total += event;
		if (!out && c.out)
			return total;
	}
	return 0;
}

static void pit_set_deadline(struct pit *p)
{
	const struct pit_counter *c = &p->counter[0];
	u64 n = counter_next_rise(*c);

	p->deadline = n ? clock_unscale(&p->clock, c->tick + n, PIT_HZ) : NEVER;
}

static u64 pit_tick(const struct pit *p)
{
	return clock_scale(&p->clock, clock_now(&p->clock), PIT_HZ);
}

/* Brings a counter up to date. */
static struct pit_counter *pit_sync(struct pit *p, unsigned i)
{
	struct pit_counter *c = &p->counter[i];
	u64 tick = pit_tick(p);
	bool rose = counter_advance(c, tick - c->tick);

	c->tick = tick;
	if (i || !rose)
		return c;
	line_set(&p->irq, false);
	line_set(&p->irq, true);
	pit_set_deadline(p);
	return c;
}

void pit_run(struct pit *p)
{
	pit_sync(p, 0);
	pit_set_deadline(p);
}

/* The guest changed a counter, whose OUT was `out` before. */
static void pit_changed(struct pit *p, unsigned i, bool out)
{
	if (i)
		return;
	if (p->counter[0].out != out)
		line_set(&p->irq, p->counter[0].out);
	pit_set_deadline(p);
}

static u16 counter_value(const struct pit_counter *c)
{
	u32 v = c->count % counter_base(c);

	if (!counter_is_bcd(c))
		return (u16)v;
	return (u16)(v / 1000 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 |
		     v % 10);
}

/* A count as it is written, to CLKs. Nibbles over 9 count as 9. */
static u32 counter_parse(const struct pit_counter *c, u16 raw)
{
	u32 v = 0;

	if (!counter_is_bcd(c))
		return raw ? raw : 65536;
	for (int shift = 12; shift >= 0; shift -= 4)
		v = v * 10 + MIN(raw >> shift & 0xfu, 9u);
	return v ? v : 10000;
}

static void counter_latch(struct pit_counter *c)
{
	if (c->latched)
		return;
	c->latch = counter_value(c);
	c->latched = counter_rw(c) == RW_BOTH ? 2 : 1;
}

static void counter_latch_status(struct pit_counter *c)
{
	if (c->status_latched)
		return;
	c->status = (u8)(c->out << 7 | c->null << 6 | c->control);
	c->status_latched = true;
}

static void counter_control(struct pit_counter *c, u8 value)
{
	c->control = value & 0x3f;
	c->mode = value >> 1 & 7;
	if (c->mode > 5)
		c->mode -= 4;
	c->out = c->mode != 0;
	c->null = true;
	c->load = c->loaded = c->live = c->strobe = c->hold = false;
	c->written = c->write_msb = c->read_msb = false;
	c->latched = 0;
	c->status_latched = false;
}

static void counter_set_reload(struct pit_counter *c, u16 raw)
{
	bool first = !c->written;

	c->reload = counter_parse(c, raw);
	c->written = c->null = true;
	c->hold = false;
	if (c->mode == 0)
		c->out = false;
	if (c->mode == 0 || c->mode == 4 || (counter_periodic(c) && first))
		c->load = true;
}

static void counter_write(struct pit_counter *c, u8 value)
{
	switch (counter_rw(c)) {
	case RW_LSB:
		counter_set_reload(c, value);
		break;
	case RW_MSB:
		counter_set_reload(c, (u16)(value << 8));
		break;
	case RW_BOTH:
		c->write_msb = !c->write_msb;
		if (!c->write_msb) {
			counter_set_reload(c, (u16)(value << 8 | c->write_lsb));
			break;
		}
		c->write_lsb = value;
		if (c->mode == 0) {
			c->hold = true;
			c->out = c->load = false;
		}
		break;
	}
}

static u8 counter_read(struct pit_counter *c)
{
	u16 value = c->latched ? c->latch : counter_value(c);
	bool high = counter_rw(c) == RW_MSB;

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	if (counter_rw(c) == RW_BOTH) {
		high = c->read_msb;
		c->read_msb = !c->read_msb;
	}
	if (c->latched)
		c->latched--;
	return (u8)(high ? value >> 8 : value);
}

static void counter_set_gate(struct pit_counter *c, bool gate)
{
	bool trigger = gate && !c->gate;

	c->gate = gate;
	if (!gate && counter_periodic(c))
		c->out = true;
	if (trigger && c->written && c->mode != 0 && c->mode != 4)
		c->load = true;
}

static void pit_read_back(struct pit *p, u8 value)
{
	for (unsigned i = 0; i < 3; i++) {
		if (!(value & 2u << i))
			continue;
		pit_sync(p, i);
		if (!(value & BIT(5)))
			counter_latch(&p->counter[i]);
		if (!(value & BIT(4)))
			counter_latch_status(&p->counter[i]);
	}
}

static void pit_control(struct pit *p, u8 value)
{
	unsigned i = value >> 6;
	struct pit_counter *c;
	bool out;

	if (i == 3) {
		pit_read_back(p, value);
		return;
	}
	c = pit_sync(p, i);
	if (!(value & 0x30)) {
		counter_latch(c);
		return;
	}
	out = c->out;
	counter_control(c, value);
	pit_changed(p, i, out);
}

u32 pit_read(void *pit, unsigned offset, unsigned size)
{
	return offset == 3 ? 0xff : counter_read(pit_sync(pit, offset));
}

void pit_write(void *pit, unsigned offset, unsigned size, u32 value)
{
	struct pit_counter *c;
	bool out;

	if (offset == 3) {
		pit_control(pit, (u8)value);
		return;
	}
	c = pit_sync(pit, offset);
	out = c->out;
	counter_write(c, (u8)value);
	pit_changed(pit, offset, out);
}

u32 pit_read_port61(void *pit, unsigned offset, unsigned size)
{
	struct pit *p = pit;
	struct pit_counter *c = pit_sync(p, 2);
	u32 value = p->port61;

	if (c->tick / REFRESH_TICKS & 1)
		value |= PORT61_REFRESH;
	return c->out ? value | PORT61_OUT2 : value;
}

void pit_write_port61(void *pit, unsigned offset, unsigned size, u32 value)
{
	struct pit *p = pit;

	p->port61 = value & PORT61_WRITE;
	counter_set_gate(pit_sync(p, 2), value & PORT61_GATE2);
}

void pit_reset(struct pit *p)
{
	bool out = p->counter[0].out;

	memset(p->counter, 0, sizeof(p->counter));
	for (unsigned i = 0; i < 3; i++) {
		p->counter[i].tick = pit_tick(p);
		p->counter[i].gate = i != 2;
		counter_control(&p->counter[i], RW_BOTH << 4);
	}
	p->port61 = 0;
	pit_changed(p, 0, out);
}

void pit_init(struct pit *p, const struct clock *clock,
	      const struct line *irq)
{
	memset(p, 0, sizeof(*p));
	p->clock = *clock;
	p->irq = *irq;
	pit_reset(p);
}
