/* SPDX-License-Identifier: MIT */
/*
 * x87, MMX and SSE under the interpreter against the same instruction run
 * directly from the same random state: registers, memory, flags, exceptions.
 * LINKS: lib cpu
 */
#include <string.h>

#include "cpu/emu.h"
#include "cpu/emu_fpu.h"
#include "kernel/host.h"
#include "tests/host/native.h"
#include "tests/host/test.h"

#define MEM_BYTES 0x10000
#define CODE_AT 0xf000u
#define OPERAND_MAX 512

static u8 mem[MEM_BYTES], expected[MEM_BYTES];
static struct vcpu vcpu;
static struct emu emu;
static struct host_code area;

/* --- A flat guest of 64 KiB --- */

static bool mem_fault(u64 gva, unsigned size, struct pagefault *pf)
{
	if (gva + size <= MEM_BYTES)
		return false;
	*pf = (struct pagefault){ GVA(gva), 0 };
	return true;
}

static bool mem_read(void *ctx, gva_t gva, void *buf, unsigned size,
		     unsigned acc, struct pagefault *pf)
{
	if (mem_fault(gva.a, size, pf))
		return false;
	memcpy(buf, mem + gva.a, size);
	return true;
}

static bool mem_write(void *ctx, gva_t gva, const void *buf, unsigned size,
		      unsigned acc, struct pagefault *pf)
{
	if (mem_fault(gva.a, size, pf))
		return false;
	memcpy(mem + gva.a, buf, size);
	return true;
}

static bool mem_probe(void *ctx, gva_t gva, unsigned size, unsigned acc,
		      struct pagefault *pf)
{
	return !mem_fault(gva.a, size, pf);
}

static bool mem_fetch(void *ctx, gva_t gva, void *buf, unsigned size,
		      unsigned acc, unsigned *got, struct pagefault *pf)
{
	*got = size;
	return mem_read(ctx, gva, buf, size, acc, pf);
}

static const struct emu_ops ops = {
	.read = mem_read,
	.write = mem_write,
	.probe = mem_probe,
	.fetch = mem_fetch,
};

/* --- Random state --- */

static u64 rng_state = 0x2545f4914f6cdd1dull;

static u32 rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (u32)(rng_state >> 16);
}

static void random_fill(u8 *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (u8)rng();
}

/* A ten-byte real: mostly of moderate size, at times anything. */
static void random_real(u8 *p)
{
	random_fill(p, 10);
	if (rng() % 8 == 0)
		return;
	p[7] |= 0x80;
	p[9] = (u8)((p[9] & 0x80) | (rng() & 1 ? 0x40 : 0x3f));
	p[8] = rng() & 1 ? 0x02 : 0xf8;
}

/* Singles near 1, or anything. */
static void random_xmm(u8 *p)
{
	random_fill(p, 16);
	for (unsigned i = 3; i < 16 && rng() & 3; i += 4)
		p[i] = (u8)((p[i] & 0x80) | 0x3f);
}

static void put16(u8 *p, unsigned v)
{
	p[0] = (u8)v;
	p[1] = (u8)(v >> 8);
}

/* `masked`: no exception is unmasked. */
static void random_fx(bool masked)
{
	u8 *fx = native_fx;

	native_reset();
	put16(fx, 0x340 | (rng() & 0xc00) | (masked ? 0x3f : rng() & 0x3f));
	put16(fx + 2, (rng() & 7) << 11);
	fx[4] = rng() & 3 ? 0xff : (u8)rng();
	put16(fx + 24, (rng() & 0x6000) | (masked ? 0x1f80 : rng() & 0x1f80));
	for (unsigned i = 0; i < 8; i++)
		random_real(fx + 32 + 16 * i);
	for (unsigned i = 0; i < 16; i++)
		random_xmm(fx + 160 + 16 * i);
}

/* --- Cases --- */

struct fpu_case {
	const char *text;
	u8 direct[12];
	u8 direct_count;
	u8 guest[12];
	u8 guest_count;
};

