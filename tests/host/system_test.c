/* SPDX-License-Identifier: MIT */
/*
 * Segment loads, far transfers, IRET, flags, control registers, MSRs and the
 * like: rows of one instruction each, with the fault that it must raise or the
 * state that it must leave.
 * LINKS: lib cpu
 * SYSLIBS:
 */
#include <stdlib.h>

#include "tests/host/machine.h"

#include "cpu/cpuid.h"
#include "cpu/msr.h"

/* --- Segment loads --- */

static void test_segment_loads(void)
{
	static const struct {
		const char *name;
		u8 cpl;
		enum sreg seg;
		u16 sel;
		int vector;
		u32 error;
	} rows[] = {
		{ "ds data0", 0, SEG_DS, S_DATA0, NO_FAULT, 0 },
		{ "ds null", 0, SEG_DS, 0, NO_FAULT, 0 },
		{ "ds null rpl 3", 0, SEG_DS, 3, NO_FAULT, 0 },
		{ "ds beyond gdt", 0, SEG_DS, S_GDT_END, VEC_GP, S_GDT_END },
		{ "ds ldt", 0, SEG_DS, 0x0c, NO_FAULT, 0 },
		{ "ds beyond ldt", 0, SEG_DS, 0x27, VEC_GP, 0x24 },
		{ "ds system", 0, SEG_DS, S_TSS, VEC_GP, S_TSS },
		{ "ds execute-only", 0, SEG_DS, S_XO, VEC_GP, S_XO },
		{ "ds readable code", 0, SEG_DS, S_CODE0, NO_FAULT, 0 },
		{ "ds read-only", 0, SEG_DS, S_RO, NO_FAULT, 0 },
		{ "ds absent", 0, SEG_DS, S_DATA_NP, VEC_NP, S_DATA_NP },
		{ "ds rpl 3 of dpl 0", 0, SEG_DS, S_DATA0 | 3, VEC_GP, S_DATA0 },
		{ "ds cpl 3 of dpl 0", 3, SEG_DS, S_DATA0, VEC_GP, S_DATA0 },
		{ "ds conforming at 3", 3, SEG_DS, S_CONFORM | 3, NO_FAULT, 0 },
		{ "ds data3 at 0", 0, SEG_DS, S_DATA3 | 3, NO_FAULT, 0 },
		{ "ss data0", 0, SEG_SS, S_DATA0, NO_FAULT, 0 },
		{ "ss null", 0, SEG_SS, 0, VEC_GP, 0 },
		{ "ss rpl", 0, SEG_SS, S_DATA0 | 1, VEC_GP, S_DATA0 },
		{ "ss dpl", 0, SEG_SS, S_DATA3, VEC_GP, S_DATA3 },
		{ "ss read-only", 0, SEG_SS, S_RO, VEC_GP, S_RO },
		{ "ss code", 0, SEG_SS, S_CODE0, VEC_GP, S_CODE0 },
		{ "ss absent", 0, SEG_SS, S_DATA_NP, VEC_SS, S_DATA_NP },
		{ "ss beyond gdt", 0, SEG_SS, S_GDT_END, VEC_GP, S_GDT_END },
		{ "ss at 3", 3, SEG_SS, S_DATA3 | 3, NO_FAULT, 0 },
		{ "cs", 0, SEG_CS, S_CODE0, VEC_UD, 0 },
		{ "sreg 6", 0, SEG_LDTR, S_DATA0, VEC_UD, 0 },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_reset();
		set_cpl(rows[i].cpl);
		m->v.gpr[R_AX] = rows[i].sel;
		RUN(0x8e, 0xc0 | rows[i].seg << 3); /* mov sreg, ax */
		check_fault(rows[i].name, rows[i].vector, rows[i].error);
		if (rows[i].vector == NO_FAULT)
			CHECK(m->v.seg[rows[i].seg].sel == rows[i].sel, "%s",
			      rows[i].name);
		CHECK(m->v.shadow == (rows[i].seg == SEG_SS &&
				      rows[i].vector == NO_FAULT ?
				      SHADOW_MOV_SS : SHADOW_NONE),
		      "%s", rows[i].name);
	}
}

static void test_hidden_parts(void)
{
	machine_reset();
	m->v.gpr[R_AX] = 0x0c; /* LDT entry 1 */
	RUN(0x8e, 0xd8);
	CHECK(m->v.seg[SEG_DS].base == 0x100);
	CHECK(m->v.seg[SEG_DS].limit == 0xfff);

	machine_reset();
	m->v.gpr[R_AX] = S_DATA3 | 3;
	RUN(0x8e, 0xd8);
	CHECK(m->mem[GDT + S_DATA3 + 5] == 0xf3, "accessed bit");
	CHECK(m->v.seg[SEG_DS].limit == 0xffffffff);
	CHECK(m->v.seg[SEG_DS].ar & AR_ACCESSED);

	machine_reset();
	m->v.gpr[R_AX] = 3;
	RUN(0x8e, 0xd8);
	CHECK(m->v.seg[SEG_DS].ar & AR_UNUSABLE);
	CHECK(!RUN(0xa0, 0, 0, 0, 0) || m->v.rip != CODE); /* mov al, [0] */
	m->v.rip = CODE;
	RUN(0xa0, 0, 0, 0, 0);
	check_fault("read through null", VEC_GP, 0);

	/* VM86 makes it fixed, real mode keeps limit and attributes. */
	machine_reset();
	set_vm86(3);
	m->v.gpr[R_AX] = 0x1234;
	RUN(0x8e, 0xd8);
	CHECK(m->v.seg[SEG_DS].base == 0x12340);
	CHECK(m->v.seg[SEG_DS].limit == 0xffff);
	CHECK(m->v.seg[SEG_DS].ar == 0xf3);

	machine_reset();
	set_real();
	m->v.seg[SEG_DS].limit = 0xffffffff;
	m->v.seg[SEG_DS].ar |= AR_G;
	m->v.gpr[R_AX] = 0x1234;
	RUN(0x8e, 0xd8);
	CHECK(m->v.seg[SEG_DS].base == 0x12340);
	CHECK(m->v.seg[SEG_DS].limit == 0xffffffff, "big real mode");
}

