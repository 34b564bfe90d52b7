/* SPDX-License-Identifier: MIT */
/*
 * The verifier's whitelist: what a finished block may contain, a row per
 * opcode of each map. An opcode that is not here is refused. The rows say only
 * what safety needs: the length of the encoding, which ModRM fields name
 * general registers, and where memory is implied.
 */
#ifndef BT_VERIFY_TABLES_H
#define BT_VERIFY_TABLES_H

#include "types.h"

enum {
	V_OK = 1 << 0,    /* allowed */
	V_MODRM = 1 << 1,
	V_G = 1 << 2,     /* ModRM.reg is a general register */
	V_E = 1 << 3,     /* ModRM.rm is one when mod = 3 */
	V_G8 = 1 << 4,    /* byte registers */
	V_E8 = 1 << 5,
	V_IB = 1 << 6,    /* immediate: one byte */
	V_IZ = 1 << 7,    /* immediate: 2 or 4 bytes by operand size */
	V_O = 1 << 8,     /* register in the opcode's low bits */
	V_STR = 1 << 9,   /* memory through rsi, rdi or rbx: needs 67h */
	V_MEM = 1 << 10,  /* memory form only */
	V_REG = 1 << 11,  /* register form only */
	V_GROUP = 1 << 12, /* ModRM.reg selects: see verify_groups */
	V_REL8 = 1 << 13,
	V_REL32 = 1 << 14,
	V_CALL = 1 << 15, /* E8: CALL stubs only */
	V_END = 1 << 16,  /* never falls through */
	V_IV = 1 << 17,   /* B8+r: 4 bytes, or 8 with REX.W */
	V_MOFFS = 1 << 18, /* 4 bytes of address: needs 67h */
};

#define V_EG  (V_OK | V_MODRM | V_E | V_G)
#define V_EG8 (V_OK | V_MODRM | V_E | V_G | V_E8 | V_G8)
#define V_EX  (V_OK | V_MODRM | V_E)      /* E general, reg selects */
#define V_EX8 (V_OK | V_MODRM | V_E | V_E8)
#define V_VW  (V_OK | V_MODRM)            /* MMX or XMM both */
#define V_GE_BYTE (V_OK | V_MODRM | V_E | V_G | V_E8) /* movzx r, r/m8 */

#define ALU_ROWS(base)                                                    \
	[base + 0] = V_EG8, [base + 1] = V_EG, [base + 2] = V_EG8,        \
	[base + 3] = V_EG, [base + 4] = V_OK | V_IB, [base + 5] = V_OK | V_IZ

/* clang-format off */
static const u32 verify_one[256] = {
	ALU_ROWS(0x00), ALU_ROWS(0x08), ALU_ROWS(0x10), ALU_ROWS(0x18),
	ALU_ROWS(0x20), ALU_ROWS(0x28), ALU_ROWS(0x30), ALU_ROWS(0x38),
	[0x63] = V_EG,                          /* MOVSXD */
	[0x69] = V_EG | V_IZ,
	[0x6b] = V_EG | V_IB,
	[0x70 ... 0x7f] = V_OK | V_REL8,
	[0x80] = V_EX8 | V_IB,
	[0x81] = V_EX | V_IZ,
	[0x83] = V_EX | V_IB,
	[0x84] = V_EG8, [0x85] = V_EG,
	[0x86] = V_EG8, [0x87] = V_EG,
	[0x88] = V_EG8, [0x89] = V_EG,
	[0x8a] = V_EG8, [0x8b] = V_EG,
	[0x8d] = V_EG | V_MEM,                  /* LEA */
	[0x90 ... 0x97] = V_OK | V_O,           /* NOP, XCHG */
	[0x98] = V_OK, [0x99] = V_OK,
	[0x9b] = V_OK,                          /* FWAIT */
	[0x9e] = V_OK, [0x9f] = V_OK,           /* SAHF, LAHF */
	[0xa0 ... 0xa3] = V_OK | V_MOFFS,
	[0xa4 ... 0xa7] = V_OK | V_STR,
	[0xa8] = V_OK | V_IB, [0xa9] = V_OK | V_IZ,
	[0xaa ... 0xaf] = V_OK | V_STR,
	[0xb0 ... 0xb7] = V_OK | V_O | V_G8 | V_IB,
	[0xb8 ... 0xbf] = V_OK | V_O | V_IV,
	[0xc0] = V_EX8 | V_IB, [0xc1] = V_EX | V_IB,
	[0xc6] = V_EX8 | V_IB | V_GROUP, [0xc7] = V_EX | V_IZ | V_GROUP,
	[0xd0] = V_EX8, [0xd1] = V_EX, [0xd2] = V_EX8, [0xd3] = V_EX,
	[0xd7] = V_OK | V_STR,                  /* XLAT */
	[0xd8] = V_VW, [0xd9] = V_VW | V_GROUP, [0xda] = V_VW, [0xdb] = V_VW,
	[0xdc] = V_VW, [0xdd] = V_VW | V_GROUP, [0xde] = V_VW, [0xdf] = V_VW,
	[0xe0 ... 0xe3] = V_OK | V_REL8,        /* LOOPcc, JRCXZ */
	[0xe8] = V_OK | V_REL32 | V_CALL,
	[0xe9] = V_OK | V_REL32 | V_END,
	[0xeb] = V_OK | V_REL8 | V_END,
	[0xf5] = V_OK, [0xf8] = V_OK, [0xf9] = V_OK,
	[0xfc] = V_OK, [0xfd] = V_OK,
	[0xf6] = V_EX8 | V_GROUP, [0xf7] = V_EX | V_GROUP,
	[0xfe] = V_EX8 | V_GROUP, [0xff] = V_EX | V_GROUP,
};

