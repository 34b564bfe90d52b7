/* SPDX-License-Identifier: MIT */
/*
 * What every module may say. kernel/ provides these on the machine and
 * tests/host/fake.c on the host.
 *
 * Three classes of trouble, never mixed: a guest fault is injected into the
 * guest; an environment error is returned or reported in one line (fatal());
 * a bug of ours is assert() or panic(). assert() never sees guest input.
 */
#ifndef LOG_H
#define LOG_H

#include "bits.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_at(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/* Our own bug: say everything, then park (or reboot). Never returns. */
void panic(const char *fmt, ...) PRINTF(1, 2) NORETURN;

/* The environment's fault: one clear line on every console, then a stop. */
void fatal(const char *fmt, ...) PRINTF(1, 2) NORETURN;

#define assert(cond)                                                      \
	do {                                                              \
		if (unlikely(!(cond)))                                    \
			panic("%s:%d: assertion failed: %s", __FILE__,    \
			      __LINE__, #cond);                           \
	} while (0)

#endif
