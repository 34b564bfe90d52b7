/* SPDX-License-Identifier: MIT */
/*
 * 8237A registers, after the Intel data sheet: addresses and counts are
 * written and read a byte at a time through the flip-flop. The second chip's
 * registers lie two ports apart.
 */
#include "devices/dma.h"

#include "lib/string.h"

enum {
	COMMAND = 8, REQUEST, SINGLE_MASK, MODE, CLEAR_FLIP_FLOP, MASTER_CLEAR,
	CLEAR_MASK, ALL_MASK,
};

static void dma_master_clear(struct dma_chip *c)
{
	c->command = c->request = c->temporary = 0;
	c->mask = 0x0f;
	c->high = false;
}

static u16 *dma_word(struct dma_chip *c, unsigned reg)
{
	return reg & 1 ? &c->count[reg / 2] : &c->address[reg / 2];
}

/* Bit 2 sets or clears the bit of the channel in bits 1:0. */
static u8 dma_set_channel(u8 set, u8 value)
{
	u8 bit = (u8)(1 << (value & 3));

	return value & BIT(2) ? set | bit : set & (u8)~bit;
}

static u8 dma_read(struct dma_chip *c, unsigned reg)
{
	u16 word;

	if (reg == COMMAND)
		return (u8)(c->request << 4); /* status: nothing reached TC */
	if (reg == MASTER_CLEAR)
		return c->temporary;
	if (reg == ALL_MASK)
		return c->mask | 0xf0;
	if (reg > COMMAND)
		return 0xff;
	word = *dma_word(c, reg);
	c->high = !c->high;
	return (u8)(c->high ? word : word >> 8);
}

static void dma_write_word(struct dma_chip *c, unsigned reg, u8 value)
{
	u16 *word = dma_word(c, reg);

	if (c->high)
		*word = (u16)((*word & 0xff) | value << 8);
	else
		*word = (*word & 0xff00) | value;
	c->high = !c->high;
}

static void dma_write(struct dma_chip *c, unsigned reg, u8 value)
{
	switch (reg) {
	case COMMAND:
		c->command = value;
		break;
	case REQUEST:
		c->request = dma_set_channel(c->request, value);
		break;
	case SINGLE_MASK:
		c->mask = dma_set_channel(c->mask, value);
		break;
	case MODE:
		c->mode[value & 3] = value;
		break;
	case CLEAR_FLIP_FLOP:
		c->high = false;
		break;
	case MASTER_CLEAR:
		dma_master_clear(c);
		break;
	case CLEAR_MASK:
		c->mask = 0;
		break;
	case ALL_MASK:
		c->mask = value & 0x0f;
		break;
	default:
		dma_write_word(c, reg, value);
	}
}

u32 dma_read_low(void *dma, unsigned offset, unsigned size)
{
	return dma_read(&((struct dma *)dma)->chip[0], offset);
}

void dma_write_low(void *dma, unsigned offset, unsigned size, u32 value)
{
	dma_write(&((struct dma *)dma)->chip[0], offset, (u8)value);
}

u32 dma_read_high(void *dma, unsigned offset, unsigned size)
{
	return dma_read(&((struct dma *)dma)->chip[1], offset / 2);
}

void dma_write_high(void *dma, unsigned offset, unsigned size, u32 value)
{
	dma_write(&((struct dma *)dma)->chip[1], offset / 2, (u8)value);
}

void dma_init(struct dma *d)
{
	memset(d, 0, sizeof(*d));
	dma_master_clear(&d->chip[0]);
	dma_master_clear(&d->chip[1]);
}
