/* SPDX-License-Identifier: MIT */
/*
 * The PC's two 8259A interrupt controllers, the second cascaded into IR2 of
 * the first, and the ELCR registers that make single inputs level-triggered.
 */
#ifndef DEVICES_PIC_H
#define DEVICES_PIC_H

#include "devices/line.h"

struct pic_chip {
	u8 lines;  /* levels of the inputs */
	u8 irr, imr, isr;
	u8 elcr;   /* 1: level-triggered */
	u8 base;   /* vector of IR0 */
	u8 lowest; /* the IR of lowest priority; the next one is highest */
	u8 init;   /* the ICW that is awaited: 2, 3, 4; 0: none */
	bool ltim, single, needs_icw4; /* ICW1 */
	bool aeoi, nested;             /* ICW4: AEOI, SFNM */
	bool rotate_aeoi;
	bool special_mask;
	bool read_isr, poll;           /* OCW3 */
};

struct pic {
	struct pic_chip chip[2];
	bool intr;
	struct line out; /* INTR to the CPU */
};

void pic_init(struct pic *p, const struct line *intr);
void pic_reset(struct pic *p);
/* An input of the pair, 0 to 15: fits struct line. */
void pic_set_irq(void *pic, unsigned irq, bool level);
/* Both INTA cycles: the vector. Spurious: IR7 of the chip that lost it. */
u8 pic_ack(struct pic *p);

u32 pic_read_master(void *pic, unsigned offset, unsigned size);
u32 pic_read_slave(void *pic, unsigned offset, unsigned size);
void pic_write_master(void *pic, unsigned offset, unsigned size, u32 value);
void pic_write_slave(void *pic, unsigned offset, unsigned size, u32 value);
u32 pic_read_elcr(void *pic, unsigned offset, unsigned size);
void pic_write_elcr(void *pic, unsigned offset, unsigned size, u32 value);

#endif
