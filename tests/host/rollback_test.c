/* SPDX-License-Identifier: MIT */
/*
 * Faults in the middle: every instruction that writes memory, with its operand
 * running into a page that faults, must leave registers, flags and memory as
 * they were; a REP must leave them as its last whole iteration did.
 * LINKS: lib cpu
 */
#include "tests/host/machine.h"

/* --- Nothing of a faulting instruction ------------------------------- */

#define AT (FAULT_PAGE - 1) /* operands of 2 bytes or more cross */

/* EBX, EDI, ESP (for pushes) and EBP lead to the faulting page. */
static const struct {
	const char *name;
	u8 code[8];
} writers[] = {
	{ "mov", { 0x89, 0x03 } },
	{ "mov imm", { 0xc7, 0x03, 1, 2, 3, 4 } },
	{ "mov word", { 0x66, 0x89, 0x03 } },
	{ "mov moffs", { 0xa3, 0xff, 0xff, 4, 0 } },
	{ "add", { 0x01, 0x03 } },
	{ "or", { 0x09, 0x03 } },
	{ "adc", { 0x11, 0x03 } },
	{ "sbb", { 0x19, 0x03 } },
	{ "and", { 0x21, 0x03 } },
	{ "sub", { 0x29, 0x03 } },
	{ "xor", { 0x31, 0x03 } },
	{ "add imm", { 0x83, 0x03, 1 } },
	{ "lock inc", { 0xf0, 0xff, 0x03 } },
	{ "dec", { 0xff, 0x0b } },
	{ "not", { 0xf7, 0x13 } },
	{ "neg", { 0xf7, 0x1b } },
	{ "rol", { 0xc1, 0x03, 3 } },
	{ "ror", { 0xc1, 0x0b, 3 } },
	{ "rcl", { 0xc1, 0x13, 3 } },
	{ "rcr", { 0xc1, 0x1b, 3 } },
	{ "shl", { 0xc1, 0x23, 3 } },
	{ "shr by cl", { 0xd3, 0x2b } },
	{ "sar", { 0xd1, 0x3b } },
	{ "shl by 0", { 0xc1, 0x23, 0 } },
	{ "shld", { 0x0f, 0xa4, 0x03, 4 } },
	{ "shrd", { 0x0f, 0xad, 0x03 } },
	{ "bts", { 0x0f, 0xba, 0x2b, 31 } },
	{ "btr", { 0x0f, 0xba, 0x33, 0 } },
	{ "btc", { 0x0f, 0xba, 0x3b, 8 } },
	{ "xadd", { 0x0f, 0xc1, 0x03 } },
	{ "cmpxchg equal", { 0x0f, 0xb1, 0x0b } },
	{ "cmpxchg8b", { 0x0f, 0xc7, 0x0b } },
	{ "xchg", { 0x87, 0x03 } },
	{ "xchg word", { 0x66, 0x87, 0x03 } },
	{ "movbe", { 0x0f, 0x38, 0xf1, 0x03 } },
	{ "stos", { 0xab } },
	{ "movs", { 0xa5 } },
	{ "rep movs", { 0xf3, 0xa5 } },
	{ "rep stos", { 0xf3, 0xab } },
	{ "ins", { 0x6d } },
	{ "pop [ebx]", { 0x8f, 0x03 } },
	{ "push", { 0x50 } },
	{ "push imm", { 0x6a, 1 } },
	{ "push [esi]", { 0xff, 0x36 } },
	{ "pusha", { 0x60 } },
	{ "pushf", { 0x9c } },
	{ "push ds", { 0x1e } },
	{ "enter", { 0xc8, 0, 0, 0 } },
	{ "enter 3", { 0xc8, 0, 0, 3 } },
	{ "call", { 0xe8, 0, 1, 0, 0 } },
	{ "call [esi]", { 0xff, 0x16 } },
	{ "call far", { 0x9a, 0, 0, 1, 0, S_CODE0, 0 } },
	{ "sgdt", { 0x0f, 0x01, 0x03 } },
	{ "sidt", { 0x0f, 0x01, 0x0b } },
	{ "sldt", { 0x0f, 0x00, 0x03 } },
	{ "str", { 0x0f, 0x00, 0x0b } },
	{ "smsw", { 0x0f, 0x01, 0x23 } },
	{ "mov sreg", { 0x8c, 0x1b } },
};

static unsigned ports_read, page_reads;

static u32 counted_in(void *ctx, u16 port, unsigned size)
{
	ports_read++;
	return 0;
}

/* Reads of the page that succeed set its accessed flag. */
static bool counted_read(void *ctx, gva_t gva, void *buf, unsigned size,
			 unsigned acc, struct pagefault *pf)
{
	bool ok = fake_read(ctx, gva, buf, size, acc, pf);

	page_reads += ok && gva.a + size > FAULT_PAGE &&
		      gva.a < FAULT_PAGE + PAGE_SIZE;
	return ok;
}

