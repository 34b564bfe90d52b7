/* SPDX-License-Identifier: MIT */
/*
 * Stops of the debugger in the interpreter: before instructions, after
 * accesses, by linear and physical address, one and a thousand; and that
 * nothing of the guest's own debugging is touched by them.
 * LINKS: lib cpu
 */
#include "tests/host/machine.h"

static struct stop list[2000];
static struct stops stops;
static u64 phys_offset; /* what the fake translation adds */

static bool translate(void *ctx, gva_t gva, gpa_t *gpa)
{
	*gpa = GPA(gva.a + phys_offset);
	return true;
}

static void reset(void)
{
	static struct emu_ops ops;

	machine_reset();
	memset(&stops, 0, sizeof(stops));
	stops.list = list;
	stops.room = ARRAY_SIZE(list);
	ops = fake_ops;
	ops.translate = translate;
	m->e.ops = &ops;
	m->e.stops = &stops;
	m->e.no_deliver = false;
	phys_offset = 0;
}

static void add(u64 addr, u64 len, u8 kinds, bool phys)
{
	CHECK(stops_add(&stops, &(struct stop){ addr, len, kinds, phys }),
	      "no room");
}

static void put_bytes(const char *bytes, unsigned n)
{
	memcpy(m->mem + CODE, bytes, n);
}

#define CODE_IS(text) put_bytes(text, sizeof(text) - 1)

static void step(void)
{
	emu_step(&m->e);
}

/* Taken, as the run loop does. */
static void take(void)
{
	stops.due = false;
	m->v.hold = 0;
	m->v.attention = 0;
}

static void stops_before(void)
{
	reset();
	CODE_IS("\x40\x41"); /* inc eax; inc ecx */
	add(CODE + 1, 1, STOP_EXEC, false);
	step();
	CHECK(!stops.due && m->v.gpr[R_AX] == 1, "stopped too early");
	step();
	CHECK(stops.due && stops.at == CODE + 1 && !m->v.gpr[R_CX] &&
	      m->v.rip == CODE + 1 && m->v.attention, "does not stop");
	m->v.intr = INTR_WAITING;
	m->v.rflags |= EFLAGS_IF;
	CHECK(!emu_event_ready(&m->v), "an interrupt moves it away");
	take();
	CHECK(emu_event_ready(&m->v), "interrupts stay off");
	m->v.intr = 0;
	step();
	CHECK(stops.due, "does not stop again");
	take();
	stops_step_over(&stops, CODE + 1);
	step();
	CHECK(!stops.due && m->v.gpr[R_CX] == 1, "does not go over");
	CHECK(!stops.over, "would go over the next, too");
}

static void physical_code(void)
{
	reset();
	CODE_IS("\x40\x41");
	phys_offset = 0x400000;
	add(CODE + 1, 1, STOP_EXEC, true);
	step();
	step();
	CHECK(!stops.due && m->v.gpr[R_CX] == 1, "took linear for physical");
	m->v.rip = CODE;
	add(CODE + 0x400001, 1, STOP_EXEC, true);
	step();
	step();
	CHECK(stops.due && m->v.rip == CODE + 1, "does not stop");
}

static void based_code(void)
{
	reset();
	set_real();
	CODE_IS("\x40\x41");
	add(CODE + 1, 1, STOP_EXEC, false); /* 1000:0001 */
	step();
	step();
	CHECK(stops.due && m->v.rip == 1, "real mode: the linear address");
}

