/* SPDX-License-Identifier: MIT */
/*
 * Loads of segment registers and the instructions that look at descriptors:
 * rows of one instruction each, with the fault that it must raise or the state
 * that it must leave.
 * LINKS: lib cpu
 * SYSLIBS:
 */
#include "tests/host/machine.h"

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

int main(void)
{
	test_segment_loads();
	test_hidden_parts();
	test_push_pop_sreg();
	test_ltr_lldt();
	test_examine();
	return test_end("segload");
}
