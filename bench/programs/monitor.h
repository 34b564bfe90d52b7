/* SPDX-License-Identifier: MIT */
/* Modules of the monitor itself as a 32-bit program: what they want of it. */
#ifndef PROGRAMS_MONITOR_H
#define PROGRAMS_MONITOR_H

#include "cpu/emu.h"
#include "cpu/insn.h"

u32 work(void);

#endif
