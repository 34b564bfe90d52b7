/* SPDX-License-Identifier: MIT */
/*
 * Debug exceptions: single steps, breakpoints of the debug registers, and what
 * DR6 and DR7 say of them.
 * LINKS: lib cpu
 * SYSLIBS:
 */
#include "tests/host/event.h"

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

int main(void)
{
	test_single_step();
	test_breakpoints();
	test_debug_rest();
	return test_end("debugtrap");
}
