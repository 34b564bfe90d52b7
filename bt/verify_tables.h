/* SPDX-License-Identifier: MIT */
/*
 * The verifier's whitelist: what a finished block may contain, a row per
 * opcode of each map. An opcode that is not here is refused, and so is a form
 * of it, by prefix and by operand, that is not: what is undefined today may be
 * a new instruction tomorrow. The rows say only what safety needs: the forms,
 * the length of the encoding, which ModRM fields name general registers, and
 * where memory is implied.
 */
#ifndef BT_VERIFY_TABLES_H
#define BT_VERIFY_TABLES_H

#include "bt/abi.h"

/*
 * Forms, two bits for each prefix that may choose the instruction (none, 66h,
 * F3h, F2h; the last two win over 66h): with a memory operand or no ModRM, and
 * with a register.
 */
enum {
	NM = 1 << 0, NR = 1 << 1, N = NM | NR,
	PM = 1 << 2, PR = 1 << 3, P = PM | PR,
	SM = 1 << 4, SR = 1 << 5, S = SM | SR, /* F3h */
	DM = 1 << 6, DR = 1 << 7, D = DM | DR, /* F2h */
	V_FORMS = 0xff,
	V_MODRM = 1 << 8,
	V_G = 1 << 9,      /* ModRM.reg is a general register */
	V_E = 1 << 10,     /* ModRM.rm is one when mod = 3 */
	V_G8 = 1 << 11,    /* byte registers */
	V_E8 = 1 << 12,
	V_IB = 1 << 13,    /* immediate: one byte */
	V_IZ = 1 << 14,    /* immediate: 2 bytes with 66h, else 4 */
	V_O = 1 << 15,     /* register in the opcode's low bits */
	V_STR = 1 << 16,   /* memory through rsi, rdi or rbx: needs 67h */
	V_GROUP = 1 << 17, /* ModRM.reg selects: see verify_groups */
	V_REL8 = 1 << 18,
	V_REL32 = 1 << 19,
	V_CALL = 1 << 20,  /* E8: CALL stubs only */
	V_END = 1 << 21,   /* never falls through */
	V_ECX = 1 << 22,   /* a branch that may have 67h: it counts in ECX */
	V_W = 1 << 23,     /* may have REX.W */
	V_LOCK = 1 << 24,  /* may have LOCK with a memory operand */
	V_X87 = 1 << 25,   /* see verify_x87 */
	V_GPR_REP = 1 << 26,   /* V_G and V_E hold only with F2h or F3h */
	V_GPR_NOREP = 1 << 27, /* ... only without */
};

#define ONE   (NM | PM)                   /* no ModRM */
#define GPR   (N | P | V_MODRM)
#define EG    (GPR | V_E | V_G)
#define EG8   (GPR | V_E | V_G | V_E8 | V_G8)
#define EX    (GPR | V_E)                 /* E general, reg selects */
#define EX8   (GPR | V_E | V_E8)
#define E8G   (GPR | V_E | V_G | V_E8)    /* MOVZX r, r/m8 */
#define VW    V_MODRM                     /* MMX or XMM both */

#define ALU_ROWS(base, lock)                                              \
	[base + 0] = EG8 | lock, [base + 1] = EG | lock,                  \
	[base + 2] = EG8, [base + 3] = EG,                                \
	[base + 4] = ONE | V_IB, [base + 5] = ONE | V_IZ

