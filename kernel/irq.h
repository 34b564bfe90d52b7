/* SPDX-License-Identifier: MIT */
/*
 * Interrupts and exceptions of the host: handlers by vector, and the hooks by
 * which an engine sees what happens while its guest runs.
 */
#ifndef KERNEL_IRQ_H
#define KERNEL_IRQ_H

#include "kernel/frame.h"

#define IRQ_BASE 0x20 /* of the 8259 pair's 16 vectors */
#define IRQ_VECTOR(irq) (IRQ_BASE + (irq))

#define IRQ_TIMER 0
#define IRQ_COM2  3
#define IRQ_COM1  4

/* Called with host interrupts off and must leave them off. */
typedef void (*irq_handler)(struct host_frame *f);

/* One handler a vector from 32 up. */
void irq_set_handler(u8 vector, irq_handler handler);
void irq_unmask(unsigned irq);
void irq_mask(unsigned irq);

/*
 * Exceptions go first to this one; true: handled, return to the frame. Then
 * to the fix-up table, then to panic. NULL: none.
 */
extern bool (*host_exception_hook)(struct host_frame *f);

/* Called after a hardware interrupt was handled; may change the frame. */
extern void (*host_irq_hook)(struct host_frame *f);

/* Sets the byte of host_attention_hook(): the run loop is wanted. */
void irq_set_attention(void);

/* 8259 pair remapped and masked, IDT loaded; interrupts stay off. */
void irq_init(void);

/* From isr.asm. */
void irq_dispatch(struct host_frame *f);

#endif
