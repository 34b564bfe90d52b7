/* SPDX-License-Identifier: MIT */
/*
 * What the monitor says: lines with a level, to a set of sinks. The other
 * half of include/log.h, for boot/ and the debugger.
 */
#ifndef KERNEL_CONSOLE_H
#define KERNEL_CONSOLE_H

#include <stdarg.h>

#include "log.h"

#define CONSOLE_COM1 BIT(0)
#define CONSOLE_COM2 BIT(1)
#define CONSOLE_VGA  BIT(2)
#define CONSOLE_E9   BIT(3) /* the debug port of QEMU and Bochs */
#define CONSOLE_ALL  (CONSOLE_COM1 | CONSOLE_VGA)

/* COM1 and the text screen; everything may be printed from here on. */
void console_init(void);
void console_set_sinks(u64 sinks);
u64 console_sinks(void);
void console_set_level(enum log_level level);
enum log_level console_level(void);

/* Text without prefix or level, to the sinks in use. */
void console_printf(const char *fmt, ...) PRINTF(1, 2);
void console_vprintf(const char *fmt, va_list ap);

/*
 * All text goes to fn instead of the sinks; NULL: no longer. The guest's own
 * output is not text. Ended by a panic.
 */
void console_capture(void (*fn)(void *ctx, char c), void *ctx);
/* COM1 is lent to gdb: what would go there goes to fn; NULL: no longer. */
void console_divert_com1(void (*fn)(u8 byte));

/* From now on to every console there is: trouble must be seen. */
void console_panic_mode(void);

#endif
