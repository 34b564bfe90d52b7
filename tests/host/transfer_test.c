/* SPDX-License-Identifier: MIT */
/*
 * Far transfers and IRET: the checks in their order, and the stacks that they
 * leave.
 * LINKS: lib cpu
 * SYSLIBS:
 */
#include "tests/host/machine.h"

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

int main(void)
{
	test_far_checks();
	test_call_far();
	test_inner_stack_faults();
	test_ret_iret_checks();
	test_iret_vm86();
	return test_end("transfer");
}
