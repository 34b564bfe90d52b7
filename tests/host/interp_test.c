/* SPDX-License-Identifier: MIT */
/*
 * The interpreter where the real CPU of native_test.c does not reach: stacks
 * of 16 bits, segment limits, wrap-around, REP interrupted, and the promise
 * that an instruction which faults changes nothing.
 * LINKS: lib cpu
 */
#include "tests/host/machine.h"

#include "cpu/engine.h"

#define REGS 4

/* One instruction at CPL 0, flat: what it starts from and what it leaves. */
struct row {
	const char *name;
	u8 code[8];
	struct { u8 reg; u32 value; } in[REGS], out[REGS];
	struct { u32 at, value; } mem_in[2], mem_out[2];
	u32 rip; /* after it; 0: do not care */
	int vector; /* + 1; 0: no fault */
	u32 error;
};

#define FAULT(v, e) .vector = (v) + 1, .error = (e)

static void set_row(const struct row *r)
{
	for (unsigned i = 0; i < REGS; i++)
		if (r->in[i].reg || r->in[i].value)
			m->v.gpr[r->in[i].reg] = r->in[i].value;
	for (unsigned i = 0; i < 2; i++)
		if (r->mem_in[i].at)
			put32(r->mem_in[i].at, r->mem_in[i].value);
}

static void check_row(const struct row *r)
{
	check_fault(r->name, r->vector - 1, r->error);
	for (unsigned i = 0; i < REGS; i++)
		if (r->out[i].reg || r->out[i].value)
			CHECK(m->v.gpr[r->out[i].reg] == r->out[i].value,
			      "%s: reg %u is %x, expected %x", r->name,
			      r->out[i].reg, (u32)m->v.gpr[r->out[i].reg],
			      r->out[i].value);
	for (unsigned i = 0; i < 2; i++)
		if (r->mem_out[i].at)
			CHECK(get32(r->mem_out[i].at) == r->mem_out[i].value,
			      "%s: [%x] is %x", r->name, r->mem_out[i].at,
			      get32(r->mem_out[i].at));
	if (r->rip)
		CHECK(m->v.rip == r->rip, "%s: rip %x", r->name,
		      (u32)m->v.rip);
}

static void run_rows(const struct row *rows, unsigned count,
		     void (*prepare)(void))
{
	for (unsigned i = 0; i < count; i++) {
		machine_reset();
		prepare();
		set_row(&rows[i]);
		run_bytes(rows[i].code, sizeof(rows[i].code));
		check_row(&rows[i]);
	}
}

#include "tests/host/interp_rows.inc"

static void plain(void)
{
}

/* SS is 16-bit: SP wraps and the upper half of ESP stays. */
static void stack16(void)
{
	load_cached(SEG_SS, S_DATA16);
}

/* ES: 100h bytes; FS: expand-down below 100h; GS: null; DS: read-only. */
static void limits(void)
{
	m->v.seg[SEG_ES].limit = 0xff;
	load_cached(SEG_FS, S_DOWN);
	m->v.seg[SEG_GS].ar = AR_UNUSABLE;
	load_cached(SEG_DS, S_RO);
	m->v.seg[SEG_SS].limit = 0xfff;
}

/* A segment that starts just below 4 GiB: sums wrap to 0. */
static void high_base(void)
{
	m->v.seg[SEG_ES].base = 0xfffff000;
	m->v.seg[SEG_DS].base = 0xffffffff;
}

static void test_wrap(void)
{
	machine_reset();
	high_base();
	put32(0, 0x332211);
	RUN(0xa1, 0, 0, 0, 0); /* mov eax, ds:[0]: FFFFFFFFh, 0, 1, 2 */
	CHECK((u32)m->v.gpr[R_AX] == 0x332211ff, "split read %x",
	      (u32)m->v.gpr[R_AX]);
	m->v.rip = CODE;
	m->v.gpr[R_AX] = 0xddccbbaa;
	RUN(0xa3, 0, 0, 0, 0);
	CHECK(get32(0) == 0xddccbb, "split write %x", get32(0));
	machine_reset();
	high_base();
	m->v.rip = CODE;
	put32(0x1000, 0x1357);
	RUN(0x26, 0xa1, 0, 0x20, 0, 0);
	CHECK(m->v.gpr[R_AX] == 0x1357);
}

