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

static void plain(void)
{
}

static const struct row plain_rows[] = {
	{ "push esp", { 0x54 }, .in = { { R_SP, 0x20000 } }, .out = { { R_SP, 0x1fffc } },
	  .mem_out = { { 0x1fffc, 0x20000 } } },
	{ "pop esp", { 0x5c }, .in = { { R_SP, 0x20000 } }, .out = { { R_SP, 0x1234 } },
	  .mem_in = { { 0x20000, 0x1234 } } },
	{ "pop [esp+4]", { 0x8f, 0x44, 0x24, 0x04 }, .in = { { R_SP, 0x20000 } },
	  .out = { { R_SP, 0x20004 } }, .mem_in = { { 0x20000, 0x77 } }, .mem_out = { { 0x20008, 0x77 } }},
	{ "push [esp+4]", { 0xff, 0x74, 0x24, 0x04 }, .in = { { R_SP, 0x20000 } },
	  .out = { { R_SP, 0x1fffc } }, .mem_in = { { 0x20004, 0x77 } }, .mem_out = { { 0x1fffc, 0x77 } }},
	{ "push imm8 extends", { 0x6a, 0x80 }, .in = { { R_SP, 0x20000 } },
	  .mem_out = { { 0x1fffc, 0xffffff80 } } },
	{ "push word", { 0x66, 0x50 }, .in = { { R_SP, 0x20000 }, { R_AX, 0x55667788 } },
	  .out = { { R_SP, 0x1fffe } }, .mem_out = { { 0x1fffe, 0x7788 } } },
	{ "pusha", { 0x60 }, .in = { { R_SP, 0x20000 }, { R_AX, 1 }, { R_DI, 7 } },
	  .out = { { R_SP, 0x1ffe0 } },
	  .mem_out = { { 0x1ffec, 0x20000 }, { 0x1ffe0, 7 } } },
	{ "popa skips esp", { 0x61 }, .in = { { R_SP, 0x20000 } },
	  .out = { { R_SP, 0x20020 }, { R_DI, 5 } },
	  .mem_in = { { 0x2000c, 0x99 }, { 0x20000, 5 } }},
	{ "enter 8, 0", { 0xc8, 8, 0, 0 }, .in = { { R_SP, 0x20000 }, { R_BP, 0x30000 } },
	  .out = { { R_SP, 0x1fff4 }, { R_BP, 0x1fffc } },
	  .mem_out = { { 0x1fffc, 0x30000 } } },
	{ "enter 8, 1", { 0xc8, 8, 0, 1 }, .in = { { R_SP, 0x20000 }, { R_BP, 0x30000 } },
	  .out = { { R_SP, 0x1fff0 }, { R_BP, 0x1fffc } },
	  .mem_out = { { 0x1fffc, 0x30000 }, { 0x1fff8, 0x1fffc } } },
	{ "enter 0, 3", { 0xc8, 0, 0, 3 }, .in = { { R_SP, 0x20000 }, { R_BP, 0x30000 } },
	  .out = { { R_SP, 0x1fff0 }, { R_BP, 0x1fffc } },
	  .mem_in = { { 0x2fffc, 0xaaaa }, { 0x2fff8, 0xbbbb } },
	  .mem_out = { { 0x1fff8, 0xaaaa }, { 0x1fff4, 0xbbbb } }},
	{ "enter level is mod 32", { 0xc8, 0, 0, 33 },
	  .in = { { R_SP, 0x20000 }, { R_BP, 0x30000 } }, .out = { { R_SP, 0x1fff8 } }},
	{ "leave", { 0xc9 }, .in = { { R_SP, 0x10 }, { R_BP, 0x20000 } },
	  .out = { { R_SP, 0x20004 }, { R_BP, 0x4444 } }, .mem_in = { { 0x20000, 0x4444 } }},
	{ "ret 8", { 0xc2, 8, 0 }, .in = { { R_SP, 0x20000 } }, .out = { { R_SP, 0x2000c } },
	  .mem_in = { { 0x20000, 0x12345 } }, .rip = 0x12345 },
	{ "o16 ret", { 0x66, 0xc3 }, .in = { { R_SP, 0x20000 } }, .out = { { R_SP, 0x20002 } },
	  .mem_in = { { 0x20000, 0xffff1234 } }, .rip = 0x1234 },
	{ "o16 call", { 0x66, 0xe8, 0, 0x10 }, .in = { { R_SP, 0x20000 } },
	  .out = { { R_SP, 0x1fffe } }, .mem_out = { { 0x1fffe, 4 } }, .rip = 0x1004 },
	{ "o16 jcc not taken", { 0x66, 0x0f, 0x82, 0, 0 }, .rip = CODE + 5 },
	{ "jmp [mem]", { 0xff, 0x25, 0, 0, 3, 0 }, .mem_in = { { 0x30000, 0x555 } },
	  .rip = 0x555 },
	{ "a16 wraps", { 0x67, 0x8a, 0x40, 0x7f }, /* mov al, [bx+si+7f] */
	  .in = { { R_BX, 0xffff }, { R_SI, 0x10002 } }, .out = { { R_AX, 0x42 } },
	  .mem_in = { { 0x80, 0x42 } }},
	{ "xlat a16 wraps", { 0x67, 0xd7 }, .in = { { R_BX, 0xffff }, { R_AX, 2 } },
	  .out = { { R_AX, 0x43 } }, .mem_in = { { 1, 0x43 } }},
	{ "loop a16", { 0x67, 0xe2, 0x10 }, .in = { { R_CX, 0x10001 } },
	  .out = { { R_CX, 0x10000 } }, .rip = CODE + 3 },
	{ "bt far back", { 0x0f, 0xab, 0x07 }, /* bts [edi], eax */
	  .in = { { R_DI, 0x30000 }, { R_AX, (u32)-1 } }, .mem_out = { { 0x2fffc, 0x80000000 } } },
	{ "o16 bt is by words", { 0x66, 0x0f, 0xab, 0x07 },
	  .in = { { R_DI, 0x30000 }, { R_AX, 0x8000 } }, .mem_out = { { 0x2f000, 1 } } },
	{ "salc", { 0xd6 }, .in = { { R_AX, 0x55 } }, .out = { { R_AX, 0 } }},
	{ "bswap word clears", { 0x66, 0x0f, 0xc8 }, .in = { { R_AX, 0x11223344 } },
	  .out = { { R_AX, 0x11220000 } }},
	{ "movsx ah", { 0x0f, 0xbe, 0xc4 }, .in = { { R_AX, 0x8012 } },
	  .out = { { R_AX, 0xffffff80 } }},
	{ "div by 0", { 0xf7, 0xf3 }, .in = { { R_AX, 1 }, { R_DX, 2 } },
	  .out = { { R_AX, 1 }, { R_DX, 2 } }, .rip = CODE, FAULT(VEC_DE, 0) },
	{ "div overflow", { 0xf7, 0xf3 }, .in = { { R_DX, 2 }, { R_BX, 2 } },
	  FAULT(VEC_DE, 0) },
	{ "idiv min by -1", { 0xf7, 0xfb },
	  .in = { { R_AX, 0x80000000 }, { R_DX, 0xffffffff }, { R_BX, 0xffffffff } },
	  FAULT(VEC_DE, 0) },
	{ "idiv 64-bit min", { 0xf7, 0xfb },
	  .in = { { R_DX, 0x80000000 }, { R_BX, 0xffffffff } }, FAULT(VEC_DE, 0) },
	{ "idiv byte -128", { 0xf6, 0xfb }, .in = { { R_AX, 0xff80 }, { R_BX, 1 } },
	  .out = { { R_AX, 0x0080 } }},
	{ "aam 0", { 0xd4, 0 }, FAULT(VEC_DE, 0) },
	{ "bound below", { 0x62, 0x03 }, .in = { { R_AX, (u32)-5 }, { R_BX, 0x30000 } },
	  .mem_in = { { 0x30000, (u32)-4 }, { 0x30004, 4 } }, FAULT(VEC_BR, 0) },
	{ "bound at edge", { 0x62, 0x03 }, .in = { { R_AX, 4 }, { R_BX, 0x30000 } },
	  .mem_in = { { 0x30000, (u32)-4 }, { 0x30004, 4 } }, .rip = CODE + 2 },
	{ "lock add reg", { 0xf0, 0x01, 0xc0 }, FAULT(VEC_UD, 0) },
	{ "lock cmp", { 0xf0, 0x39, 0x03 }, FAULT(VEC_UD, 0) },
	{ "lock mov", { 0xf0, 0x89, 0x03 }, FAULT(VEC_UD, 0) },
	{ "ud2", { 0x0f, 0x0b }, FAULT(VEC_UD, 0) },
	{ "cmpxchg8b reg", { 0x0f, 0xc7, 0xc8 }, FAULT(VEC_UD, 0) },
	{ "lea reg", { 0x8d, 0xc0 }, FAULT(VEC_UD, 0) },
	{ "rep movs of 0", { 0xf3, 0xa5 }, .in = { { R_SI, FAULT_PAGE } },
	  .out = { { R_SI, FAULT_PAGE } }, .rip = CODE + 2 },
};

