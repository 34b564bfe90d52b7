/* SPDX-License-Identifier: MIT */
/*
 * Which arithmetic flags an instruction reads and which it always overwrites.
 * A flag is "written" only when that holds for every value of the operands; in
 * doubt it is read and not written, which is safe for a look-ahead.
 */
#include "cpu/insn.h"

static const struct {
	u16 reads, writes;
} op_flags[OP_COUNT] = {
#define OP(name, text, rd, wr, attrs) [OP_##name] = { rd, wr },
#include "cpu/ops.inc"
#undef OP
};

/* "Condition codes": the flags that each pair of conditions tests. */
static const u16 cond_reads[8] = {
	EFLAGS_OF,
	EFLAGS_CF,
	EFLAGS_ZF,
	EFLAGS_CF | EFLAGS_ZF,
	EFLAGS_SF,
	EFLAGS_PF,
	EFLAGS_SF | EFLAGS_OF,
	EFLAGS_SF | EFLAGS_OF | EFLAGS_ZF,
};

/* FCMOVcc: DA and DB with a register, ModRM.reg 0..3. */
static u32 x87_reads(const struct insn *insn)
{
	static const u16 cond[4] = { EFLAGS_CF, EFLAGS_ZF,
				     EFLAGS_CF | EFLAGS_ZF, EFLAGS_PF };
	bool fcmov = insn->mod == 3 && insn->reg < 4 &&
		     (insn->opcode == 0xda || insn->opcode == 0xdb);

	return fcmov ? cond[insn->reg] : 0;
}

/* FCOMI and kin: DB and DF with a register, ModRM.reg 5 and 6. */
static u32 x87_writes(const struct insn *insn)
{
	bool fcomi = insn->mod == 3 && (insn->reg == 5 || insn->reg == 6) &&
		     (insn->opcode == 0xdb || insn->opcode == 0xdf);

	return fcomi ? EFLAGS_CF | EFLAGS_PF | EFLAGS_ZF : 0;
}

/* UCOMISS and kin, PTEST, PCMPxSTRx. */
static u32 sse_writes(const struct insn *insn)
{
	bool compare = (insn->map == 1 && (insn->opcode & ~1) == 0x2e) ||
		       (insn->map == 2 && insn->opcode == 0x17) ||
		       (insn->map == 3 && (insn->opcode & ~3) == 0x60);

	return compare ? EFLAGS_ARITH : 0;
}

/* Is the count an immediate that is not 0 after masking? */
static bool shift_count(const struct insn *insn, unsigned n, unsigned *count)
{
	unsigned mask = insn->opnd[0].size == 8 ? 63 : 31;

	if (insn->opnd[n].kind != OPK_IMM)
		return false;
	*count = (unsigned)insn->imm & mask;
	if (insn->op == OP_RCL || insn->op == OP_RCR) {
		if (insn->opnd[0].size <= 2)
			*count %= insn->opnd[0].size * 8 + 1;
	}
	return *count;
}

/* OF is left undefined, which may mean untouched, unless the count is 1. */
static u32 shift_writes(const struct insn *insn)
{
	bool dbl = insn->op == OP_SHLD || insn->op == OP_SHRD;
	bool rotate = insn->op == OP_ROL || insn->op == OP_ROR ||
		      insn->op == OP_RCL || insn->op == OP_RCR;
	unsigned count;
	u32 flags;

	if (!shift_count(insn, dbl ? 2 : 1, &count))
		return 0;
	flags = rotate ? EFLAGS_CF : EFLAGS_ARITH & ~EFLAGS_OF;
	return count == 1 ? flags | EFLAGS_OF : flags;
}

u32 insn_flags_read(const struct insn *insn)
{
	switch (insn->op) {
	case OP_JCC:
	case OP_SETCC:
	case OP_CMOVCC:
		return cond_reads[insn->opcode >> 1 & 7];
	case OP_X87:
		return x87_reads(insn);
	default:
		return op_flags[insn->op].reads;
	}
}

u32 insn_flags_written(const struct insn *insn)
{
	bool rep = insn->prefixes & (PFX_REP | PFX_REPNE);

	switch (insn->op) {
	case OP_ROL:
	case OP_ROR:
	case OP_RCL:
	case OP_RCR:
	case OP_SHL:
	case OP_SHR:
	case OP_SAR:
	case OP_SHLD:
	case OP_SHRD:
		return shift_writes(insn);
	case OP_CMPS:
	case OP_SCAS:
		return rep ? 0 : EFLAGS_ARITH; /* a count of 0 compares nothing */
	case OP_X87:
		return x87_writes(insn);
	case OP_SSE:
		return sse_writes(insn);
	default:
		return op_flags[insn->op].writes;
	}
}
