/* SPDX-License-Identifier: MIT */
/*
 * See verify_judge.h. Every instruction is decoded in 64-bit mode, straight
 * through; each explicit and implicit operand is looked at, and the effect on
 * flags and control flow.
 */
#include "tests/host/verify_judge.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <string.h>

struct judged {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

static char text[256];

/* RFLAGS bits that guest code may change for real. */
#define PLAIN_FLAGS                                                      \
	(ZYDIS_CPUFLAG_CF | ZYDIS_CPUFLAG_PF | ZYDIS_CPUFLAG_AF |         \
	 ZYDIS_CPUFLAG_ZF | ZYDIS_CPUFLAG_SF | ZYDIS_CPUFLAG_DF |         \
	 ZYDIS_CPUFLAG_OF)

static bool decode(struct judged *j, const u8 *at, u64 left)
{
	static ZydisDecoder decoder;
	static bool ready;

	if (!ready)
		ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
				 ZYDIS_STACK_WIDTH_64);
	ready = true;
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, at, left,
						   &j->insn, j->op));
}

/* --- what kind of instruction ------------------------------------------ */

static bool category_allowed(const struct judged *j)
{
	switch (j->insn.meta.category) {
	case ZYDIS_CATEGORY_AES:
	case ZYDIS_CATEGORY_BINARY:
	case ZYDIS_CATEGORY_BITBYTE:
	case ZYDIS_CATEGORY_BMI1: /* TZCNT */
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_CMOV:
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_CONVERT:
	case ZYDIS_CATEGORY_DATAXFER:
	case ZYDIS_CATEGORY_FCMOV:
	case ZYDIS_CATEGORY_FLAGOP:
	case ZYDIS_CATEGORY_LOGICAL:
	case ZYDIS_CATEGORY_LOGICAL_FP:
	case ZYDIS_CATEGORY_LZCNT:
	case ZYDIS_CATEGORY_MMX:
	case ZYDIS_CATEGORY_NOP:
	case ZYDIS_CATEGORY_PCLMULQDQ:
	case ZYDIS_CATEGORY_PREFETCH:
	case ZYDIS_CATEGORY_PREFETCHWT1:
	case ZYDIS_CATEGORY_ROTATE:
	case ZYDIS_CATEGORY_SEMAPHORE:
	case ZYDIS_CATEGORY_SETCC:
	case ZYDIS_CATEGORY_SHA:
	case ZYDIS_CATEGORY_SHIFT:
	case ZYDIS_CATEGORY_SSE:
	case ZYDIS_CATEGORY_STRINGOP:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_WIDENOP:
	case ZYDIS_CATEGORY_X87_ALU:
		return true;
	default:
		return false;
	}
}

/* Of the mixed category, and what a good category hides. */
static bool mnemonic_allowed(const struct judged *j)
{
	switch (j->insn.mnemonic) {
	case ZYDIS_MNEMONIC_LEA:
	case ZYDIS_MNEMONIC_PAUSE:
	case ZYDIS_MNEMONIC_XLAT:
	case ZYDIS_MNEMONIC_LFENCE:
	case ZYDIS_MNEMONIC_MFENCE:
	case ZYDIS_MNEMONIC_SFENCE:
	case ZYDIS_MNEMONIC_RDTSC:
		return true;
	case ZYDIS_MNEMONIC_FNSTENV:
	case ZYDIS_MNEMONIC_FLDENV:
	case ZYDIS_MNEMONIC_FNSAVE:
	case ZYDIS_MNEMONIC_FRSTOR:
	case ZYDIS_MNEMONIC_MASKMOVQ:
	case ZYDIS_MNEMONIC_MASKMOVDQU:
	case ZYDIS_MNEMONIC_CLI:
	case ZYDIS_MNEMONIC_STI:
	case ZYDIS_MNEMONIC_XBEGIN:
	case ZYDIS_MNEMONIC_XABORT:
	case ZYDIS_MNEMONIC_LOADIWKEY:
		return false;
	default:
		return category_allowed(j);
	}
}

