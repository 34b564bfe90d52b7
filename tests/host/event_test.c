/* SPDX-License-Identifier: MIT */
/*
 * Delivery of events in every mode with exact stack images, faults during
 * delivery, double and triple faults, and which pending event is taken when.
 * LINKS: lib cpu
 * SYSLIBS:
 */
#include "tests/host/event.h"

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

/* --- Pending events --- */

static void test_shadows(void)
{
	machine_reset();
	m->v.intr = INTR_WAITING;
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
	m->v.intr = INTR_WAITING;
	CODE_IS(0xfb, 0xfa);
	step();
	step();
	CHECK(!emu_poll_events(&m->e));

	/* STI with IF already set casts no shadow. */
	machine_reset();
	m->v.intr = INTR_WAITING;
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
	m->v.intr = INTR_WAITING;
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

int main(void)
{
	test_same_privilege();
	test_inner_privilege();
	test_from_vm86();
	test_real_mode();
	test_delivery_faults();
	test_soft_ints();
	test_double_fault();
	test_shadows();
	test_nmi_and_halt();
	test_endless_ac();
	return test_end("event");
}
