/* SPDX-License-Identifier: MIT */
/*
 * The host's 16550s at 115200 8n1: polled out, received by interrupt into a
 * ring. Works (out only) before interrupts are set up.
 */
#ifndef KERNEL_UART_H
#define KERNEL_UART_H

#include "types.h"

struct uart;

extern struct uart uart_com1, uart_com2;

/* False when there is no UART at that address; output is then dropped. */
bool host_uart_init(struct uart *u);
void uart_put(struct uart *u, u8 byte);
void uart_drain(struct uart *u); /* wait until the last bit is out */

/* Start receiving: needs kernel/irq.c. */
void uart_receive_start(struct uart *u);
/* Take what has come, with interrupts off. */
void uart_poll(struct uart *u);
int uart_get(struct uart *u); /* -1: nothing there */

#endif