static void test_push_pop_sreg(void)
{
	machine_reset();
	put32(STACK0 - 4, 0xaaaaaaaa);
	CHECK(RUN(0x1e)); /* push ds */
	CHECK(m->v.gpr[R_SP] == STACK0 - 4);
	CHECK(get32(STACK0 - 4) == (0xaaaa0000 | S_DATA0));

	machine_reset();
	m->v.gpr[R_SP] = STACK0 - 4;
	put32(STACK0 - 4, 0xffff0000 | S_DATA3 | 3);
	CHECK(RUN(0x07)); /* pop es */
	CHECK(m->v.seg[SEG_ES].sel == (S_DATA3 | 3));
	CHECK(m->v.gpr[R_SP] == STACK0);

	machine_reset();
	m->v.gpr[R_SP] = STACK0 - 4;
	put32(STACK0 - 4, S_TSS);
	RUN(0x07);
	check_fault("pop es system", VEC_GP, S_TSS);
	CHECK(m->v.gpr[R_SP] == STACK0 - 4, "esp rolled back");

	machine_reset();
	put32(0x6000, 0x12345678);
	put16(0x6004, S_DATA3 | 3);
	m->v.gpr[R_BX] = 0x6000;
	CHECK(RUN(0x0f, 0xb5, 0x0b)); /* lgs ecx, [ebx] */
	CHECK(m->v.seg[SEG_GS].sel == (S_DATA3 | 3));
	CHECK(m->v.gpr[R_CX] == 0x12345678);
	put16(0x6004, S_DATA0);
	m->v.rip = CODE;
	CHECK(RUN(0x0f, 0xb2, 0x23)); /* lss esp, [ebx] */
	CHECK(m->v.gpr[R_SP] == 0x12345678);
	CHECK(m->v.shadow == SHADOW_NONE);
}

static void test_ltr_lldt(void)
{
	static const struct {
		const char *name;
		u8 modrm; /* 0f 00 /2 lldt ax, /3 ltr ax */
		u16 sel;
		int vector;
		u32 error;
	} rows[] = {
		{ "ltr", 0xd8, S_TSS_OTHER, NO_FAULT, 0 },
		{ "ltr 16", 0xd8, S_TSS16, NO_FAULT, 0 },
		{ "ltr null", 0xd8, 0, VEC_GP, 0 },
		{ "ltr ti", 0xd8, 0x0c, VEC_GP, 0x0c },
		{ "ltr busy", 0xd8, S_TSS, VEC_GP, S_TSS },
		{ "ltr absent", 0xd8, S_TSS_NP, VEC_NP, S_TSS_NP },
		{ "ltr data", 0xd8, S_DATA0, VEC_GP, S_DATA0 },
		{ "ltr beyond", 0xd8, S_GDT_END, VEC_GP, S_GDT_END },
		{ "lldt", 0xd0, S_LDT, NO_FAULT, 0 },
		{ "lldt null", 0xd0, 0, NO_FAULT, 0 },
		{ "lldt ti", 0xd0, 0x0c, VEC_GP, 0x0c },
		{ "lldt absent", 0xd0, S_LDT_NP, VEC_NP, S_LDT_NP },
		{ "lldt tss", 0xd0, S_TSS, VEC_GP, S_TSS },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_reset();
		m->v.gpr[R_AX] = rows[i].sel;
		RUN(0x0f, 0x00, rows[i].modrm);
		check_fault(rows[i].name, rows[i].vector, rows[i].error);
	}
	machine_reset();
	m->v.gpr[R_AX] = S_TSS_OTHER;
	RUN(0x0f, 0x00, 0xd8);
	CHECK(m->mem[GDT + S_TSS_OTHER + 5] == 0x8b, "busy");
	CHECK(m->v.seg[SEG_TR].base == TSS_OTHER);
	CHECK((m->v.seg[SEG_TR].ar & AR_TYPE) == SYS_TSS32_BUSY);
	machine_reset();
	set_cpl(3);
	RUN(0x0f, 0x00, 0xd8);
	check_fault("ltr at 3", VEC_GP, 0);
	machine_reset();
	set_real();
	RUN(0x0f, 0x00, 0xd8);
	check_fault("ltr in real mode", VEC_UD, 0);
}

static void test_examine(void)
{
	static const struct {
		const char *name;
		u8 cpl;
		u8 op;    /* 02 lar, 03 lsl (eax <- cx); 00: verr/verw cx */
		u8 modrm;
		u16 sel;
		bool zf;
		u32 value;
	} rows[] = {
		{ "lar code", 0, 2, 0xc1, S_CODE0, 1, 0x00cf9b00 & 0xffff00 },
		{ "lar null", 0, 2, 0xc1, 0, 0, 0 },
		{ "lar beyond", 0, 2, 0xc1, S_GDT_END, 0, 0 },
		{ "lar dpl", 3, 2, 0xc1, S_DATA0, 0, 0 },
		{ "lar conforming", 3, 2, 0xc1, S_CONFORM | 3, 1, 0xcf9f00 },
		{ "lar call gate", 0, 2, 0xc1, S_GATE, 1, 0x01ec00 },
		{ "lar task gate", 0, 2, 0xc1, S_TASK_GATE, 1, 0xe500 },
		{ "lar tss", 0, 2, 0xc1, S_TSS, 1, 0x8b00 },
		{ "lar absent", 0, 2, 0xc1, S_DATA_NP, 1, 0xcf1300 },
		{ "lsl flat", 0, 3, 0xc1, S_DATA0, 1, 0xffffffff },
		{ "lsl tss", 0, 3, 0xc1, S_TSS, 1, 0x67 },
		{ "lsl gate", 0, 3, 0xc1, S_GATE, 0, 0 },
		{ "lsl ldt", 0, 3, 0xc1, S_LDT, 1, 0x1f },
		{ "verr data", 0, 0, 0xe1, S_DATA0, 1, 0 },
		{ "verr xo", 0, 0, 0xe1, S_XO, 0, 0 },
		{ "verr tss", 0, 0, 0xe1, S_TSS, 0, 0 },
		{ "verr dpl", 3, 0, 0xe1, S_DATA0, 0, 0 },
		{ "verr conforming", 3, 0, 0xe1, S_CONFORM | 3, 1, 0 },
		{ "verw data", 0, 0, 0xe9, S_DATA0, 1, 0 },
		{ "verw ro", 0, 0, 0xe9, S_RO, 0, 0 },
		{ "verw code", 0, 0, 0xe9, S_CODE0, 0, 0 },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_reset();
		if (rows[i].sel == S_GATE)
			put_gate(GDT + S_GATE, S_CODE0, 0x10000, 0xec, 0);
		set_cpl(rows[i].cpl);
		m->v.gpr[R_CX] = rows[i].sel;
		m->v.gpr[R_AX] = 0x55555555;
		CHECK(RUN(0x0f, rows[i].op, rows[i].modrm), "%s", rows[i].name);
		CHECK(!!(m->v.rflags & EFLAGS_ZF) == rows[i].zf, "%s",
		      rows[i].name);
		if (rows[i].op)
			CHECK(m->v.gpr[R_AX] ==
			      (rows[i].zf ? rows[i].value : 0x55555555),
			      "%s: %llx", rows[i].name,
			      (unsigned long long)m->v.gpr[R_AX]);
	}
	machine_reset();
	m->v.gpr[R_AX] = 0x10;
	m->v.gpr[R_CX] = 3;
	CHECK(RUN(0x63, 0xc8)); /* arpl ax, cx */
	CHECK(m->v.gpr[R_AX] == 0x13 && (m->v.rflags & EFLAGS_ZF));
	m->v.rip = CODE;
	m->v.gpr[R_CX] = 1;
	CHECK(RUN(0x63, 0xc8));
	CHECK(m->v.gpr[R_AX] == 0x13 && !(m->v.rflags & EFLAGS_ZF));
}

