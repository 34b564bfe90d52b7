/* SPDX-License-Identifier: MIT */
/* The rows of regs.inc as a table. */
#ifndef DEBUG_REGS_TABLE_H
#define DEBUG_REGS_TABLE_H

#include "cpu/vcpu.h"

enum reg_feature { FEATURE_CORE, FEATURE_SSE,
		   FEATURE_SYSTEM, FEATURE_COUNT };

enum reg_kind {
	KIND_GPR, KIND_GPR32, KIND_RIP, KIND_EFLAGS, KIND_SELECTOR, KIND_BASE,
	KIND_ST, KIND_X87, KIND_XMM, KIND_MXCSR,
	/* A field of the vcpu at `where`: read-only, or with its own rule. */
	KIND_READ16, KIND_READ32, KIND_READ64,
	KIND_CR0, KIND_ADDRESS, KIND_CR3, KIND_CR4, KIND_CR8, KIND_EFER,
	KIND_DR, KIND_DR6, KIND_DR7,
};

enum { X87_CONTROL, X87_STATUS, X87_TAG, X87_OPCODE, X87_NONE };

struct reg_row {
	const char *name, *type, *group;
	u16 where;
	u8 bits, kind, feature;
};

extern const struct reg_row reg_rows[];

#endif
