/* SPDX-License-Identifier: MIT */
/*
 * Task switches: what is saved and loaded, and the faults on the way.
 * LINKS: lib cpu
 * SYSLIBS:
 */
#include "tests/host/event.h"

static void check_new_task(const char *name, bool nested)
{
	CHECK(m->v.rip == 0x12000, "%s: rip %llx", name,
	      (unsigned long long)m->v.rip);
	CHECK(m->v.cpl == 3 && m->v.seg[SEG_CS].sel == (S_CODE3 | 3));
	CHECK(m->v.rflags == (nested ? 0x7202 : 0x3202), "%s: %llx", name,
	      (unsigned long long)m->v.rflags);
	CHECK(m->v.gpr[R_DI] == 0x1007 && m->v.gpr[R_AX] == 0x1000);
	CHECK(m->v.cr0 & CR0_TS);
	CHECK(m->v.seg[SEG_TR].sel == S_TSS_OTHER);
	CHECK((m->v.seg[SEG_TR].ar & AR_TYPE) == SYS_TSS32_BUSY);
	CHECK(m->mem[GDT + S_TSS_OTHER + 5] == 0x8b, "%s: new busy", name);
	CHECK(m->mem[GDT + S_TSS + 5] == (nested ? 0x8b : 0x89),
	      "%s: old busy", name);
	if (nested)
		CHECK(get16(TSS_OTHER) == S_TSS, "%s: link", name);
	CHECK(m->v.seg[SEG_FS].ar & AR_UNUSABLE);
	CHECK(m->v.seg[SEG_LDTR].sel == S_LDT);
}

static void test_task_switch(void)
{
	machine_reset();
	put_task();
	m->v.dr[7] = 0x555;
	m->v.gpr[R_BX] = 0xbbbbbbbb;
	CODE_IS(0xea, 0, 0, 0, 0, S_TSS_OTHER, 0);
	step();
	check_new_task("jmp", false);
	CHECK(get32(TSS_NOW + 0x20) == CODE + 7);
	CHECK(get32(TSS_NOW + 0x34) == 0xbbbbbbbb);
	CHECK(get16(TSS_NOW + 0x4c) == S_CODE0);
	CHECK(m->v.dr[7] == 0x400, "local breakpoints off");
	CHECK(m->v.cr3 == 0, "unpaged: CR3 stays");

	/* CALL through a task gate, and IRET back. */
	machine_reset();
	put_task();
	m->v.cr0 |= CR0_PG;
	CODE_IS(0x9a, 0, 0, 0, 0, S_TASK_GATE, 0);
	step();
	check_new_task("call gate", true);
	CHECK(m->v.cr3 == 0x7000 && (m->changed & MODE_CR3));
	put8(0x12000, 0xcf);
	step();
	CHECK(m->v.rip == CODE + 7 && m->v.cpl == 0);
	CHECK(m->v.seg[SEG_TR].sel == S_TSS);
	CHECK(m->mem[GDT + S_TSS_OTHER + 5] == 0x89, "released");
	CHECK(m->mem[GDT + S_TSS + 5] == 0x8b);
	CHECK(!(get32(TSS_OTHER + 0x24) & EFLAGS_NT), "NT cleared in image");
	CHECK(!(m->v.rflags & EFLAGS_NT));

	/* A fault through a task gate pushes its code on the new stack. */
	machine_reset();
	put_task();
	put_gate(IDT + 8 * VEC_GP, S_TSS_OTHER, 0, 0x85, 0);
	struct event gp = exception(VEC_GP, true, 0x1234);
	CHECK(deliver_only(&gp));
	CHECK(m->v.rip == 0x12000 && m->v.gpr[R_SP] == STACK3 - 4);
	CHECK(get32(STACK3 - 4) == 0x1234);
	CHECK(get32(TSS_NOW + 0x20) == CODE);
	CHECK(get32(TSS_NOW + 0x24) == 0x10002, "RF in the old task's image");

	/* T bit: a debug trap before the first instruction. */
	machine_reset();
	put_task();
	put16(TSS_OTHER + 0x64, 1);
	put32(TSS_OTHER + 4, STACK0);
	put16(TSS_OTHER + 8, S_DATA0);
	CODE_IS(0xea, 0, 0, 0, 0, S_TSS_OTHER, 0);
	step();
	CHECK(m->v.rip == handler(VEC_DB) && (m->v.dr[6] & DR6_BT));
	CHECK(get32(STACK0 - 20) == 0x12000);
}

