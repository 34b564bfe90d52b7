/* SPDX-License-Identifier: MIT */
/*
 * printf formatting into a sink. Conversions: d i u x X o c s p %, flags
 * 0 - + space #, width and precision also as *, lengths hh h l ll z.
 */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include <stdarg.h>

#include "bits.h"

typedef void (*format_sink)(void *ctx, char c);

void format_to(format_sink sink, void *ctx, const char *fmt, va_list ap);

/* As C's vsnprintf and snprintf. */
int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int fmt_snprintf(char *buf, size_t size, const char *fmt, ...) PRINTF(3, 4);

#endif
