/* SPDX-License-Identifier: MIT */
/* Running one x87, MMX or SSE instruction on the real CPU. cpu/ only. */
#ifndef CPU_EMU_NATIVE_H
#define CPU_EMU_NATIVE_H

#include "cpu/emu_internal.h"

bool emu_native_ready(void);

/*
 * Run e->insn as 64-bit code on *mem (its memory operand, 16-byte aligned)
 * and *rax (its general register operand). The guest's arithmetic flags are
 * used and set. An exception that it raises becomes the guest's fault.
 */
bool emu_native_insn(struct emu *e, void *mem, u64 *rax);

/* The same for n bytes of code of our own, which must use only [rdi], rax. */
bool emu_native_code(struct emu *e, const u8 *code, unsigned n, void *mem);

#endif