/* --- Real mode and VM86 ---------------------------------------------- */

static void check_step(const char *name, int vector)
{
	check_fault(name, vector, 0);
}

static void test_real_limits(void)
{
	static const struct {
		const char *name;
		u8 code[4];
		u16 bx, sp;
		int vector;
	} rows[] = {
		{ "word at fffe", { 0x8b, 0x07 }, 0xfffe, 0, NO_FAULT },
		{ "word at ffff", { 0x8b, 0x07 }, 0xffff, 0, VEC_GP },
		{ "dword at fffd", { 0x66, 0x8b, 0x07 }, 0xfffd, 0, VEC_GP },
		{ "ss word at ffff", { 0x36, 0x8b, 0x07 }, 0xffff, 0, VEC_SS },
		{ "code is writable", { 0x2e, 0x89, 0x07 }, 0x500, 0, NO_FAULT },
		{ "push at 1", { 0x50 }, 0, 1, VEC_SS },
		{ "push at 0 wraps", { 0x50 }, 0, 0, NO_FAULT },
		{ "pop at ffff", { 0x58 }, 0, 0xffff, VEC_SS },
	};

	for (unsigned vm86 = 0; vm86 < 2; vm86++)
		for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
			machine_reset();
			if (vm86)
				set_vm86(3);
			else
				set_real();
			m->v.gpr[R_BX] = rows[i].bx;
			m->v.gpr[R_SP] = rows[i].sp;
			run_bytes(rows[i].code, sizeof(rows[i].code));
			check_step(rows[i].name, rows[i].vector);
		}
}

/* --- Alignment ------------------------------------------------------- */

static void test_alignment(void)
{
	for (unsigned on = 0; on < 8; on++) {
		bool fault = on == 7;

		machine_reset();
		set_cpl(on & 1 ? 3 : 0);
		m->v.rflags |= on & 2 ? EFLAGS_AC : 0;
		m->v.cr0 |= on & 4 ? CR0_AM : 0;
		RUN(0xa1, 0x02, 0, 3, 0);
		check_fault("mov dword", fault ? VEC_AC : NO_FAULT, 0);
		m->v.rip = CODE;
		RUN(0x66, 0xa1, 0x02, 0, 3, 0);
		check_fault("mov word", NO_FAULT, 0);
		m->v.rip = CODE;
		RUN(0xa0, 0x03, 0, 3, 0);
		check_fault("mov byte", NO_FAULT, 0);
	}
}

/* --- Fetching -------------------------------------------------------- */

#define EDGE (FAULT_PAGE - 1)

static void test_fetch(void)
{
	machine_reset();
	m->page_faults = true;
	m->v.rip = EDGE;
	put8(EDGE, 0x90);
	RUN(0);
	CHECK(!m->e.fault_set && m->v.rip == FAULT_PAGE, "nop at page end");
	RUN(0);
	CHECK(m->e.fault_set && m->e.fault.vector == VEC_PF &&
	      m->e.fault.cr2 == FAULT_PAGE, "next page");
	m->v.rip = EDGE;
	put8(EDGE, 0xb8);
	RUN(0);
	CHECK(m->e.fault_set && m->e.fault.cr2 == FAULT_PAGE &&
	      m->v.rip == EDGE, "immediate in the next page");
	machine_reset();
	m->v.seg[SEG_CS].limit = CODE + 2;
	RUN(0xb8, 1, 2, 3, 4);
	check_fault("beyond the limit", VEC_GP, 0);
	m->v.rip = CODE + 3;
	RUN(0);
	check_fault("past the limit", VEC_GP, 0);
	machine_reset();
	RUN(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
	    0x66, 0x66, 0x66, 0x66, 0x90);
	check_fault("16 bytes", VEC_GP, 0);
	machine_reset();
	m->v.seg[SEG_CS].limit = 0x1ffff;
	RUN(0xe9, 0, 0, 2, 0);
	check_fault("jump past the limit", VEC_GP, 0);
	CHECK(m->v.rip == CODE);
}

