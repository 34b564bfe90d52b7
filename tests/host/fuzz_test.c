/* SPDX-License-Identifier: MIT */
/*
 * Random code in random states: whatever a guest executes, the interpreter
 * neither asserts nor misuses memory (the sanitizers watch), and afterwards
 * the vcpu is still a possible processor: of 32 bits, or in IA-32e mode.
 * LINKS: lib cpu
 */
#include "cpu/cpuid.h"
#include "tests/host/machine.h"

#define ROUNDS 60000
#define STEPS  12

extern enum log_level fake_log_level;

static u64 seed = 0x2545f4914f6cdd1dull;

static u32 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed >> 16);
}

static u32 value(void)
{
	static const u32 special[] = { 0, 1, 0x7fff, 0xffff, 0x7fffffff,
				       0xffffffff, CODE, STACK0, STACK3,
				       FAULT_PAGE - 2, GDT, TSS_NOW, S_GATE,
				       S_TSS_OTHER, S_CODE3 | 3, S_TASK_GATE };

	return rnd() & 1 ? special[rnd() % ARRAY_SIZE(special)] : rnd();
}

/* Prefixes, then an opcode of any map, then noise. */
static void put_code(u32 at)
{
	static const u8 prefixes[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26,
				       0x2e, 0x36, 0x64 };
	u32 end = at + 64;

	while (at < end) {
		for (unsigned n = rnd() % 3; n; n--)
			put8(at++, prefixes[rnd() % ARRAY_SIZE(prefixes)]);
		if (rnd() % 3 == 0)
			put8(at++, 0x40 | (rnd() & 15));
		if (rnd() % 3 == 0)
			put8(at++, 0x0f);
		put8(at++, (u8)rnd());
		for (unsigned n = rnd() % 6; n; n--)
			put8(at++, rnd() % 3 ? (u8)rnd() : 0);
	}
}

/* CS and CS3 of 64 bits, CS1 of 32; gates, TSS and MSRs to match. */
static void set_long(void)
{
	static const u64 addresses[] = { CODE, HANDLER, BIT(47) - 1, ~0ull };

	put_desc(GDT + S_CODE0, 0, MAX_LIMIT, 0x9b, 0xa);
	put_desc(GDT + S_CODE3, 0, MAX_LIMIT, 0xfb, 0xa);
	for (unsigned i = 0; i < 256; i++) {
		put_gate(IDT + 16 * i, S_CODE0, HANDLER + 16 * i, 0x8e,
			 rnd() % 8 ? 0 : rnd() & 7);
		put32(IDT + 16 * i + 8, rnd() % 50 ? 0 : rnd());
		put32(IDT + 16 * i + 12, rnd() % 50 ? 0 : rnd());
	}
	for (unsigned at = 4; at < 0x60; at += 8) {
		put32(TSS_NOW + at, STACK0);
		put32(TSS_NOW + at + 4, rnd() % 10 ? 0 : rnd());
	}
	m->v.idtr.limit = 0xfff;
	m->v.cr0 |= CR0_PG;
	m->v.cr4 |= CR4_PAE;
	m->v.efer = EFER_LME | EFER_LMA | (rnd() & EFER_SCE);
	m->v.star = (u64)S_CODE0 << 32 | (u64)S_CODE3 << 48;
	m->v.lstar = addresses[rnd() % ARRAY_SIZE(addresses)];
	m->v.sysenter_cs = S_CODE0;
	m->v.sysenter_eip = CODE;
	set_cpl(rnd() % 4 == 0 ? 1 : rnd() % 2 ? 3 : 0);
	for (unsigned r = 0; r < GPR_COUNT; r++)
		if (r != R_SP || rnd() % 8 == 0)
			m->v.gpr[r] = rnd() % 4 ? value() :
				      (u64)rnd() << 32 | value();
	if (rnd() & 1)
		m->v.seg[SEG_GS].base = (u64)rnd() << 32;
	if (!vcpu_64bit(&m->v))
		m->v.gpr[R_SP] = STACK1;
}

