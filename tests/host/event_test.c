/* SPDX-License-Identifier: MIT */
/*
 * Delivery of events in every mode with exact stack images, faults during
 * delivery, double and triple faults, task switches, debug traps, and which
 * pending event is taken when.
 * LINKS: lib cpu
 * SYSLIBS:
 */
#include "log.h"
#include "tests/host/machine.h"

extern enum log_level fake_log_level; /* tests/host/fake.c */

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

#define STACK_IS(name, at, size, ...)                                     \
	check_stack(name, at, (const u32[]){ __VA_ARGS__ },               \
		    sizeof((const u32[]){ __VA_ARGS__ }) / 4, size)

/* Delivers to the first handler; a fault stays in e.fault. */
static bool deliver_only(const struct event *ev)
{
	m->e.fault_set = false;
	return emu_deliver(&m->e, ev) == EMU_OK;
}

static struct event exception(unsigned vector, bool has_error, u32 error)
{
	return (struct event){ .vector = vector, .kind = EV_EXCEPTION,
			       .has_error = has_error, .error = error };
}

static void step(void)
{
	m->e.no_deliver = false;
	emu_step(&m->e);
}

static void code(const void *bytes, unsigned n)
{
	memcpy(m->mem + CODE, bytes, n);
}

#define CODE_IS(...)                                                      \
	code((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static u32 handler(unsigned vector)
{
	return HANDLER + 16 * vector;
}

/* --- Stack images --- */

static void test_same_privilege(void)
{
	struct event gp = exception(VEC_GP, true, 0x1234);
	struct event ud = exception(VEC_UD, false, 0);
	struct event intr = { .vector = 0x20, .kind = EV_INTR };

	machine_reset();
	m->v.rflags = 0x4302; /* NT TF IF */
	CHECK(deliver_only(&gp));
	CHECK(m->v.rip == handler(VEC_GP) && m->v.cpl == 0);
	STACK_IS("gp", STACK0 - 16, 4, 0x1234, CODE, S_CODE0, 0x14302);
	CHECK(m->v.rflags == 2 && m->v.gpr[R_SP] == STACK0 - 16);

	machine_reset();
	m->v.rflags = 0x202;
	put_gate(IDT + 8 * VEC_UD, S_CODE0, HANDLER, 0x8f, 0); /* trap gate */
	CHECK(deliver_only(&ud));
	STACK_IS("ud", STACK0 - 12, 4, CODE, S_CODE0, 0x10202);
	CHECK(m->v.rflags == 0x202, "a trap gate leaves IF");

	machine_reset();
	m->v.rflags = 0x202;
	CHECK(deliver_only(&intr));
	STACK_IS("intr", STACK0 - 12, 4, CODE, S_CODE0, 0x202);
	CHECK(m->v.rflags == 2);

	machine_reset();
	put_gate(IDT + 8 * VEC_GP, S_CODE0, 0x8000, 0x86, 0); /* 16-bit */
	CHECK(deliver_only(&gp));
	STACK_IS("gate 16", STACK0 - 8, 2, 0x1234, CODE & 0xffff, S_CODE0, 2);
	CHECK(m->v.rip == 0x8000);
}

static void test_inner_privilege(void)
{
	struct event pf = exception(VEC_PF, true, 6);

	pf.cr2 = 0xdeadb000;
	machine_reset();
	set_cpl(3);
	m->v.rflags = 0x3202;
	CHECK(deliver_only(&pf));
	CHECK(m->v.cr2 == 0xdeadb000);
	CHECK(m->v.cpl == 0 && m->v.seg[SEG_SS].sel == S_DATA0);
	CHECK(m->v.seg[SEG_DS].sel == (S_DATA3 | 3), "data segments stay");
	STACK_IS("pf from 3", STACK0 - 24, 4, 6, CODE, S_CODE3 | 3, 0x13202,
		 STACK3, S_DATA3 | 3);

	/* To ring 1. */
	machine_reset();
	put_gate(IDT + 8 * VEC_PF, S_CODE1, HANDLER, 0x8e, 0);
	set_cpl(3);
	CHECK(deliver_only(&pf));
	CHECK(m->v.cpl == 1 && m->v.gpr[R_SP] == STACK1 - 24);
	CHECK(m->v.seg[SEG_CS].sel == (S_CODE1 | 1));

	/* Conforming handler: no switch. */
	machine_reset();
	put_gate(IDT + 8 * VEC_PF, S_CONFORM, HANDLER, 0x8e, 0);
	set_cpl(3);
	CHECK(deliver_only(&pf));
	CHECK(m->v.cpl == 3 && m->v.gpr[R_SP] == STACK3 - 16);

	/* 16-bit TSS, 16-bit gate, 16-bit stack: ESP's upper half stays. */
	machine_reset();
	load_cached(SEG_TR, S_TSS16);
	put16(TSS_16 + 2, 0x9000);
	put16(TSS_16 + 4, S_STACK16);
	put_gate(IDT + 8 * VEC_PF, S_CODE0, 0x8000, 0x86, 0);
	set_cpl(3);
	CHECK(deliver_only(&pf));
	CHECK(m->v.gpr[R_SP] == ((STACK3 & 0xffff0000) | (0x9000 - 12)));
	STACK_IS("16-bit tss", 0x9000 - 12, 2, 6, CODE & 0xffff, S_CODE3 | 3,
		 2, STACK3 & 0xffff, S_DATA3 | 3);
}

static void test_from_vm86(void)
{
	struct event gp = exception(VEC_GP, true, 0);

	machine_reset();
	set_vm86(1);
	CHECK(deliver_only(&gp));
	CHECK(!vcpu_vm86(&m->v) && m->v.cpl == 0);
	STACK_IS("vm86", STACK0 - 40, 4, 0, 0, 0x1000, 0x31002, 0x100, 0x2800,
		 0x1111, 0x3333, 0x4444, 0x5555);
	CHECK(m->v.seg[SEG_DS].sel == 0 &&
	      (m->v.seg[SEG_DS].ar & AR_UNUSABLE));
	CHECK(m->v.seg[SEG_CS].base == 0);

	/* A handler that is not at privilege 0. */
	machine_reset();
	put_gate(IDT + 8 * VEC_UD, S_CODE1, HANDLER, 0x8e, 0);
	set_vm86(1);
	gp.vector = VEC_UD;
	gp.has_error = false;
	CHECK(deliver_only(&gp));
	CHECK(m->v.rip == handler(VEC_GP) && get32(STACK0 - 40) == S_CODE1 + 1,
	      "#GP of the selector with EXT, got %x", get32(STACK0 - 40));
}

static void test_real_mode(void)
{
	struct event pf = exception(VEC_GP, true, 0x55);

	machine_reset();
	set_real();
	put16(4 * VEC_GP, 0x1234);
	put16(4 * VEC_GP + 2, 0x1800);
	m->v.rflags = 0x7302 | EFLAGS_AC;
	CHECK(deliver_only(&pf));
	STACK_IS("real", 0x20100 - 6, 2, 0, 0x1000, 0x7302);
	CHECK(m->v.rip == 0x1234 && m->v.seg[SEG_CS].base == 0x18000);
	CHECK(m->v.rflags == 0x7002, "%llx", (unsigned long long)m->v.rflags);

	/* Beyond the IVT: #GP, then #DF, which is beyond it too. */
	machine_reset();
	set_real();
	m->v.idtr.limit = 0x1f;
	m->v.seg[SEG_SS].limit = 0xffff;
	CHECK(!deliver_only(&pf));
	CHECK(m->v.activity == ACT_SHUTDOWN);
}

/* --- Faults in delivery --- */

static void test_delivery_faults(void)
{
	enum { SOFT, HARD };
	static const struct {
		const char *name;
		u8 kind;  /* INT 40h, or an external interrupt 40h */
		u8 cpl;
		u16 sel;
		u32 offset;
		u8 access; /* of the gate */
		u8 vector; /* what is delivered instead */
		u32 error;
	} rows[] = {
		{ "type", HARD, 0, S_CODE0, HANDLER, 0x8c, VEC_GP, 0x203 },
		{ "type, soft", SOFT, 0, S_CODE0, HANDLER, 0x8c, VEC_GP, 0x202 },
		{ "code as gate", HARD, 0, S_CODE0, 0, 0x9e, VEC_GP, 0x203 },
		{ "dpl, soft", SOFT, 3, S_CODE0, HANDLER, 0x8e, VEC_GP, 0x202 },
		{ "absent", HARD, 0, S_CODE0, HANDLER, 0x0e, VEC_NP, 0x203 },
		{ "absent, soft", SOFT, 0, S_CODE0, HANDLER, 0x0e, VEC_NP,
		  0x202 },
		{ "dpl before absent", SOFT, 3, S_CODE0, HANDLER, 0x0e, VEC_GP,
		  0x202 },
		{ "null cs", HARD, 0, 0, HANDLER, 0x8e, VEC_GP, 1 },
		{ "null cs, soft", SOFT, 0, 0, HANDLER, 0xee, VEC_GP, 0 },
		{ "cs beyond", HARD, 0, S_GDT_END, 0, 0x8e, VEC_GP,
		  S_GDT_END + 1 },
		{ "cs data", HARD, 0, S_DATA0, 0, 0x8e, VEC_GP, S_DATA0 + 1 },
		{ "cs outward", HARD, 0, S_CODE3, 0, 0x8e, VEC_GP, S_CODE3 + 1 },
		{ "cs absent", SOFT, 0, S_CODE_NP, 0, 0xee, VEC_NP, S_CODE_NP },
		{ "offset", HARD, 0, S_CODE_SMALL, 0x100, 0x8e, VEC_GP, 1 },
		{ "task gate data", HARD, 0, S_DATA0, 0, 0x85, VEC_GP,
		  S_DATA0 + 1 },
		{ "task gate ldt", HARD, 0, 0x0c, 0, 0x85, VEC_GP, 0x0d },
		{ "task gate busy", HARD, 0, S_TSS_BUSY, 0, 0x85, VEC_GP,
		  S_TSS_BUSY + 1 },
		{ "task gate absent", HARD, 0, S_TSS_NP, 0, 0x85, VEC_NP,
		  S_TSS_NP + 1 },
		{ "task gate short", SOFT, 0, S_TSS_SHORT, 0, 0xe5, VEC_TS,
		  S_TSS_SHORT },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct event ev = { .vector = 0x40, .kind = EV_INTR };
		u32 frame;

		machine_reset();
		set_cpl(rows[i].cpl);
		put_gate(IDT + 8 * 0x40, rows[i].sel, rows[i].offset,
			 rows[i].access, 0);
		CODE_IS(0xcd, 0x40);
		if (rows[i].kind == SOFT)
			step();
		else
			CHECK(deliver_only(&ev));
		frame = STACK0 - (rows[i].cpl ? 24 : 16);
		CHECK(m->v.rip == handler(rows[i].vector), "%s: at %llx",
		      rows[i].name, (unsigned long long)m->v.rip);
		CHECK(get32(frame) == rows[i].error, "%s: error %x, not %x",
		      rows[i].name, get32(frame), rows[i].error);
		CHECK(get32(frame + 4) == CODE, "%s: eip %x", rows[i].name,
		      get32(frame + 4));
	}
}

static void test_soft_ints(void)
{
	machine_reset();
	put_gate(IDT + 8 * 0x80, S_CODE0, HANDLER, 0xef, 0);
	set_cpl(3);
	m->v.rflags = 0x302;
	CODE_IS(0xcd, 0x80);
	step();
	STACK_IS("int 80h", STACK0 - 20, 4, CODE + 2, S_CODE3 | 3, 0x302,
		 STACK3, S_DATA3 | 3);
	CHECK(m->v.rip == HANDLER && m->v.rflags == 0x202,
	      "no single-step trap after INT n");

	machine_reset();
	CODE_IS(0xcc);
	step();
	STACK_IS("int3", STACK0 - 12, 4, CODE + 1, S_CODE0, 2);
	CHECK(m->v.rip == handler(VEC_BP));

	machine_reset();
	CODE_IS(0xce);
	step();
	CHECK(m->v.rip == CODE + 1);
	m->v.rip = CODE;
	m->v.rflags |= EFLAGS_OF;
	step();
	CHECK(m->v.rip == handler(VEC_OF) && get32(STACK0 - 12) == CODE + 1);

	/* INT1 needs no DPL and leaves DR6 alone. */
	machine_reset();
	set_cpl(3);
	CODE_IS(0xf1);
	step();
	CHECK(m->v.rip == handler(VEC_DB) && m->v.dr[6] == DR6_RESET);
	CHECK(get32(STACK0 - 20) == CODE + 1);

	/* VM86: INT n by IOPL, INT3 always. */
	machine_reset();
	set_vm86(2);
	put_gate(IDT + 8 * VEC_BP, S_CODE0, HANDLER, 0xee, 0);
	CODE_IS(0xcd, 0x80);
	step();
	CHECK(m->v.rip == handler(VEC_GP) && get32(STACK0 - 40) == 0);
	machine_reset();
	set_vm86(2);
	put_gate(IDT + 8 * VEC_BP, S_CODE0, HANDLER, 0xee, 0);
	CODE_IS(0xcc);
	step();
	CHECK(m->v.rip == HANDLER);
}

/* --- Double and triple faults --- */

static void test_double_fault(void)
{
	static const struct {
		const char *name;
		u8 first;
		u8 ends_at;     /* vector */
	} rows[] = {
		{ "ud, np", VEC_UD, VEC_NP },
		{ "gp, np", VEC_GP, VEC_DF },
		{ "de, np", VEC_DE, VEC_DF },
		{ "ts, np", VEC_TS, VEC_DF },
		{ "pf, np", VEC_PF, VEC_DF },
		{ "ac, np", VEC_AC, VEC_NP },
		{ "nm, np", VEC_NM, VEC_NP },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct event ev = exception(rows[i].first, false, 0);

		machine_reset();
		put_gate(IDT + 8 * rows[i].first, S_CODE0, 0, 0x0e, 0);
		CHECK(deliver_only(&ev));
		CHECK(m->v.rip == handler(rows[i].ends_at), "%s: at %llx",
		      rows[i].name, (unsigned long long)m->v.rip);
		CHECK(get32(STACK0 - 16) ==
		      (rows[i].ends_at == VEC_DF ? 0u : rows[i].first * 8u + 3),
		      "%s: error %x", rows[i].name, get32(STACK0 - 16));
		CHECK(get32(STACK0 - 12) == CODE, "%s", rows[i].name);
	}
	/* #PF on the stack of a #GP's handler, at another privilege. */
	machine_reset();
	m->page_faults = true;
	put32(TSS_NOW + 4, FAULT_PAGE + 0x800);
	put_gate(IDT + 8 * VEC_PF, S_CODE1, HANDLER, 0x8e, 0);
	set_cpl(3);
	struct event gp = exception(VEC_GP, true, 0);
	CHECK(deliver_only(&gp));
	CHECK(m->v.cpl == 1 && m->v.rip == HANDLER, "#GP then #PF is serial");
	CHECK(m->v.cr2 == FAULT_PAGE + 0x7fc, "%llx",
	      (unsigned long long)m->v.cr2);
	CHECK(get32(STACK1 - 24) == PFEC_W, "a supervisor write: %x",
	      get32(STACK1 - 24));
	/* With the #PF handler on that stack as well: #DF, then shutdown. */
	machine_reset();
	m->page_faults = true;
	put32(TSS_NOW + 4, FAULT_PAGE + 0x800);
	put_gate(IDT + 8 * VEC_DF, S_CODE1, HANDLER, 0x8e, 0);
	set_cpl(3);
	CHECK(deliver_only(&gp));
	CHECK(m->v.cpl == 1 && m->v.rip == HANDLER, "#DF");
	machine_reset();
	m->page_faults = true;
	put32(TSS_NOW + 4, FAULT_PAGE + 0x800);
	set_cpl(3);
	CHECK(!deliver_only(&gp) && m->v.activity == ACT_SHUTDOWN);
	CHECK(!emu_event_ready(&m->v));

	/* External interrupts are benign. */
	machine_reset();
	put_gate(IDT + 8 * VEC_GP, S_CODE0, 0, 0x0e, 0);
	struct event intr = { .vector = VEC_GP, .kind = EV_INTR };
	CHECK(deliver_only(&intr));
	CHECK(m->v.rip == handler(VEC_NP));

	/* A limitless IDT hole: LIDT 0 and INT3, the classic reset. */
	machine_reset();
	m->v.idtr.limit = 0;
	CODE_IS(0xcc);
	m->e.no_deliver = false;
	CHECK(emu_step(&m->e) == EMU_SHUTDOWN);
}

/* --- Task switches --- */

/* Fill the other TSS (32-bit) with a task at CPL 3. */
static void put_task(void)
{
	static const u16 sel[] = { S_DATA3 | 3, S_CODE3 | 3, S_DATA3 | 3,
				   S_DATA3 | 3, 0, 3 };
	unsigned i;

	put32(TSS_OTHER + 0x1c, 0x7000);
	put32(TSS_OTHER + 0x20, 0x12000);
	put32(TSS_OTHER + 0x24, 0x3202);
	for (i = 0; i < 8; i++)
		put32(TSS_OTHER + 0x28 + 4 * i, 0x1000 + i);
	put32(TSS_OTHER + 0x38, STACK3);
	for (i = 0; i < 6; i++)
		put16(TSS_OTHER + 0x48 + 4 * i, sel[i]);
	put16(TSS_OTHER + 0x60, S_LDT);
}

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

/* --- Debug --- */

static void test_single_step(void)
{
	machine_reset();
	m->v.rflags |= EFLAGS_TF;
	CODE_IS(0x90, 0x90);
	step();
	CHECK(m->v.rip == handler(VEC_DB));
	STACK_IS("tf", STACK0 - 12, 4, CODE + 1, S_CODE0, 0x102);
	CHECK(m->v.dr[6] == (DR6_RESET | DR6_BS));

	/* POPF that sets TF: the trap is after the next instruction. */
	machine_reset();
	m->v.gpr[R_SP] -= 4;
	put32(STACK0 - 4, 0x102);
	CODE_IS(0x9d, 0x90);
	step();
	CHECK(m->v.rip == CODE + 1);
	step();
	CHECK(m->v.rip == handler(VEC_DB) && get32(STACK0 - 12) == CODE + 2);

	/* MOV SS holds the trap off. */
	machine_reset();
	m->v.rflags |= EFLAGS_TF;
	m->v.gpr[R_AX] = S_DATA0;
	CODE_IS(0x8e, 0xd0, 0x90);
	step();
	CHECK(m->v.rip == CODE + 2 && !emu_event_ready(&m->v));
	step();
	CHECK(m->v.rip == handler(VEC_DB) && get32(STACK0 - 12) == CODE + 3);
}

static void test_breakpoints(void)
{
	static const struct {
		const char *name;
		u32 dr7;
		u32 dr0;
		u8 code[6]; /* at CODE; EAX 5004h */
		bool hits;
		u32 dr6;
		u32 eip;
	} rows[] = {
		{ "exec", 0x402, CODE, { 0x90 }, 1, 1, CODE },
		{ "exec off", 0x400, CODE, { 0x90 }, 0, 0, 0 },
		{ "exec elsewhere", 0x402, CODE + 1, { 0x90 }, 0, 0, 0 },
		{ "write", 0x10401, 0x5004, { 0x89, 0x00 }, 1, 1, CODE + 2 },
		{ "write by read", 0x10401, 0x5004, { 0x8b, 0x00 }, 0, 0, 0 },
		{ "rdwr by read", 0x30401, 0x5004, { 0x8b, 0x00 }, 1, 1,
		  CODE + 2 },
		{ "rdwr by write", 0x30401, 0x5007, { 0x89, 0x00 }, 1, 1,
		  CODE + 2 },
		{ "byte beyond", 0x30401, 0x5008, { 0x89, 0x00 }, 0, 0, 0 },
		{ "len 2 aligned down", 0x70401, 0x5005, { 0x88, 0x00 }, 1, 1,
		  CODE + 2 },
		{ "len 4", 0xf0401, 0x5000, { 0x88, 0x40, 0xff }, 1, 1,
		  CODE + 3 },
		{ "io without de", 0x20401, 0x80, { 0xe4, 0x80 }, 0, 0, 0 },
		{ "push", 0xd0401, STACK0 - 4, { 0x50 }, 1, 1, CODE + 1 },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_reset();
		m->v.dr[7] = rows[i].dr7;
		m->v.dr[0] = rows[i].dr0;
		m->v.gpr[R_AX] = 0x5004;
		code(rows[i].code, 6);
		step();
		CHECK((m->v.rip == handler(VEC_DB)) == rows[i].hits, "%s: %llx",
		      rows[i].name, (unsigned long long)m->v.rip);
		CHECK((m->v.dr[6] & 0xf) == rows[i].dr6, "%s: %llx",
		      rows[i].name, (unsigned long long)m->v.dr[6]);
		if (rows[i].hits)
			CHECK(get32(STACK0 - (rows[i].code[0] == 0x50 ?
					      16 : 12)) == rows[i].eip, "%s",
			      rows[i].name);
	}
}

static void test_debug_rest(void)
{
	/* RF lets one instruction pass. */
	machine_reset();
	m->v.dr[7] = 0x402;
	m->v.dr[0] = CODE;
	m->v.rflags |= EFLAGS_RF;
	CODE_IS(0x90);
	step();
	CHECK(m->v.rip == CODE + 1 && !(m->v.rflags & EFLAGS_RF));

	/* IRET brings RF back. */
	machine_reset();
	m->v.dr[7] = 0x402;
	m->v.dr[0] = CODE + 0x10;
	m->v.gpr[R_SP] -= 12;
	put32(STACK0 - 12, CODE + 0x10);
	put32(STACK0 - 8, S_CODE0);
	put32(STACK0 - 4, 0x10002);
	CODE_IS(0xcf);
	put8(CODE + 0x10, 0x90);
	step();
	CHECK(m->v.rip == CODE + 0x10 && (m->v.rflags & EFLAGS_RF));
	step();
	CHECK(m->v.rip == CODE + 0x11);

	/* An instruction breakpoint's image has no RF of its own. */
	machine_reset();
	m->v.dr[7] = 0x402;
	m->v.dr[0] = CODE;
	CODE_IS(0x90);
	step();
	STACK_IS("exec bp", STACK0 - 12, 4, CODE, S_CODE0, 2);

	/* Step and data breakpoint merge; a disabled match shows as well. */
	machine_reset();
	m->v.rflags |= EFLAGS_TF;
	m->v.dr[7] = 0x110401;
	m->v.dr[0] = m->v.dr[1] = 0x5004;
	m->v.gpr[R_AX] = 0x5004;
	CODE_IS(0x89, 0x00);
	step();
	CHECK(m->v.dr[6] == (DR6_RESET | DR6_BS | 3), "%llx",
	      (unsigned long long)m->v.dr[6]);

	/* General detect: a fault, GD clears, RF in the image. */
	machine_reset();
	m->v.dr[7] |= DR7_GD;
	CODE_IS(0x0f, 0x21, 0xf0);
	step();
	CHECK(m->v.rip == handler(VEC_DB) && (m->v.dr[6] & DR6_BD));
	CHECK(!(m->v.dr[7] & DR7_GD));
	STACK_IS("gd", STACK0 - 12, 4, CODE, S_CODE0, 0x10002);

	/* DR4 and DR5: aliases, or #UD. */
	machine_reset();
	m->v.gpr[R_AX] = 0xffffffff;
	CODE_IS(0x0f, 0x23, 0xe8); /* mov dr5, eax */
	step();
	CHECK(m->v.dr[7] == 0xffff2fff, "%llx", (unsigned long long)m->v.dr[7]);
	machine_reset();
	m->v.cr4 |= CR4_DE;
	CODE_IS(0x0f, 0x23, 0xe8);
	step();
	CHECK(m->v.rip == handler(VEC_UD));

	/* I/O breakpoint with CR4.DE. */
	machine_reset();
	m->v.cr4 |= CR4_DE;
	m->v.dr[7] = 0x20401;
	m->v.dr[0] = 0x80;
	CODE_IS(0xe4, 0x80);
	step();
	CHECK(m->v.rip == handler(VEC_DB) && get32(STACK0 - 12) == CODE + 2);
}

/* --- Pending events --- */

static void test_shadows(void)
{
	machine_reset();
	m->v.intr = 1;
	m->vector = 0x30;
	CHECK(!emu_poll_events(&m->e), "IF is clear");
	CODE_IS(0xfb, 0x90);
	step();
	CHECK(m->v.shadow == SHADOW_STI && !emu_poll_events(&m->e));
	step();
	CHECK(emu_poll_events(&m->e));
	CHECK(m->v.rip == handler(0x30) && get32(STACK0 - 12) == CODE + 2);
	CHECK(!m->v.intr && !emu_poll_events(&m->e));

	/* STI; CLI: nothing gets in. */
	machine_reset();
	m->v.intr = 1;
	CODE_IS(0xfb, 0xfa);
	step();
	step();
	CHECK(!emu_poll_events(&m->e));

	/* STI with IF already set casts no shadow. */
	machine_reset();
	m->v.intr = 1;
	m->vector = 0x30;
	m->v.rflags |= EFLAGS_IF;
	CODE_IS(0xfb);
	step();
	CHECK(emu_event_ready(&m->v));

	/* MOV SS holds off NMI too; a second one in a row does not extend it. */
	machine_reset();
	m->v.nmi_pending = 1;
	m->v.gpr[R_AX] = S_DATA0;
	CODE_IS(0x8e, 0xd0, 0x8e, 0xd0);
	step();
	CHECK(!emu_event_ready(&m->v));
	step();
	CHECK(emu_event_ready(&m->v));
}

static void test_nmi_and_halt(void)
{
	machine_reset();
	m->v.nmi_pending = 1;
	CHECK(emu_poll_events(&m->e));
	CHECK(m->v.rip == handler(VEC_NMI) && m->v.nmi_blocked);
	m->v.nmi_pending = 1;
	CHECK(!emu_poll_events(&m->e), "blocked until IRET");
	put8(handler(VEC_NMI), 0xcf);
	step();
	CHECK(m->v.rip == CODE && emu_poll_events(&m->e));

	/* NMI before INTR; HLT wakes with RIP past it. */
	machine_reset();
	m->v.rflags |= EFLAGS_IF;
	CODE_IS(0xf4);
	m->e.no_deliver = false;
	CHECK(emu_step(&m->e) == EMU_HALTED && m->v.rip == CODE + 1);
	CHECK(m->v.activity == ACT_HALTED && !emu_poll_events(&m->e));
	m->v.intr = 1;
	m->v.nmi_pending = 1;
	m->vector = 0x21;
	CHECK(emu_poll_events(&m->e));
	CHECK(m->v.rip == handler(VEC_NMI) && m->v.activity == ACT_ACTIVE);
	CHECK(get32(STACK0 - 12) == CODE + 1);

	machine_reset();
	set_cpl(3);
	CODE_IS(0xf4);
	step();
	CHECK(m->v.rip == handler(VEC_GP));
}

/* #AC on its own handler's stack must not hang the monitor. */
static void test_endless_ac(void)
{
	struct event ac = exception(VEC_AC, true, 0);

	machine_reset();
	put_gate(IDT + 8 * VEC_AC, S_CODE3, HANDLER, 0xee, 0);
	set_cpl(3);
	m->v.cr0 |= CR0_AM;
	m->v.rflags |= EFLAGS_AC;
	m->v.gpr[R_SP] = STACK3 - 1;
	CHECK(deliver_only(&ac));
	CHECK(m->v.rip == CODE && m->v.gpr[R_SP] == STACK3 - 1);
}

/* --- Hostile state: anything may happen, but only to the guest --- */

static u64 rng = 0x9e3779b97f4a7c15;

static u32 rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng >> 16;
}

static void hostile_segment(struct segment *s)
{
	static const u32 limits[] = { 0, 7, 0x67, 0xffff, 0xffffffff };

	if (rnd() & 1)
		return;
	s->sel = rnd() % (S_GDT_END + 16);
	s->base = rnd() & 3 ? rnd() % MEM_SIZE : rnd();
	s->limit = limits[rnd() % ARRAY_SIZE(limits)];
	s->ar = rnd() & (0xf0ff | (rnd() & 7 ? 0 : AR_UNUSABLE));
}

static void hostile_state(void)
{
	static const u32 cr0s[] = { CR0_PE, CR0_PE | CR0_AM, 0,
				    CR0_PE | CR0_TS };
	unsigned i;

	for (i = 0; i < SEG_COUNT; i++)
		hostile_segment(&m->v.seg[i]);
	for (i = 0; i < 8; i++)
		m->v.gpr[i] = rnd() & 1 ? rnd() : rnd() % MEM_SIZE;
	for (i = 0; i < 8; i++)
		if (!(rnd() & 7))
			m->v.dr[i] = rnd();
	if (!(rnd() & 3))
		m->v.gdtr = (struct dtable){ .base = rnd(), .limit = rnd() };
	if (!(rnd() & 3))
		m->v.idtr = (struct dtable){ .base = rnd(), .limit = rnd() };
	m->v.cr0 = cr0s[rnd() % ARRAY_SIZE(cr0s)];
	m->v.cpl = rnd() & 3;
	m->v.rflags = EFLAGS_MBS | (rnd() & 0x3f7fd5);
	if (!vcpu_protected(&m->v))
		m->v.rflags &= ~EFLAGS_VM;
	if (vcpu_vm86(&m->v))
		m->v.cpl = 3;
	m->v.nmi_pending = rnd() & 1;
	m->v.intr = rnd() & 1;
	m->vector = rnd();
	m->page_faults = rnd() & 1;
}

static void test_hostile(void)
{
	static const u8 openings[][3] = {
		{ 0x8e, 0xd8 }, { 0x8e, 0xd0 }, { 0x07 }, { 0x17 }, { 0x1f },
		{ 0xc4, 0x03 }, { 0x0f, 0xb2, 0x03 }, { 0xea }, { 0x9a },
		{ 0xff, 0x2b }, { 0xff, 0x1b }, { 0xcb }, { 0xca }, { 0xcf },
		{ 0xcd }, { 0xcc }, { 0xce }, { 0xf1 }, { 0x9c }, { 0x9d },
		{ 0xfa }, { 0xfb }, { 0xf4 }, { 0x0f, 0x20 }, { 0x0f, 0x22 },
		{ 0x0f, 0x21 }, { 0x0f, 0x23 }, { 0x0f, 0x06 }, { 0x0f, 0x00 },
		{ 0x0f, 0x01 }, { 0x0f, 0x02 }, { 0x0f, 0x03 }, { 0x63 },
		{ 0x0f, 0x30 }, { 0x0f, 0x32 }, { 0x0f, 0x31 }, { 0x0f, 0x33 },
		{ 0x0f, 0xa2 }, { 0x0f, 0x34 }, { 0x0f, 0x35 }, { 0xec },
		{ 0xed }, { 0x6c }, { 0x66, 0xcf }, { 0x66, 0xcb },
		{ 0x66, 0x9a }, { 0x66, 0x9d }, { 0x67, 0xc5, 0x07 },
	};
	unsigned i, j;

	fake_log_level = LOG_ERROR;
	for (i = 0; i < 60000; i++) {
		const u8 *open = openings[rnd() % ARRAY_SIZE(openings)];
		u32 at;

		if (i % 64 == 0) {
			machine_reset();
			put_task();
		}
		hostile_state();
		m->v.activity = ACT_ACTIVE;
		m->v.rip = rnd() & 7 ? CODE : rnd();
		at = (u32)(m->v.seg[SEG_CS].base + m->v.rip) % (MEM_SIZE - 16);
		for (j = 0; j < 12; j++)
			m->mem[at + j] = (j < 3 && open[j]) ||
						 (j == 1 && *open == 0x0f) ?
						 open[j] : rnd();
		m->e.no_deliver = false;
		emu_step(&m->e);
		emu_poll_events(&m->e);
		CHECK(m->v.cpl <= 3 && m->v.activity <= ACT_SHUTDOWN &&
		      m->v.shadow <= SHADOW_MOV_SS &&
		      (m->v.rflags & EFLAGS_MBS) && m->v.rip <= ~0u);
	}
}

int main(void)
{
	test_hostile();
	test_same_privilege();
	test_inner_privilege();
	test_from_vm86();
	test_real_mode();
	test_delivery_faults();
	test_soft_ints();
	test_double_fault();
	test_task_switch();
	test_task16();
	test_task_faults();
	test_single_step();
	test_breakpoints();
	test_debug_rest();
	test_shadows();
	test_nmi_and_halt();
	test_endless_ac();
	return test_end("event");
}
