/* SPDX-License-Identifier: MIT */
/*
 * Log lines and the guest's console bytes share COM1: a log line that comes
 * while the guest is in the middle of a line starts a new one. Takes no locks
 * and no memory, so that it may be used from any context.
 */
#include "kernel/console.h"

#include "kernel/exit.h"
#include "kernel/host.h"
#include "kernel/instr.h"
#include "kernel/uart.h"
#include "kernel/vga.h"
#include "lib/format.h"

static u64 sinks = CONSOLE_ALL;
static enum log_level max_level = LOG_INFO;
static bool com1_mid_line;
static void (*captor)(void *ctx, char c);
static void *captor_ctx;
static void (*com1_diverted)(u8 byte);

static const char *const prefixes[] = {
	[LOG_ERROR] = "penumbra: error: ",
	[LOG_WARN]  = "penumbra: warning: ",
	[LOG_INFO]  = "penumbra: ",
	[LOG_DEBUG] = "penumbra: debug: ",
};

void console_init(void)
{
	host_uart_init(&uart_com1);
	vga_init();
}

void console_set_sinks(u64 set)
{
	sinks = set;
	if (set & CONSOLE_COM2)
		host_uart_init(&uart_com2);
}

u64 console_sinks(void)
{
	return sinks;
}

void console_set_level(enum log_level level)
{
	max_level = level;
}

void console_capture(void (*fn)(void *ctx, char c), void *ctx)
{
	captor = fn;
	captor_ctx = ctx;
}

void console_divert_com1(void (*fn)(u8 byte))
{
	com1_diverted = fn;
}

enum log_level console_level(void)
{
	return max_level;
}

void console_panic_mode(void)
{
	captor = NULL;
	com1_diverted = NULL;
	sinks |= CONSOLE_ALL;
	max_level = LOG_DEBUG;
}

static void com1_put(u8 byte)
{
	if (com1_diverted)
		com1_diverted(byte);
	else
		uart_put(&uart_com1, byte);
}

static void emit(void *ctx, char c)
{
	if (captor) {
		captor(captor_ctx, c);
		return;
	}
	if (c == '\n')
		emit(ctx, '\r');
	if (sinks & CONSOLE_COM1)
		com1_put((u8)c);
	if (sinks & CONSOLE_COM2)
		uart_put(&uart_com2, (u8)c);
	if (sinks & CONSOLE_VGA)
		vga_put((u8)c);
	if (sinks & CONSOLE_E9)
		outb(0xe9, (u8)c);
}

void console_vprintf(const char *fmt, va_list ap)
{
	format_to(emit, NULL, fmt, ap);
}

void console_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	console_vprintf(fmt, ap);
	va_end(ap);
}

static void say_line(const char *prefix, const char *fmt, va_list ap)
{
	if (com1_mid_line) {
		com1_mid_line = false;
		console_printf("\n");
	}
	console_printf("%s", prefix);
	console_vprintf(fmt, ap);
	console_printf("\n");
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > max_level)
		return;
	va_start(ap, fmt);
	say_line(prefixes[level], fmt, ap);
	va_end(ap);
}

void fatal(const char *fmt, ...)
{
	va_list ap;

	console_panic_mode();
	va_start(ap, fmt);
	say_line("penumbra: fatal: ", fmt, ap);
	va_end(ap);
	machine_exit(EXIT_STATUS_FATAL);
}

void host_console_put(u8 byte)
{
	com1_mid_line = byte != '\n' && (com1_mid_line || byte != '\r');
	com1_put(byte);
}

int host_console_get(void)
{
	return uart_get(&uart_com1);
}