#define B(...) { __VA_ARGS__ }, sizeof((u8[]){ __VA_ARGS__ })
static const struct fpu_case cases[] = {
#include "tests/host/fpu_cases.inc"
};

static void reset_guest(void)
{
	vcpu_reset_flat32(&vcpu, CODE_AT, 8, 16);
	vcpu.cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;
	for (unsigned i = 0; i < 8; i++)
		vcpu.gpr[i] = 0x1000 + 0x400 * i;
	vcpu.rflags ^= rng() & EFLAGS_ARITH;
	emu = (struct emu){ .v = &vcpu, .ops = &ops, .no_deliver = true };
}

/* Address of the operand of a decoded guest instruction. */
static u64 operand_address(const struct insn *insn)
{
	u64 a = (u64)insn->disp;

	if (!insn->has_mem)
		return vcpu.gpr[R_DI]; /* MASKMOV's */
	if (insn->base >= 0)
		a += vcpu.gpr[insn->base];
	if (insn->index >= 0)
		a += vcpu.gpr[insn->index] * insn->scale;
	return (u32)a;
}

static int gpr_operand(const struct insn *insn)
{
	for (int i = 0; i < 3; i++) {
		if (insn->opnd[i].kind == OPK_REG)
			return i;
	}
	return -1;
}

/* Images show no pointers: clear them in what was saved directly. */
static void clear_pointers(const struct insn *insn, u8 *image)
{
	unsigned size = insn->opnd[0].size;

	if (insn->op != OP_X87 || !(insn->attrs & ATTR_WRITES0))
		return;
	if (size == 14 || size == 94)
		memset(image + 6, 0, 8);
	if (size == 28 || size == 108)
		memset(image + 12, 0, 14);
}

struct outcome {
	u32 result; /* 0, or 1 + vector */
	u64 rax, flags;
	u8 fx[512];
};

static void run_direct(const struct fpu_case *c, const struct insn *insn,
		       struct outcome *o)
{
	static u8 operand[OPERAND_MAX] ALIGNED(64);
	u64 at = operand_address(insn);
	int gpr = gpr_operand(insn);
	u8 *code = area.write + area.size - 64; /* beyond the slots in use */
	u8 saved[32];

	memcpy(expected, mem, sizeof(mem));
	memcpy(operand, mem + at, sizeof(operand));
	memcpy(saved, code, sizeof(saved));
	memcpy(code, c->direct, c->direct_count);
	code[c->direct_count] = 0xc3;
	o->rax = gpr < 0 ? 0 : vcpu.gpr[insn->opnd[gpr].reg];
	o->flags = vcpu.rflags & EFLAGS_ARITH;
	o->result = host_native_call(code, operand, &o->rax, &o->flags);
	memcpy(code, saved, sizeof(saved));
	memcpy(o->fx, native_fx, sizeof(o->fx));
	clear_pointers(insn, operand);
	memcpy(expected + at, operand, sizeof(operand));
}

/* Everything but where the last x87 instruction was. */
static bool same_fx(const u8 *a, const u8 *b)
{
	return !memcmp(a, b, 6) && !memcmp(a + 24, b + 24, 416 - 24);
}

static void compare(const struct fpu_case *c, const struct insn *insn,
		    const struct outcome *direct)
{
	u32 result = emu.fault_set ? 1u + emu.fault.vector : 0;
	int gpr = gpr_operand(insn);

	CHECK(result == direct->result, "%s: result %u, not %u", c->text,
	      result, direct->result);
	CHECK(same_fx(native_fx, direct->fx), "%s: state", c->text);
	CHECK(!memcmp(mem, expected, sizeof(mem)), "%s: memory", c->text);
	if (result)
		return;
	CHECK((vcpu.rflags & EFLAGS_ARITH) == direct->flags, "%s: flags",
	      c->text);
	CHECK(vcpu.rip == CODE_AT + c->guest_count, "%s: rip", c->text);
	if (gpr >= 0)
		CHECK(vcpu.gpr[insn->opnd[gpr].reg] == (u32)direct->rax,
		      "%s: register %llx, not %llx", c->text,
		      (unsigned long long)vcpu.gpr[insn->opnd[gpr].reg],
		      (unsigned long long)direct->rax);
}

