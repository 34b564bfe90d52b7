/* SPDX-License-Identifier: MIT */
/*
 * The x87 and SSE registers, which are the guest's at all times: seen and
 * changed as an FXSAVE image by the debugger alone.
 */
#ifndef KERNEL_FPU_H
#define KERNEL_FPU_H

#include "types.h"

#define FPU_IMAGE_BYTES 512 /* 16-byte aligned */

void fpu_image_save(void *image);
/* The image must have no reserved bit set in MXCSR. */
void fpu_image_load(const void *image);

#endif
