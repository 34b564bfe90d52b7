/* SPDX-License-Identifier: MIT */
/*
 * The 8259A pair, after the Intel 8259A data sheet. Every change ends in
 * pic_update(), which settles the cascade and tells INTR when it moved.
 * An edge-triggered request lives as long as its input stays high; when the
 * input falls before INTA, the acknowledge finds nothing and gives IR7.
 * ICW3 is swallowed: the cascade is soldered, as in every chipset.
 */
#include "devices/pic.h"

#include "lib/string.h"

#define CASCADE 2
#define NO_IRQ  8
#define SPURIOUS 7

#define ICW1_IC4  BIT(0)
#define ICW1_SNGL BIT(1)
#define ICW1_LTIM BIT(3)
#define ICW1      BIT(4)
#define OCW3      BIT(3)

static u8 pic_bit(unsigned irq)
{
	return (u8)(1u << irq);
}

static u8 pic_level_mask(const struct pic_chip *c)
{
	return c->ltim ? 0xff : c->elcr;
}

/* The IR of highest priority in set; NO_IRQ when set is empty. */
static unsigned pic_highest(const struct pic_chip *c, u8 set)
{
	unsigned first = (c->lowest + 1) & 7;
	u8 turned = (u8)(set >> first | set << (8 - first));

	if (set)
		return (first + (unsigned)__builtin_ctz(turned)) & 7;
	return NO_IRQ;
}

/* 0 is the highest; NO_IRQ is below all. */
static unsigned pic_priority(const struct pic_chip *c, unsigned irq)
{
	return irq == NO_IRQ ? NO_IRQ : (irq - c->lowest - 1) & 7;
}

/* The request that the chip raises INT for; NO_IRQ: INT is low. */
static unsigned pic_request(const struct pic_chip *c, bool master)
{
	unsigned irq = pic_highest(c, c->irr & (u8)~c->imr);
	u8 busy = c->isr;

	if (irq == NO_IRQ || c->init)
		return NO_IRQ;
	if (c->special_mask)
		busy &= (u8)~c->imr;
	/* Special fully nested: the slave interrupts within its own level. */
	if (c->nested && master)
		busy &= (u8)~pic_bit(CASCADE);
	if (pic_priority(c, irq) < pic_priority(c, pic_highest(c, busy)))
		return irq;
	return NO_IRQ;
}

static void chip_set_line(struct pic_chip *c, unsigned irq, bool level)
{
	u8 bit = pic_bit(irq);

	if (!level)
		c->irr &= (u8)~bit;
	else if (!(c->lines & bit) || (pic_level_mask(c) & bit))
		c->irr |= bit;
	c->lines = level ? c->lines | bit : c->lines & (u8)~bit;
}

static void pic_update(struct pic *p)
{
	bool intr;

	chip_set_line(&p->chip[0], CASCADE,
		      pic_request(&p->chip[1], false) != NO_IRQ);
	intr = pic_request(&p->chip[0], true) != NO_IRQ;
	if (intr == p->intr)
		return;
	p->intr = intr;
	line_set(&p->out, intr);
}

void pic_set_irq(void *pic, unsigned irq, bool level)
{
	struct pic *p = pic;
	struct pic_chip *c = &p->chip[irq / 8];

	if (!!(c->lines & pic_bit(irq & 7)) == level)
		return;
	chip_set_line(c, irq & 7, level);
	pic_update(p);
}

/* INTA for one chip. */
static void chip_ack(struct pic_chip *c, unsigned irq)
{
	u8 bit = pic_bit(irq);

	if (!c->aeoi)
		c->isr |= bit;
	else if (c->rotate_aeoi)
		c->lowest = (u8)irq;
	if (!(pic_level_mask(c) & bit))
		c->irr &= (u8)~bit;
}

static u8 chip_inta(struct pic_chip *c, bool master)
{
	unsigned irq = pic_request(c, master);

	if (irq == NO_IRQ)
		irq = SPURIOUS; /* sets no ISR bit */
	else
		chip_ack(c, irq);
	return (u8)irq;
}

u8 pic_ack(struct pic *p)
{
	struct pic_chip *master = &p->chip[0], *slave = &p->chip[1];
	bool real = pic_request(master, true) != NO_IRQ;
	u8 irq = chip_inta(master, true);
	u8 vector = master->base | irq;

	if (real && irq == CASCADE) {
		vector = slave->base | chip_inta(slave, false);
		/* The slave's INT falls for INTA, so the next is an edge. */
		chip_set_line(master, CASCADE, false);
	}
	pic_update(p);
	return vector;
}

/* ICW1 starts over: edges forgotten, mask cleared, IR7 lowest. */
static void chip_icw1(struct pic_chip *c, u8 value)
{
	c->init = 2;
	c->needs_icw4 = value & ICW1_IC4;
	c->single = value & ICW1_SNGL;
	c->ltim = value & ICW1_LTIM;
	c->imr = c->isr = 0;
	c->irr = c->lines & pic_level_mask(c);
	c->lowest = 7;
	c->special_mask = c->read_isr = c->poll = false;
	c->rotate_aeoi = false;
	c->aeoi = c->nested = false;
}

