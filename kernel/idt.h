/* SPDX-License-Identifier: MIT */
/* The host IDT, and faults that the monitor expects of itself. */
#ifndef KERNEL_IDT_H
#define KERNEL_IDT_H

#include "kernel/frame.h"

/* 256 interrupt gates to isr.asm. */
void idt_init(void);

/* DPL of a gate: 3 lets user code use INT n without a #GP. */
void idt_set_dpl(u8 vector, unsigned dpl);

/* The iretq that ends every interrupt: where it faults, rip is this. */
extern const u8 isr_iretq[];

/*
 * A row of section .fixup: a fault at `fault` goes on at `resume`. Nothing
 * else of the frame changes.
 */
struct fixup {
	u64 fault, resume;
};

/* For inline assembly: the instruction at label `at` may fault. */
#define FIXUP(at, resume)                                                 \
	".pushsection .fixup, \"a\"\n\t"                                  \
	".quad " #at ", " #resume "\n\t"                                  \
	".popsection\n\t"

/* Bytes of our own memory, up to the first that is not mapped. */
u64 host_peek(u64 addr, void *buf, u64 size);

/* True when the frame was redirected. */
bool idt_fixup(struct host_frame *f);

const char *idt_vector_name(u64 vector);

#endif