/* --- Far transfers --- */

static void test_far_checks(void)
{
	static const struct {
		const char *name;
		u8 cpl;
		u8 opcode; /* ea jmp, 9a call */
		u16 sel;
		u32 offset;
		int vector;
		u32 error;
	} rows[] = {
		{ "jmp", 0, 0xea, S_CODE0, HANDLER, NO_FAULT, 0 },
		{ "jmp null", 0, 0xea, 3, HANDLER, VEC_GP, 0 },
		{ "jmp beyond", 0, 0xea, S_GDT_END, 0, VEC_GP, S_GDT_END },
		{ "jmp data", 0, 0xea, S_DATA0, 0, VEC_GP, S_DATA0 },
		{ "jmp absent", 0, 0xea, S_CODE_NP, 0, VEC_NP, S_CODE_NP },
		{ "jmp rpl", 0, 0xea, S_CODE0 | 1, 0, VEC_GP, S_CODE0 },
		{ "jmp dpl 3 at 0", 0, 0xea, S_CODE3 | 3, 0, VEC_GP, S_CODE3 },
		{ "jmp dpl 0 at 3", 3, 0xea, S_CODE0 | 3, 0, VEC_GP, S_CODE0 },
		{ "jmp conforming", 3, 0xea, S_CONFORM, HANDLER, NO_FAULT, 0 },
		{ "jmp limit", 0, 0xea, S_CODE_SMALL, 0x100, VEC_GP, 0 },
		{ "jmp gate inner", 3, 0xea, S_GATE | 3, 0, VEC_GP, S_CODE0 },
		{ "jmp gate same", 0, 0xea, S_GATE, 0, NO_FAULT, 0 },
		{ "jmp ldt", 0, 0xea, S_LDT, 0, VEC_GP, S_LDT },
		{ "jmp busy tss", 0, 0xea, S_TSS, 0, VEC_GP, S_TSS },
		{ "jmp tss at 3", 3, 0xea, S_TSS_OTHER, 0, VEC_GP, S_TSS_OTHER },
		{ "call gate dpl", 3, 0x9a, S_GATE_DPL0 | 3, 0, VEC_GP,
		  S_GATE_DPL0 },
		{ "call gate absent", 0, 0x9a, S_GATE_NP, 0, VEC_NP, S_GATE_NP },
		{ "call gate null", 0, 0x9a, S_CALLFAR_NULL, 0, VEC_GP, 0 },
		{ "call gate same", 3, 0x9a, S_GATE_SAME | 3, 0, NO_FAULT, 0 },
		{ "call gate conforming", 3, 0x9a, S_GATE_CONF | 3, 0,
		  NO_FAULT, 0 },
		{ "call short tss", 0, 0x9a, S_TSS_SHORT, 0, VEC_TS,
		  S_TSS_SHORT },
		{ "call absent tss", 0, 0x9a, S_TSS_NP, 0, VEC_NP, S_TSS_NP },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		u8 code[7] = { rows[i].opcode };

		machine_reset();
		set_cpl(rows[i].cpl);
		memcpy(code + 1, &rows[i].offset, 4);
		memcpy(code + 5, &rows[i].sel, 2);
		run_bytes(code, 7);
		check_fault(rows[i].name, rows[i].vector, rows[i].error);
		if (rows[i].vector != NO_FAULT) {
			CHECK(m->v.rip == CODE, "%s", rows[i].name);
			continue;
		}
		CHECK(m->v.rip == HANDLER, "%s", rows[i].name);
		CHECK(m->v.cpl == rows[i].cpl, "%s", rows[i].name);
		CHECK(sel_rpl(m->v.seg[SEG_CS].sel) == rows[i].cpl);
	}
}

static void check_stack(const char *name, u32 at, const u32 *want, unsigned n,
			unsigned size)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		u32 got = size == 4 ? get32(at + 4 * i) : get16(at + 2 * i);

		CHECK(got == want[i], "%s: item %u is %x, expected %x", name, i,
		      got, want[i]);
	}
}

