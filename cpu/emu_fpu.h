/* SPDX-License-Identifier: MIT */
/*
 * x87, MMX and SSE under the interpreter: the guest's registers are the live
 * ones of the real CPU, so these instructions run there, one at a time.
 */
#ifndef CPU_EMU_FPU_H
#define CPU_EMU_FPU_H

#include "bits.h"

/*
 * What the machine lends for that: kernel/host.h's host_code_area() and
 * host_native_call(), handed in because cpu/ knows no machine.
 */
struct emu_native {
	u8 *write;      /* the code area, writable */
	const u8 *exec; /* the same bytes, executable */
	u64 size;
	u32 (*call)(const void *code, void *mem, u64 *rax, u64 *flags);
};

/* Before the first step; without it these instructions are #UD. */
void emu_fpu_init(const struct emu_native *native);

struct emu;

/*
 * With v->x87_ours, before guest code runs directly, which FNSTENV would show
 * an address of ours: zero FIP, FDP and FOP. CR0.EM and CR0.TS must be clear.
 */
void emu_fpu_hide_pc(struct emu *e);

#endif
