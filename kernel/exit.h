/* SPDX-License-Identifier: MIT */
/* How the monitor ends: park, reboot, or tell the emulator around it. */
#ifndef KERNEL_EXIT_H
#define KERNEL_EXIT_H

#include "bits.h"

enum machine_exit_mode { MACHINE_HALT, MACHINE_REBOOT, MACHINE_QEMU };

/* Statuses of our own; a guest's are below these. */
#define EXIT_STATUS_OK    0
#define EXIT_STATUS_FATAL 0x71
#define EXIT_STATUS_PANIC 0x72

void machine_exit_mode_set(enum machine_exit_mode mode);

enum machine_exit_mode machine_exit_mode_get(void);

/* QEMU's process status becomes status * 2 + 1. */
void machine_exit(u8 status) NORETURN;

#endif
