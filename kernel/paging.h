/* SPDX-License-Identifier: MIT */
/*
 * The monitor's own address space, all in the upper half:
 *
 *   ffff800000000000  direct map of RAM, never executable
 *   ffffffff80000000  the image: text RX, rodata R, data RW
 *   ffffffffc0000000  execute-only-here aliases of direct-map pages, RX
 *   fffffffff0000000  device registers, uncached
 *
 * No page is both writable and executable; nothing lies below 4 GiB.
 */
#ifndef KERNEL_PAGING_H
#define KERNEL_PAGING_H

#include "bits.h"
#include "kernel/memory.h"

#define DIRECT_BASE 0xffff800000000000ull
#define IMAGE_BASE  0xffffffff80000000ull
#define EXEC_BASE   0xffffffffc0000000ull
#define DEVICE_BASE 0xfffffffff0000000ull

/* Build and load the final tables, and set CR0 and CR4 for good. */
void paging_init(const struct host_memory *m);

/* Are large pages avoided? */
bool paging_small(void);

/*
 * The PML4. Its upper half never changes after paging_init(), so that every
 * root may share it by copy.
 */
const u64 *paging_host_pml4(void);
hpa_t paging_host_root(void);

/*
 * Map the pages under a direct-map pointer a second time, read-execute, within
 * reach of a rel32 to monitor text. False when memory or the window is out.
 */
bool paging_map_exec(void *direct_map_ptr, u64 bytes, void **exec);

/* Device registers, uncached; fatal when there is no room. */
void *paging_map_device(hpa_t pa, u64 bytes);

#endif