static void test_call_far(void)
{
	/* Direct, 32-bit. */
	machine_reset();
	CHECK(RUN(0x9a, 0, 0x10, 1, 0, S_CODE0, 0));
	CHECK(m->v.gpr[R_SP] == STACK0 - 8);
	check_stack("call far", STACK0 - 8,
		    (const u32[]){ CODE + 7, S_CODE0 }, 2, 4);

	/* 16-bit operand size. */
	machine_reset();
	CHECK(RUN(0x66, 0x9a, 0, 0x10, S_CODE0, 0));
	CHECK(m->v.gpr[R_SP] == STACK0 - 4 && m->v.rip == 0x1000);
	check_stack("call far 16", STACK0 - 4, (const u32[]){ 6, S_CODE0 }, 2,
		    2);

	/* Inner privilege through a 32-bit gate with two parameters. */
	machine_reset();
	set_cpl(3);
	m->v.gpr[R_SP] = STACK3 - 8;
	put32(STACK3 - 8, 0x11112222);
	put32(STACK3 - 4, 0x33334444);
	CHECK(RUN(0x9a, 0, 0, 0, 0, S_GATE | 3, 0));
	CHECK(m->v.cpl == 0 && m->v.seg[SEG_CS].sel == S_CODE0);
	CHECK(m->v.seg[SEG_SS].sel == S_DATA0);
	CHECK(m->v.gpr[R_SP] == STACK0 - 24);
	check_stack("call gate", STACK0 - 24,
		    (const u32[]){ CODE + 7, S_CODE3 | 3, 0x11112222,
				   0x33334444, STACK3 - 8, S_DATA3 | 3 }, 6, 4);

	/* And back: RET 8 releases the parameters on both stacks. */
	m->v.rip = CODE;
	m->v.seg[SEG_DS].ar = 0xc093;
	m->v.seg[SEG_DS].sel = S_DATA0;
	CHECK(RUN(0xca, 8, 0));
	CHECK(m->v.cpl == 3 && m->v.rip == CODE + 7);
	CHECK(m->v.gpr[R_SP] == STACK3);
	CHECK(m->v.seg[SEG_SS].sel == (S_DATA3 | 3));
	CHECK(m->v.seg[SEG_DS].ar & AR_UNUSABLE, "DS is dropped");
	CHECK(!(m->v.seg[SEG_ES].ar & AR_UNUSABLE), "ES stays");

	/* 16-bit gate: words. */
	machine_reset();
	set_cpl(3);
	m->v.gpr[R_SP] = STACK3 - 8;
	put16(STACK3 - 8, 0x2222);
	CHECK(RUN(0x9a, 0, 0, 0, 0, S_GATE16 | 3, 0));
	CHECK(m->v.rip == 0x8000 && m->v.gpr[R_SP] == STACK0 - 10);
	check_stack("call gate 16", STACK0 - 10,
		    (const u32[]){ 7, S_CODE3 | 3, 0x2222,
				   (STACK3 - 8) & 0xffff, S_DATA3 | 3 }, 5, 2);
}

static void test_inner_stack_faults(void)
{
	static const struct {
		const char *name;
		u16 ss;
		u32 esp, limit;
		int vector;
		u32 error;
	} rows[] = {
		{ "null ss", 0, STACK0, 0x67, VEC_TS, 0 },
		{ "ss rpl", S_DATA0 | 1, STACK0, 0x67, VEC_TS, S_DATA0 },
		{ "ss dpl", S_DATA1, STACK0, 0x67, VEC_TS, S_DATA1 },
		{ "ss ro", S_RO, STACK0, 0x67, VEC_TS, S_RO },
		{ "ss code", S_CODE0, STACK0, 0x67, VEC_TS, S_CODE0 },
		{ "ss absent", S_DATA_NP, STACK0, 0x67, VEC_SS, S_DATA_NP },
		{ "ss beyond", S_GDT_END, STACK0, 0x67, VEC_TS, S_GDT_END },
		{ "tss limit", S_DATA0, STACK0, 10, VEC_TS, S_TSS },
		{ "no room", S_DOWN, 0x110, 0x67, VEC_SS, S_DOWN },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_reset();
		put16(TSS_NOW + 8, rows[i].ss);
		put32(TSS_NOW + 4, rows[i].esp);
		m->v.seg[SEG_TR].limit = rows[i].limit;
		set_cpl(3);
		RUN(0x9a, 0, 0, 0, 0, S_GATE | 3, 0);
		check_fault(rows[i].name, rows[i].vector, rows[i].error);
		CHECK(m->v.cpl == 3 && m->v.gpr[R_SP] == STACK3);
	}
}

static void test_ret_iret_checks(void)
{
	static const struct {
		const char *name;
		u8 cpl;
		u16 cs;
		u32 rip;
		u16 ss;
		int vector;
		u32 error;
	} rows[] = {
		{ "same", 0, S_CODE0, HANDLER, 0, NO_FAULT, 0 },
		{ "outer", 0, S_CODE3 | 3, HANDLER, S_DATA3 | 3, NO_FAULT, 0 },
		{ "null cs", 0, 3, HANDLER, 0, VEC_GP, 0 },
		{ "beyond", 0, S_GDT_END, HANDLER, 0, VEC_GP, S_GDT_END },
		{ "data", 0, S_DATA0, HANDLER, 0, VEC_GP, S_DATA0 },
		{ "inward", 3, S_CODE0, HANDLER, 0, VEC_GP, S_CODE0 },
		{ "dpl != rpl", 0, S_CODE0 | 3, HANDLER, 0, VEC_GP, S_CODE0 },
		{ "absent", 0, S_CODE_NP, HANDLER, 0, VEC_NP, S_CODE_NP },
		{ "limit", 0, S_CODE_SMALL, 0x100, 0, VEC_GP, 0 },
		{ "outer null ss", 0, S_CODE3 | 3, HANDLER, 0, VEC_GP, 0 },
		{ "outer ss rpl", 0, S_CODE3 | 3, HANDLER, S_DATA3, VEC_GP,
		  S_DATA3 },
		{ "outer ss ro", 0, S_CODE3 | 3, HANDLER, S_DATA3_RO | 3,
		  VEC_GP, S_DATA3_RO },
		{ "outer conforming", 0, S_CONFORM | 3, HANDLER, S_DATA3 | 3,
		  NO_FAULT, 0 },
	};
	unsigned i, iret;

	for (i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		unsigned r = i / 2;
		u32 sp;

		iret = i & 1;
		machine_reset();
		set_cpl(rows[r].cpl);
		sp = m->v.gpr[R_SP] -= 32;
		put32(sp, rows[r].rip);
		put32(sp + 4, rows[r].cs);
		if (iret)
			put32(sp + 8, 0x3246);
		put32(sp + 8 + 4 * iret, STACK3);
		put32(sp + 12 + 4 * iret, rows[r].ss);
		RUN(iret ? 0xcf : 0xcb);
		check_fault(rows[r].name, rows[r].vector, rows[r].error);
		if (rows[r].vector == NO_FAULT) {
			CHECK(m->v.rip == HANDLER, "%s", rows[r].name);
			CHECK(m->v.cpl == sel_rpl(rows[r].cs));
			CHECK(m->v.gpr[R_SP] == (rows[r].ss ? STACK3 :
						 sp + 8 + 4 * iret));
			CHECK(!iret || m->v.rflags == 0x3246, "%llx",
			      (unsigned long long)m->v.rflags);
		} else {
			CHECK(m->v.gpr[R_SP] == sp, "%s", rows[r].name);
			CHECK(m->v.seg[SEG_CS].sel != rows[r].cs ||
			      rows[r].cpl == 0);
		}
	}
}