static void set_writer(const struct emu_ops *ops, bool readonly)
{
	static const u32 gpr[] = { 0x11223344, 5, 0x60, AT, FAULT_PAGE + 3,
				   0x30100, 0x30000, AT };

	machine_reset();
	m->e.ops = ops;
	m->page_faults = !readonly;
	m->page_readonly = readonly;
	for (unsigned r = 0; r < 8; r++)
		m->v.gpr[r] = gpr[r];
	m->v.rflags |= EFLAGS_CF | EFLAGS_AF;
	for (u32 at = FAULT_PAGE - 64; at < FAULT_PAGE; at++)
		put8(at, (u8)at ^ 0x5a);
}

static void test_writer(unsigned i, bool readonly)
{
	static struct machine before;
	struct emu_ops ops = fake_ops;

	ops.in = counted_in;
	ops.read = counted_read;
	ports_read = page_reads = 0;
	set_writer(&ops, readonly);
	/* POP reads an honest stack first; PUSHA gets half-way down. */
	if (writers[i].code[0] == 0x8f)
		m->v.gpr[R_SP] = STACK0;
	else if (writers[i].code[0] == 0x60)
		m->v.gpr[R_SP] = FAULT_PAGE + PAGE_SIZE + 8;
	memcpy(m->mem + CODE, writers[i].code, sizeof(writers[i].code));
	before = *m;
	m->e.no_deliver = true;
	emu_step(&m->e);
	CHECK(m->e.fault_set && m->e.fault.vector == VEC_PF &&
	      (m->e.fault.error & PFEC_W), "%s: no write fault",
	      writers[i].name);
	CHECK(!memcmp(&before.v, &m->v, sizeof(m->v)), "%s: state changed",
	      writers[i].name);
	CHECK(!memcmp(before.mem, m->mem, MEM_SIZE), "%s: memory changed",
	      writers[i].name);
	CHECK(!ports_read, "%s: port read", writers[i].name);
	CHECK(!page_reads, "%s: read before the fault", writers[i].name);
}

/* --- REP ------------------------------------------------------------- */

#define SRC 0x30000u
#define DST 0x40000u

static void set_string(u32 si, u32 di, u32 count)
{
	machine_reset();
	m->v.gpr[R_SI] = si;
	m->v.gpr[R_DI] = di;
	m->v.gpr[R_CX] = count;
	for (u32 i = 0; i < 0x4000; i++)
		put8(SRC + i, (u8)(i * 7 + (i >> 8)));
}

static void check_string(const char *name, u32 si, u32 di, u32 count)
{
	CHECK(m->v.gpr[R_SI] == si && m->v.gpr[R_DI] == di &&
	      m->v.gpr[R_CX] == count, "%s: esi %x edi %x ecx %x", name,
	      (u32)m->v.gpr[R_SI], (u32)m->v.gpr[R_DI], (u32)m->v.gpr[R_CX]);
}

static void test_rep_fault(void)
{
	u32 di = FAULT_PAGE - 102; /* 25 dwords fit, then 2 bytes */

	set_string(SRC, di, 100);
	m->page_faults = true;
	RUN(0xf3, 0xa5);
	CHECK(m->e.fault_set && m->e.fault.cr2 == FAULT_PAGE);
	check_string("rep movsd", SRC + 100, FAULT_PAGE - 2, 75);
	CHECK(m->v.rip == CODE && !m->v.insn_count);
	CHECK(!memcmp(m->mem + di, m->mem + SRC, 100));
	CHECK(!get16(FAULT_PAGE - 2), "part of an element");
	m->page_faults = false;
	RUN(0xf3, 0xa5);
	check_string("resumed", SRC + 400, di + 400, 0);
	CHECK(m->v.insn_count == 1 && m->v.rip == CODE + 2);
	CHECK(!memcmp(m->mem + di, m->mem + SRC, 400));

	set_string(FAULT_PAGE - 3, DST, 10);
	m->page_faults = true;
	RUN(0xf3, 0xa6); /* equal bytes: runs until the fault */
	put8(FAULT_PAGE - 3, 0);
	CHECK(m->e.fault_set);
	check_string("repe cmpsb", FAULT_PAGE, DST + 3, 7);
	CHECK(m->v.rflags & EFLAGS_ZF, "flags of the last comparison");

	set_string(FAULT_PAGE + PAGE_SIZE + 4, DST, 10);
	m->page_faults = true;
	m->v.rflags |= EFLAGS_DF;
	RUN(0xf3, 0xad);
	CHECK(m->e.fault_set && m->e.fault.cr2 == FAULT_PAGE + PAGE_SIZE - 4);
	check_string("std; rep lodsd", FAULT_PAGE + PAGE_SIZE - 4, DST, 8);
}

