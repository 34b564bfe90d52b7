/* SPDX-License-Identifier: MIT */
/* See switches.h. */
#include "lib/switches.h"

u32 switches_off;