/* clang-format off */
static const u32 verify_one[256] = {
	ALU_ROWS(0x00, V_LOCK), ALU_ROWS(0x08, V_LOCK),
	ALU_ROWS(0x10, V_LOCK), ALU_ROWS(0x18, V_LOCK),
	ALU_ROWS(0x20, V_LOCK), ALU_ROWS(0x28, V_LOCK),
	ALU_ROWS(0x30, V_LOCK), ALU_ROWS(0x38, 0),
	[0x69] = EG | V_IZ, [0x6b] = EG | V_IB,
	[0x70 ... 0x7f] = NM | V_REL8,
	[0x80] = EX8 | V_IB | V_GROUP,
	[0x81] = EX | V_IZ | V_GROUP, [0x83] = EX | V_IB | V_GROUP,
	[0x84] = EG8, [0x85] = EG,
	[0x86] = EG8 | V_LOCK, [0x87] = EG | V_LOCK,
	[0x88] = EG8, [0x89] = EG | V_W,
	[0x8a] = EG8, [0x8b] = EG | V_W,
	[0x8d] = ONE | V_MODRM | V_G | V_W,     /* LEA */
	[0x90] = ONE | SM | V_O,                /* NOP, PAUSE */
	[0x91 ... 0x97] = ONE | V_O,            /* XCHG */
	[0x98 ... 0x99] = ONE,                  /* CWDE, CDQ */
	[0x9b] = ONE,                           /* FWAIT */
	[0x9e ... 0x9f] = ONE,                  /* SAHF, LAHF */
	[0xa4 ... 0xa7] = ONE | SM | DM | V_STR,
	[0xa8] = ONE | V_IB, [0xa9] = ONE | V_IZ,
	[0xaa ... 0xaf] = ONE | SM | DM | V_STR,
	[0xb0 ... 0xb7] = ONE | V_O | V_G8 | V_IB,
	[0xb8 ... 0xbf] = ONE | V_O | V_IZ,
	[0xc0] = EX8 | V_IB, [0xc1] = EX | V_IB,
	[0xc6] = EX8 | V_IB | V_GROUP, [0xc7] = EX | V_IZ | V_GROUP,
	[0xd0] = EX8, [0xd1] = EX, [0xd2] = EX8, [0xd3] = EX,
	[0xd7] = ONE | V_STR,                   /* XLAT */
	[0xd8 ... 0xdf] = N | V_MODRM | V_X87,
	[0xe0 ... 0xe3] = NM | V_REL8 | V_ECX,  /* LOOPcc, JRCXZ */
	[0xe8] = NM | V_REL32 | V_CALL,
	[0xe9] = NM | V_REL32 | V_END,
	[0xeb] = NM | V_REL8 | V_END,
	[0xf5] = ONE, [0xf8 ... 0xf9] = ONE,    /* CMC, CLC, STC */
	[0xfc ... 0xfd] = ONE,                  /* CLD, STD */
	[0xf6] = EX8 | V_GROUP, [0xf7] = EX | V_GROUP,
	[0xfe] = EX8 | V_GROUP, [0xff] = EX | V_GROUP,
};

static const u32 verify_0f[256] = {
	[0x0d] = VW | NM | PM, [0x18] = VW | NM | PM,   /* PREFETCH */
	[0x10 ... 0x11] = VW | N | P | S | D,
	[0x12] = VW | N | PM | S | D, [0x13] = VW | NM | PM,
	[0x14 ... 0x15] = VW | N | P,
	[0x16] = VW | N | PM | S, [0x17] = VW | NM | PM,
	[0x28 ... 0x29] = VW | N | P,
	[0x2a] = VW | N | P | S | D | V_E | V_GPR_REP,  /* CVTSI2SS */
	[0x2b] = VW | NM | PM,
	[0x2c ... 0x2d] = VW | N | P | S | D | V_G | V_GPR_REP,
	[0x2e ... 0x2f] = VW | N | P,
	[0x31] = NM,                                    /* RDTSC */
	[0x40 ... 0x4f] = EG,
	[0x50] = VW | NR | PR | V_G,                    /* MOVMSKPS */
	[0x51] = VW | N | P | S | D,
	[0x52 ... 0x53] = VW | N | S,
	[0x54 ... 0x57] = VW | N | P,
	[0x58 ... 0x5a] = VW | N | P | S | D,
	[0x5b] = VW | N | P | S,
	[0x5c ... 0x5f] = VW | N | P | S | D,
	[0x60 ... 0x6b] = VW | N | P, [0x6c ... 0x6d] = VW | P,
	[0x6e] = VW | N | P | V_E, [0x6f] = VW | N | P | S,
	[0x70] = VW | N | P | S | D | V_IB,
	[0x71 ... 0x73] = VW | NR | PR | V_IB | V_GROUP,
	[0x74 ... 0x76] = VW | N | P,
	[0x77] = NM,                                    /* EMMS */
	[0x7c ... 0x7d] = VW | P | D,
	[0x7e] = VW | N | P | S | V_E | V_GPR_NOREP,    /* MOVD; MOVQ */
	[0x7f] = VW | N | P | S,
	[0x80 ... 0x8f] = NM | V_REL32,
	[0x90 ... 0x9f] = EX8,
	[0xa3] = EG, [0xab] = EG | V_LOCK, [0xb3] = EG | V_LOCK,
	[0xbb] = EG | V_LOCK, [0xba] = EX | V_IB | V_GROUP,
	[0xa4] = EG | V_IB, [0xa5] = EG, [0xac] = EG | V_IB, [0xad] = EG,
	[0xae] = VW | N | V_GROUP,
	[0xaf] = EG,
	[0xb0] = EG8 | V_LOCK, [0xb1] = EG | V_LOCK,
	[0xb6] = E8G, [0xb7] = EG, [0xbe] = E8G, [0xbf] = EG,
	[0xb8] = S | V_MODRM | V_E | V_G,               /* POPCNT */
	[0xbc ... 0xbd] = EG | S,                       /* BSF, TZCNT */
	[0xc0] = EG8 | V_LOCK, [0xc1] = EG | V_LOCK,
	[0xc2] = VW | N | P | S | D | V_IB,
	[0xc3] = VW | NM | V_G,                         /* MOVNTI */
	[0xc4] = VW | N | P | V_E | V_IB,               /* PINSRW */
	[0xc5] = VW | NR | PR | V_G | V_IB,             /* PEXTRW */
	[0xc6] = VW | N | P | V_IB,
	[0xc7] = VW | NM | PM | V_GROUP,                /* CMPXCHG8B */
	[0xc8 ... 0xcf] = NM | V_O,
	[0xd0] = VW | P | D, [0xd1 ... 0xd5] = VW | N | P,
	[0xd6] = VW | P | SR | DR,
	[0xd7] = VW | NR | PR | V_G,                    /* PMOVMSKB */
	[0xd8 ... 0xe5] = VW | N | P, [0xe6] = VW | P | S | D,
	[0xe7] = VW | NM | PM, [0xe8 ... 0xef] = VW | N | P,
	[0xf0] = VW | DM, [0xf1 ... 0xf6] = VW | N | P,
	[0xf8 ... 0xfe] = VW | N | P,                   /* F7: MASKMOV */
};