static void run_case(const struct fpu_case *c, bool masked)
{
	struct outcome direct;
	struct insn insn;
	u8 fx[512];

	random_fill(mem, CODE_AT);
	memcpy(mem + CODE_AT, c->guest, c->guest_count);
	random_fx(masked);
	memcpy(fx, native_fx, sizeof(fx));
	reset_guest();
	if (insn_decode(&insn, c->guest, c->guest_count, 4) != DECODE_OK) {
		CHECK(false, "%s: not decoded", c->text);
		return;
	}
	if (insn.op == OP_LDMXCSR)
		put16(mem + operand_address(&insn) + 2, 0);
	run_direct(c, &insn, &direct);
	memcpy(native_fx, fx, sizeof(fx));
	emu_step(&emu);
	compare(c, &insn, &direct);
}

/* --- Every row of the tables: bytes that mean the same in both modes --- */

/* Prefix, escape bytes, opcode, ModRM, an immediate that not all use. */
static unsigned build(u8 *p, unsigned prefix, unsigned map, unsigned opcode,
		      unsigned modrm)
{
	static const u8 prefixes[4] = { 0, 0x66, 0xf3, 0xf2 };
	static const u8 escapes[4] = { 0, 0, 0x38, 0x3a };
	unsigned n = 0;

	if (prefix)
		p[n++] = prefixes[prefix];
	if (map)
		p[n++] = 0x0f;
	if (escapes[map])
		p[n++] = escapes[map];
	p[n++] = (u8)opcode;
	p[n++] = (u8)modrm;
	p[n++] = (u8)rng();
	return n;
}

/*
 * ModRM is [edi] or registers, and a general register is eax? PCMPESTRx take
 * more than that: see pcmpstr_test.c.
 */
static bool same_in_both(const struct insn *insn)
{
	int gpr = gpr_operand(insn);

	if (insn->op != OP_X87 && insn->op != OP_MMX && insn->op != OP_SSE &&
	    insn->op != OP_EMMS)
		return false;
	if (insn->map == 3 && (insn->opcode & ~1) == 0x60)
		return false;
	return gpr < 0 || insn->opnd[gpr].reg == R_AX;
}

static void run_row(unsigned prefix, unsigned map, unsigned opcode,
		    unsigned modrm)
{
	struct fpu_case c = { .text = NULL };
	struct insn insn;
	char text[64];

	build(c.guest, prefix, map, opcode, modrm);
	if (insn_decode(&insn, c.guest, sizeof(c.guest), 4) != DECODE_OK ||
	    insn.map != map || insn.opcode != opcode || !same_in_both(&insn))
		return;
	c.guest_count = c.direct_count = insn.len;
	memcpy(c.direct, c.guest, sizeof(c.direct));
	snprintf(text, sizeof(text), "prefix %u map %u opcode %02x modrm %02x",
		 prefix, map, opcode, modrm);
	c.text = text;
	for (unsigned i = 0; i < 3; i++)
		run_case(&c, i != 0);
}

static void test_rows(void)
{
	for (unsigned i = 0; i < 4 * 4 * 256; i++) {
		unsigned prefix = i & 3, map = i >> 2 & 3, opcode = i >> 4;

		for (unsigned reg = 0; reg < 8; reg++) {
			run_row(prefix, map, opcode, reg << 3 | 7);
			run_row(prefix, map, opcode, 0xc0 | reg << 3);
			run_row(prefix, map, opcode, 0xc0 | reg << 3 |
						     (rng() & 7));
		}
	}
}

/* --- Faults that come before the instruction runs --- */

struct fault_case {
	const char *text;
	u8 code[8];
	u8 count;
	u64 cr0, cr4; /* bits flipped from EM=TS=0, OSFXSR=1 */
	int vector;   /* -1: none */
};