/* SS is 16-bit: SP wraps and the upper half of ESP stays. */
static void stack16(void)
{
	load_cached(SEG_SS, S_DATA16);
}

static const struct row stack16_rows[] = {
	{ "push word at 0", { 0x66, 0x50 }, .in = { { R_SP, 0xabc00000 }, { R_AX, 0x77 } },
	  .out = { { R_SP, 0xabc0fffe } }, .mem_out = { { 0xfffe, 0x50660077 } } },
	{ "push at 2", { 0x50 }, .in = { { R_SP, 0xabc00002 } },
	  .out = { { R_SP, 0xabc00002 } }, FAULT(VEC_SS, 0) },
	{ "pop at fffe", { 0x66, 0x58 }, .in = { { R_SP, 0xabc0fffe } },
	  .out = { { R_SP, 0xabc00000 } }},
	{ "pop [esp] uses ESP", { 0x8f, 0x04, 0x24 }, .in = { { R_SP, 0x0010 } },
	  .out = { { R_SP, 0x0014 } }, .mem_in = { { 0x10, 0x31 } }, .mem_out = { { 0x14, 0x31 } }},
	{ "pusha wraps", { 0x60 }, .in = { { R_SP, 0xabc00010 }, { R_DI, 9 } },
	  .out = { { R_SP, 0xabc0fff0 } }, .mem_out = { { 0xfff0, 9 } } },
	{ "leave takes BP", { 0xc9 }, .in = { { R_SP, 0xabc00000 }, { R_BP, 0x12340100 } },
	  .out = { { R_SP, 0xabc00104 }, { R_BP, 0x66 } }, .mem_in = { { 0x100, 0x66 } }},
	{ "enter", { 0xc8, 4, 0, 0 }, .in = { { R_SP, 0xabc00100 }, { R_BP, 0x55 } },
	  .out = { { R_SP, 0xabc000f8 } }, .mem_out = { { 0xfc, 0x55 } } },
	{ "call", { 0xe8, 0, 0, 0, 0 }, .in = { { R_SP, 0xabc00100 } },
	  .out = { { R_SP, 0xabc000fc } }, .mem_out = { { 0xfc, CODE + 5 } } },
	{ "ret 4 wraps", { 0xc2, 4, 0 }, .in = { { R_SP, 0xabc0fffc } },
	  .out = { { R_SP, 0xabc00004 } }, .mem_in = { { 0xfffc, 0x123 } }, .rip = 0x123 },
};