static void test_task16(void)
{
	static const u16 words[] = { 0, 0x9000, S_STACK16, 0, 0, 0, 0,
				     0x2000, 0x0002, 1, 2, 3, 4, 0x9100, 6, 7,
				     8, S_DATA16, S_CODE16, S_STACK16,
				     S_DATA16, 0 };

	machine_reset();
	memcpy(m->mem + TSS_16, words, sizeof(words));
	CODE_IS(0xea, 0, 0, 0, 0, S_TSS16, 0);
	step();
	CHECK(m->v.rip == 0x2000 && m->v.cpl == 0);
	CHECK(m->v.gpr[R_AX] == 0xffff0001);
	CHECK(m->v.seg[SEG_CS].sel == S_CODE16);
	CHECK(m->v.seg[SEG_FS].ar & AR_UNUSABLE);
	CHECK((m->v.seg[SEG_TR].ar & AR_TYPE) == SYS_TSS16_BUSY);
}

static void test_task_faults(void)
{
	static const struct {
		const char *name;
		u16 offset; /* in the new TSS */
		u16 value;
		u8 vector;
		u32 error;
	} rows[] = {
		{ "cs null", 0x4c, 3, VEC_TS, 0 }, /* SS no longer matches */
		{ "cs data", 0x4c, S_DATA3 | 3, VEC_TS, S_DATA3 },
		{ "cs dpl", 0x4c, S_CODE0 | 3, VEC_TS, S_CODE0 },
		{ "ss null", 0x50, 0, VEC_TS, 0 },
		{ "ss ro", 0x50, S_DATA3_RO | 3, VEC_TS, S_DATA3_RO },
		{ "ss rpl", 0x50, S_DATA3, VEC_TS, S_DATA3 },
		{ "ds dpl", 0x54, S_DATA0, VEC_TS, S_DATA0 },
		{ "es beyond", 0x48, S_GDT_END, VEC_TS, S_GDT_END },
		{ "gs absent", 0x5c, S_DATA_NP, VEC_TS, S_DATA_NP },
		{ "ldt ti", 0x60, 0x0c, VEC_TS, 0x0c },
		{ "ldt absent", 0x60, S_LDT_NP, VEC_TS, S_LDT_NP },
		{ "ldt tss", 0x60, S_TSS, VEC_TS, S_TSS },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_reset();
		put_task();
		put32(TSS_OTHER + 4, STACK1);
		put16(TSS_OTHER + 8, S_DATA0);
		put16(TSS_OTHER + rows[i].offset, rows[i].value);
		CODE_IS(0xea, 0, 0, 0, 0, S_TSS_OTHER, 0);
		step();
		CHECK(m->v.rip == handler(rows[i].vector), "%s: at %llx",
		      rows[i].name, (unsigned long long)m->v.rip);
		CHECK(m->v.seg[SEG_TR].sel == S_TSS_OTHER,
		      "%s: in the new task", rows[i].name);
		STACK_IS(rows[i].name, STACK1 - 24, 4, rows[i].error, 0x12000);
		CHECK(m->v.gpr[R_SI] == 0x1006, "%s", rows[i].name);
	}
	/* IRET with a bad link. */
	machine_reset();
	m->v.rflags |= EFLAGS_NT;
	put16(TSS_NOW, S_TSS_OTHER); /* not busy */
	CODE_IS(0xcf);
	step();
	CHECK(m->v.rip == handler(VEC_TS) &&
	      get32(STACK0 - 16) == S_TSS_OTHER);
}

int main(void)
{
	test_task_switch();
	test_task16();
	test_task_faults();
	return test_end("task");
}
