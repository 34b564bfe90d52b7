/* SPDX-License-Identifier: MIT */
/*
 * Instructions as text, in Intel syntax, for traces and dumps. X87, MMX and
 * SSE operations are named by their opcode only.
 */
#include "cpu/insn.h"
#include "lib/format.h"

static const char *const op_names[OP_COUNT] = {
	[OP_INVALID] = "(bad)",
#define OP(name, text, reads, writes, attrs) [OP_##name] = text,
#include "cpu/ops.inc"
#undef OP
};

static const char gpr_names[8][3] = { "ax", "cx", "dx", "bx",
				      "sp", "bp", "si", "di" };
static const char sreg_names[8][3] = { "es", "cs", "ss", "ds",
				       "fs", "gs", "?6", "?7" };
static const char cond_names[16][3] = { "o", "no", "b", "ae", "e", "ne",
					"be", "a", "s", "ns", "p", "np",
					"l", "ge", "le", "g" };

struct text {
	char *buf;
	unsigned size;
	unsigned len;
};

static void put(struct text *t, const char *fmt, ...) PRINTF(2, 3);
static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->len + 1 >= t->size)
		return;
	va_start(ap, fmt);
	n = fmt_vsnprintf(t->buf + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len = MIN(t->len + (unsigned)n, t->size - 1);
}

const char *op_name(enum op op)
{
	return op < OP_COUNT ? op_names[op] : op_names[OP_INVALID];
}

static void put_mnemonic(struct text *t, const struct insn *insn)
{
	const char *cond = cond_names[insn->opcode & 15];

	switch (insn->op) {
	case OP_JCC: put(t, "j%s", cond); break;
	case OP_SETCC: put(t, "set%s", cond); break;
	case OP_CMOVCC: put(t, "cmov%s", cond); break;
	case OP_X87: put(t, "x87.%02x/%u", insn->opcode, insn->reg); break;
	case OP_MMX:
	case OP_SSE:
		put(t, "%s.%u.%02x", op_name(insn->op), insn->map,
		    insn->opcode);
		break;
	default: put(t, "%s", op_name(insn->op));
	}
	if (insn->attrs & ATTR_STRING)
		put(t, "%c", "?bw?d???q"[insn->attrs & ATTR_BYTE ? 1
							: insn->op_size]);
}

static void put_gpr(struct text *t, unsigned reg, unsigned size, bool high)
{
	const char *n = gpr_names[reg & 7];

	if (size == 1 && high)
		put(t, "%ch", n[0]);
	else if (reg >= 8)
		put(t, "r%u%s", reg, size == 1 ? "b" : size == 2 ? "w"
					: size == 4 ? "d" : "");
	else if (size == 1)
		put(t, reg < 4 ? "%cl" : "%c%cl", n[0], n[1]);
	else
		put(t, "%s%s", size == 4 ? "e" : size == 8 ? "r" : "", n);
}

static void put_disp(struct text *t, const struct insn *insn, bool first)
{
	u64 mask = insn->addr_size == 8 ? ~0ull
					: BIT(insn->addr_size * 8) - 1;

	if (first && !insn->rip_rel)
		put(t, "%#llx", (unsigned long long)((u64)insn->disp & mask));
	else if (insn->disp < 0)
		put(t, "-%#llx", -(unsigned long long)insn->disp);
	else if (insn->disp)
		put(t, "+%#llx", (unsigned long long)insn->disp);
}

static void put_mem(struct text *t, const struct insn *insn,
		    const struct operand *o)
{
	bool first = true;

	switch (o->size) {
	case 0: break;
	case 1: put(t, "byte "); break;
	case 2: put(t, "word "); break;
	case 4: put(t, "dword "); break;
	case 8: put(t, "qword "); break;
	default: put(t, "%ubytes ", o->size);
	}
	put(t, "%s:[", sreg_names[insn->seg & 7]);
	if (insn->rip_rel)
		put(t, "rip");
	if (insn->base >= 0) {
		put_gpr(t, (unsigned)insn->base, insn->addr_size, false);
		first = false;
	}
	if (insn->index >= 0) {
		put(t, first ? "" : "+");
		put_gpr(t, (unsigned)insn->index, insn->addr_size, false);
		if (insn->scale > 1)
			put(t, "*%u", insn->scale);
		first = false;
	}
	put_disp(t, insn, first);
	put(t, "]");
}

/* Where a relative branch goes, cut to the operand size. */
static u64 rel_target(const struct insn *insn, u64 rip)
{
	u64 target = rip + insn->len + insn->imm;

	return insn->op_size == 8 ? target
				  : target & (BIT(insn->op_size * 8) - 1);
}

static void put_operand(struct text *t, const struct insn *insn,
			const struct operand *o, u64 rip)
{
	switch ((enum operand_kind)o->kind) {
	case OPK_NONE: break;
	case OPK_REG: put_gpr(t, o->reg, o->size, o->high); break;
	case OPK_MEM: put_mem(t, insn, o); break;
	case OPK_IMM:
		put(t, "%#llx", (unsigned long long)insn->imm);
		break;
	case OPK_SREG: put(t, "%s", sreg_names[o->reg & 7]); break;
	case OPK_CR: put(t, "cr%u", o->reg); break;
	case OPK_DR: put(t, "dr%u", o->reg); break;
	case OPK_REL:
		put(t, "%#llx", (unsigned long long)rel_target(insn, rip));
		break;
	case OPK_FAR:
		put(t, "%#x:%#llx", insn->imm2, (unsigned long long)insn->imm);
		break;
	case OPK_X87: put(t, "st(%u)", o->reg); break;
	case OPK_MMX: put(t, "mm%u", o->reg); break;
	case OPK_XMM: put(t, "xmm%u", o->reg); break;
	case OPK_STRING_SRC:
		put(t, "%s:[", sreg_names[insn->seg & 7]);
		put_gpr(t, R_SI, insn->addr_size, false);
		put(t, "]");
		break;
	case OPK_STRING_DST:
		put(t, "es:[");
		put_gpr(t, R_DI, insn->addr_size, false);
		put(t, "]");
		break;
	}
}

unsigned insn_format(const struct insn *insn, u64 rip, char *buf,
		     unsigned size)
{
	struct text t = { buf, size, 0 };
	bool string = insn->attrs & ATTR_STRING;

	if (size)
		buf[0] = 0;
	if (insn->prefixes & PFX_LOCK)
		put(&t, "lock ");
	if (string && (insn->prefixes & PFX_REP))
		put(&t, "rep ");
	if (string && (insn->prefixes & PFX_REPNE))
		put(&t, "repne ");
	put_mnemonic(&t, insn);
	for (unsigned i = 0; i < 3 && insn->opnd[i].kind; i++) {
		put(&t, i ? ", " : " ");
		put_operand(&t, insn, &insn->opnd[i], rip);
	}
	if (insn->op == OP_ENTER)
		put(&t, ", %u", insn->imm2);
	return t.len;
}
