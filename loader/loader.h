/* SPDX-License-Identifier: MIT */
/*
 * Guest image -> guest memory and reset state. Understands Linux bzImage (the
 * 32-bit boot protocol) and Multiboot 1 (ELF and address-field images).
 */
#ifndef LOADER_LOADER_H
#define LOADER_LOADER_H

#include "cpu/vcpu.h"
#include "mm/gpm.h"

struct guest_image {
	const u8 *image;
	u64 size;
	const char *cmdline; /* never NULL */
	const u8 *initrd;    /* NULL: none */
	u64 initrd_size;
};

enum image_kind { IMAGE_UNKNOWN, IMAGE_LINUX, IMAGE_MULTIBOOT };

/* By magic: "HdrS" at 202h, or a Multiboot header in the first 8 KiB. */
enum image_kind loader_kind(const u8 *image, u64 size);

/*
 * Load into memory that holds nothing yet, and set v to the image's first
 * instruction. Returns NULL, or one line in words why not (static buffer).
 */
const char *loader_load(struct gpm *g, struct vcpu *v,
			const struct guest_image *image);

#endif