static unsigned steps_to_end(unsigned most)
{
	unsigned n = 0;

	do {
		emu_step(&m->e);
		n++;
	} while (m->v.rip == CODE && n < most);
	return n;
}

/* A long REP is many steps and one instruction. */
static void test_rep_batches(void)
{
	set_string(SRC, DST, 0x1000);
	memcpy(m->mem + CODE, "\xf3\xa5", 2);
	CHECK(steps_to_end(100) > 1 && m->v.insn_count == 1);
	check_string("rep movsd", SRC + 0x4000, DST + 0x4000, 0);
	CHECK(!memcmp(m->mem + SRC, m->mem + DST, 0x4000));

	set_string(SRC, DST, 200);
	m->v.attention = 1;
	RUN(0xf3, 0xa4);
	CHECK(m->v.rip == CODE && m->v.gpr[R_CX] && m->v.gpr[R_CX] < 200);
	CHECK(m->v.rflags & EFLAGS_RF, "RF between iterations");
	m->v.attention = 0;
	RUN(0xf3, 0xa4);
	check_string("after attention", SRC + 200, DST + 200, 0);
	CHECK(!(m->v.rflags & EFLAGS_RF));

	set_string(SRC, DST, 3);
	m->v.rflags |= EFLAGS_TF;
	memcpy(m->mem + CODE, "\xf3\xa4", 2);
	m->e.no_deliver = false;
	emu_step(&m->e);
	check_string("single step", SRC + 1, DST + 1, 2);
	CHECK(m->v.rip == HANDLER + 16 * VEC_DB);
	CHECK(get32((u32)m->v.gpr[R_SP]) == CODE, "trap on the REP");
}

static void test_rep_overlap(void)
{
	set_string(SRC, SRC + 3, 100);
	RUN(0xf3, 0xa4);
	for (u32 i = 0; i < 103; i++)
		CHECK(m->mem[SRC + i] == (u8)(i % 3 * 7), "pattern at %u", i);
	set_string(SRC + 3, SRC, 100);
	RUN(0xf3, 0xa4);
	for (u32 i = 0; i < 100; i++)
		CHECK(m->mem[SRC + i] == (u8)((i + 3) * 7), "down at %u", i);
	set_string(SRC + 99, SRC + 102, 100);
	m->v.rflags |= EFLAGS_DF;
	RUN(0xf3, 0xa4);
	for (u32 i = 0; i < 100; i++)
		CHECK(m->mem[SRC + 3 + i] == (u8)(i * 7), "back at %u", i);
}

static void test_rep_wrap(void)
{
	set_string(0, 0x1fffe, 4); /* 16-bit DI wraps, its upper half stays */
	m->v.gpr[R_AX] = 0xee;
	m->v.gpr[R_CX] = 0x70004;
	RUN(0xf3, 0x67, 0xaa);
	check_string("a16 rep stosb", 0, 0x10002, 0x70000);
	CHECK(m->mem[0xfffe] == 0xee && m->mem[0] == 0xee &&
	      m->mem[1] == 0xee && m->mem[2] == 0);

	set_string(0, 0xfffe, 1);
	RUN(0x67, 0xab); /* a dword at FFFEh of a flat segment */
	CHECK(!m->e.fault_set);
	set_string(SRC, 0xf8, 100);
	m->v.seg[SEG_ES].limit = 0x10f;
	RUN(0xf3, 0xa5);
	check_fault("limit", VEC_GP, 0);
	check_string("limit", SRC + 24, 0x110, 94);
}

static void test_rep_compare(void)
{
	set_string(SRC, SRC + 0x800, 0);
	memcpy(m->mem + DST, m->mem + SRC, 64);
	put8(DST + 20, 0xff);
	m->v.gpr[R_DI] = DST;
	m->v.gpr[R_CX] = 64;
	RUN(0xf3, 0xa6);
	check_string("repe cmpsb", SRC + 21, DST + 21, 43);
	CHECK(!(m->v.rflags & EFLAGS_ZF));
	m->v.rip = CODE;
	RUN(0xf2, 0xa6);
	check_string("repne cmpsb", SRC + 22, DST + 22, 42);
	CHECK(m->v.rflags & EFLAGS_ZF);
	m->v.rip = CODE;
	m->v.gpr[R_AX] = m->mem[DST + 40];
	RUN(0xf2, 0xae);
	check_string("repne scasb", SRC + 22, DST + 41, 23);
	m->v.rip = CODE;
	m->v.gpr[R_CX] = 0;
	m->v.rflags &= ~EFLAGS_ARITH;
	RUN(0xf3, 0xae);
	CHECK(!(m->v.rflags & EFLAGS_ARITH), "no iteration, no flags");
}

int main(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(writers); i++) {
		test_writer(i, false);
		test_writer(i, true);
	}
	test_rep_fault();
	test_rep_batches();
	test_rep_overlap();
	test_rep_wrap();
	test_rep_compare();
	return test_end("rollback");
}
