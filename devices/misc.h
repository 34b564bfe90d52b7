/* SPDX-License-Identifier: MIT */
/*
 * Ports of a byte or two without a chip of their own: the emulators' debug,
 * exit and power-off ports, and the chipset's resets and scratch bytes.
 */
#ifndef DEVICES_MISC_H
#define DEVICES_MISC_H

#include "devices/line.h"

struct misc {
	u8 page[16]; /* DMA page registers; [0] is the POST code */
	u8 port92, cf9;
	u8 shutdown_at; /* letters of "Shutdown" seen at 8900h */
	void (*debug_out)(void *ctx, u8 byte); /* may be NULL */
	void *ctx;
	struct stop_line stop;
	struct a20_gate *a20;
};

void misc_init(struct misc *m, const struct stop_line *stop,
	       struct a20_gate *a20,
	       void (*debug_out)(void *ctx, u8 byte), void *ctx);
void misc_reset(struct misc *m);

u32 misc_read_debug(void *misc, unsigned offset, unsigned size);
void misc_write_debug(void *misc, unsigned offset, unsigned size, u32 value);
u32 misc_read_exit(void *misc, unsigned offset, unsigned size);
void misc_write_exit(void *misc, unsigned offset, unsigned size, u32 value);
u32 misc_read_page(void *misc, unsigned offset, unsigned size);
void misc_write_page(void *misc, unsigned offset, unsigned size, u32 value);
u32 misc_read_port92(void *misc, unsigned offset, unsigned size);
void misc_write_port92(void *misc, unsigned offset, unsigned size, u32 value);
u32 misc_read_pci(void *misc, unsigned offset, unsigned size);
void misc_write_pci(void *misc, unsigned offset, unsigned size, u32 value);
u32 misc_read_power(void *misc, unsigned offset, unsigned size);
void misc_write_power(void *misc, unsigned offset, unsigned size, u32 value);
u32 misc_read_shutdown(void *misc, unsigned offset, unsigned size);
void misc_write_shutdown(void *misc, unsigned offset, unsigned size, u32 value);

#endif
