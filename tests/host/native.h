/* SPDX-License-Identifier: MIT */
/* The guest's x87/SSE state between calls, as an FXSAVE64 image. */
#ifndef TESTS_HOST_NATIVE_H
#define TESTS_HOST_NATIVE_H

#include "bits.h"

extern u8 native_fx[512];
void native_reset(void);

#endif
