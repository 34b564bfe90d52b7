/* SPDX-License-Identifier: MIT */
/* A panic that happened at a given frame; see include/log.h for panic(). */
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

#include "kernel/frame.h"

void panic_at(const struct host_frame *f, const char *fmt, ...)
	PRINTF(2, 3) NORETURN;

/*
 * Called last, with interrupts off, before the machine ends: the debugger may
 * stay. NULL: nobody.
 */
extern void (*panic_hook)(const struct host_frame *f, const char *reason);

#endif
