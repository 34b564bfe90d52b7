/* SPDX-License-Identifier: MIT */
/*
 * The words of the opcode tables (opcodes*.inc), private to the decoder.
 *
 * A row says: opcode, mnemonic, access and attributes, operand patterns. A
 * pattern is an addressing method and a size, named as in the manual's
 * "Opcode Map", "Key to Abbreviations":
 *   E  ModRM.rm: general register or memory     G  ModRM.reg: general register
 *   M  ModRM.rm: memory only                    R  ModRM.rm: general register
 *   Z  register in the opcode's low 3 bits      I  immediate
 *   S  immediate byte, sign-extended            J  branch displacement
 *   A  far pointer in the code                  O  moffs
 *   X  DS:SI   Y  ES:DI                         C, D, Sw  control, debug, segment
 *   V  ModRM.reg: XMM   W  rm: XMM or memory    U  rm: XMM only
 *   P  ModRM.reg: MMX   Q  rm: MMX or memory    N  rm: MMX only
 * Sizes: b 1, w 2, d 4, q 8, o 16, t 10 bytes; v operand size; z the same in
 * the code but at most 4 bytes of it; y 4, or 8 with REX.W; p far pointer;
 * a BOUND's pair; s descriptor-table register. A pair such as "dw" is d for a
 * register and w for memory.
 *
 * A row with GROUP names a table of 16 rows indexed by ModRM.reg: 0..7 for
 * memory, 8..15 for register forms. Those rows take their patterns from the
 * opcode's row unless they have their own. GROUP_RM selects by ModRM.rm.
 */
#ifndef CPU_OPCODES_H
#define CPU_OPCODES_H

#include "cpu/insn.h"

enum method {
	AM_NONE, AM_E, AM_M, AM_R, AM_G, AM_Z, AM_I, AM_S, AM_J, AM_A, AM_O,
	AM_X, AM_Y, AM_C, AM_D, AM_SREG, AM_V, AM_W, AM_U, AM_P, AM_Q, AM_N,
	AM_ST,   /* ST(ModRM.rm) */
	AM_FIX,  /* the general register in the pattern */
	AM_FSEG, /* the segment register in the pattern */
	AM_ONE,  /* the constant 1 */
	AM_ENTER, /* imm16 and imm8 */
};

enum opsize {
	SZ_0, SZ_B, SZ_W, SZ_D, SZ_Q, SZ_O, SZ_T, SZ_V, SZ_Z, SZ_Y, SZ_P, SZ_A,
	SZ_S, SZ_VW, SZ_DW, SZ_DB, SZ_CR, SZ_ENV, SZ_SAVE, SZ_FX, SZ_8B,
};

#define PAT(method, size)          ((method) | (size) << 5)
#define PAT_FIXED(method, size, n) (PAT(method, size) | (n) << 10)
#define PAT_METHOD(p) ((p) & 31)
#define PAT_SIZE(p)   ((p) >> 5 & 31)
#define PAT_REG(p)    ((p) >> 10 & 15)

