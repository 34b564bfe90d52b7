/* SPDX-License-Identifier: MIT */
/* Guest instructions run on the real CPU: see host_native_call(). */
#ifndef KERNEL_NATIVE_H
#define KERNEL_NATIVE_H

#include "kernel/frame.h"

/* Makes the area of host_code_area(). Needs paging and palloc. */
void native_init(void);

/* True when the frame was a fault in there, now redirected to its end. */
bool native_fixup(struct host_frame *f);

#endif
