/* SPDX-License-Identifier: MIT */
/*
 * The guest's registers as gdb numbers them. Pure: a vcpu and an FXSAVE image
 * in, bytes out. Values that no guest could load are refused, so that nothing
 * gdb sends leads to a state that an engine does not know.
 */
#ifndef DEBUG_REGS_H
#define DEBUG_REGS_H

#include "cpu/vcpu.h"

#define REGS_FX_BYTES 512

struct regs {
	struct vcpu *v;
	u8 *fx; /* FXSAVE image, REGS_FX_BYTES */
	u64 cr4_allowed;
	/* Load a segment register; false: no such segment. */
	bool (*load_segment)(void *ctx, enum sreg seg, u16 sel);
	/* Load CR3, and the PDPTEs; false: they are not valid. */
	bool (*load_cr3)(void *ctx, u64 cr3);
	/* enum mode_change of what was written; fx: the image was. */
	void (*changed)(void *ctx, unsigned what, bool fx);
	void *ctx;
};

unsigned regs_count(void);
unsigned regs_size(unsigned n); /* bytes */
const char *regs_name(unsigned n);
unsigned regs_find(const char *name); /* regs_count(): there is none */
/* What gdb wants to know after a step: numbers, and how many. */
const unsigned *regs_told(unsigned *count);
void regs_read(const struct regs *r, unsigned n, u8 *buf);
/* False: read-only, or a value that the guest could not have. */
bool regs_write(const struct regs *r, unsigned n, const u8 *buf);

/* The target description; made once. */
const char *regs_xml(u64 *size);

#endif