static const u32 verify_0f38[256] = {
	[0x00 ... 0x0b] = VW | N | P, [0x1c ... 0x1e] = VW | N | P,
	[0x10] = VW | P, [0x14 ... 0x15] = VW | P, [0x17] = VW | P,
	[0x20 ... 0x25] = VW | P, [0x28 ... 0x29] = VW | P,
	[0x2a] = VW | PM, [0x2b] = VW | P,
	[0x30 ... 0x35] = VW | P, [0x37 ... 0x41] = VW | P,
	[0xdb ... 0xdf] = VW | P, /* AES; with F3h, keys of the machine */
	[0xf0] = VW | NM | PM | D | V_E | V_G | V_E8,   /* MOVBE, CRC32 */
	[0xf1] = VW | NM | PM | D | V_E | V_G,
};

static const u32 verify_0f3a[256] = {
	[0x08 ... 0x0e] = VW | P | V_IB, [0x0f] = VW | N | P | V_IB,
	[0x14 ... 0x17] = VW | P | V_E | V_IB,          /* PEXTR */
	[0x20] = VW | P | V_E | V_IB, [0x21] = VW | P | V_IB,
	[0x22] = VW | P | V_E | V_IB,
	[0x40 ... 0x42] = VW | P | V_IB, [0x44] = VW | P | V_IB,
	[0x60 ... 0x63] = VW | P | V_IB, [0xdf] = VW | P | V_IB,
};

/* ModRM.reg values by bit, for these forms: allowed, and allowed with LOCK. */
struct verify_group {
	u8 map, opcode, forms, allowed, locked;
};

static const struct verify_group verify_groups[] = {
	{ 0, 0x80, N | P, 0xff, 0x7f }, { 0, 0x81, N | P, 0xff, 0x7f },
	{ 0, 0x83, N | P, 0xff, 0x7f },
	{ 0, 0xc6, N | P, 0x01, 0 },    /* MOV only: /7 is XABORT */
	{ 0, 0xc7, N | P, 0x01, 0 },    /* MOV only: /7 is XBEGIN */
	{ 0, 0xf6, N | P, 0xfd, 0x0c }, { 0, 0xf7, N | P, 0xfd, 0x0c },
	{ 0, 0xfe, N | P, 0x03, 0x03 }, /* INC, DEC only */
	{ 0, 0xff, N | P, 0x03, 0x03 },
	{ 1, 0x71, NR | PR, 0x54, 0 }, { 1, 0x72, NR | PR, 0x54, 0 },
	{ 1, 0x73, NR, 0x44, 0 }, { 1, 0x73, PR, 0xcc, 0 },
	{ 1, 0xae, NM, 0x0c, 0 },       /* LDMXCSR, STMXCSR */
	{ 1, 0xae, NR, 0xe0, 0 },       /* fences */
	{ 1, 0xba, N | P, 0xf0, 0xe0 },
	{ 1, 0xc7, NM | PM, 0x02, 0x02 },
};

/*
 * D8 to DF: the values of ModRM.reg with memory, and of ModRM's low six bits
 * with registers, that are instructions. FLDENV and FNSTENV (D9 /4 and /6),
 * FRSTOR and FNSAVE (DD /4 and /6) are out: they show the host's pc.
 */
