/* SPDX-License-Identifier: MIT */
/*
 * The i8042 keyboard controller at ports 60h and 64h with a keyboard on its
 * first port and an empty socket on the second.
 */
#ifndef DEVICES_KBD_H
#define DEVICES_KBD_H

#include "devices/line.h"

enum kbd_source { KBD_CONTROLLER, KBD_KEYBOARD, KBD_AUX, KBD_SOURCES };

/* Bytes on their way to the output buffer. */
#define KBD_QUEUE 16
struct kbd_queue {
	u8 byte[KBD_QUEUE];
	u8 status[KBD_QUEUE]; /* error bits that go with the byte */
	u8 head, length;
};

struct kbd {
	u8 ram[32];      /* [0]: the command byte */
	u8 status;
	u8 data;         /* the output buffer */
	u8 command;      /* the controller's command that wants a byte */
	u8 keyboard_command; /* the keyboard's */
	u8 scan_set, leds;
	u8 last_sent;    /* for the keyboard's Resend */
	struct kbd_queue queue[KBD_SOURCES];
	struct line irq1, irq12;
	struct stop_line stop;
	struct a20_gate *a20;
};

void kbd_init(struct kbd *k, const struct line *irq1, const struct line *irq12,
	      const struct stop_line *stop, struct a20_gate *a20);
void kbd_reset(struct kbd *k);

u32 kbd_read_data(void *kbd, unsigned offset, unsigned size);
void kbd_write_data(void *kbd, unsigned offset, unsigned size, u32 value);
u32 kbd_read_status(void *kbd, unsigned offset, unsigned size);
void kbd_write_command(void *kbd, unsigned offset, unsigned size, u32 value);

#endif
