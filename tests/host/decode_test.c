/* SPDX-License-Identifier: MIT */
/*
 * The decoder against hand cases, and against Zydis on random bytes: validity,
 * length, memory operand and access, with every deliberate deviation listed.
 * LINKS: lib cpu
 * SYSLIBS: -lZydis
 */
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "cpu/insn.h"
#include "tests/host/test.h"

/* --- Hand cases --- */

struct hand_case {
	u8 code_size;
	u8 bytes[16];
	u8 count;
	const char *text; /* NULL: undefined */
};

#define B(...) { __VA_ARGS__ }, sizeof((u8[]){ __VA_ARGS__ })
static const struct hand_case hand_cases[] = {
#include "tests/host/decode_cases.inc"
};

static void test_hand(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(hand_cases); i++) {
		const struct hand_case *c = &hand_cases[i];
		enum decode_result r;
		struct insn insn;
		char buf[128] = "";

		r = insn_decode(&insn, c->bytes, c->count, c->code_size);
		if (r == DECODE_OK)
			insn_format(&insn, 0x1000, buf, sizeof(buf));
		CHECK((r == DECODE_OK) == (c->text != NULL),
		      "case %u (%02x %02x %02x): result %u %s", i,
		      c->bytes[0], c->bytes[1], c->bytes[2], r, buf);
		if (r != DECODE_OK || !c->text)
			continue;
		CHECK(insn.len == c->count, "case %u (%s): length %u", i,
		      c->text, insn.len);
		CHECK(!strcmp(buf, c->text), "case %u: %s, not %s", i, buf,
		      c->text);
	}
}

/* Every proper prefix of an instruction says that bytes are missing. */
static void test_truncated(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(hand_cases); i++) {
		const struct hand_case *c = &hand_cases[i];
		struct insn insn;

		for (unsigned n = 0; c->text && n < c->count; n++) {
			CHECK(insn_decode(&insn, c->bytes, n, c->code_size) ==
			      DECODE_MORE, "case %u cut to %u", i, n);
		}
	}
}

struct length_case {
	u8 code_size;
	u8 prefixes; /* of 66 before the bytes */
	u8 bytes[8];
	u8 count;
	enum decode_result result;
};

static const struct length_case length_cases[] = {
	{ 4, 14, B(0x90), DECODE_OK },
	{ 4, 15, B(0x90), DECODE_TOO_LONG },
	{ 4, 13, B(0x01, 0xc0), DECODE_OK },
	{ 4, 14, B(0x01, 0xc0), DECODE_TOO_LONG },
	{ 4, 10, B(0x81, 0xc0, 1, 2), DECODE_OK },
	{ 4, 11, B(0x81, 0xc0, 1, 2), DECODE_OK },
	{ 4, 12, B(0x81, 0xc0, 1, 2), DECODE_TOO_LONG },
	{ 2, 11, B(0x05, 1, 2, 3, 4), DECODE_TOO_LONG },
	{ 2, 10, B(0x05, 1, 2, 3, 4), DECODE_OK },
};

static void test_length(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(length_cases); i++) {
		const struct length_case *c = &length_cases[i];
		struct insn insn;
		u8 bytes[32];

		memset(bytes, 0x66, sizeof(bytes));
		memcpy(bytes + c->prefixes, c->bytes, c->count);
		CHECK(insn_decode(&insn, bytes, sizeof(bytes), c->code_size) ==
		      c->result, "length case %u", i);
	}
}

/* --- Attributes and flags of hand cases --- */

struct attr_case {
	u8 bytes[8];
	u8 count;
	u32 set, clear;      /* ATTR_* */
	u32 reads, writes;   /* EFLAGS_* */
};