static const char *judge_kind(const struct judged *j)
{
	ZydisInstructionAttributes a = j->insn.attributes;

	if (j->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return "not a legacy encoding";
	if (a & ZYDIS_ATTRIB_IS_PRIVILEGED)
		return "privileged";
	if (a & (ZYDIS_ATTRIB_HAS_XACQUIRE | ZYDIS_ATTRIB_HAS_XRELEASE))
		return "starts or ends a transaction";
	if (a & ZYDIS_ATTRIB_HAS_SEGMENT)
		return "has a segment override";
	if (!mnemonic_allowed(j))
		return "not among the kinds of instruction allowed";
	if ((j->insn.cpu_flags->modified | j->insn.cpu_flags->set_0 |
	     j->insn.cpu_flags->set_1 | j->insn.cpu_flags->undefined) &
	    ~PLAIN_FLAGS)
		return "changes a system flag";
	return NULL;
}

/* --- operands ---------------------------------------------------------- */

static ZydisRegister whole(ZydisRegister r)
{
	return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
}

static bool reserved(ZydisRegister r)
{
	r = whole(r);
	return r == ZYDIS_REGISTER_RSP || r == ZYDIS_REGISTER_R11 ||
	       r == ZYDIS_REGISTER_R14 || r == ZYDIS_REGISTER_R15;
}

static bool is_call(const struct judged *j)
{
	return j->insn.mnemonic == ZYDIS_MNEMONIC_CALL;
}

static const char *judge_register(const struct judged *j,
				  const ZydisDecodedOperand *o)
{
	bool hidden = o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;

	switch (ZydisRegisterGetClass(o->reg.value)) {
	case ZYDIS_REGCLASS_SEGMENT:
	case ZYDIS_REGCLASS_TABLE:
	case ZYDIS_REGCLASS_TEST:
	case ZYDIS_REGCLASS_CONTROL:
	case ZYDIS_REGCLASS_DEBUG:
	case ZYDIS_REGCLASS_BOUND:
		return "a system register is an operand";
	default:
		break;
	}
	if (reserved(o->reg.value) && !(is_call(j) && hidden))
		return "rsp, r11, r14 or r15 is an operand";
	return NULL;
}

/* The offset must lie in the vcpu, and in these fields for a store. */
static const char *judge_vcpu(const struct judged *j,
			      const ZydisDecodedOperand *o)
{
	s64 at = o->mem.disp.value, end = at + o->size / 8;
	s64 plain = offsetof(struct vcpu, engine);

	if (at < 0 || end > (s64)sizeof(struct vcpu) || !o->size)
		return "outside the vcpu";
	if (j->insn.meta.category != ZYDIS_CATEGORY_DATAXFER &&
	    j->insn.mnemonic != ZYDIS_MNEMONIC_XOR &&
	    j->insn.mnemonic != ZYDIS_MNEMONIC_CMP)
		return "not a move, and yet on the vcpu";
	if (!(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
		return NULL;
	if (at >= (s64)offsetof(struct vcpu, rip) &&
	    end <= (s64)offsetof(struct vcpu, rip) + 8)
		return NULL;
	if (at == (s64)offsetof(struct vcpu, x87_ours) && end == at + 1)
		return NULL;
	if (at >= plain &&
	    end <= plain + (s64)offsetof(struct bt_plain, tag_space))
		return NULL;
	return "writes a field of the vcpu that is the monitor's";
}

static bool narrow_register(ZydisRegister r)
{
	return r == ZYDIS_REGISTER_NONE ||
	       (ZydisRegisterGetClass(r) == ZYDIS_REGCLASS_GPR32 &&
		!reserved(r));
}

static const char *judge_memory(const struct judged *j,
				const ZydisDecodedOperand *o)
{
	ZydisRegister base = o->mem.base, index = o->mem.index;

	if (o->mem.segment == ZYDIS_REGISTER_FS ||
	    o->mem.segment == ZYDIS_REGISTER_GS)
		return "through fs or gs";
	if (base == ZYDIS_REGISTER_RIP || base == ZYDIS_REGISTER_EIP)
		return "rip-relative";
	if (o->mem.type == ZYDIS_MEMOP_TYPE_AGEN) /* LEA: no access */
		return reserved(base) || reserved(index) ?
			       "computes with rsp, r11, r14 or r15" :
			       NULL;
	if (is_call(j) && o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
		return NULL; /* the return address */
	if (j->insn.address_width == 32)
		return narrow_register(base) && narrow_register(index) ?
			       NULL :
			       "32-bit address of odd registers";
	if (base == ZYDIS_REGISTER_R15 && index == ZYDIS_REGISTER_NONE)
		return judge_vcpu(j, o);
	return "memory operand without 67h";
}

static const char *judge_operands(const struct judged *j)
{
	for (unsigned n = 0; n < j->insn.operand_count; n++) {
		const ZydisDecodedOperand *o = &j->op[n];
		const char *why = NULL;

		if (o->type == ZYDIS_OPERAND_TYPE_POINTER)
			why = "far pointer";
		else if (o->type == ZYDIS_OPERAND_TYPE_MEMORY)
			why = judge_memory(j, o);
		else if (o->type == ZYDIS_OPERAND_TYPE_REGISTER)
			why = judge_register(j, o);
		if (why)
			return why;
	}
	return NULL;
}

/* --- control flow ------------------------------------------------------ */

static bool is_branch(const struct judged *j)
{
	return j->insn.meta.category == ZYDIS_CATEGORY_CALL ||
	       j->insn.meta.category == ZYDIS_CATEGORY_COND_BR ||
	       j->insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR;
}

static const u8 *target_of(const struct judged *j, const u8 *exec)
{
	return exec + j->insn.length + j->op[0].imm.value.s;
}

static bool is_entry(const struct bt_cache *c, const u8 *target)
{
	for (u32 n = 0; n < c->block_count; n++) {
		const struct bt_block *b = bt_at(c, c->order[n]);

		if (b->exec == target)
			return (b->flags & BT_BLOCK_INSERTED) &&
			       !(b->flags & BT_BLOCK_DEAD);
	}
	return false;
}

static bool is_call_stub(const u8 *p)
{
	return p == bt_stub_link || p == bt_stub_callout ||
	       p == bt_stub_store || p == bt_stub_port ||
	       p == bt_stub_stale;
}

static bool is_jmp_stub(const u8 *p)
{
	return p == bt_stub_miss || p == bt_stub_interp ||
	       p == bt_stub_exit;
}

static const char *judge_branch(const struct bt_cache *c,
				const struct bt_block *b, const u8 *starts,
				const struct judged *j, u64 at)
{
	const u8 *target = target_of(j, b->exec + at);
	u64 offset = (u64)(target - b->exec);

	if (j->op[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
	    !j->op[0].imm.is_relative || j->insn.operand_width == 16 ||
	    (j->insn.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE))
		return "not a plain relative branch";
	if (is_call(j))
		return is_call_stub(target) ? NULL : "call of no stub";
	if (is_jmp_stub(target) || is_entry(c, target))
		return NULL;
	return offset < b->host_len && starts[offset] ? NULL :
						       "a wild branch";
}

static bool runs_on(const struct bt_block *b, const struct judged *j, u64 at)
{
	if (is_call(j))
		return target_of(j, b->exec + at) == bt_stub_callout ||
		       target_of(j, b->exec + at) == bt_stub_store ||
		       target_of(j, b->exec + at) == bt_stub_port;
	return j->insn.meta.category != ZYDIS_CATEGORY_UNCOND_BR;
}

static const char *complain(const char *what, const struct judged *j, u64 at)
{
	ZydisFormatter f;
	char line[128] = "";

	ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
	ZydisFormatterFormatInstruction(&f, &j->insn, j->op,
					j->insn.operand_count_visible, line,
					sizeof(line), at, NULL);
	snprintf(text, sizeof(text), "%s: \"%s\" at %#llx", what, line,
		 (unsigned long long)at);
	return text;
}

static const char *judge_one(const struct judged *j)
{
	const char *why = judge_kind(j);

	return why ? why : judge_operands(j);
}

/* --- the look-up of an indirect branch ----------------------------------- */

/* As Zydis prints it; %s: a number that is checked by itself. */
static const char *const look_up[] = {
	"movzx r9d, r8w", "mov r10, rcx", "lea r8, [r8+r11*1]", "mov rcx, [r14+r9*8]", "lea rcx, [rcx+r8*1]",
	"jrcxz 8", "mov rcx, r10", "jmp %s",
	"mov rcx, r10", "jmp [r14+r9*8+0x80000]",
};

static void print(const struct judged *j, char *line, u64 size)
{
	ZydisFormatter f;

	ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
	ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_FORCE_SIZE, 0);
	ZydisFormatterFormatInstruction(&f, &j->insn, j->op,
					j->insn.operand_count_visible, line,
					size, ZYDIS_RUNTIME_ADDRESS_NONE, NULL);
}

/* Operand sizes are in the mnemonics' other operands, or in what jmp means. */
static void drop_words(char *line, const char *words)
{
	char *at = strstr(line, words);

	if (at)
		memmove(at, at + strlen(words), strlen(at + strlen(words)) + 1);
}

static bool look_up_step(const struct bt_block *b, const struct judged *j,
			 u64 at, unsigned n)
{
	char line[128] = "";

	if (n == 5)
		return j->insn.mnemonic == ZYDIS_MNEMONIC_JRCXZ &&
		       j->op[0].imm.value.s == 8;
	if (n == 7)
		return j->insn.mnemonic == ZYDIS_MNEMONIC_JMP &&
		       j->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		       target_of(j, b->exec + at) == bt_stub_miss;
	print(j, line, sizeof(line));
	drop_words(line, "qword ptr ");
	return !strcmp(line, look_up[n]);
}

/* The look at a filter: any byte of the table, by a bounded index. */
static const char *const filter[] = {
	"movzx r9d, r9w", "mov r10, rcx", "movzx ecx, byte ptr [r14+r9*1+0x100000]",
};

static u64 lines_length(const struct bt_block *b, u64 from,
			const char *const *lines, unsigned count)
{
	char line[128] = "";
	u64 at = from;
	struct judged j;

	for (unsigned n = 0; n < count; n++) {
		if (at >= b->host_len ||
		    !decode(&j, b->exec + at, b->host_len - at))
			return 0;
		print(&j, line, sizeof(line));
		if (strcmp(line, lines[n]))
			return 0;
		at += j.insn.length;
	}
	return at - from;
}

/* STI: v->intr, which is 0 or makes a fault, in the address of its store. */
static u64 sti_length(const struct bt_block *b, u64 from)
{
	u64 iflag = offsetof(struct vcpu, engine) +
		    offsetof(struct bt_plain, iflag) + 1;
	char load[64], store[64];
	const char *const lines[] = { load, store };

	snprintf(load, sizeof(load), "mov r8, [r15+0x%llX]",
		 (unsigned long long)offsetof(struct vcpu, intr));
	snprintf(store, sizeof(store), "mov byte ptr [r15+r8*1+0x%llX], 0x02",
		 (unsigned long long)iflag);
	return lines_length(b, from, lines, ARRAY_SIZE(lines));
}

/* The length of a filter or an STI. */
static u64 unit_length(const struct bt_block *b, u64 from)
{
	u64 length = lines_length(b, from, filter, ARRAY_SIZE(filter));

	return length ? length : sti_length(b, from);
}

/* Its length if it is here, else 0. */
static u64 look_up_length(const struct bt_block *b, u64 from)
{
	u64 at = from;
	struct judged j;

	for (unsigned n = 0; n < ARRAY_SIZE(look_up); n++) {
		if (at >= b->host_len ||
		    !decode(&j, b->exec + at, b->host_len - at) ||
		    !look_up_step(b, &j, at, n))
			return 0;
		at += j.insn.length;
	}
	return at - from;
}

/* What counts as one instruction. */
enum { NO_UNIT, LOOK_UP, RUNS_ON };

const char *judge_block(const struct bt_cache *c, const struct bt_block *b)
{
	static struct judged insns[BT_BLOCK_BYTES];
	static u8 starts[BT_BLOCK_BYTES], units[BT_BLOCK_BYTES];
	const char *why = NULL;
	u64 at = 0;

	for (u64 n = 0; n < b->host_len; n++)
		starts[n] = units[n] = NO_UNIT;
	for (; at < b->host_len; at += insns[at].insn.length) {
		u64 looks_up = look_up_length(b, at);
		u64 length = looks_up ? looks_up : unit_length(b, at);

		if (length) {
			starts[at] = 1;
			units[at] = looks_up ? LOOK_UP : RUNS_ON;
			insns[at].insn.length = (u8)length;
			continue;
		}
		if (!decode(&insns[at], b->exec + at, b->host_len - at))
			return "Zydis cannot decode it";
		starts[at] = 1;
		why = judge_one(&insns[at]);
		if (why)
			return complain(why, &insns[at], at);
	}
	for (at = 0; at < b->host_len; at += insns[at].insn.length) {
		if (units[at] == LOOK_UP)
			continue;
		if (units[at] == RUNS_ON) {
			if (at + insns[at].insn.length == b->host_len)
				return "a filter or an STI at the end";
			continue;
		}
		if (is_branch(&insns[at]))
			why = judge_branch(c, b, starts, &insns[at], at);
		if (!why && at + insns[at].insn.length == b->host_len &&
		    runs_on(b, &insns[at], at))
			why = "runs past the end";
		if (why)
			return complain(why, &insns[at], at);
	}
	return NULL;
}

unsigned judge_count(const struct bt_block *b)
{
	struct judged j;
	unsigned n = 0;

	for (u64 at = 0; at < b->host_len; at += j.insn.length, n++)
		if (!decode(&j, b->exec + at, b->host_len - at))
			return 0;
	return n;
}
