/* SPDX-License-Identifier: MIT */
/*
 * Where gdb's bytes come from: COM2, its own; or COM1, shared with the
 * console. There the monitor lends it by a command (or its key sequence), and
 * gets it back when gdb detaches; meanwhile all that the console would say
 * goes into gdb's own output.
 */
#include "debug/internal.h"

#include "kernel/console.h"
#include "kernel/uart.h"

static struct uart *uart; /* NULL: no port */
static bool com1_lent;

/* Bytes typed at COM1 while it is lent. */
#define HELD 16384
static u8 held[HELD];
static u16 head, tail;

const char *port_open(const struct debug_config *config)
{
	switch (config->port) {
	case DEBUG_PORT_COM2:
		if (host_uart_init(&uart_com2)) {
			uart = &uart_com2;
			uart_receive_start(uart);
		} else if (config->must) {
			return "gdb=com2: there is no UART at 2F8h";
		}
		break;
	case DEBUG_PORT_COM1:
		uart = &uart_com1;
		break;
	case DEBUG_PORT_NONE:
		break;
	}
	return NULL;
}

int port_get(void)
{
	if (!uart)
		return -1;
	if (uart == &uart_com2)
		return uart_get(uart);
	if (head == tail)
		return -1;
	return held[tail++ % HELD];
}

void port_put(void *ctx, u8 byte)
{
	if (uart && (uart == &uart_com2 || com1_lent))
		uart_put(uart, byte);
}

bool port_poll(void)
{
	int byte;

	if (!uart || (uart == &uart_com1 && !com1_lent))
		return false;
	uart_poll(uart);
	while (uart == &uart_com1 && (byte = uart_get(uart)) >= 0)
		port_typed((u8)byte);
	return true;
}

bool port_typed(u8 byte)
{
	if (!com1_lent)
		return false;
	if ((u16)(head - tail) < HELD)
		held[head++ % HELD] = byte;
	return true;
}

/* A line at a time: a packet for each byte would be 12 times as much. */
static void say_to_gdb(u8 byte)
{
	static char line[256];
	static unsigned length;

	line[length++] = (char)byte;
	if (byte != '\n' && length < sizeof(line))
		return;
	gdb_say(&dbg.gdb, line, length);
	length = 0;
}

void port_take_com1(bool take)
{
	if (uart == &uart_com2)
		return;
	uart = &uart_com1;
	com1_lent = take;
	console_divert_com1(take ? say_to_gdb : NULL);
}

bool port_has_com1(void)
{
	return com1_lent;
}
