/* SPDX-License-Identifier: MIT */
/* Called by multiboot.asm on the monitor's stack, in long mode. */
#ifndef BOOT_MAIN_H
#define BOOT_MAIN_H

#include "types.h"

void boot_main(u32 magic, u32 info);

#endif
