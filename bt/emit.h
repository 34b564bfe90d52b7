/* SPDX-License-Identifier: MIT */
/*
 * The encoder of 64-bit code: one instruction from one struct enc, into a
 * bounded buffer with a sticky overflow. It knows encodings, not guests.
 */
#ifndef BT_EMIT_H
#define BT_EMIT_H

#include "bits.h"

/* Host registers: the hardware's numbers. */
enum host_reg {
	H_AX, H_CX, H_DX, H_BX, H_SP, H_BP, H_SI, H_DI,
	H_8, H_9, H_10, H_11, H_12, H_13, H_14, H_15,
	H_NONE = -1
};

struct emit {
	u8 *start, *p, *end; /* through the writable mapping */
	const u8 *exec;      /* where start will execute */
	bool overflow;
};

/* A memory operand. narrow: 67h, the address is cut to 32 bits. */
struct mem {
	s8 base, index; /* enum host_reg */
	u8 scale;       /* 1, 2, 4, 8 */
	bool narrow;
	s32 disp;
};

/* One instruction, field by field. */
struct enc {
	u8 lock;    /* F0 or 0 */
	u8 rep;     /* F2, F3 or 0 */
	bool opsize; /* 66 */
	bool narrow; /* 67 without a ModRM operand (strings, LOOP) */
	bool wide;  /* REX.W */
	u8 map;     /* 0: none, 1: 0F, 2: 0F 38, 3: 0F 3A */
	u8 opcode;
	bool has_modrm, has_mem;
	bool high;  /* a register field means AH, CH, DH or BH: no REX then */
	u8 reg;     /* ModRM.reg: register or opcode extension */
	u8 rm;      /* ModRM.rm register, or the one in the opcode's low bits */
	u8 imm_size;
	u32 imm;
	struct mem mem;
};

void emit_init(struct emit *e, u8 *write, const u8 *exec, u64 size);

static inline u32 emit_offset(const struct emit *e)
{
	return (u32)(e->p - e->start);
}

/* Does this instruction need a REX prefix? (Then it cannot be `high`.) */
bool enc_needs_rex(const struct enc *c);
void emit_enc(struct emit *e, const struct enc *c);

void emit_u8(struct emit *e, u8 value);
void emit_u32(struct emit *e, u32 value);

/* ---- the instructions that the translator's own sequences use ---- */

/* opcode reg, rm with two registers; 32 bits. */
void emit_rr(struct emit *e, u8 opcode, u8 reg, u8 rm);
/* opcode reg, mem; 32 bits. */
void emit_rm(struct emit *e, u8 opcode, u8 reg, struct mem mem);
/* The two-byte form: 0F opcode reg, mem. */
void emit_rm_0f(struct emit *e, u8 opcode, u8 reg, struct mem mem);
/* 66: a 16-bit operand. */
void emit_rm16(struct emit *e, u8 opcode, u8 reg, struct mem mem);
/* 81 /ext rm, imm32. */
void emit_ri(struct emit *e, u8 ext, u8 rm, u32 imm);

void emit_mov(struct emit *e, u8 dst, u8 src);
void emit_mov_wide(struct emit *e, u8 dst, u8 src);
void emit_load(struct emit *e, u8 dst, struct mem mem);
void emit_load_wide(struct emit *e, u8 dst, struct mem mem);
void emit_store(struct emit *e, struct mem mem, u8 src);
void emit_store_imm(struct emit *e, struct mem mem, u32 imm);
void emit_store_imm8(struct emit *e, struct mem mem, u8 imm);
void emit_lea(struct emit *e, u8 dst, struct mem mem);
void emit_lea_wide(struct emit *e, u8 dst, struct mem mem);

/* Opcode rel32 to a host address: E8 call, E9 jmp. */
void emit_rel32(struct emit *e, u8 opcode, const u8 *target);

/* A short branch forward (opcode rel8); emit_here() makes it land here. */
u32 emit_short(struct emit *e, u8 opcode);
void emit_here(struct emit *e, u32 from);

static inline struct mem mem_at(enum host_reg base, s32 disp)
{
	return (struct mem){ .base = base, .index = H_NONE, .scale = 1,
			     .disp = disp };
}

#endif