static const struct fault_case fault_cases[] = {
	{ "x87, EM", B(0xd9, 0xe8), CR0_EM, 0, VEC_NM },
	{ "x87, TS", B(0xd9, 0xe8), CR0_TS, 0, VEC_NM },
	{ "mmx, EM", B(0x0f, 0x6f, 0xc1), CR0_EM, 0, VEC_UD },
	{ "mmx, TS", B(0x0f, 0x6f, 0xc1), CR0_TS, 0, VEC_NM },
	{ "mmx, no OSFXSR", B(0x0f, 0x6f, 0xc1), 0, CR4_OSFXSR, -1 },
	{ "sse, EM", B(0x0f, 0x58, 0xc1), CR0_EM, 0, VEC_UD },
	{ "sse, TS", B(0x0f, 0x58, 0xc1), CR0_TS, 0, VEC_NM },
	{ "sse, no OSFXSR", B(0x0f, 0x58, 0xc1), CR0_TS, CR4_OSFXSR, VEC_UD },
	{ "emms, EM", B(0x0f, 0x77), CR0_EM, 0, VEC_UD },
	{ "fxsave, TS", B(0x0f, 0xae, 0x03), CR0_TS, 0, VEC_NM },
	{ "fxsave, EM", B(0x0f, 0xae, 0x03), CR0_EM, 0, VEC_NM },
	{ "fxsave", B(0x0f, 0xae, 0x03), 0, 0, -1 },
	{ "fxsave, misaligned", B(0x0f, 0xae, 0x43, 8), 0, 0, VEC_GP },
	{ "fxrstor, misaligned", B(0x0f, 0xae, 0x4b, 8), 0, 0, VEC_GP },
	{ "wait, TS", B(0x9b), CR0_TS, 0, -1 },
	{ "wait, TS and MP", B(0x9b), CR0_TS | CR0_MP, 0, VEC_NM },
	{ "wait, EM", B(0x9b), CR0_EM, 0, -1 },
	{ "movaps, misaligned", B(0x0f, 0x28, 0x43, 8), 0, 0, VEC_GP },
	{ "addps, misaligned", B(0x0f, 0x58, 0x43, 4), 0, 0, VEC_GP },
	{ "movups, misaligned", B(0x0f, 0x10, 0x43, 4), 0, 0, -1 },
	{ "addss, misaligned", B(0xf3, 0x0f, 0x58, 0x43, 3), 0, 0, -1 },
	{ "movnti, EM and TS", B(0x0f, 0xc3, 0x0b), CR0_EM | CR0_TS, 0, -1 },
	{ "fstp, page fault", B(0xd9, 0x9b, 0, 0, 2, 0), 0, 0, VEC_PF },
	{ "movaps, page fault", B(0x0f, 0x29, 0x83, 0, 0, 2, 0), 0, 0, VEC_PF },
};

static void test_faults(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(fault_cases); i++) {
		const struct fault_case *c = &fault_cases[i];
		u8 fx[512];
		int vector;

		native_reset();
		memcpy(fx, native_fx, sizeof(fx));
		reset_guest();
		memcpy(mem + CODE_AT, c->code, c->count);
		vcpu.cr0 = (vcpu.cr0 & ~(CR0_EM | CR0_TS | CR0_MP)) ^ c->cr0;
		vcpu.cr4 ^= c->cr4;
		emu_step(&emu);
		vector = emu.fault_set ? emu.fault.vector : -1;
		CHECK(vector == c->vector, "%s: vector %d", c->text, vector);
		CHECK(vector < 0 || same_fx(fx, native_fx), "%s: state", c->text);
	}
}

/* --- FXSAVE, FXRSTOR, LDMXCSR --- */

static void step(const u8 *code, unsigned n)
{
	memcpy(mem + CODE_AT, code, n);
	vcpu.rip = CODE_AT;
	emu_step(&emu);
}

