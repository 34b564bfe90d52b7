/* SPDX-License-Identifier: MIT */
/* What the loaders share: the error line and the guest's low memory map. */
#ifndef LOADER_INTERNAL_H
#define LOADER_INTERNAL_H

#include "loader/loader.h"

/* Below 640 KiB, all free at boot: nobody else has put anything there. */
#define LOW_GDT       0x8000u  /* flat descriptors */
#define LOW_INFO      0x9000u  /* Multiboot information, memory map */
#define LOW_PARAMS    0x10000u /* Linux boot_params, one page */
#define LOW_CMDLINE   0x20000u
#define LOW_CMDLINE_MAX 0x1000u
#define LOW_USED_END    (LOW_CMDLINE + LOW_CMDLINE_MAX)
#define LOW_END       0x9fc00u /* conventional memory under the EBDA */
#define HIGH_START    0x100000u

/* Formats into the one error buffer and returns it. */
const char *loader_error(const char *fmt, ...) PRINTF(1, 2);

u16 get16(const u8 *p);
u32 get32(const u8 *p);
u64 get64(const u8 *p);
void put32(u8 *p, u32 v);
void put64(u8 *p, u64 v);

/* A flat GDT at LOW_GDT: code at code_sel, data at code_sel + 8. */
void loader_flat_gdt(struct gpm *g, struct vcpu *v, u16 code_sel);

const char *loader_linux(struct gpm *g, struct vcpu *v,
			 const struct guest_image *image);
const char *loader_multiboot(struct gpm *g, struct vcpu *v,
			     const struct guest_image *image);

/* Offset of the Multiboot 1 header, or -1. */
s64 multiboot_header_find(const u8 *image, u64 size);

#endif
