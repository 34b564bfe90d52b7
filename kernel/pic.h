/* SPDX-License-Identifier: MIT */
/* The host's 8259 pair, remapped to IRQ_BASE, everything masked at first. */
#ifndef KERNEL_PIC_H
#define KERNEL_PIC_H

#include "types.h"

void host_pic_init(void);
void pic_mask(unsigned irq, bool masked);

/* True when the interrupt is real; then pic_eoi() ends it. */
bool pic_accept(unsigned irq);
void pic_eoi(unsigned irq);

#endif
