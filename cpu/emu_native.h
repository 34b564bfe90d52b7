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
 *
 * PCMPxSTRx have implicit operands: *rax takes the lengths, as
 * emu_native_lengths() packs them, and gives the index.
 */
bool emu_native_insn(struct emu *e, void *mem, u64 *rax);

/* PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM. */
static inline bool emu_native_is_string_compare(const struct insn *insn)
{
	return insn->map == 3 && (insn->opcode & ~3) == 0x60;
}

/* The ones that give an index in rCX, not a mask in XMM0. */
static inline bool emu_native_gives_index(const struct insn *insn)
{
	return emu_native_is_string_compare(insn) && (insn->opcode & 1);
}

/* rAX and rDX for PCMPESTRx: beyond 16 either way they saturate. */
u64 emu_native_lengths(const struct emu *e);

/* The same for n bytes of code of our own, which must use only [rdi], rax. */
bool emu_native_code(struct emu *e, const u8 *code, unsigned n, void *mem);

#endif
