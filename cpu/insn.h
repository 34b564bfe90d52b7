/* SPDX-License-Identifier: MIT */
/*
 * A decoded guest instruction, and the decoder that makes it. The decoder is
 * pure: bytes and code size in, struct insn or a verdict out.
 */
#ifndef CPU_INSN_H
#define CPU_INSN_H

#include "cpu/vcpu.h"

#define INSN_MAX 15

/* Mnemonics: OP_ADD and so on, one row each in cpu/ops.inc. */
enum op {
	OP_INVALID,
#define OP(name, text, reads, writes, attrs) OP_##name,
#include "cpu/ops.inc"
#undef OP
	OP_COUNT
};

enum operand_kind {
	OPK_NONE,
	OPK_REG,   /* general register `reg`; see `high` */
	OPK_MEM,   /* the instruction's one memory operand */
	OPK_IMM,   /* insn.imm, sign- or zero-extended to `size`, 0 above it */
	OPK_SREG,  /* segment register `reg` */
	OPK_CR,
	OPK_DR,
	OPK_REL,   /* branch displacement in insn.imm, sign-extended to 64 */
	OPK_FAR,   /* far pointer: insn.imm offset, insn.imm2 selector */
	OPK_X87,   /* ST(reg) */
	OPK_MMX,
	OPK_XMM,
	OPK_STRING_SRC, /* DS:(E)SI, segment override applies (insn.seg) */
	OPK_STRING_DST, /* ES:(E)DI, no override */
};

/* Where the encoding holds a register operand. */
enum operand_field { FIELD_NONE, FIELD_REG, FIELD_RM, FIELD_OPCODE };

struct operand {
	u8 kind; /* enum operand_kind */
	u8 reg;  /* register number, REX applied */
	u8 high; /* 1: AH, CH, DH or BH (reg is then 0..3) */
	u8 field; /* enum operand_field */
	/*
	 * Bytes accessed: 1, 2, 4, 8, 10, 16; far pointer 4, 6 or 10; x87
	 * images 14, 28, 94, 108; FXSAVE 512; 0: none, as in LEA.
	 */
	u16 size;
};

/*
 * Prefixes seen. The segment override is in `seg`, already applied. Of F2 and
 * F3 only the last counts and is recorded. A mandatory prefix is here, too.
 */
#define PFX_LOCK  BIT(0)
#define PFX_REPNE BIT(1) /* F2 */
#define PFX_REP   BIT(2) /* F3 */
#define PFX_OPSIZE BIT(3) /* 66 */
#define PFX_ADSIZE BIT(4) /* 67 */
#define PFX_SEG   BIT(5) /* any override */
#define PFX_REX   BIT(6)

/* Attributes of a row in the opcode table. */
#define ATTR_MODRM   BIT(0)
#define ATTR_LOCKABLE BIT(1) /* LOCK allowed when operand 0 is memory */
#define ATTR_BRANCH  BIT(2)  /* may change RIP otherwise than by its length */
#define ATTR_PRIV    BIT(3)  /* #GP unless CPL 0 */
#define ATTR_IO      BIT(4)  /* IN, OUT, INS, OUTS */
#define ATTR_STRING  BIT(5)
#define ATTR_FPU     BIT(6)  /* x87 */
#define ATTR_MMX     BIT(7)
#define ATTR_SSE     BIT(8)
#define ATTR_WRITES0 BIT(9)  /* operand 0 is written */
#define ATTR_READS0  BIT(10) /* operand 0 is read */
#define ATTR_PROT    BIT(11) /* #UD in real mode and VM86 */
#define ATTR_BYTE    BIT(12) /* byte form of the operation */
#define ATTR_INHIBIT BIT(13) /* inhibits events after it: STI, MOV/POP SS */
#define ATTR_READS1  BIT(14)
#define ATTR_WRITES1 BIT(15) /* XCHG, XADD */
#define ATTR_UNALIGNED BIT(16) /* 16-byte memory operand need not be aligned */

struct insn {
	u8 bytes[INSN_MAX];
	u8 len;      /* 1..15 */
	u8 op_size;  /* effective operand size: 2, 4, 8 */
	u8 addr_size; /* effective address size: 2, 4, 8 */
	u8 prefixes; /* PFX_* */
	u8 rex;      /* 0 or the REX byte */
	u8 seg;      /* of the memory operand, XLAT, DS:SI: override or default */
	u8 map;      /* 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A */
	u8 opcode;   /* last opcode byte */
	bool has_modrm, has_sib;
	bool has_mem; /* an OPK_MEM; not string operands, XLAT, MASKMOV */
	bool rip_rel; /* 64-bit mode: disp is relative to the next RIP */
	u8 modrm, sib;
	u8 mod, reg, rm; /* ModRM fields, REX not applied */
	/* The memory operand: base + index * scale + disp; -1: none. */
	s8 base, index;
	u8 scale;      /* 1, 2, 4, 8 */
	s64 disp;      /* sign-extended; a moffs is zero-extended */
	u8 disp_size, imm_size; /* bytes in the encoding */
	u8 off_opcode, off_modrm, off_disp, off_imm; /* offsets into bytes[] */
	u64 imm;       /* OPK_IMM, OPK_REL, OPK_FAR offset */
	u16 imm2;      /* far selector; ENTER's level */
	u16 op;        /* enum op */
	u32 attrs;     /* ATTR_* */
	struct operand opnd[3];
};

enum decode_result {
	DECODE_OK,
	DECODE_UNDEFINED, /* #UD; insn->len is how many bytes were looked at */
	DECODE_MORE,      /* ran out of bytes: `avail` was too small */
	DECODE_TOO_LONG,  /* more than 15 bytes: #GP(0) */
};

/* code_size: 2, 4 or 8 (vcpu_code_size). Reads at most min(avail, 15) bytes. */
enum decode_result insn_decode(struct insn *insn, const u8 *bytes,
			       unsigned avail, unsigned code_size);

/* Arithmetic flags (EFLAGS_*) that an instruction reads / always overwrites. */
u32 insn_flags_read(const struct insn *insn);
u32 insn_flags_written(const struct insn *insn);

/* "add" for OP_ADD. */
const char *op_name(enum op op);

/* One line of Intel syntax for traces. Returns characters written. */
unsigned insn_format(const struct insn *insn, u64 rip, char *buf,
		     unsigned size);

#endif
