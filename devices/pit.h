/* SPDX-License-Identifier: MIT */
/*
 * The 8254 interval timer and port 61h, which gates counter 2 and shows its
 * output. Counters advance only when somebody looks: time is the TSC.
 */
#ifndef DEVICES_PIT_H
#define DEVICES_PIT_H

#include "devices/line.h"

#define PIT_HZ 1193182u

struct pit_counter {
	u64 tick;     /* the CLK up to which this state holds */
	u8 control;   /* RW, mode and BCD bits as they were written */
	u8 mode;      /* 0 to 5 */
	bool gate, out;
	bool null;    /* CR is newer than the count */
	bool load;    /* the next CLK moves CR to the count */
	bool loaded;  /* a count was loaded since the control word */
	bool live;    /* modes 0, 1, 4, 5: OUT has yet to act */
	bool strobe;  /* modes 4, 5: OUT is low for this CLK */
	bool hold;    /* mode 0: between the two bytes of a count */
	bool odd;     /* mode 3: the count that was loaded is odd */
	bool written; /* CR holds a count since the control word */
	u32 reload;   /* CR: 1 to 65536, or to 10000 in BCD */
	u32 count;    /* CE; mode 3 steps it by two */
	bool write_msb, read_msb; /* RW 3: the next byte is the high one */
	u8 write_lsb;
	u8 latched;   /* bytes of the latched count still to be read */
	u16 latch;
	bool status_latched;
	u8 status;
};

struct pit {
	struct pit_counter counter[3];
	u8 port61;
	u64 deadline; /* TSC of the next rise of OUT0 */
	struct clock clock;
	struct line irq;
};

void pit_init(struct pit *p, const struct clock *clock,
	      const struct line *irq);
void pit_reset(struct pit *p);
void pit_run(struct pit *p);

u32 pit_read(void *pit, unsigned offset, unsigned size);
void pit_write(void *pit, unsigned offset, unsigned size, u32 value);
u32 pit_read_port61(void *pit, unsigned offset, unsigned size);
void pit_write_port61(void *pit, unsigned offset, unsigned size, u32 value);

#endif
