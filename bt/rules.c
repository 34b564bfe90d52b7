/* SPDX-License-Identifier: MIT */
/*
 * What becomes of each instruction: a row per operation. Absent rows, and
 * instructions that their generator refuses, are callouts to the interpreter;
 * ENDS marks those after which nothing can be assumed (control flow, mode).
 */
#include "bt/xlate.h"

#define GEN(op, g)      [OP_##op] = { .gen = gen_##g }
#define GEN_ENDS(op, g) [OP_##op] = { .gen = gen_##g, .ends = true }
#define ENDS(op)        [OP_##op] = { .ends = true }

static const struct rule rules[OP_COUNT] = {
	/* Themselves */
	GEN(ADD, ident), GEN(SUB, ident), GEN(CMP, ident), GEN(AND, ident),
	GEN(OR, ident), GEN(XOR, ident), GEN(TEST, ident), GEN(NEG, ident),
	GEN(ADC, ident), GEN(SBB, ident), GEN(NOT, ident), GEN(MOV, ident),
	GEN(MOVSX, ident), GEN(MOVZX, ident), GEN(LEA, ident),
	GEN(XCHG, ident), GEN(BSWAP, ident), GEN(CWDE, ident),
	GEN(CDQ, ident), GEN(CBW, ident), GEN(CWD, ident), GEN(MUL, ident),
	GEN(IMUL, ident), GEN(DIV, ident), GEN(IDIV, ident),
	GEN(ROL, ident), GEN(ROR, ident), GEN(SHL, ident), GEN(SHR, ident),
	GEN(SAR, ident), GEN(SHLD, ident), GEN(SHRD, ident),
	GEN(RCL, ident), GEN(RCR, ident), GEN(BT, ident), GEN(BTS, ident),
	GEN(BTR, ident), GEN(BTC, ident), GEN(BSF, ident), GEN(BSR, ident),
	GEN(XADD, ident), GEN(CMPXCHG, ident), GEN(CMPXCHG8B, cmpxchg8b),
	GEN(SETCC, ident), GEN(CMOVCC, ident), GEN(LAHF, ident),
	GEN(SAHF, ident), GEN(CLC, ident), GEN(STC, ident), GEN(CMC, ident),
	GEN(MOVBE, ident), GEN(POPCNT, ident), GEN(LZCNT, ident),
	GEN(TZCNT, ident), GEN(CRC32, ident), GEN(PREFETCH, ident),
	GEN(LFENCE, ident), GEN(MFENCE, ident), GEN(SFENCE, ident),
	GEN(MOVNTI, ident), GEN(WAIT, ident), GEN(EMMS, ident),
	GEN(X87, x87), GEN(MMX, simd), GEN(SSE, simd),
	GEN(LDMXCSR, simd), GEN(STMXCSR, simd),
	GEN(MOVS, string), GEN(CMPS, string), GEN(STOS, string),
	GEN(LODS, string), GEN(SCAS, string), GEN(XLAT, xlat),
	/* Other forms */
	GEN(NOP, nop), GEN(PAUSE, pause), GEN(INC, incdec), GEN(DEC, incdec),
	GEN(PUSH, push), GEN(POP, pop), GEN(LEAVE, leave),
	GEN(PUSH_SREG, push_sreg),
	/* System state that the cache may touch */
	GEN(CLI, cli), GEN(STI, sti), GEN(PUSHF, pushf), GEN(POPF, popf),
	GEN(CLD, cld), GEN(STD, std), GEN(RDTSC, rdtsc), GEN(MOV_SREG, mov_sreg),
	GEN(POP_SREG, pop_sreg),
	GEN_ENDS(MOV_CR, mov_cr),
	/* Control flow */
	GEN_ENDS(JMP, jmp), GEN_ENDS(JCC, jcc), GEN_ENDS(JCXZ, loop),
	GEN_ENDS(LOOP, loop), GEN_ENDS(LOOPE, loop), GEN_ENDS(LOOPNE, loop),
	GEN_ENDS(CALL, call), GEN_ENDS(CALL_IND, call_ind),
	GEN_ENDS(JMP_IND, jmp_ind), GEN_ENDS(RET, ret),
	ENDS(JMP_FAR), ENDS(CALL_FAR), ENDS(RET_FAR), ENDS(IRET), ENDS(INT),
	ENDS(INT3), ENDS(INTO), ENDS(INT1), ENDS(UD), ENDS(INVALID),
	ENDS(SYSENTER), ENDS(SYSEXIT), ENDS(SYSCALL), ENDS(SYSRET),
	/* Modes and stops */
	ENDS(HLT), ENDS(LMSW), ENDS(WRMSR), ENDS(RSM), ENDS(MOV_DR),
};

const struct rule *rule_of(enum op op)
{
	return &rules[op];
}
