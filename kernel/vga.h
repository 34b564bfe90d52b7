/* SPDX-License-Identifier: MIT */
/* The host's VGA text screen as a console of 25 scrolling lines. */
#ifndef KERNEL_VGA_H
#define KERNEL_VGA_H

#include "types.h"

/* False (and silent ever after) when the screen is not in text mode. */
bool vga_init(void);
void vga_put(u8 byte);

#endif
