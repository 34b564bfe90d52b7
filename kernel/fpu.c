/* SPDX-License-Identifier: MIT */
/*
 * FXSAVE and FXRSTOR, whatever the guest has put into the mirrored bits of CR0
 * and CR4 ("CR0.TS", "CR4.OSFXSR"): those are opened for the one instruction.
 */
#include "kernel/fpu.h"

#include "kernel/instr.h"

struct opened {
	u64 cr0, cr4;
};

static struct opened open_fpu(void)
{
	struct opened was = { read_cr0(), read_cr4() };

	write_cr0(was.cr0 & ~(CR0_TS | CR0_EM));
	write_cr4(was.cr4 | CR4_OSFXSR);
	return was;
}

static void close_fpu(struct opened was)
{
	write_cr0(was.cr0);
	write_cr4(was.cr4);
}

void fpu_image_save(void *image)
{
	struct opened was = open_fpu();

	__asm__ volatile("fxsave (%0)" : : "r"(image) : "memory");
	close_fpu(was);
}

void fpu_image_load(const void *image)
{
	struct opened was = open_fpu();

	__asm__ volatile("fxrstor (%0)" : : "r"(image) : "memory");
	close_fpu(was);
}