static const struct { u8 memory; u64 registers; } verify_x87[8] = {
	{ 0xff, 0xffffffffffffffff }, { 0xad, 0xffff7f33ff01ffff },
	{ 0xff, 0x00000200ffffffff }, { 0xaf, 0x00ffff1fffffffff },
	{ 0xff, 0xffffffffffffffff }, { 0x8f, 0x0000ffffffffffff },
	{ 0xff, 0xffffffff02ffffff }, { 0xff, 0x00ffff01ffffffff },
};

/*
 * Forms that may have [r15 + constant] as their operand. Loads read any of the
 * vcpu; stores go to the fields below alone. regs: ModRM.reg values, by bit.
 */
struct verify_vcpu_form {
	u8 map, opcode, regs;
	bool store;
};

static const struct verify_vcpu_form verify_vcpu_forms[] = {
	{ 0, 0x8b, 0xff, false },    /* MOV r, m */
	{ 0, 0x33, 0xff, false },    /* XOR r, m */
	{ 0, 0x80, 1 << 7, false },  /* CMP m8, imm8 */
	{ 1, 0xb6, 0xff, false },    /* MOVZX */
	{ 1, 0xb7, 0xff, false },
	{ 0, 0x89, 0xff, true },     /* MOV m, r */
	{ 0, 0xc6, 1 << 0, true },   /* MOV m, imm */
	{ 0, 0xc7, 1 << 0, true },
};

/* bt_plain ends for stores at tag_space, which decides where to jump. */
static const struct { u16 offset, bytes; } verify_vcpu_stores[] = {
	{ offsetof(struct vcpu, rip), 8 },
	{ offsetof(struct vcpu, x87_ours), 1 },
	{ offsetof(struct vcpu, engine), offsetof(struct bt_plain, tag_space) },
};

/*
 * What an indirect branch ends in, to the byte: with any r8 it jumps to what the
 * entry r8w of the target table says, or to the miss stub. One instruction as
 * to where branches may land. The target in it is checked by itself; here it
 * is 0.
 */
static const u8 verify_look_up[] = {
	0x45, 0x0f, 0xb7, 0xc8,             /* movzx r9d, r8w */
	0x4c, 0x8b, 0xd1,                   /* mov r10, rcx */
	0x4f, 0x8d, 0x04, 0x18,             /* lea r8, [r8 + r11] */
	0x4b, 0x8b, 0x0c, 0xce,             /* mov rcx, [r14 + 8 * r9] */
	0x4a, 0x8d, 0x0c, 0x01,             /* lea rcx, [rcx + r8] */
	0xe3, 0x08,                         /* jrcxz hit */
	0x49, 0x8b, 0xca,                   /* mov rcx, r10 */
	0xe9, 0, 0, 0, 0,                   /* jmp miss */
	0x49, 0x8b, 0xca,                   /* hit: mov rcx, r10 */
	0x43, 0xff, 0xa4, 0xce, 0, 0, 8, 0, /* jmp [r14 + 8 * r9 + 80000h] */
};

/* The look at a filter: with any r9 a byte of that table comes into ecx. */
static const u8 verify_filter[] = {
	0x45, 0x0f, 0xb7, 0xc9,             /* movzx r9d, r9w */
	0x4c, 0x8b, 0xd1,                   /* mov r10, rcx */
	0x43, 0x0f, 0xb6, 0x8c, 0x0e, 0, 0, 0x10, 0,
					    /* movzx ecx, [r14 + r9 + 100000h] */
};

#define LE32(n) (u8)(n), (u8)((n) >> 8), (u8)((n) >> 16), (u8)((n) >> 24)
#define STI_IFLAG                                                         \
	(offsetof(struct vcpu, engine) + offsetof(struct bt_plain, iflag) + 1)

/* STI: the interrupt flag, or a fault with INTR_WAITING in the address. */
static const u8 verify_sti[] = {
	0x4d, 0x8b, 0x87, LE32(offsetof(struct vcpu, intr)),
					    /* mov r8, [r15 + intr] */
	0x43, 0xc6, 0x84, 0x07, LE32(STI_IFLAG), 2,
					    /* mov byte [r15 + r8 + iflag + 1], 2 */
};

enum { LOOK_UP_MISS = 25 }; /* offset of the target */
/* clang-format on */

_Static_assert(BT_TARGETS == 65536 &&
	       offsetof(struct bt_targets, exec) == 0x80000 &&
	       offsetof(struct bt_targets, filter) == 0x100000,
	       "verify_look_up[], verify_filter[]");

/* Whatever canonical address the vcpu has, the sum is none, nor is it with
 * five levels of paging; displacements of one byte would be other code. */
_Static_assert(INTR_WAITING >> 57 == 1u << 5 &&
	       offsetof(struct vcpu, intr) > 127, "verify_sti[]");

#endif
