/* SPDX-License-Identifier: MIT */
/* What boot/ tells kernel/ about the machine's memory, as plain data. */
#ifndef KERNEL_MEMORY_H
#define KERNEL_MEMORY_H

#include "types.h"

#define MEMORY_RAM_MAX  128
#define MEMORY_KEEP_MAX 40

struct memory_range {
	u64 start, end; /* host-physical, end exclusive */
};

struct host_memory {
	struct memory_range ram[MEMORY_RAM_MAX]; /* usable RAM */
	unsigned ram_count;
	struct memory_range keep[MEMORY_KEEP_MAX]; /* of it, what is in use */
	unsigned keep_count;
};

/* First stage: RAM below 4 GiB, which multiboot.asm has mapped. */
void palloc_init(const struct host_memory *m);
/* Second stage, after paging_init(): all of it. */
void palloc_init_high(void);

#endif