static const u32 verify_0f[256] = {
	[0x0d] = V_VW | V_MEM, [0x18] = V_VW | V_MEM,   /* PREFETCH */
	[0x10 ... 0x17] = V_VW,
	[0x1f] = V_EX,                                  /* NOP */
	[0x28 ... 0x29] = V_VW,
	[0x2a] = V_VW | V_E,                            /* CVTSI2SS, CVTPI2PS */
	[0x2b] = V_VW | V_MEM,
	[0x2c ... 0x2d] = V_VW | V_G,                   /* CVTSS2SI */
	[0x2e ... 0x2f] = V_VW,
	[0x40 ... 0x4f] = V_EG,
	[0x50] = V_VW | V_G | V_REG,                    /* MOVMSKPS */
	[0x51 ... 0x6d] = V_VW,
	[0x6e] = V_VW | V_E, [0x6f] = V_VW,
	[0x70] = V_VW | V_IB,
	[0x71 ... 0x73] = V_VW | V_REG | V_IB,
	[0x74 ... 0x76] = V_VW,
	[0x77] = V_OK,                                  /* EMMS */
	[0x7c ... 0x7d] = V_VW,
	[0x7e] = V_VW | V_E, [0x7f] = V_VW,
	[0x80 ... 0x8f] = V_OK | V_REL32,
	[0x90 ... 0x9f] = V_EX8,
	[0xa3] = V_EG, [0xab] = V_EG, [0xb3] = V_EG, [0xbb] = V_EG,
	[0xa4] = V_EG | V_IB, [0xa5] = V_EG,
	[0xac] = V_EG | V_IB, [0xad] = V_EG,
	[0xae] = V_OK | V_MODRM | V_GROUP,
	[0xaf] = V_EG,
	[0xb0] = V_EG8, [0xb1] = V_EG,
	[0xb6] = V_GE_BYTE, [0xb7] = V_EG,
	[0xb8] = V_EG | V_GROUP,                        /* POPCNT */
	[0xba] = V_EX | V_IB | V_GROUP,
	[0xbc ... 0xbd] = V_EG,
	[0xbe] = V_GE_BYTE, [0xbf] = V_EG,
	[0xc0] = V_EG8, [0xc1] = V_EG,
	[0xc2] = V_VW | V_IB,
	[0xc3] = V_EG | V_MEM,                          /* MOVNTI */
	[0xc4] = V_VW | V_E | V_IB,                     /* PINSRW */
	[0xc5] = V_VW | V_G | V_REG | V_IB,             /* PEXTRW */
	[0xc6] = V_VW | V_IB,
	[0xc7] = V_OK | V_MODRM | V_MEM | V_GROUP,      /* CMPXCHG8B */
	[0xc8 ... 0xcf] = V_OK | V_O,
	[0xd0 ... 0xd6] = V_VW,
	[0xd7] = V_VW | V_G | V_REG,                    /* PMOVMSKB */
	[0xd8 ... 0xf6] = V_VW,
	[0xf7] = V_VW | V_REG | V_STR,                  /* MASKMOV */
	[0xf8 ... 0xfe] = V_VW,
};

static const u32 verify_0f38[256] = {
	[0x00 ... 0x0b] = V_VW, [0x10] = V_VW, [0x14 ... 0x15] = V_VW,
	[0x17] = V_VW, [0x1c ... 0x1e] = V_VW, [0x20 ... 0x25] = V_VW,
	[0x28 ... 0x2b] = V_VW, [0x30 ... 0x35] = V_VW,
	[0x37 ... 0x41] = V_VW, [0xc8 ... 0xcd] = V_VW,
	[0xdb ... 0xdf] = V_VW,
	[0xf0] = V_GE_BYTE, [0xf1] = V_EG,              /* MOVBE, CRC32 */
};

static const u32 verify_0f3a[256] = {
	[0x08 ... 0x0f] = V_VW | V_IB,
	[0x14 ... 0x17] = V_VW | V_E | V_IB,            /* PEXTR, EXTRACTPS */
	[0x20] = V_VW | V_E | V_IB, [0x21] = V_VW | V_IB,
	[0x22] = V_VW | V_E | V_IB,
	[0x40 ... 0x42] = V_VW | V_IB, [0x44] = V_VW | V_IB,
	[0x60 ... 0x63] = V_VW | V_IB, [0xcc] = V_VW | V_IB,
	[0xdf] = V_VW | V_IB,
};

/* ModRM.reg values allowed: bit n for memory forms, bit 8 + n for registers. */
struct verify_group {
	u8 map, opcode;
	u16 allowed;
};

static const struct verify_group verify_groups[] = {
	{ 0, 0xc6, 0x0101 },    /* MOV only: /7 is XABORT */
	{ 0, 0xc7, 0x0101 },    /* MOV only: /7 is XBEGIN */
	{ 0, 0xd9, 0xffaf },    /* not FLDENV, FNSTENV (host pc) */
	{ 0, 0xdd, 0xffaf },    /* not FRSTOR, FNSAVE */
	{ 0, 0xf6, 0xfdfd }, { 0, 0xf7, 0xfdfd },
	{ 0, 0xfe, 0x0303 }, { 0, 0xff, 0x0303 },       /* INC, DEC only */
	{ 1, 0xae, 0xe08c },    /* LDMXCSR STMXCSR CLFLUSH; fences */
	{ 1, 0xb8, 0xffff },    /* with F3 only: checked apart */
	{ 1, 0xba, 0xf0f0 },
	{ 1, 0xc7, 0x0002 },
};
/* clang-format on */

#endif