static void chip_icw(struct pic_chip *c, u8 value)
{
	switch (c->init) {
	case 2:
		c->base = value & 0xf8;
		c->init = !c->single ? 3 : c->needs_icw4 ? 4 : 0;
		break;
	case 3:
		c->init = c->needs_icw4 ? 4 : 0;
		break;
	case 4:
		c->aeoi = value & BIT(1);
		c->nested = value & BIT(4);
		c->init = 0;
		break;
	}
}

/* Nonspecific EOI; masked levels keep their bit in special mask mode. */
static unsigned chip_eoi(struct pic_chip *c)
{
	u8 set = c->special_mask ? c->isr & (u8)~c->imr : c->isr;
	unsigned irq = pic_highest(c, set);

	if (irq != NO_IRQ)
		c->isr &= (u8)~pic_bit(irq);
	return irq;
}

static void chip_ocw2(struct pic_chip *c, u8 value)
{
	unsigned irq = value & 7;

	switch (value >> 5) {
	case 0: /* rotate in automatic EOI mode: clear */
	case 4: /* set */
		c->rotate_aeoi = value & BIT(7);
		break;
	case 1: /* nonspecific EOI */
		chip_eoi(c);
		break;
	case 3: /* specific EOI */
		c->isr &= (u8)~pic_bit(irq);
		break;
	case 5: /* rotate on nonspecific EOI */
		irq = chip_eoi(c);
		if (irq != NO_IRQ)
			c->lowest = (u8)irq;
		break;
	case 6: /* set priority */
		c->lowest = (u8)irq;
		break;
	case 7: /* rotate on specific EOI */
		c->isr &= (u8)~pic_bit(irq);
		c->lowest = (u8)irq;
		break;
	}
}

static void chip_ocw3(struct pic_chip *c, u8 value)
{
	if (value & BIT(6))
		c->special_mask = value & BIT(5);
	if (value & BIT(2))
		c->poll = true;
	else if (value & BIT(1))
		c->read_isr = value & BIT(0);
}

static void chip_write(struct pic_chip *c, unsigned a0, u8 value)
{
	if (a0 && c->init)
		chip_icw(c, value);
	else if (a0)
		c->imr = value;
	else if (value & ICW1)
		chip_icw1(c, value);
	else if (value & OCW3)
		chip_ocw3(c, value);
	else
		chip_ocw2(c, value);
}

/* After the poll command a read is the INTA. */
static u8 chip_poll(struct pic_chip *c, bool master)
{
	unsigned irq = pic_request(c, master);

	c->poll = false;
	if (irq == NO_IRQ)
		return 0;
	chip_ack(c, irq);
	return (u8)(0x80 | irq);
}

static u8 pic_read(struct pic *p, unsigned n, unsigned a0)
{
	struct pic_chip *c = &p->chip[n];
	u8 value;

	if (!c->poll)
		return a0 ? c->imr : c->read_isr ? c->isr : c->irr;
	value = chip_poll(c, n == 0);
	if (n == 1 && value)
		chip_set_line(&p->chip[0], CASCADE, false);
	pic_update(p);
	return value;
}

static void pic_write(struct pic *p, unsigned n, unsigned a0, u8 value)
{
	chip_write(&p->chip[n], a0, value);
	pic_update(p);
}

u32 pic_read_master(void *pic, unsigned offset, unsigned size)
{
	return pic_read(pic, 0, offset);
}

u32 pic_read_slave(void *pic, unsigned offset, unsigned size)
{
	return pic_read(pic, 1, offset);
}

void pic_write_master(void *pic, unsigned offset, unsigned size, u32 value)
{
	pic_write(pic, 0, offset, (u8)value);
}

void pic_write_slave(void *pic, unsigned offset, unsigned size, u32 value)
{
	pic_write(pic, 1, offset, (u8)value);
}

u32 pic_read_elcr(void *pic, unsigned offset, unsigned size)
{
	return ((struct pic *)pic)->chip[offset].elcr;
}

/* Timer, keyboard, cascade, clock and FPU stay edge-triggered. */
void pic_write_elcr(void *pic, unsigned offset, unsigned size, u32 value)
{
	static const u8 free[2] = { 0xf8, 0xde };
	struct pic *p = pic;
	struct pic_chip *c = &p->chip[offset];
	u8 changed = c->elcr ^ (value & free[offset]);

	c->elcr ^= changed;
	c->irr = (c->irr & (u8)~changed) |
		 (c->lines & changed & pic_level_mask(c));
	pic_update(p);
}

void pic_reset(struct pic *p)
{
	for (unsigned i = 0; i < 2; i++) {
		u8 lines = p->chip[i].lines;

		memset(&p->chip[i], 0, sizeof(p->chip[i]));
		p->chip[i].lines = i ? lines : lines & (u8)~pic_bit(CASCADE);
		p->chip[i].lowest = 7;
		p->chip[i].imr = 0xff;
	}
	pic_update(p);
}

void pic_init(struct pic *p, const struct line *intr)
{
	memset(p, 0, sizeof(*p));
	p->out = *intr;
	pic_reset(p);
}