/* Code that changes is decoded anew. */
static void test_changed_code(void)
{
	machine_reset();
	RUN(0xb8, 1, 0, 0, 0);
	m->v.rip = CODE;
	RUN(0xb8, 2, 0, 0, 0);
	CHECK(m->v.gpr[R_AX] == 2);
	m->v.rip = CODE;
	RUN(0xbb, 2, 0, 0, 0);
	CHECK(m->v.gpr[R_BX] == 2);
	load_cached(SEG_CS, S_CODE16);
	m->v.seg[SEG_CS].base = CODE;
	m->v.rip = 0;
	RUN(0xb8, 3, 0, 0, 0);
	CHECK(m->v.gpr[R_AX] == 3 && m->v.rip == 3);
}

/* --- What a step leaves besides -------------------------------------- */

static void test_step_state(void)
{
	machine_reset();
	m->v.shadow = SHADOW_STI;
	m->v.rflags |= EFLAGS_RF;
	RUN(0x90);
	CHECK(!m->v.shadow && !(m->v.rflags & EFLAGS_RF));
	CHECK(m->v.insn_count == 1);
	m->v.rip = CODE;
	RUN(0x0f, 0x0b);
	CHECK(m->e.fault_set && m->v.insn_count == 1, "faults do not count");
	machine_reset();
	m->v.rflags |= EFLAGS_TF | EFLAGS_RF;
	m->e.no_deliver = false;
	put8(CODE, 0x90);
	emu_step(&m->e);
	CHECK(m->v.rip == HANDLER + 16 * VEC_DB, "trap after nop");
	CHECK(get32((u32)m->v.gpr[R_SP]) == CODE + 1);
	CHECK(m->v.dr[6] & DR6_BS);
}

/* --- The engine ------------------------------------------------------ */

static enum exit_reason run_engine(void)
{
	struct engine_env env = { .v = &m->v, .emu = &m->e };
	struct vcpu_exit exit;

	interp_engine.init(&env);
	m->e.no_deliver = false;
	interp_engine.run(&m->v, &exit);
	return exit.reason;
}

static void test_engine(void)
{
	machine_reset();
	m->v.insn_stop = ~0ull;
	memcpy(m->mem + CODE, "\x40\x40\xf4\x40", 4);
	CHECK(run_engine() == EXIT_HALT && m->v.gpr[R_AX] == 2);
	CHECK(m->v.insn_count == 3 && m->v.rip == CODE + 3);
	m->v.intr = INTR_WAITING;
	m->vector = 0x40;
	m->v.rflags |= EFLAGS_IF;
	put8(HANDLER + 0x400, 0xf4);
	CHECK(run_engine() == EXIT_HALT, "woken, then halted in the handler");
	CHECK(m->v.rip == HANDLER + 0x401);
	machine_reset();
	m->v.insn_stop = 5;
	memcpy(m->mem + CODE, "\xeb\xfe", 2);
	CHECK(run_engine() == EXIT_ATTENTION && m->v.insn_count == 5);
	m->v.insn_stop = ~0ull;
	m->v.attention = 1;
	CHECK(run_engine() == EXIT_ATTENTION && m->v.insn_count == 5);
	machine_reset();
	m->v.insn_stop = ~0ull;
	m->v.idtr.limit = 0;
	memcpy(m->mem + CODE, "\x0f\x0b", 2);
	CHECK(run_engine() == EXIT_SHUTDOWN);
}

int main(void)
{
	run_rows(plain_rows, ARRAY_SIZE(plain_rows), plain);
	run_rows(stack16_rows, ARRAY_SIZE(stack16_rows), stack16);
	run_rows(limit_rows, ARRAY_SIZE(limit_rows), limits);
	test_wrap();
	test_real_limits();
	test_alignment();
	test_fetch();
	test_changed_code();
	test_step_state();
	test_engine();
	return test_end("interp");
}
