/* SPDX-License-Identifier: MIT */
/* The model-specific registers that the guest has: a table of policy. */
#ifndef CPU_MSR_H
#define CPU_MSR_H

#include "cpu/emu.h"

/* False: the guest is due #GP(0); nothing has changed. */
bool msr_read(struct emu *e, u32 index, u64 *value);
bool msr_write(struct emu *e, u32 index, u64 value);

#endif