/* bytes, kinds set, does it stop? eax = 30000h, ecx = 5 */
static const struct {
	const char *name, code[7];
	u64 addr, len;
	u8 kinds;
	bool stops;
} accesses[] = {
	{ "write", "\x88\x08", 0x30000, 1, STOP_WRITE, true },
	{ "write, a reader", "\x88\x08", 0x30000, 1, STOP_READ, false },
	{ "write, both", "\x88\x08", 0x30000, 1, STOP_READ | STOP_WRITE, true },
	{ "read", "\x8a\x08", 0x30000, 1, STOP_READ, true },
	{ "read, a writer", "\x8a\x08", 0x30000, 1, STOP_WRITE, false },
	{ "beside", "\x89\x08", 0x30004, 4, STOP_WRITE, false },
	{ "last byte", "\x89\x08", 0x30003, 4, STOP_WRITE, true },
	{ "within", "\x89\x08", 0x2fff0, 0x100, STOP_WRITE, true },
	{ "rmw", "\x01\x08", 0x30000, 4, STOP_WRITE, true },
	{ "rmw reads", "\x01\x08", 0x30000, 4, STOP_READ, true },
	{ "push", "\x50", STACK0 - 4, 4, STOP_WRITE, true },
	{ "pop", "\x58", STACK0, 4, STOP_READ, true },
	{ "descriptor", "\x8e\xd9", GDT, 0x200, STOP_READ, true },
	{ "two pages", "\x89\x88\xfe\x0f\x00\x00", 0x31000, 1, STOP_WRITE, true },
	{ "code is not data", "\x90", CODE, 1, STOP_READ, false },
};

static void data(bool phys)
{
	for (unsigned i = 0; i < ARRAY_SIZE(accesses); i++) {
		reset();
		memcpy(m->mem + CODE, accesses[i].code, 6);
		m->v.gpr[R_AX] = 0x30000;
		m->v.gpr[R_CX] = S_DATA0;
		phys_offset = phys ? 0x100000 : 0;
		add(accesses[i].addr + phys_offset, accesses[i].len,
		    accesses[i].kinds, phys);
		step();
		CHECK(stops.due == accesses[i].stops, "%s, %s: %d",
		      accesses[i].name, phys ? "physical" : "linear",
		      stops.due);
		CHECK(m->v.rip > CODE, "%s: not done", accesses[i].name);
	}
}

/* A fault in the instruction takes its stops with it. */
static void faulting(void)
{
	reset();
	CODE_IS("\xa5"); /* movs: reads, then the write faults */
	m->page_readonly = true;
	m->v.gpr[R_SI] = 0x30000;
	m->v.gpr[R_DI] = FAULT_PAGE;
	add(0x30000, 4, STOP_READ, false);
	step();
	CHECK(!stops.due && !m->v.hold, "stopped for what did not happen");
	CHECK(m->v.rip == HANDLER + 16 * VEC_PF, "no fault");
}

static void repeats(void)
{
	reset();
	CODE_IS("\xf3\xaa"); /* rep stosb */
	m->v.gpr[R_DI] = 0x30000;
	m->v.gpr[R_CX] = 100;
	add(0x30010, 1, STOP_WRITE, false);
	add(CODE, 1, STOP_EXEC, false);
	stops_step_over(&stops, CODE);
	step();
	CHECK(stops.due && m->v.gpr[R_CX] == 100 - 0x11 && m->v.rip == CODE,
	      "ecx %llu", (unsigned long long)m->v.gpr[R_CX]);
	take();
	step();
	CHECK(!stops.due && !m->v.gpr[R_CX] && m->v.rip == CODE + 2,
	      "the same instruction, not met again");
	m->v.rip = CODE;
	step();
	CHECK(stops.due, "but the next time");
}

static void one_iteration(void)
{
	reset();
	CODE_IS("\xf3\xaa");
	m->v.gpr[R_DI] = 0x30000;
	m->v.gpr[R_CX] = 3;
	m->e.stops = NULL;
	m->e.one_iteration = true;
	for (unsigned n = 2; n < 3; n--) {
		CHECK(m->v.rip == CODE, "left too early");
		step();
		CHECK(m->v.gpr[R_CX] == n, "ecx %llu",
		      (unsigned long long)m->v.gpr[R_CX]);
	}
	CHECK(m->v.rip == CODE + 2, "not left");
	m->e.one_iteration = false;
}

