/* SPDX-License-Identifier: MIT */
/*
 * The interpreter in hostile state: anything may happen, but only to the guest.
 * LINKS: lib cpu
 * SYSLIBS:
 */
#include "log.h"
#include "tests/host/event.h"

extern enum log_level fake_log_level; /* tests/host/fake.c */

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
	m->v.intr = rnd() & 1 ? INTR_WAITING : 0;
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
	return test_end("hostile");
}