static void test_iret_vm86(void)
{
	static const u32 frame[] = { 0x12340005, 0x1000, EFLAGS_VM | 0x3202,
				     0xabcd0100, 0x2800, 0x1111, 0x3333,
				     0x4444, 0x5555 };

	machine_reset();
	m->v.gpr[R_SP] = STACK0 - 64;
	memcpy(m->mem + STACK0 - 64, frame, sizeof(frame));
	CHECK(RUN(0xcf));
	CHECK(vcpu_vm86(&m->v) && m->v.cpl == 3);
	CHECK(m->v.rip == 5 && m->v.gpr[R_SP] == 0xabcd0100);
	CHECK(m->v.seg[SEG_CS].base == 0x10000);
	CHECK(m->v.seg[SEG_ES].sel == 0x1111);
	CHECK(m->v.seg[SEG_GS].sel == 0x5555);
	CHECK(m->v.seg[SEG_SS].ar == 0xf3);

	/* IRET inside VM86: by IOPL. */
	machine_reset();
	set_vm86(2);
	RUN(0xcf);
	check_fault("iret vm86 iopl 2", VEC_GP, 0);
	machine_reset();
	set_vm86(3);
	put16(0x28100, 0x77);
	put16(0x28102, 0x1800);
	put16(0x28104, 0x0a03);
	CHECK(RUN(0xcf));
	CHECK(m->v.seg[SEG_CS].sel == 0x1800 && m->v.rip == 0x77);
	CHECK(m->v.rflags == (EFLAGS_VM | 0x3a03), "IOPL stays");

	/* Real mode, and NMIs open again. */
	machine_reset();
	set_real();
	m->v.nmi_blocked = 1;
	put16(0x20100, 0x77);
	put16(0x20102, 0x1800);
	put16(0x20104, 0x7fd7);
	CHECK(RUN(0xcf));
	CHECK(m->v.rip == 0x77 && m->v.seg[SEG_CS].base == 0x18000);
	CHECK(m->v.rflags == 0x7fd7 && !m->v.nmi_blocked);
}

/* --- Flags by CPL and IOPL --- */

static void test_popf_matrix(void)
{
	unsigned cpl, iopl;

	for (cpl = 0; cpl < 4; cpl++) {
		if (cpl == 2)
			continue;
		for (iopl = 0; iopl < 4; iopl++) {
			u64 all = 0x7fd7 | EFLAGS_AC | EFLAGS_ID, want;

			machine_reset();
			set_cpl(cpl);
			m->v.rflags = 2 | iopl << 12;
			m->v.gpr[R_SP] -= 4;
			put32(m->v.gpr[R_SP], 0xffffffff);
			CHECK(RUN(0x9d));
			want = all;
			if (cpl > iopl)
				want &= ~EFLAGS_IF;
			if (cpl)
				want = (want & ~EFLAGS_IOPL) | iopl << 12;
			CHECK(m->v.rflags == want, "cpl %u iopl %u: %llx", cpl,
			      iopl, (unsigned long long)m->v.rflags);

			machine_reset();
			set_cpl(cpl);
			m->v.rflags = 2 | iopl << 12;
			CHECK(RUN(0xfb) == (cpl <= iopl)); /* sti */
			CHECK(m->v.shadow == (cpl <= iopl ? SHADOW_STI : 0));
			m->v.rip = CODE;
			CHECK(RUN(0xfa) == (cpl <= iopl)); /* cli */
			m->v.rip = CODE;
			CHECK(RUN(0xec) == (cpl <= iopl) || !m->v.gpr[R_DX]);
		}
	}
	/* PUSHF never shows VM or RF; VM86 needs IOPL 3. */
	machine_reset();
	m->v.rflags |= EFLAGS_RF;
	CHECK(RUN(0x9c));
	CHECK(get32(STACK0 - 4) == 2);
	machine_reset();
	set_vm86(3);
	CHECK(RUN(0x66, 0x9c));
	CHECK(get32(0x280fc) == 0x3002);
	machine_reset();
	set_vm86(2);
	RUN(0x9c);
	check_fault("pushf vm86", VEC_GP, 0);
}

