/* SPDX-License-Identifier: MIT */
/*
 * The black box: the ring of last events, in memory that a warm reboot leaves
 * alone, so that the next start can say what led to a panic.
 */
#ifndef KERNEL_BLACKBOX_H
#define KERNEL_BLACKBOX_H

#include "kernel/memory.h"

/* Choose its place, the same at each start of this machine, and keep it. */
void blackbox_place(struct host_memory *m);
/* After paging_init(): look what the last run has left, then use it. */
void blackbox_open(void);
/* Print what was left by a panic, if anything was. */
void blackbox_report(void);
/* This run ends in a panic. */
void blackbox_panic(const char *reason);

#endif