static void a_thousand(void)
{
	unsigned met = 0;

	reset();
	memset(m->mem + CODE, 0x90, 4096);
	for (unsigned i = 0; i < 1000; i++)
		add(CODE + 4 * i, 1, STOP_EXEC, false);
	for (unsigned i = 0; i < 4000; i++) {
		step();
		if (!stops.due)
			continue;
		CHECK(stops.at == m->v.rip && stops.at % 4 == 0, "at %llx",
		      (unsigned long long)stops.at);
		met++;
		take();
		stops_step_over(&stops, stops.at);
		step();
	}
	CHECK(met == 1000, "%u met", met);
	for (unsigned i = 0; i < 1000; i++)
		CHECK(stops_remove(&stops, &(struct stop){ CODE + 4 * i, 1,
							    STOP_EXEC, false }),
		      "cannot remove");
	CHECK(!stops.count && !stops_page(&stops, false, CODE), "left over");
}

/* The guest's own INT3, TF and DR7 go to the guest. */
static void the_guests_own(void)
{
	reset();
	CODE_IS("\xcc");
	add(CODE + 0x100, 1, STOP_EXEC, false);
	step();
	CHECK(!stops.due && m->v.rip == HANDLER + 16 * VEC_BP, "INT3");
	reset();
	CODE_IS("\x90");
	add(CODE + 0x100, 1, STOP_EXEC, false);
	m->v.dr[0] = CODE;
	m->v.dr[7] = 0x403;
	step();
	CHECK(!stops.due && m->v.rip == HANDLER + 16 * VEC_DB, "DR0");
	reset();
	CODE_IS("\x90");
	add(CODE, 1, STOP_EXEC, false); /* at the same instruction */
	m->v.dr[0] = CODE;
	m->v.dr[7] = 0x403;
	step();
	CHECK(stops.due && m->v.rip == CODE && m->v.dr[6] == DR6_RESET,
	      "ours comes first");
	take();
	stops_step_over(&stops, CODE);
	step();
	CHECK(m->v.rip == HANDLER + 16 * VEC_DB, "then the guest's");
	reset();
	CODE_IS("\x90");
	add(CODE + 1, 1, STOP_EXEC, false);
	m->v.rflags |= EFLAGS_TF;
	step();
	CHECK(!stops.due && m->v.rip == HANDLER + 16 * VEC_DB, "TF");
}

static void pages(void)
{
	reset();
	add(0xc0001fff, 2, STOP_WRITE, false);
	add(0x5000, 1, STOP_EXEC, true);
	CHECK(stops_page(&stops, false, 0xc0001000) == STOP_WRITE &&
	      stops_page(&stops, false, 0xc0002abc) == STOP_WRITE &&
	      !stops_page(&stops, false, 0xc0003000) &&
	      !stops_page(&stops, true, 0xc0001000), "linear");
	CHECK(stops_page(&stops, true, 0x5fff) == STOP_EXEC &&
	      !stops_page(&stops, false, 0x5fff), "physical");
	/* the same place in the filter is not the same page */
	CHECK(!stops_page(&stops, true, 0x5000 + STOPS_FILTER * PAGE_SIZE),
	      "like 5000h");
	CHECK(stops_page_like(&stops, 0x2000, 0x1ff000) == STOP_WRITE &&
	      !stops_page_like(&stops, 0x3000, 0x1ff000), "alike");
	CHECK(!stops_add(&stops, &(struct stop){ ~0ull, 2, STOP_READ, false }),
	      "wraps");
	add(0, ~0ull, STOP_READ, false);
	CHECK(stops_page(&stops, false, 0x123456789000) == STOP_READ, "all");
	stops_clear(&stops);
	CHECK(!stops_page(&stops, false, 0xc0001000), "clear");
}

int main(void)
{
	stops_before();
	physical_code();
	based_code();
	data(false);
	data(true);
	faulting();
	repeats();
	one_iteration();
	a_thousand();
	the_guests_own();
	pages();
	return test_end("stops");
}