static void test_io_bitmap(void)
{
	static const struct {
		const char *name;
		u8 map[4];  /* at TSS + 60h, ports 0.. */
		u32 limit;
		u16 base;
		u16 port;
		u8 opcode;  /* ec in al,dx; ed in eax,dx */
		bool allowed;
	} rows[] = {
		{ "clear", { 0, 0, 0xff }, 0x6a, 0x68, 4, 0xec, 1 },
		{ "set", { 0x10, 0, 0xff }, 0x6a, 0x68, 4, 0xec, 0 },
		{ "dword over a set bit", { 0x80, 0, 0xff }, 0x6a, 0x68, 4,
		  0xed, 0 },
		{ "dword in the next byte", { 0, 1, 0xff }, 0x6a, 0x68, 6,
		  0xed, 0 },
		{ "dword clear", { 0, 2, 0xff }, 0x6a, 0x68, 5, 0xed, 1 },
		{ "last byte beyond limit", { 0, 0 }, 0x69, 0x68, 8, 0xec, 0 },
		{ "second byte at limit", { 0, 0 }, 0x69, 0x68, 7, 0xec, 1 },
		{ "map at limit", { 0 }, 0x67, 0x68, 0, 0xec, 0 },
		{ "no map word", { 0 }, 0x66, 0x50, 0, 0xec, 0 },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_reset();
		set_cpl(3);
		memcpy(m->mem + TSS_NOW + 0x68, rows[i].map, 4);
		put16(TSS_NOW + 0x66, rows[i].base);
		m->v.seg[SEG_TR].limit = rows[i].limit;
		m->v.gpr[R_DX] = rows[i].port;
		RUN(rows[i].opcode);
		check_fault(rows[i].name,
			    rows[i].allowed ? NO_FAULT : VEC_GP, 0);
	}
}

/* --- Control registers, MSRs, CPUID --- */

static void test_cr_writes(void)
{
	static const struct {
		const char *name;
		u8 cr;
		u64 before_cr0, before_cr4;
		u32 value;
		int vector;
		u64 after;
		unsigned changed;
	} rows[] = {
		{ "pg without pe", 0, 0x10, 0, 0x80000010, VEC_GP, 0x10, 0 },
		{ "nw without cd", 0, 0x11, 0, 0x20000011, VEC_GP, 0x11, 0 },
		{ "pg", 0, 0x11, 0, 0x80000011, NO_FAULT, 0x80000011,
		  MODE_PAGING },
		{ "reserved bits vanish, et stays", 0, 0x11, 0, 0x0fffffc1,
		  NO_FAULT, 0x50011, MODE_PAGING | MODE_OTHER },
		{ "ts", 0, 0x11, 0, 0x19, NO_FAULT, 0x19, MODE_OTHER },
		{ "same", 0, 0x11, 0, 0x11, NO_FAULT, 0x11, 0 },
		{ "cr4 pse", 4, 0x11, 0, 0x10, NO_FAULT, 0x10, MODE_PAGING },
		{ "cr4 tsd", 4, 0x11, 0, 4, NO_FAULT, 4, MODE_OTHER },
		{ "cr4 vme", 4, 0x11, 0, 1, VEC_GP, 0, 0 },
		{ "cr4 bit 31", 4, 0x11, 0, 0x80000000, VEC_GP, 0, 0 },
		{ "cr4 vmxe", 4, 0x11, 0, 0x2000, VEC_GP, 0, 0 },
		{ "cr3", 3, 0x11, 0, 0xfffff018, NO_FAULT, 0xfffff018,
		  MODE_CR3 },
		{ "cr2", 2, 0x11, 0, 0x1234, NO_FAULT, 0x1234, 0 },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 *cr[] = { &m->v.cr0, NULL, &m->v.cr2, &m->v.cr3,
			      &m->v.cr4 };

		machine_reset();
		m->v.cr0 = rows[i].before_cr0;
		m->v.cr4 = rows[i].before_cr4;
		m->v.gpr[R_AX] = rows[i].value;
		RUN(0x0f, 0x22, 0xc0 | rows[i].cr << 3);
		check_fault(rows[i].name, rows[i].vector, 0);
		CHECK(*cr[rows[i].cr] == rows[i].after, "%s: %llx",
		      rows[i].name, (unsigned long long)*cr[rows[i].cr]);
		CHECK(m->changed == rows[i].changed, "%s: %x", rows[i].name,
		      m->changed);
	}
	machine_reset();
	set_cpl(3);
	RUN(0x0f, 0x20, 0xc0);
	check_fault("mov eax, cr0 at 3", VEC_GP, 0);
	machine_reset();
	m->v.gpr[R_AX] = 0xfffe;
	CHECK(RUN(0x0f, 0x01, 0xf0)); /* lmsw */
	CHECK(m->v.cr0 == 0x1f, "PE stays: %llx",
	      (unsigned long long)m->v.cr0);
	CHECK(RUN(0x90));
	m->v.rip = CODE;
	CHECK(RUN(0x0f, 0x06)); /* clts */
	CHECK(m->v.cr0 == 0x17);
}

static void test_pdptes(void)
{
	static const u64 bad[] = { 0x3003, 0x3021, BIT(36) | 1, BIT(63) | 1 };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(bad) + 1; i++) {
		u64 entry = i < ARRAY_SIZE(bad) ? bad[i] : 0x3019;
		bool good = i == ARRAY_SIZE(bad);

		machine_reset();
		m->v.cr4 = CR4_PAE;
		m->v.cr3 = 0x7020;
		memcpy(m->mem + 0x7028, &entry, 8);
		m->v.gpr[R_AX] = 0x80000011;
		CHECK(RUN(0x0f, 0x22, 0xc0) == good, "pg, entry %u", i);
		CHECK(m->v.pdpte[1] == (good ? entry : 0));
		CHECK(m->v.cr0 == (good ? 0x80000011 : 0x11));

		machine_reset();
		m->v.cr0 |= CR0_PG;
		m->v.cr4 = CR4_PAE;
		memcpy(m->mem + 0x7028, &entry, 8);
		m->v.gpr[R_AX] = 0x7020;
		CHECK(RUN(0x0f, 0x22, 0xd8) == good, "cr3, entry %u", i);
		CHECK(m->v.cr3 == (good ? 0x7020 : 0));
	}
}