/* What FXSAVE stores, FXRSTOR loads; nothing of ours is in it. */
static void test_fxsave(void)
{
	static const u8 fxsave[] = { 0x0f, 0xae, 0x03 };
	static const u8 fxrstor[] = { 0x0f, 0xae, 0x0b };
	static const u8 fld1[] = { 0xd9, 0xe8 };
	u8 *image = mem + 0x1c00, fx[512], zero[18] = { 0 };

	reset_guest();
	random_fx(true);
	step(fld1, sizeof(fld1));
	memcpy(fx, native_fx, sizeof(fx));
	memset(image, 0xee, 512);
	step(fxsave, sizeof(fxsave));
	CHECK(!emu.fault_set);
	CHECK(!memcmp(image + 32, fx + 32, 288 - 32), "registers");
	CHECK(!memcmp(image + 6, zero, sizeof(zero)), "pointers");
	for (unsigned i = 288; i < 512; i++)
		CHECK(image[i] == 0xee, "byte %u", i);
	native_reset();
	step(fxrstor, sizeof(fxrstor));
	CHECK(!emu.fault_set);
	CHECK(!memcmp(native_fx, fx, 6) &&
	      !memcmp(native_fx + 24, fx + 24, 288 - 24), "restored");
}

static void test_mxcsr(void)
{
	static const u8 fxrstor[] = { 0x0f, 0xae, 0x0b };
	static const u8 ldmxcsr[] = { 0x0f, 0xae, 0x13 };

	reset_guest();
	native_reset();
	memset(mem + 0x1c00, 0, 512);
	mem[0x1c02] = 1; /* a reserved bit of MXCSR, and FSW for FXRSTOR */
	step(ldmxcsr, sizeof(ldmxcsr));
	CHECK(emu.fault_set && emu.fault.vector == VEC_GP);
	mem[0x1c00 + 26] = 1;
	step(fxrstor, sizeof(fxrstor));
	CHECK(emu.fault_set && emu.fault.vector == VEC_GP);
	mem[0x1c00 + 26] = 0;
	step(fxrstor, sizeof(fxrstor));
	CHECK(!emu.fault_set);
}

/* An unmasked exception waits for the next waiting instruction. */
static void test_pending(void)
{
	static const u8 fldcw[] = { 0xd9, 0x2b }; /* [ebx] */
	static const u8 fld1[] = { 0xd9, 0xe8 };
	static const u8 fldz[] = { 0xd9, 0xee };
	static const u8 fdivp[] = { 0xde, 0xf9 };
	static const u8 fnclex[] = { 0xdb, 0xe2 };
	static const u8 wait[] = { 0x9b };

	reset_guest();
	native_reset();
	put16(mem + 0x1c00, 0x37b); /* ZM clear */
	step(fldcw, sizeof(fldcw));
	step(fld1, sizeof(fld1));
	step(fldz, sizeof(fldz));
	step(fdivp, sizeof(fdivp));
	CHECK(!emu.fault_set);
	step(wait, sizeof(wait));
	CHECK(emu.fault_set && emu.fault.vector == VEC_MF);
	step(fld1, sizeof(fld1));
	CHECK(emu.fault_set && emu.fault.vector == VEC_MF);
	step(fnclex, sizeof(fnclex));
	step(wait, sizeof(wait));
	CHECK(!emu.fault_set);
}

static void test_xm(void)
{
	static const u8 divps[] = { 0x0f, 0x5e, 0xc1 };

	for (unsigned on = 0; on < 2; on++) {
		reset_guest();
		native_reset();
		put16(native_fx + 24, 0x1f80 & ~BIT(7)); /* IM clear: 0 / 0 */
		if (!on)
			vcpu.cr4 &= ~CR4_OSXMMEXCPT;
		step(divps, sizeof(divps));
		CHECK(emu.fault_set &&
		      emu.fault.vector == (on ? VEC_XM : VEC_UD));
	}
}

int main(void)
{
	struct emu_native native;

	area = host_code_area();
	native = (struct emu_native){ area.write, area.exec, area.size - 64,
				      host_native_call };
	emu_fpu_init(&native);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		for (unsigned n = 0; n < 60; n++)
			run_case(&cases[i], n % 3 != 0);
	}
	test_rows();
	test_faults();
	test_fxsave();
	test_mxcsr();
	test_pending();
	test_xm();
	return test_end("fpu");
}
