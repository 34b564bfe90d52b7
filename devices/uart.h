/* SPDX-License-Identifier: MIT */
/* A 16550A. Transmits at once; receives through uart_receive(). */
#ifndef DEVICES_UART_H
#define DEVICES_UART_H

#include "devices/line.h"

#define UART_FIFO 16

struct uart {
	u8 ier, fcr, lcr, mcr, lsr, msr, scratch;
	u16 divisor;
	u8 fifo[UART_FIFO];
	u8 head, length;
	bool thr_event; /* THR went empty since IIR told of it */
	bool timeout;   /* bytes lie below the trigger level for too long */
	u64 deadline;   /* TSC of the receive timeout */
	struct clock clock;
	struct line irq;
	void (*transmit)(void *ctx, u8 byte); /* may be NULL */
	void *ctx;
};

void uart_init(struct uart *u, const struct clock *clock,
	       const struct line *irq,
	       void (*transmit)(void *ctx, u8 byte), void *ctx);
void uart_reset(struct uart *u);
void uart_run(struct uart *u);
/* False when there is no room now; offer the byte again later. */
bool uart_receive(struct uart *u, u8 byte);

u32 uart_read(void *uart, unsigned offset, unsigned size);
void uart_write(void *uart, unsigned offset, unsigned size, u32 value);

#endif