static void test_msrs(void)
{
	static const struct {
		const char *name;
		u32 index;
		u64 value;
		bool ok;
	} rows[] = {
		{ "sysenter cs", MSR_IA32_SYSENTER_CS, 8, true },
		{ "sysenter eip high", MSR_IA32_SYSENTER_EIP, BIT(32), false },
		{ "pat", MSR_IA32_PAT, 0x0007010600070406, true },
		{ "pat type 2", MSR_IA32_PAT, 0x0207040600070406, false },
		{ "pat type 8", MSR_IA32_PAT, 8, false },
		{ "efer nxe", MSR_IA32_EFER, EFER_NXE, true },
		{ "efer sce", MSR_IA32_EFER, EFER_SCE, false },
		{ "efer lme", MSR_IA32_EFER, EFER_LME, false },
		{ "apic base", MSR_IA32_APIC_BASE, 0xfee00900, false },
		{ "apic base same", MSR_IA32_APIC_BASE, 0xfee00100, true },
		{ "unknown", 0x12345, 0, false },
		{ "mtrrcap", MSR_IA32_MTRRCAP, 0, false },
		{ "tsc aux", MSR_IA32_TSC_AUX, 0, false },
		{ "microcode", MSR_IA32_BIOS_SIGN_ID, 0, true },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_reset();
		m->v.gpr[R_CX] = rows[i].index;
		m->v.gpr[R_AX] = (u32)rows[i].value;
		m->v.gpr[R_DX] = rows[i].value >> 32;
		RUN(0x0f, 0x30);
		check_fault(rows[i].name, rows[i].ok ? NO_FAULT : VEC_GP, 0);
		if (!rows[i].ok)
			continue;
		m->v.gpr[R_AX] = m->v.gpr[R_DX] = ~0u;
		m->v.rip = CODE;
		CHECK(RUN(0x0f, 0x32), "%s", rows[i].name);
		CHECK((m->v.gpr[R_DX] << 32 | m->v.gpr[R_AX]) == rows[i].value,
		      "%s", rows[i].name);
	}
	/* Time: the offset, TSD, and a write. */
	machine_reset();
	m->tsc = 0x500000000;
	m->v.tsc_offset = 0x10;
	CHECK(RUN(0x0f, 0x31));
	CHECK(m->v.gpr[R_DX] == 5 && m->v.gpr[R_AX] == 0x10);
	m->v.rip = CODE;
	m->v.gpr[R_CX] = MSR_IA32_TSC;
	m->v.gpr[R_DX] = 0;
	m->v.gpr[R_AX] = 7;
	CHECK(RUN(0x0f, 0x30) && m->changed == MODE_TSC);
	m->v.rip = CODE;
	CHECK(RUN(0x0f, 0x31) && m->v.gpr[R_AX] == 7 && !m->v.gpr[R_DX]);
	machine_reset();
	m->v.cr4 = CR4_TSD;
	CHECK(RUN(0x0f, 0x31));
	set_cpl(3);
	m->v.rip = CODE;
	RUN(0x0f, 0x31);
	check_fault("rdtsc with tsd", VEC_GP, 0);
}

/* A host with everything: only what the policy names may come through. */
static void full_host(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	*r = (struct cpuid_regs){ ~0u, ~0u, ~0u, ~0u };
	if (leaf == 0)
		*r = (struct cpuid_regs){ 0x1b, 0x756e6547, 0x6c65746e,
					  0x49656e69 };
	if (leaf == 0x80000000)
		r->eax = 0x80000008;
}

/* A Pentium: no extended leaves. */
static void old_host(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	full_host(leaf, subleaf, r);
	if (leaf == 0)
		r->eax = 1;
	if (leaf == 1)
		*r = (struct cpuid_regs){ 0x52c, 0, 0, 0x1bf };
	if (leaf & 0x80000000)
		r->eax = 0x52c;
}

static void amd_host(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	full_host(leaf, subleaf, r);
	if (leaf == 0)
		*r = (struct cpuid_regs){ 0xd, 0x68747541, 0x444d4163,
					  0x69746e65 };
}

/* Kernels read these without asking CPUID for more than the vendor. */
static void test_amd_msrs(void)
{
	static const struct cpuid_host amd = { amd_host };
	static const struct { u32 index, value; } rows[] = {
		{ 0xc0010010, 0 }, { 0xc0010015, BIT(24) },
		{ 0xc001001f, 0 }, { 0xc0010055, 0 },
	};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		u32 index = rows[i / 2].index, value = rows[i / 2].value;

		cpuid_policy_init(i & 1 ? &amd : NULL, CPUID_POLICY_32);
		machine_reset();
		m->v.gpr[R_CX] = index;
		m->v.gpr[R_AX] = m->v.gpr[R_DX] = ~0u;
		RUN(0x0f, 0x32);
		check_fault("AMD's register", i & 1 ? NO_FAULT : VEC_GP, 0);
		if (i & 1)
			CHECK(m->v.gpr[R_AX] == value && !m->v.gpr[R_DX],
			      "%x", index);
	}
	/* Kernels of that family turn HWCR's TLB flush filter off. */
	for (unsigned bit = 0; bit < 64; bit++) {
		u64 value = BIT(24) ^ BIT(bit);

		machine_reset();
		m->v.gpr[R_CX] = 0xc0010015;
		m->v.gpr[R_AX] = (u32)value;
		m->v.gpr[R_DX] = value >> 32;
		RUN(0x0f, 0x30);
		check_fault("HWCR", bit == 6 ? NO_FAULT : VEC_GP, 0);
	}
	cpuid_policy_init(NULL, CPUID_POLICY_32);
}

static void test_cpuid(void)
{
	static const struct cpuid_host full = { full_host }, old = { old_host };
	struct cpuid_regs r;

	cpuid_policy_init(&full, CPUID_POLICY_32);
	cpuid_query(0, 0, &r);
	CHECK(r.eax == 4 && r.ebx == 0x756e6547);
	cpuid_query(1, 0, &r);
	CHECK(r.edx == 0x0789a97d, "%x", r.edx);
	CHECK(r.ecx == 0x00980201, "%x", r.ecx);
	CHECK(r.ebx == 0xff00);
	cpuid_query(0x80000001, 0, &r);
	CHECK(r.edx == BIT(20) && r.ecx == 0);
	cpuid_query(0x80000008, 0, &r);
	CHECK(r.eax == 0x2024);
	CHECK(cpuid_maxphyaddr() == 36);
	CHECK(!cpuid_has(FEAT_LM) && cpuid_has(FEAT_NX));
	CHECK(!(cpuid_cr4_allowed() & (CR4_SMEP | CR4_SMAP)));
	cpuid_policy_init(&full, CPUID_POLICY_64);
	CHECK(cpuid_has(FEAT_LM) && cpuid_has(FEAT_SYSCALL));
	CHECK(!cpuid_has(FEAT_SMEP) && !cpuid_has(FEAT_SMAP));
	cpuid_policy_init(&old, CPUID_POLICY_32);
	CHECK(!cpuid_has(FEAT_NX) && !cpuid_has(FEAT_PAT));
	CHECK(!(cpuid_cr4_allowed() & (CR4_PGE | CR4_OSFXSR)));
	CHECK(cpuid_cr4_allowed() & CR4_PSE);
	CHECK(cpuid_efer_allowed() == 0);
	cpuid_policy_init(NULL, CPUID_POLICY_32);
}