#define R0 ATTR_READS0
#define W0 ATTR_WRITES0
#define R1 ATTR_READS1
#define W1 ATTR_WRITES1
#define ALL EFLAGS_ARITH
#define SHIFTED (ALL & ~EFLAGS_OF)
static const struct attr_case attr_cases[] = {
	{ B(0x01, 0x03), R0 | W0 | R1 | ATTR_LOCKABLE, W1 | ATTR_BYTE, 0, ALL },
	{ B(0x00, 0x03), R0 | W0 | R1 | ATTR_BYTE, W1, 0, ALL },
	{ B(0x39, 0x03), R0 | R1, W0 | W1, 0, ALL },
	{ B(0x85, 0x03), R0 | R1, W0 | W1, 0, ALL },
	{ B(0x89, 0x03), W0 | R1, R0 | W1, 0, 0 },
	{ B(0x87, 0x03), R0 | W0 | R1 | W1, 0, 0, 0 },
	{ B(0x0f, 0xc1, 0x03), R0 | W0 | R1 | W1, 0, 0, ALL },
	{ B(0x8d, 0x03), W0, R0 | R1 | W1, 0, 0 },
	{ B(0xfb), ATTR_INHIBIT, ATTR_PRIV, 0, 0 },
	{ B(0x17), ATTR_INHIBIT | W0, R0, 0, 0 },
	{ B(0x8e, 0xd0), ATTR_INHIBIT | W0 | R1, R0, 0, 0 },
	{ B(0x8e, 0xd8), W0 | R1, R0 | ATTR_INHIBIT, 0, 0 },
	{ B(0xe4, 0x10), ATTR_IO | ATTR_BYTE, 0, 0, 0 },
	{ B(0xe5, 0x10), ATTR_IO, ATTR_BYTE, 0, 0 },
	{ B(0xe6, 0x10), ATTR_IO | ATTR_BYTE, 0, 0, 0 },
	{ B(0xe7, 0x10), ATTR_IO, ATTR_BYTE, 0, 0 },
	{ B(0xee), ATTR_IO | ATTR_BYTE, 0, 0, 0 },
	{ B(0xef), ATTR_IO, ATTR_BYTE, 0, 0 },
	{ B(0x6c), ATTR_IO | ATTR_STRING | ATTR_BYTE, 0, 0, 0 },
	{ B(0x6f), ATTR_IO | ATTR_STRING, ATTR_BYTE, 0, 0 },
	{ B(0x6e), ATTR_IO | ATTR_STRING | ATTR_BYTE, 0, 0, 0 },
	{ B(0x74, 0), ATTR_BRANCH, 0, EFLAGS_ZF, 0 },
	{ B(0x7e, 0), ATTR_BRANCH, 0, EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF, 0 },
	{ B(0x0f, 0x42, 0xc1), R0 | W0 | R1, 0, EFLAGS_CF, 0 },
	{ B(0x0f, 0x9a, 0xc1), W0 | ATTR_BYTE, R0, EFLAGS_PF, 0 },
	{ B(0xd1, 0xe0), R0 | W0, 0, 0, ALL },
	{ B(0xc1, 0xe0, 2), R0 | W0, 0, 0, SHIFTED },
	{ B(0xc1, 0xe0, 0x20), R0 | W0, 0, 0, 0 },
	{ B(0xd3, 0xe0), R0 | W0 | R1, 0, 0, 0 },
	{ B(0xc1, 0xc0, 3), R0 | W0, 0, 0, EFLAGS_CF },
	{ B(0xd1, 0xd0), R0 | W0, 0, EFLAGS_CF, EFLAGS_CF | EFLAGS_OF },
	{ B(0xc0, 0xd0, 9), R0 | W0, 0, EFLAGS_CF, 0 },
	{ B(0x0f, 0xa4, 0xc1, 4), R0 | W0 | R1, 0, 0, SHIFTED },
	{ B(0x0f, 0xa5, 0xc1), R0 | W0 | R1, 0, 0, 0 },
	{ B(0xa6), ATTR_STRING | R0 | R1, W0, 0, ALL },
	{ B(0xf3, 0xa6), ATTR_STRING | R0 | R1, W0, 0, 0 },
	{ B(0xda, 0xc1), ATTR_FPU, 0, EFLAGS_CF, 0 },
	{ B(0xdb, 0xf1), ATTR_FPU, 0, 0, EFLAGS_CF | EFLAGS_PF | EFLAGS_ZF },
	{ B(0xd9, 0x03), ATTR_FPU | R0, W0, 0, 0 },
	{ B(0xd9, 0x1b), ATTR_FPU | W0, R0, 0, 0 },
	{ B(0x0f, 0x2e, 0xc1), ATTR_SSE | R0 | R1, W0, 0, ALL },
	{ B(0x66, 0x0f, 0x38, 0x17, 0xc1), ATTR_SSE | R0 | R1, W0, 0, ALL },
	{ B(0x0f, 0x10, 0x01), ATTR_SSE | ATTR_UNALIGNED, 0, 0, 0 },
	{ B(0x0f, 0x28, 0x01), ATTR_SSE, ATTR_UNALIGNED, 0, 0 },
	{ B(0x0f, 0x6f, 0x01), ATTR_MMX, ATTR_SSE, 0, 0 },
	{ B(0x0f, 0x20, 0xc0), ATTR_PRIV, 0, 0, 0 },
	{ B(0x0f, 0x00, 0xd0), ATTR_PRIV | ATTR_PROT, 0, 0, 0 },
};

