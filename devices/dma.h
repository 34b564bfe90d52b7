/* SPDX-License-Identifier: MIT */
/*
 * The register file of the PC's two 8237A DMA controllers. No device of this
 * board asks for a transfer, so none ever happens.
 */
#ifndef DEVICES_DMA_H
#define DEVICES_DMA_H

#include "bits.h"

struct dma_chip {
	u16 address[4], count[4]; /* base; the current ones never move */
	u8 mode[4];
	u8 command, mask, request, temporary;
	bool high; /* the flip-flop: the next byte is the high one */
};

struct dma {
	struct dma_chip chip[2];
};

void dma_init(struct dma *d);

u32 dma_read_low(void *dma, unsigned offset, unsigned size);
void dma_write_low(void *dma, unsigned offset, unsigned size, u32 value);
u32 dma_read_high(void *dma, unsigned offset, unsigned size);
void dma_write_high(void *dma, unsigned offset, unsigned size, u32 value);

#endif