/* Leaf 7 comes with SMEP and SMAP, and holds nothing else. */
static void test_cpuid_guards(void)
{
	static const struct cpuid_host full = { full_host }, old = { old_host };
	struct cpuid_regs r;

	cpuid_policy_init(&full, CPUID_POLICY_32 | CPUID_POLICY_GUARDS);
	cpuid_query(0, 0, &r);
	CHECK(r.eax == 7);
	cpuid_query(7, 0, &r);
	CHECK(!r.eax && r.ebx == (BIT(7) | BIT(20)) && !r.ecx && !r.edx);
	for (u32 leaf = 5; leaf < 7; leaf++) {
		cpuid_query(leaf, 0, &r);
		CHECK(!(r.eax | r.ebx | r.ecx | r.edx), "leaf %u", leaf);
	}
	CHECK(cpuid_has(FEAT_SMEP) && cpuid_has(FEAT_SMAP));
	CHECK(cpuid_cr4_allowed() & CR4_SMEP);
	CHECK(cpuid_cr4_allowed() & CR4_SMAP);
	cpuid_policy_init(&old, CPUID_POLICY_32 | CPUID_POLICY_GUARDS);
	CHECK(!cpuid_has(FEAT_SMEP) && !cpuid_has(FEAT_SMAP));
	cpuid_policy_init(NULL, CPUID_POLICY_32);
}

/* STAC and CLAC: for CPL 0, where SMAP is offered. */
static void test_ac(void)
{
	static const struct cpuid_host full = { full_host };

	for (unsigned on = 0; on < 16; on++) {
		bool set = on & 1, user = on & 2, offered = on & 4;
		u64 before = on & 8 ? EFLAGS_AC : 0;
		bool ok = offered && !user;

		cpuid_policy_init(&full, offered ? CPUID_POLICY_GUARDS :
						   CPUID_POLICY_32);
		machine_reset();
		set_cpl(user ? 3 : 0);
		m->v.rflags |= before;
		RUN(0x0f, 0x01, set ? 0xcb : 0xca);
		check_fault("stac, clac", ok ? NO_FAULT : VEC_UD, 0);
		CHECK((m->v.rflags & EFLAGS_AC) ==
			      (!ok ? before : set ? EFLAGS_AC : 0),
		      "combination %u", on);
	}
	cpuid_policy_init(NULL, CPUID_POLICY_32);
}

static void test_tables_and_sysenter(void)
{
	machine_reset();
	put16(0x6000, 0x1234);
	put32(0x6002, 0xabcdef01);
	m->v.gpr[R_BX] = 0x6000;
	CHECK(RUN(0x0f, 0x01, 0x1b)); /* lidt [ebx] */
	CHECK(m->v.idtr.limit == 0x1234 && m->v.idtr.base == 0xabcdef01);
	m->v.rip = CODE;
	CHECK(RUN(0x66, 0x0f, 0x01, 0x1b));
	CHECK(m->v.idtr.base == 0xcdef01, "24 bits");
	m->v.idtr.base = 0xabcdef01;
	m->v.gpr[R_BX] = 0x6010;
	m->v.rip = CODE;
	set_cpl(3);
	CHECK(RUN(0x0f, 0x01, 0x0b)); /* sidt at CPL 3 */
	CHECK(get16(0x6010) == 0x1234 && get32(0x6012) == 0xabcdef01);

	machine_reset();
	set_cpl(3);
	RUN(0x0f, 0x34);
	check_fault("sysenter without cs", VEC_GP, 0);
	m->v.sysenter_cs = 0x08;
	m->v.sysenter_esp = STACK0;
	m->v.sysenter_eip = HANDLER;
	m->v.rflags |= EFLAGS_IF;
	CHECK(RUN(0x0f, 0x34));
	CHECK(m->v.cpl == 0 && m->v.rip == HANDLER);
	CHECK(m->v.gpr[R_SP] == STACK0 && !(m->v.rflags & EFLAGS_IF));
	CHECK(m->v.seg[SEG_CS].sel == 8 && m->v.seg[SEG_SS].sel == 0x10);
	m->v.rip = CODE;
	m->v.gpr[R_CX] = STACK3;
	m->v.gpr[R_DX] = 0x5000;
	CHECK(RUN(0x0f, 0x35));
	CHECK(m->v.cpl == 3 && m->v.rip == 0x5000);
	CHECK(m->v.seg[SEG_CS].sel == 0x1b && m->v.seg[SEG_SS].sel == 0x23);
	m->v.rip = CODE;
	RUN(0x0f, 0x35);
	check_fault("sysexit at 3", VEC_GP, 0);

	machine_reset();
	m->v.gpr[R_AX] = 0x1234;
	CHECK(RUN(0x0f, 0x01, 0x38) && m->invlpg == 0x1234); /* invlpg [eax] */
	CHECK(RUN(0x90) || true);
	m->v.rip = CODE;
	RUN(0x0f, 0xaa);
	check_fault("rsm", VEC_UD, 0);
}

int main(void)
{
	test_segment_loads();
	test_hidden_parts();
	test_push_pop_sreg();
	test_ltr_lldt();
	test_examine();
	test_far_checks();
	test_call_far();
	test_inner_stack_faults();
	test_ret_iret_checks();
	test_iret_vm86();
	test_popf_matrix();
	test_io_bitmap();
	test_cr_writes();
	test_pdptes();
	test_msrs();
	test_amd_msrs();
	test_cpuid();
	test_cpuid_guards();
	test_ac();
	test_tables_and_sysenter();
	return test_end("system");
}
