/* SPDX-License-Identifier: MIT */
/*
 * The monitor's stacks, from isr.asm. Each has an unmapped page below it, so
 * that an overflow is a double fault and not a silent overwrite.
 */
#ifndef KERNEL_STACKS_H
#define KERNEL_STACKS_H

#include "types.h"

extern u8 stack_guard[], stack_top[];
extern u8 stack_rsp0_guard[], stack_rsp0_top[];
extern u8 stack_df_guard[], stack_df_top[];
extern u8 stack_nmi_guard[], stack_nmi_top[];
extern u8 stack_mc_guard[], stack_mc_top[];
extern u8 stacks_start[], stacks_end[];

#endif
