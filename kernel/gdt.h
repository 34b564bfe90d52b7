/* SPDX-License-Identifier: MIT */
/*
 * The host GDT and TSS. One table of full size: the monitor's descriptors
 * stand at the top, so that an engine may fill the low part with shadows of
 * the guest's. Whoever fills it never reaches HOST_FIRST.
 */
#ifndef KERNEL_GDT_H
#define KERNEL_GDT_H

#include "x86.h"

#define GDT_ENTRIES 8192
#define HOST_FIRST  8180 /* index of the first descriptor of ours */

#define HOST_CS  ((HOST_FIRST + 0) << 3)
#define HOST_SS  ((HOST_FIRST + 1) << 3)
#define HOST_TSS ((HOST_FIRST + 2) << 3) /* two entries long */

#define HOST_LDT ((HOST_FIRST + 4) << 3) /* two entries long */

/* Interrupt stack table indexes */
#define IST_NONE 0
#define IST_DF   1
#define IST_NMI  2
#define IST_MC   3

/* Intel manual, "64-Bit Task State Segment" */
struct host_tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3;
	u16 io_map_base;
} PACKED;

extern u64 host_gdt[GDT_ENTRIES];
extern struct host_tss host_tss;

/* Load GDT, segment registers and TSS. */
void gdt_init(void);

/* Describe a table for `lldt HOST_LDT`; limit in bytes, less one. */
void gdt_set_ldt(const u64 *table, u32 limit);

/* The stack of entries from CPL 3; gdt_init() gives one of its own. */
void gdt_set_rsp0(u64 rsp0);

#endif
