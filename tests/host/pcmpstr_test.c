/* SPDX-License-Identifier: MIT */
/*
 * PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM under the interpreter against
 * the real CPU: they read and write registers that their encoding does not
 * name (rAX, rDX, rCX, XMM0). In 64-bit mode too, with 64-bit lengths.
 *
 * LINKS: lib kernel cpu
 */
#include <string.h>

#include "cpu/cpuid.h"
#include "cpu/emu.h"
#include "cpu/emu_fpu.h"
#include "kernel/host.h"
#include "tests/host/native.h"
#include "tests/host/test.h"

#define CODE_AT 0x100u
#define XMM(n) (native_fx + 160 + 16 * (n))

struct outcome {
	u32 index, flags;
	u8 mask[16];
};

static u8 mem[0x1000];
static u64 seed = 88172645463325252ull;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static bool read_mem(void *ctx, gva_t gva, void *buf, unsigned size,
		     unsigned acc, struct pagefault *pf)
{
	memcpy(buf, mem + gva.a, size);
	return true;
}

static bool fetch(void *ctx, gva_t gva, void *buf, unsigned size, unsigned acc,
		  unsigned *got, struct pagefault *pf)
{
	*got = size;
	return read_mem(ctx, gva, buf, size, acc, pf);
}

static const struct emu_ops ops = { .read = read_mem, .fetch = fetch };

/* On this CPU: op xmm1, xmm2, imm. */
#define DIRECT(op, rex, imm)                                              \
	__asm__ volatile("movdqu %3, %%xmm1; movdqu %4, %%xmm2;"          \
			 "movdqu %3, %%xmm0; xorl %%ecx, %%ecx\n"         \
			 ".byte 0x66\n" rex ".byte 0x0f, 0x3a, " op       \
			 ", 0xca, " imm "\n"                              \
			 "pushfq; popq %q1; movdqu %%xmm0, %2"            \
			 : "=&c"(o->index), "=&r"(flags), "=m"(o->mask)   \
			 : "m"(*a), "m"(*b), "a"(rax), "d"(rdx)           \
			 : "xmm0", "xmm1", "xmm2", "cc")

#define WITH_IMM(op, imm)                                                 \
	do {                                                              \
		if (wide)                                                 \
			DIRECT(op, ".byte 0x48\n", imm);                  \
		else                                                      \
			DIRECT(op, "", imm);                              \
	} while (0)

#define WITH_OP(op)                                                       \
	do {                                                              \
		switch (imm) {                                            \
		case 0x00: WITH_IMM(op, "0x00"); break;                   \
		case 0x0c: WITH_IMM(op, "0x0c"); break;                   \
		case 0x19: WITH_IMM(op, "0x19"); break;                   \
		default: WITH_IMM(op, "0x5a"); break;                     \
		}                                                         \
	} while (0)

static const u8 imms[] = { 0x00, 0x0c, 0x19, 0x5a };

static void direct(u8 opcode, u8 imm, bool wide, const u8 (*a)[16],
		   const u8 (*b)[16], u64 rax, u64 rdx, struct outcome *o)
{
	u64 flags = 0;

	switch (opcode) {
	case 0x60: WITH_OP("0x60"); break;
	case 0x61: WITH_OP("0x61"); break;
	case 0x62: WITH_OP("0x62"); break;
	default: WITH_OP("0x63"); break;
	}
	o->flags = (u32)flags & EFLAGS_ARITH;
}

static void reset(struct vcpu *v, bool wide)
{
	vcpu_reset_flat32(v, CODE_AT, 8, 16);
	v->cr4 = CR4_OSFXSR | CR4_PAE;
	if (!wide)
		return;
	v->cr0 |= CR0_PG;
	v->efer = EFER_LME | EFER_LMA;
	v->seg[SEG_CS].ar ^= AR_L | AR_DB;
}

static u64 length(bool wide)
{
	u64 n = rnd() % 40 - 20;

	switch (rnd() % 4) {
	case 0: return rnd();
	case 1: return wide ? n << 32 : n;
	default: return n;
	}
}

/* Few values, so that there are matches and zeros. */
static void fill(u8 *p)
{
	for (unsigned i = 0; i < 16; i++)
		p[i] = rnd() % 7 ? (u8)('a' + rnd() % 4) : 0;
}

static void run(u8 opcode, u8 imm, bool wide)
{
	const u8 code[] = { 0x66, 0x48, 0x0f, 0x3a, opcode, 0xca, imm };
	unsigned skip = wide ? 0 : 1;
	static struct vcpu v;
	struct emu e = { .v = &v, .ops = &ops, .no_deliver = true };
	struct outcome want;
	u8 a[16], b[16];

	fill(a);
	fill(b);
	native_reset();
	reset(&v, wide);
	memcpy(XMM(0), a, 16);
	memcpy(XMM(1), a, 16);
	memcpy(XMM(2), b, 16);
	v.gpr[R_AX] = length(wide);
	v.gpr[R_DX] = length(wide);
	v.gpr[R_CX] = 0;
	memcpy(mem + CODE_AT, code, sizeof(code));
	if (skip)
		memmove(mem + CODE_AT + 1, mem + CODE_AT + 2, 5);
	direct(opcode, imm, wide, (const u8 (*)[16])a, (const u8 (*)[16])b,
	       v.gpr[R_AX], v.gpr[R_DX], &want);
	emu_step(&e);
	CHECK(!e.fault_set, "%02x: fault", opcode);
	CHECK(v.gpr[R_CX] == (opcode & 1 ? want.index : 0), "%02x imm %02x: "
	      "index %llx, not %x", opcode, imm,
	      (unsigned long long)v.gpr[R_CX], want.index);
	CHECK((v.rflags & EFLAGS_ARITH) == want.flags, "%02x: flags", opcode);
	CHECK(!memcmp(XMM(0), want.mask, 16), "%02x: XMM0", opcode);
}

int main(void)
{
	struct host_code area = host_code_area();
	struct emu_native native = { area.write, area.exec, area.size,
				     host_native_call };

	cpuid_policy_init(NULL, CPUID_POLICY_64);
	emu_fpu_init(&native);
	for (unsigned i = 0; i < 20000; i++)
		if (__builtin_cpu_supports("sse4.2"))
			run(0x60 + (u8)(i % 4), imms[rnd() % 4], rnd() & 1);
	return test_end("pcmpstr");
}