static void set_state(void)
{
	bool wide = rnd() & 1;

	cpuid_policy_init(NULL, wide ? CPUID_POLICY_64 : CPUID_POLICY_32);
	machine_reset();
	switch (rnd() % 6) {
	case 0:
		set_real();
		break;
	case 1:
		set_vm86(rnd() & 3);
		break;
	case 2:
		set_cpl(3);
		break;
	case 3:
		load_cached(SEG_SS, S_STACK16);
		break;
	}
	for (unsigned r = 0; r < 8; r++)
		if (r != R_SP || rnd() % 4 == 0)
			m->v.gpr[r] = value();
	if (wide && vcpu_protected(&m->v) && !vcpu_vm86(&m->v))
		set_long();
	m->v.rflags |= rnd() & (EFLAGS_ARITH | EFLAGS_DF | EFLAGS_IF |
				EFLAGS_NT | EFLAGS_AC);
	if (rnd() % 4 == 0)
		m->v.rflags |= EFLAGS_IOPL;
	if (rnd() % 8 == 0)
		m->v.rflags |= EFLAGS_TF;
	if (rnd() % 8 == 0)
		m->v.cr0 |= CR0_AM | CR0_TS;
	if (rnd() % 8 == 0) {
		m->v.dr[7] |= rnd();
		m->v.dr[0] = value();
	}
	m->page_faults = rnd() & 1;
}

static bool privilege_possible(const struct vcpu *v)
{
	return v->cpl == (v->seg[SEG_SS].ar & AR_DPL) >> AR_DPL_SHIFT &&
	       v->cpl == (v->seg[SEG_CS].sel & 3);
}

static bool long_possible(const struct vcpu *v)
{
	if (!(v->cr0 & CR0_PG) || !(v->cr4 & CR4_PAE) ||
	    !(v->efer & EFER_LME) || vcpu_vm86(v))
		return false;
	if (vcpu_64bit(v) ? !is_canonical(v->rip) : v->rip >> 32)
		return false;
	return privilege_possible(v);
}

static bool possible(const struct vcpu *v)
{
	if (v->activity == ACT_SHUTDOWN)
		return true; /* perhaps half-way through a task switch */
	if (vcpu_long_mode(v))
		return long_possible(v);
	/* IA-32e mode leaves upper halves behind. */
	for (unsigned r = 0; r < 8; r++)
		if (v->gpr[r] >> 32 && !(v->efer & EFER_LME))
			return false;
	if (v->rip >> 32 || !(v->rflags & EFLAGS_MBS) || v->rflags >> 32)
		return false;
	if (!vcpu_protected(v))
		return v->cpl == 0;
	if (vcpu_vm86(v))
		return v->cpl == 3;
	return privilege_possible(v);
}

static void show(u64 rip, const u8 *bytes)
{
	printf("at %llx:", (unsigned long long)rip);
	for (unsigned i = 0; i < 15; i++)
		printf(" %02x", bytes[i]);
	printf("\n  cs %x cpl %u ss.ar %x cr0 %x flags %x rip %llx\n",
	       m->v.seg[SEG_CS].sel, m->v.cpl, m->v.seg[SEG_SS].ar,
	       (u32)m->v.cr0, (u32)m->v.rflags, (unsigned long long)m->v.rip);
}

static void run_round(void)
{
	set_state();
	put_code(CODE);
	for (unsigned i = 0; i < STEPS; i++) {
		u64 rip = m->v.rip;
		u64 linear = vcpu_code_linear(&m->v, rip);
		u8 bytes[16] = { 0 };
		bool ok;

		if (linear < MEM_SIZE - 16)
			memcpy(bytes, m->mem + linear, 16);
		if (m->v.activity != ACT_ACTIVE)
			break;
		emu_poll_events(&m->e);
		emu_step(&m->e);
		ok = possible(&m->v);
		CHECK(ok, "impossible state");
		if (!ok) {
			show(rip, bytes);
			break;
		}
	}
}

int main(void)
{
	fake_log_level = LOG_ERROR;
	for (unsigned i = 0; i < ROUNDS; i++)
		run_round();
	return test_end("fuzz");
}