enum pattern {
	Eb = PAT(AM_E, SZ_B), Ew = PAT(AM_E, SZ_W), Ed = PAT(AM_E, SZ_D),
	Ev = PAT(AM_E, SZ_V), Ey = PAT(AM_E, SZ_Y), Evw = PAT(AM_E, SZ_VW),
	Edw = PAT(AM_E, SZ_DW), Edb = PAT(AM_E, SZ_DB),
	Gb = PAT(AM_G, SZ_B), Gw = PAT(AM_G, SZ_W), Gd = PAT(AM_G, SZ_D),
	Gv = PAT(AM_G, SZ_V), Gy = PAT(AM_G, SZ_Y),
	M0 = PAT(AM_M, SZ_0), Mb = PAT(AM_M, SZ_B), Mw = PAT(AM_M, SZ_W),
	Md = PAT(AM_M, SZ_D), Mq = PAT(AM_M, SZ_Q), Mo = PAT(AM_M, SZ_O),
	Mt = PAT(AM_M, SZ_T), My = PAT(AM_M, SZ_Y), Mv = PAT(AM_M, SZ_V),
	Mp = PAT(AM_M, SZ_P), Ma = PAT(AM_M, SZ_A), Ms = PAT(AM_M, SZ_S),
	Menv = PAT(AM_M, SZ_ENV), Msave = PAT(AM_M, SZ_SAVE),
	Mfx = PAT(AM_M, SZ_FX), M8b = PAT(AM_M, SZ_8B),
	Rc = PAT(AM_R, SZ_CR),
	Zb = PAT(AM_Z, SZ_B), Zv = PAT(AM_Z, SZ_V),
	Ib = PAT(AM_I, SZ_B), Iw = PAT(AM_I, SZ_W), Iz = PAT(AM_I, SZ_Z),
	Iv = PAT(AM_I, SZ_V), Sb = PAT(AM_S, SZ_V),
	I1 = PAT(AM_ONE, SZ_B), Ienter = PAT(AM_ENTER, SZ_W),
	Jb = PAT(AM_J, SZ_B), Jz = PAT(AM_J, SZ_Z), Ap = PAT(AM_A, SZ_P),
	Ob = PAT(AM_O, SZ_B), Ov = PAT(AM_O, SZ_V),
	Xb = PAT(AM_X, SZ_B), Xv = PAT(AM_X, SZ_V), Xz = PAT(AM_X, SZ_Z),
	Yb = PAT(AM_Y, SZ_B), Yv = PAT(AM_Y, SZ_V), Yz = PAT(AM_Y, SZ_Z),
	Cc = PAT(AM_C, SZ_CR), Dc = PAT(AM_D, SZ_CR), Sw = PAT(AM_SREG, SZ_W),
	Vo = PAT(AM_V, SZ_O), Uo = PAT(AM_U, SZ_O),
	Wo = PAT(AM_W, SZ_O), Wq = PAT(AM_W, SZ_Q), Wd = PAT(AM_W, SZ_D),
	Ww = PAT(AM_W, SZ_W),
	Pq = PAT(AM_P, SZ_Q), Qq = PAT(AM_Q, SZ_Q), Qd = PAT(AM_Q, SZ_D),
	Nq = PAT(AM_N, SZ_Q),
	STi = PAT(AM_ST, SZ_T),
	rAL = PAT_FIXED(AM_FIX, SZ_B, R_AX), rCL = PAT_FIXED(AM_FIX, SZ_B, R_CX),
	rAX = PAT_FIXED(AM_FIX, SZ_V, R_AX), zAX = PAT_FIXED(AM_FIX, SZ_Z, R_AX),
	wAX = PAT_FIXED(AM_FIX, SZ_W, R_AX), rDX = PAT_FIXED(AM_FIX, SZ_W, R_DX),
	sES = PAT_FIXED(AM_FSEG, SZ_W, SEG_ES),
	sCS = PAT_FIXED(AM_FSEG, SZ_W, SEG_CS),
	sSS = PAT_FIXED(AM_FSEG, SZ_W, SEG_SS),
	sDS = PAT_FIXED(AM_FSEG, SZ_W, SEG_DS),
	sFS = PAT_FIXED(AM_FSEG, SZ_W, SEG_FS),
	sGS = PAT_FIXED(AM_FSEG, SZ_W, SEG_GS),
};

/* Access of operands 0 and 1. Operand 2 is only ever read. */
#define A_R   ATTR_READS0
#define A_W   ATTR_WRITES0
#define A_RW  (A_R | A_W)
#define A_1   ATTR_READS1
#define A_CMP (A_R | A_1)            /* both are read */
#define A_MOV (A_W | A_1)            /* 0 = 1 */
#define A_ALU (A_RW | A_1)           /* 0 = 0 op 1 */
#define A_XCHG (A_ALU | ATTR_WRITES1)
#define A_LCK ATTR_LOCKABLE

/* Attributes that only the decoder sees. */
#define ROW_GROUP    BIT(20)
#define ROW_GROUP_RM BIT(21)
#define ROW_D64 BIT(22)    /* operand size is 8 in 64-bit mode, 2 with 66 */
#define ROW_F64 BIT(23)    /* operand size is always 8 in 64-bit mode */
#define ROW_I64 BIT(24)    /* undefined in 64-bit mode */
#define ROW_O64 BIT(25)    /* undefined outside of it */
#define ROW_NP  BIT(26)    /* 66, F2 and F3 make it undefined or another row */
#define ROW_NOREP BIT(27)  /* F2 and F3 make it undefined */
#define ROW_MODREG BIT(28) /* ModRM.mod is ignored: always a register */
#define ROW_ONLY BITS(31, 20)

enum group {
	GRP_NONE, GRP_1, GRP_1A, GRP_2, GRP_3B, GRP_3V, GRP_4, GRP_5, GRP_6,
	GRP_7, GRP_7_RM1, GRP_7_RM7, GRP_8, GRP_9, GRP_11, GRP_12, GRP_13,
	GRP_14, GRP_12X, GRP_13X, GRP_14X, GRP_15, GRP_16, GRP_P,
	GRP_COUNT
};

struct row {
	u16 op; /* enum op; enum group when ROW_GROUP or ROW_GROUP_RM */
	u16 pat[3];
	u32 attrs;
};

#endif
