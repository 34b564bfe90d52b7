/* SPDX-License-Identifier: MIT */
/*
 * What the loader told us, copied out of its structures: plain data that
 * does not depend on which Multiboot it was.
 */
#ifndef BOOT_MULTIBOOT_H
#define BOOT_MULTIBOOT_H

#include "kernel/memory.h"

#define BOOT_MODULE_MAX 16

struct boot_module {
	u64 start, bytes;   /* host-physical */
	const char *string; /* what it is: "linux console=ttyS0" */
};

struct boot_info {
	struct host_memory memory;
	struct boot_module modules[BOOT_MODULE_MAX];
	unsigned module_count;
	const char *cmdline; /* without the image's own name */
	const char *loader;
};

extern struct boot_info boot_info;

/* Fatal when we were not started by Multiboot, or the information is unfit. */
void multiboot_read(u32 magic, u32 info);

#endif