/* ES: 100h bytes; FS: expand-down below 100h; GS: null; DS: read-only. */
static void limits(void)
{
	m->v.seg[SEG_ES].limit = 0xff;
	load_cached(SEG_FS, S_DOWN);
	m->v.seg[SEG_GS].ar = AR_UNUSABLE;
	load_cached(SEG_DS, S_RO);
	m->v.seg[SEG_SS].limit = 0xfff;
}

static const struct row limit_rows[] = {
	{ "last byte", { 0x26, 0xa0, 0xff, 0, 0, 0 }, .rip = CODE + 6 },
	{ "past it", { 0x26, 0xa0, 0, 1, 0, 0 }, FAULT(VEC_GP, 0) },
	{ "straddles", { 0x26, 0xa1, 0xfd, 0, 0, 0 }, FAULT(VEC_GP, 0) },
	{ "wraps offset", { 0x26, 0xa1, 0xff, 0xff, 0xff, 0xff },
	  FAULT(VEC_GP, 0) },
	{ "expand-down valid", { 0x64, 0xa1, 0, 1, 0, 0 }, .rip = CODE + 6 },
	{ "expand-down at limit", { 0x64, 0xa0, 0xff, 0, 0, 0 },
	  FAULT(VEC_GP, 0) },
	{ "null", { 0x65, 0xa1, 0, 0, 0, 0 }, FAULT(VEC_GP, 0) },
	{ "read-only read", { 0xa1, 0, 1, 0, 0 }, .rip = CODE + 5 },
	{ "read-only write", { 0xa3, 0, 1, 0, 0 }, FAULT(VEC_GP, 0) },
	{ "read-only rmw", { 0xff, 0x05, 0, 1, 0, 0 }, FAULT(VEC_GP, 0) },
	{ "code read", { 0x2e, 0xa1, 0, 1, 0, 0 }, .rip = CODE + 6 },
	{ "code write", { 0x2e, 0xa3, 0, 1, 0, 0 }, FAULT(VEC_GP, 0) },
	{ "stack limit", { 0x50 }, .in = { { R_SP, 0x1002 } }, .out = { { R_SP, 0x1002 } },
	  FAULT(VEC_SS, 0) },
	{ "ss: operand", { 0x36, 0xa1, 0xfd, 0x0f, 0, 0 }, FAULT(VEC_SS, 0) },
	{ "[ebp] is ss", { 0x8b, 0x45, 0 }, .in = { { R_BP, 0x1000 } },
	  FAULT(VEC_SS, 0) },
	{ "stos past es", { 0xab }, .in = { { R_DI, 0x100 } }, FAULT(VEC_GP, 0) },
	{ "push below ss", { 0x50 }, .in = { { R_SP, 2 } }, .out = { { R_SP, 2 } },
	  FAULT(VEC_SS, 0) },
};

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

int main(void)
{
	run_rows(plain_rows, ARRAY_SIZE(plain_rows), plain);
	run_rows(stack16_rows, ARRAY_SIZE(stack16_rows), stack16);
	run_rows(limit_rows, ARRAY_SIZE(limit_rows), limits);
	test_wrap();
	return test_end("interp");
}
