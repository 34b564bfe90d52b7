/* SPDX-License-Identifier: MIT */
/*
 * The encoder against Zydis: random instructions must decode, as 64-bit code,
 * to the same opcode, registers, address and immediate.
 *
 * LINKS: lib
 * SRCS: bt/emit.c
 * SYSLIBS: -lZydis
 */
#include <Zydis/Zydis.h>

#include "bt/emit.h"
#include "tests/host/test.h"

static u64 state = 0x9e3779b97f4a7c15ull;

static u32 rnd(u32 below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (u32)((state >> 16) % below);
}

static bool decode(const struct emit *e, ZydisDecodedInstruction *insn,
		   ZydisDecodedOperand *op)
{
	ZydisDecoder d;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, e->start,
						   emit_offset(e), insn, op)) &&
	       insn->length == emit_offset(e);
}

static struct mem random_mem(void)
{
	static const s32 disps[] = { 0, 1, -1, 127, 128, -128, -129, 0x12345 };
	struct mem m = {
		.base = (s8)((int)rnd(17) - 1),
		.index = (s8)((int)rnd(17) - 1),
		.scale = (u8)(1 << rnd(4)),
		.narrow = rnd(2),
		.disp = disps[rnd(ARRAY_SIZE(disps))],
	};

	if (m.index == H_SP)
		m.index = H_NONE;
	if (m.index == H_NONE)
		m.scale = 1;
	return m;
}

static int reg_number(ZydisRegister reg)
{
	return reg == ZYDIS_REGISTER_NONE ? H_NONE : ZydisRegisterGetId(reg);
}

static void check_mem(const struct mem *m, const ZydisDecodedInstruction *insn,
		      const ZydisDecodedOperand *op)
{
	CHECK(op->type == ZYDIS_OPERAND_TYPE_MEMORY);
	CHECK(reg_number(op->mem.base) == m->base, "base %d", m->base);
	CHECK(reg_number(op->mem.index) == m->index, "index %d", m->index);
	if (m->index != H_NONE)
		CHECK(op->mem.scale == m->scale);
	CHECK((s32)op->mem.disp.value == m->disp, "disp %d", m->disp);
	CHECK(insn->address_width == (m->narrow ? 32 : 64));
}

/* mov r32, [mem] and back, lea, stores of immediates. */
static void test_memory(void)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction insn;
	u8 buf[32] = { 0 };
	struct emit e;

	for (unsigned n = 0; n < 20000; n++) {
		struct mem m = random_mem();
		u8 reg = (u8)rnd(16);
		u32 imm = rnd(0x10000) * 0x10001u;

		emit_init(&e, buf, buf, sizeof(buf));
		if (n & 1)
			emit_load(&e, reg, m);
		else
			emit_store_imm(&e, m, imm);
		CHECK(!e.overflow);
		CHECK(decode(&e, &insn, op), "case %u", n);
		CHECK(insn.mnemonic == ZYDIS_MNEMONIC_MOV);
		check_mem(&m, &insn, &op[n & 1]);
		if (n & 1)
			CHECK(reg_number(op[0].reg.value) == reg);
		else
			CHECK((u32)op[1].imm.value.u == imm);
	}
}

static void test_registers(void)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction insn;
	u8 buf[32] = { 0 };
	struct emit e;

	for (unsigned n = 0; n < 16 * 16 * 2; n++) {
		u8 dst = n & 15, src = n >> 4 & 15;
		bool wide = n >> 8;

		emit_init(&e, buf, buf, sizeof(buf));
		if (wide)
			emit_mov_wide(&e, dst, src);
		else
			emit_mov(&e, dst, src);
		CHECK(decode(&e, &insn, op));
		CHECK(insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
		      op[0].size == (wide ? 64 : 32));
		CHECK(reg_number(op[0].reg.value) == dst &&
		      reg_number(op[1].reg.value) == src);
	}
}

static void test_prefixes(void)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction insn;
	struct mem m = mem_at(H_12, -4);
	u8 buf[32] = { 0 };
	struct emit e;

	m.narrow = true;
	emit_init(&e, buf, buf, sizeof(buf));
	emit_enc(&e, &(struct enc){ .lock = 0xf0, .opsize = true, .map = 1,
				    .opcode = 0xc1, .has_modrm = true,
				    .has_mem = true, .reg = H_12, .mem = m });
	CHECK(decode(&e, &insn, op) && insn.mnemonic == ZYDIS_MNEMONIC_XADD &&
	      op[0].size == 16 &&
	      (insn.attributes & ZYDIS_ATTRIB_HAS_LOCK) &&
	      reg_number(op[1].reg.value) == H_12);
	emit_init(&e, buf, buf, sizeof(buf));
	emit_enc(&e, &(struct enc){ .rep = 0xf3, .narrow = true,
				    .opcode = 0xa5 });
	CHECK(decode(&e, &insn, op) && insn.mnemonic == ZYDIS_MNEMONIC_MOVSD &&
	      insn.address_width == 32 &&
	      (insn.attributes & ZYDIS_ATTRIB_HAS_REP));
	emit_init(&e, buf, buf, sizeof(buf));
	emit_enc(&e, &(struct enc){ .opcode = 0xb8, .rm = H_12, .imm_size = 4,
				    .imm = 0x80000001 });
	CHECK(decode(&e, &insn, op) && reg_number(op[0].reg.value) == H_12 &&
	      (u32)op[1].imm.value.u == 0x80000001);
}

/* AH to BH and a REX prefix exclude each other: the encoder can tell. */
static void test_high_bytes(void)
{
	struct enc c = { .opcode = 0x88, .has_modrm = true, .reg = 4,
			 .high = true };

	CHECK(!enc_needs_rex(&c));
	c.has_mem = true;
	c.mem = mem_at(H_12, 0);
	CHECK(enc_needs_rex(&c));
	c.mem = mem_at(H_BX, 0);
	CHECK(!enc_needs_rex(&c));
	c.mem.index = H_9;
	CHECK(enc_needs_rex(&c));
}

static void test_branches(void)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction insn;
	u8 buf[64] = { 0 };
	struct emit e;
	u32 from;

	emit_init(&e, buf, buf + 0x1000, sizeof(buf));
	emit_rel32(&e, 0xe9, buf + 0x2000);
	CHECK(decode(&e, &insn, op) && op[0].imm.value.s == 0x1000 - 5);
	from = emit_short(&e, 0x75);
	emit_u32(&e, 0);
	emit_here(&e, from);
	CHECK(buf[6] == 4 && buf[5] == 0x75);
}

/* Sticky, and nothing is written beyond the end. */
static void test_overflow(void)
{
	u8 buf[8] = { 0 };
	struct emit e;

	emit_init(&e, buf, buf, 6);
	emit_u32(&e, ~0u);
	CHECK(!e.overflow);
	emit_u32(&e, ~0u);
	CHECK(e.overflow && emit_offset(&e) == 6);
	emit_u8(&e, 1);
	CHECK(e.overflow && !buf[6] && !buf[7]);
}

int main(void)
{
	test_memory();
	test_registers();
	test_prefixes();
	test_high_bytes();
	test_branches();
	test_overflow();
	return test_end("emit");
}