static void test_attrs(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(attr_cases); i++) {
		const struct attr_case *c = &attr_cases[i];
		struct insn insn;
		enum decode_result r;

		r = insn_decode(&insn, c->bytes, c->count, 4);
		CHECK(r == DECODE_OK && insn.len == c->count, "attr case %u", i);
		CHECK((insn.attrs & c->set) == c->set, "attr case %u: %x", i,
		      insn.attrs);
		CHECK(!(insn.attrs & c->clear), "attr case %u: %x", i,
		      insn.attrs);
		CHECK(insn_flags_read(&insn) == c->reads, "attr case %u: %x",
		      i, insn_flags_read(&insn));
		CHECK(insn_flags_written(&insn) == c->writes,
		      "attr case %u: %x", i, insn_flags_written(&insn));
	}
}

/* --- Against Zydis --- */

struct fuzz_mode {
	unsigned code_size;
	ZydisMachineMode machine;
	ZydisStackWidth stack;
};

static const struct fuzz_mode fuzz_modes[] = {
	{ 2, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
	{ 4, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
	{ 8, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
};

struct sample {
	unsigned code_size;
	u8 bytes[24];
	struct insn insn;
	enum decode_result ours;
	ZydisDecodedInstruction z;
	ZydisDecodedOperand zop[ZYDIS_MAX_OPERAND_COUNT];
	ZyanStatus zstatus;
};

static u64 rng_state = 0x9e3779b97f4a7c15ull;

static u32 rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (u32)(rng_state >> 16);
}

/* Some prefixes, an opcode from one of the maps, then anything. */
static void random_bytes(u8 *bytes, unsigned n)
{
	static const u8 prefixes[] = { 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26,
				       0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66,
				       0xf3, 0x48, 0x41, 0x44 };
	unsigned at = 0;

	for (unsigned i = 0; i < n; i++)
		bytes[i] = (u8)rng();
	while (at < 10 && rng() % 3 == 0)
		bytes[at++] = prefixes[rng() % sizeof(prefixes)];
	switch (rng() % 6) {
	case 0: case 1: bytes[at++] = 0x0f; break;
	case 2: bytes[at++] = 0x0f; bytes[at++] = 0x38; break;
	case 3: bytes[at++] = 0x0f; bytes[at++] = 0x3a; break;
	}
}

#include "tests/host/decode_deviations.inc"

static const char *hex(const struct sample *s)
{
	static char buf[64];

	for (unsigned i = 0; i < 15; i++)
		sprintf(buf + 3 * i, "%02x ", s->bytes[i]);
	return buf;
}

static const char *zname(const struct sample *s)
{
	return ZYAN_SUCCESS(s->zstatus) ? ZydisMnemonicGetString(s->z.mnemonic)
					: "undefined";
}

static bool z_reads(const ZydisDecodedOperand *z)
{
	return z->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
}

static bool z_writes(const ZydisDecodedOperand *z)
{
	return z->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
}

/* Hardware number of a register that can be in an address; -1: none. */
static int z_reg(ZydisRegister r)
{
	return r == ZYDIS_REGISTER_NONE || r == ZYDIS_REGISTER_RIP ||
	       r == ZYDIS_REGISTER_EIP ? -1 : ZydisRegisterGetId(r);
}

/* Zydis 4.0 names r13d as base of 67 [disp32 + index] when REX.B is set. */
static bool z_address_right(const struct sample *s)
{
	const struct insn *insn = &s->insn;

	return !(insn->has_sib && insn->mod == 0 && (insn->sib & 7) == 5 &&
		 (insn->rex & 1) && insn->addr_size == 4);
}

static void compare_mem(const struct sample *s, unsigned n,
			const ZydisDecodedOperand *z)
{
	const struct insn *insn = &s->insn;
	u64 mask = insn->addr_size == 8 ? ~0ull : BIT(insn->addr_size * 8) - 1;

	if (!z_address_right(s))
		return;
	CHECK(insn->base == z_reg(z->mem.base), "%u: %s: base %d", s->code_size,
	      hex(s), insn->base);
	CHECK(insn->index == z_reg(z->mem.index), "%u: %s: index %d",
	      s->code_size, hex(s), insn->index);
	CHECK(insn->index < 0 || insn->scale == z->mem.scale ||
	      (insn->addr_size == 2 && insn->scale == 1),
	      "%u: %s: scale %u, not %u", s->code_size, hex(s), insn->scale,
	      z->mem.scale);
	CHECK(((u64)insn->disp & mask) == ((u64)z->mem.disp.value & mask),
	      "%u: %s: disp %llx", s->code_size, hex(s),
	      (unsigned long long)insn->disp);
	CHECK(insn->seg == z_reg(z->mem.segment) || deviates(s, SEGMENT),
	      "%u: %s: segment %u not %d", s->code_size, hex(s), insn->seg,
	      z_reg(z->mem.segment));
	CHECK(insn->opnd[n].size * 8 == z->size || deviates(s, SIZE),
	      "%u: %s: operand %u: %u bytes, not %u bits %s", s->code_size,
	      hex(s), n, insn->opnd[n].size, z->size, zname(s));
}

static void compare_reg(const struct sample *s, unsigned n,
			const ZydisDecodedOperand *z)
{
	const struct operand *o = &s->insn.opnd[n];
	int id = z->type == ZYDIS_OPERAND_TYPE_REGISTER
			 ? ZydisRegisterGetId(z->reg.value) : -2;
	ZydisRegister v = z->reg.value;
	bool high = v >= ZYDIS_REGISTER_AH && v <= ZYDIS_REGISTER_BH;

	if (v >= ZYDIS_REGISTER_SPL && v <= ZYDIS_REGISTER_R15B)
		id -= 4; /* Zydis numbers AH..BH in between */
	CHECK((id == o->reg + 4 * o->high && o->high == high) ||
	      deviates(s, REGISTER),
	      "%u: %s: operand %u: register %u not %d %s", s->code_size, hex(s),
	      n, o->reg, id, zname(s));
	CHECK(o->kind != OPK_REG || o->size * 8 == z->size ||
	      deviates(s, WIDTH),
	      "%u: %s: operand %u: %u bytes, not %u bits %s", s->code_size,
	      hex(s), n, o->size, z->size, zname(s));
}

static void compare_imm(const struct sample *s, unsigned n,
			const ZydisDecodedOperand *z)
{
	unsigned size = s->insn.opnd[n].size;
	u64 mask = size == 8 ? ~0ull : BIT(size * 8) - 1;

	if (z->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return;
	CHECK(s->insn.imm == (z->imm.value.u & mask),
	      "%u: %s: operand %u: immediate %llx %s", s->code_size, hex(s), n,
	      (unsigned long long)s->insn.imm, zname(s));
}

static void compare_access(const struct sample *s, unsigned n,
			   const ZydisDecodedOperand *z)
{
	u32 attrs = s->insn.attrs;
	bool reads = attrs & (n ? ATTR_READS1 : ATTR_READS0);
	bool writes = attrs & (n ? ATTR_WRITES1 : ATTR_WRITES0);

	if (deviates(s, ACCESS))
		return;
	/* A register may be called read when only part of it is written. */
	CHECK(reads == z_reads(z) || (reads && z_writes(z) &&
				      z->type == ZYDIS_OPERAND_TYPE_REGISTER),
	      "%u: %s: operand %u read: %d %s",
	      s->code_size, hex(s), n, reads, zname(s));
	CHECK(writes == z_writes(z), "%u: %s: operand %u written: %d %s",
	      s->code_size, hex(s), n, writes, zname(s));
}

/* Our operands 0 and 1 against Zydis's, where both are explicit. */
static void compare_operands(const struct sample *s)
{
	for (unsigned n = 0; n < 2 && n < s->z.operand_count_visible; n++) {
		const struct operand *o = &s->insn.opnd[n];
		const ZydisDecodedOperand *z = &s->zop[n];

		if (o->kind == OPK_MEM) {
			CHECK(z->type == ZYDIS_OPERAND_TYPE_MEMORY,
			      "%u: %s: operand %u %s", s->code_size, hex(s), n,
			      zname(s));
			compare_mem(s, n, z);
		}
		if (o->kind == OPK_MEM || o->kind == OPK_REG ||
		    o->kind == OPK_XMM || o->kind == OPK_MMX)
			compare_access(s, n, z);
		if (o->kind == OPK_REG || o->kind == OPK_XMM)
			compare_reg(s, n, z);
		if (o->kind == OPK_IMM)
			compare_imm(s, n, z);
	}
}

/*
 * A look-ahead is safe when every flag that is read is called read, and only
 * flags that are surely overwritten are called written.
 */
static void compare_flags(const struct sample *s)
{
	const ZydisAccessedFlags *z = s->z.cpu_flags;
	u32 reads = insn_flags_read(&s->insn);
	u32 writes = insn_flags_written(&s->insn);
	u32 zwrites = z->modified | z->set_0 | z->set_1 | z->undefined;

	CHECK(!(z->tested & EFLAGS_ARITH & ~reads) || deviates(s, FLAGS),
	      "%u: %s: flags read %x, not %x %s", s->code_size, hex(s), reads,
	      z->tested, zname(s));
	CHECK(!(writes & ~zwrites) || deviates(s, FLAGS),
	      "%u: %s: flags written %x, not %x %s", s->code_size, hex(s),
	      writes, zwrites, zname(s));
}

static void compare(struct sample *s)
{
	bool zok = ZYAN_SUCCESS(s->zstatus);
	bool ok = s->ours == DECODE_OK;

	if (ok && zok) {
		CHECK(s->insn.len == s->z.length, "%u: %s: length %u, not %u %s",
		      s->code_size, hex(s), s->insn.len, s->z.length, zname(s));
		compare_operands(s);
		compare_flags(s);
		return;
	}
	if (ok == zok || (zok && deviation_stricter(s)))
		return;
	CHECK(false, "%u: %s: %s here (op %s), %s", s->code_size, hex(s),
	      ok ? "defined" : "undefined", op_name(s->insn.op),
	      zname(s));
}

static void test_fuzz(const struct fuzz_mode *mode, unsigned count)
{
	static const ZydisDecoderMode off[] = {
		ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CET,
		ZYDIS_DECODER_MODE_WBNOINVD, ZYDIS_DECODER_MODE_CLDEMOTE,
	};
	ZydisDecoder decoder;
	struct sample s = { .code_size = mode->code_size };

	ZydisDecoderInit(&decoder, mode->machine, mode->stack);
	for (unsigned i = 0; i < ARRAY_SIZE(off); i++)
		ZydisDecoderEnableMode(&decoder, off[i], ZYAN_FALSE);
	for (unsigned i = 0; i < count; i++) {
		random_bytes(s.bytes, sizeof(s.bytes));
		s.ours = insn_decode(&s.insn, s.bytes, sizeof(s.bytes),
				     mode->code_size);
		s.zstatus = ZydisDecoderDecodeFull(&decoder, s.bytes,
						   sizeof(s.bytes), &s.z,
						   s.zop);
		compare(&s);
	}
}

int main(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 400000;

	test_hand();
	test_truncated();
	test_length();
	test_attrs();
	for (unsigned i = 0; i < ARRAY_SIZE(fuzz_modes); i++)
		test_fuzz(&fuzz_modes[i], count);
	return test_end("decode");
}
