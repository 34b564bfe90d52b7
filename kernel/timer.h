/* SPDX-License-Identifier: MIT */
/* Host time: the TSC's rate, and one timer (host_timer_set()). */
#ifndef KERNEL_TIMER_H
#define KERNEL_TIMER_H

#include "types.h"

/* Measures the TSC (about 40 ms) and takes IRQ 0. */
void timer_init(void);

/* HLT for about so many TSC ticks, or less: any interrupt ends it. Interrupts
 * must be on. */
void timer_nap(u64 ticks);

#endif
