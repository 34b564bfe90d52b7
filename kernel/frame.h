/* SPDX-License-Identifier: MIT */
/*
 * What kernel/isr.asm leaves on the stack at every exception and interrupt.
 * Whoever gets the frame may change it: it is what is returned to.
 */
#ifndef KERNEL_FRAME_H
#define KERNEL_FRAME_H

#include "x86.h"

struct host_frame {
	u64 rax, rcx, rdx, rbx, rbp, rsi, rdi; /* ModRM order, no rsp */
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 vector;
	u64 error; /* 0 for vectors without one */
	u64 rip, cs, rflags, rsp, ss;
};

_Static_assert(sizeof(struct host_frame) == 22 * 8, "isr.asm builds this");

#endif
