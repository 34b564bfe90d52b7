/* SPDX-License-Identifier: MIT */
/*
 * Flags by privilege, the I/O bitmap, control registers, MSRs, CPUID and the
 * like: rows of one instruction each, with the fault that it must raise or the
 * state that it must leave.
 * LINKS: lib cpu
 * SYSLIBS:
 */
#include "tests/host/machine.h"

#include "cpu/cpuid.h"
#include "cpu/msr.h"

/* --- Flags by CPL and IOPL --- */

static void test_popf_matrix(void)
{
	unsigned cpl, iopl;

	for (cpl = 0; cpl < 4; cpl++) {
		if (cpl == 2)
			continue;
		for (iopl = 0; iopl < 4; iopl++) {
			u64 all = 0x7fd7 | EFLAGS_AC | EFLAGS_ID, want;

			machine_reset();
			set_cpl(cpl);
			m->v.rflags = 2 | iopl << 12;
			m->v.gpr[R_SP] -= 4;
			put32(m->v.gpr[R_SP], 0xffffffff);
			CHECK(RUN(0x9d));
			want = all;
			if (cpl > iopl)
				want &= ~EFLAGS_IF;
			if (cpl)
				want = (want & ~EFLAGS_IOPL) | iopl << 12;
			CHECK(m->v.rflags == want, "cpl %u iopl %u: %llx", cpl,
			      iopl, (unsigned long long)m->v.rflags);

			machine_reset();
			set_cpl(cpl);
			m->v.rflags = 2 | iopl << 12;
			CHECK(RUN(0xfb) == (cpl <= iopl)); /* sti */
			CHECK(m->v.shadow == (cpl <= iopl ? SHADOW_STI : 0));
			m->v.rip = CODE;
			CHECK(RUN(0xfa) == (cpl <= iopl)); /* cli */
			m->v.rip = CODE;
			CHECK(RUN(0xec) == (cpl <= iopl) || !m->v.gpr[R_DX]);
		}
	}
	/* PUSHF never shows VM or RF; VM86 needs IOPL 3. */
	machine_reset();
	m->v.rflags |= EFLAGS_RF;
	CHECK(RUN(0x9c));
	CHECK(get32(STACK0 - 4) == 2);
	machine_reset();
	set_vm86(3);
	CHECK(RUN(0x66, 0x9c));
	CHECK(get32(0x280fc) == 0x3002);
	machine_reset();
	set_vm86(2);
	RUN(0x9c);
	check_fault("pushf vm86", VEC_GP, 0);
}

static void test_io_bitmap(void)
{
	static const struct {
		const char *name;
		u8 map[4];  /* at TSS + 60h, ports 0.. */
		u32 limit;
		u16 base;
		u16 port;
		u8 opcode;  /* ec in al,dx; ed in eax,dx */
		bool allowed;
	} rows[] = {
		{ "clear", { 0, 0, 0xff }, 0x6a, 0x68, 4, 0xec, 1 },
		{ "set", { 0x10, 0, 0xff }, 0x6a, 0x68, 4, 0xec, 0 },
		{ "dword over a set bit", { 0x80, 0, 0xff }, 0x6a, 0x68, 4,
		  0xed, 0 },
		{ "dword in the next byte", { 0, 1, 0xff }, 0x6a, 0x68, 6,
		  0xed, 0 },
		{ "dword clear", { 0, 2, 0xff }, 0x6a, 0x68, 5, 0xed, 1 },
		{ "last byte beyond limit", { 0, 0 }, 0x69, 0x68, 8, 0xec, 0 },
		{ "second byte at limit", { 0, 0 }, 0x69, 0x68, 7, 0xec, 1 },
		{ "map at limit", { 0 }, 0x67, 0x68, 0, 0xec, 0 },
		{ "no map word", { 0 }, 0x66, 0x50, 0, 0xec, 0 },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_reset();
		set_cpl(3);
		memcpy(m->mem + TSS_NOW + 0x68, rows[i].map, 4);
		put16(TSS_NOW + 0x66, rows[i].base);
		m->v.seg[SEG_TR].limit = rows[i].limit;
		m->v.gpr[R_DX] = rows[i].port;
		RUN(rows[i].opcode);
		check_fault(rows[i].name,
			    rows[i].allowed ? NO_FAULT : VEC_GP, 0);
	}
}

/* --- Control registers, MSRs, CPUID --- */

static void test_cr_writes(void)
{
	static const struct {
		const char *name;
		u8 cr;
		u64 before_cr0, before_cr4;
		u32 value;
		int vector;
		u64 after;
		unsigned changed;
	} rows[] = {
		{ "pg without pe", 0, 0x10, 0, 0x80000010, VEC_GP, 0x10, 0 },
		{ "nw without cd", 0, 0x11, 0, 0x20000011, VEC_GP, 0x11, 0 },
		{ "pg", 0, 0x11, 0, 0x80000011, NO_FAULT, 0x80000011,
		  MODE_PAGING },
		{ "reserved bits vanish, et stays", 0, 0x11, 0, 0x0fffffc1,
		  NO_FAULT, 0x50011, MODE_PAGING | MODE_OTHER },
		{ "ts", 0, 0x11, 0, 0x19, NO_FAULT, 0x19, MODE_OTHER },
		{ "same", 0, 0x11, 0, 0x11, NO_FAULT, 0x11, 0 },
		{ "cr4 pse", 4, 0x11, 0, 0x10, NO_FAULT, 0x10, MODE_PAGING },
		{ "cr4 tsd", 4, 0x11, 0, 4, NO_FAULT, 4, MODE_OTHER },
		{ "cr4 vme", 4, 0x11, 0, 1, VEC_GP, 0, 0 },
		{ "cr4 bit 31", 4, 0x11, 0, 0x80000000, VEC_GP, 0, 0 },
		{ "cr4 vmxe", 4, 0x11, 0, 0x2000, VEC_GP, 0, 0 },
		{ "cr3", 3, 0x11, 0, 0xfffff018, NO_FAULT, 0xfffff018,
		  MODE_CR3 },
		{ "cr2", 2, 0x11, 0, 0x1234, NO_FAULT, 0x1234, 0 },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 *cr[] = { &m->v.cr0, NULL, &m->v.cr2, &m->v.cr3,
			      &m->v.cr4 };

		machine_reset();
		m->v.cr0 = rows[i].before_cr0;
		m->v.cr4 = rows[i].before_cr4;
		m->v.gpr[R_AX] = rows[i].value;
		RUN(0x0f, 0x22, 0xc0 | rows[i].cr << 3);
		check_fault(rows[i].name, rows[i].vector, 0);
		CHECK(*cr[rows[i].cr] == rows[i].after, "%s: %llx",
		      rows[i].name, (unsigned long long)*cr[rows[i].cr]);
		CHECK(m->changed == rows[i].changed, "%s: %x", rows[i].name,
		      m->changed);
	}
	machine_reset();
	set_cpl(3);
	RUN(0x0f, 0x20, 0xc0);
	check_fault("mov eax, cr0 at 3", VEC_GP, 0);
	machine_reset();
	m->v.gpr[R_AX] = 0xfffe;
	CHECK(RUN(0x0f, 0x01, 0xf0)); /* lmsw */
	CHECK(m->v.cr0 == 0x1f, "PE stays: %llx",
	      (unsigned long long)m->v.cr0);
	CHECK(RUN(0x90));
	m->v.rip = CODE;
	CHECK(RUN(0x0f, 0x06)); /* clts */
	CHECK(m->v.cr0 == 0x17);
}

static void test_pdptes(void)
{
	static const u64 bad[] = { 0x3003, 0x3021, BIT(36) | 1, BIT(63) | 1 };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(bad) + 1; i++) {
		u64 entry = i < ARRAY_SIZE(bad) ? bad[i] : 0x3019;
		bool good = i == ARRAY_SIZE(bad);

		machine_reset();
		m->v.cr4 = CR4_PAE;
		m->v.cr3 = 0x7020;
		memcpy(m->mem + 0x7028, &entry, 8);
		m->v.gpr[R_AX] = 0x80000011;
		CHECK(RUN(0x0f, 0x22, 0xc0) == good, "pg, entry %u", i);
		CHECK(m->v.pdpte[1] == (good ? entry : 0));
		CHECK(m->v.cr0 == (good ? 0x80000011 : 0x11));

		machine_reset();
		m->v.cr0 |= CR0_PG;
		m->v.cr4 = CR4_PAE;
		memcpy(m->mem + 0x7028, &entry, 8);
		m->v.gpr[R_AX] = 0x7020;
		CHECK(RUN(0x0f, 0x22, 0xd8) == good, "cr3, entry %u", i);
		CHECK(m->v.cr3 == (good ? 0x7020 : 0));
	}
}

static void test_msrs(void)
{
	static const struct {
		const char *name;
		u32 index;
		u64 value;
		bool ok;
	} rows[] = {
		{ "sysenter cs", MSR_IA32_SYSENTER_CS, 8, true },
		{ "sysenter eip high", MSR_IA32_SYSENTER_EIP, BIT(32), false },
		{ "pat", MSR_IA32_PAT, 0x0007010600070406, true },
		{ "pat type 2", MSR_IA32_PAT, 0x0207040600070406, false },
		{ "pat type 8", MSR_IA32_PAT, 8, false },
		{ "efer nxe", MSR_IA32_EFER, EFER_NXE, true },
		{ "efer sce", MSR_IA32_EFER, EFER_SCE, false },
		{ "efer lme", MSR_IA32_EFER, EFER_LME, false },
		{ "apic base", MSR_IA32_APIC_BASE, 0xfee00900, false },
		{ "apic base same", MSR_IA32_APIC_BASE, 0xfee00100, true },
		{ "unknown", 0x12345, 0, false },
		{ "mtrrcap", MSR_IA32_MTRRCAP, 0, false },
		{ "tsc aux", MSR_IA32_TSC_AUX, 0, false },
		{ "microcode", MSR_IA32_BIOS_SIGN_ID, 0, true },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_reset();
		m->v.gpr[R_CX] = rows[i].index;
		m->v.gpr[R_AX] = (u32)rows[i].value;
		m->v.gpr[R_DX] = rows[i].value >> 32;
		RUN(0x0f, 0x30);
		check_fault(rows[i].name, rows[i].ok ? NO_FAULT : VEC_GP, 0);
		if (!rows[i].ok)
			continue;
		m->v.gpr[R_AX] = m->v.gpr[R_DX] = ~0u;
		m->v.rip = CODE;
		CHECK(RUN(0x0f, 0x32), "%s", rows[i].name);
		CHECK((m->v.gpr[R_DX] << 32 | m->v.gpr[R_AX]) == rows[i].value,
		      "%s", rows[i].name);
	}
	/* Time: the offset, TSD, and a write. */
	machine_reset();
	m->tsc = 0x500000000;
	m->v.tsc_offset = 0x10;
	CHECK(RUN(0x0f, 0x31));
	CHECK(m->v.gpr[R_DX] == 5 && m->v.gpr[R_AX] == 0x10);
	m->v.rip = CODE;
	m->v.gpr[R_CX] = MSR_IA32_TSC;
	m->v.gpr[R_DX] = 0;
	m->v.gpr[R_AX] = 7;
	CHECK(RUN(0x0f, 0x30) && m->changed == MODE_TSC);
	m->v.rip = CODE;
	CHECK(RUN(0x0f, 0x31) && m->v.gpr[R_AX] == 7 && !m->v.gpr[R_DX]);
	machine_reset();
	m->v.cr4 = CR4_TSD;
	CHECK(RUN(0x0f, 0x31));
	set_cpl(3);
	m->v.rip = CODE;
	RUN(0x0f, 0x31);
	check_fault("rdtsc with tsd", VEC_GP, 0);
}

/* A host with everything: only what the policy names may come through. */
static void full_host(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	*r = (struct cpuid_regs){ ~0u, ~0u, ~0u, ~0u };
	if (leaf == 0)
		*r = (struct cpuid_regs){ 0x1b, 0x756e6547, 0x6c65746e,
					  0x49656e69 };
	if (leaf == 0x80000000)
		r->eax = 0x80000008;
}

/* A Pentium: no extended leaves. */
static void old_host(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	full_host(leaf, subleaf, r);
	if (leaf == 0)
		r->eax = 1;
	if (leaf == 1)
		*r = (struct cpuid_regs){ 0x52c, 0, 0, 0x1bf };
	if (leaf & 0x80000000)
		r->eax = 0x52c;
}

static void amd_host(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	full_host(leaf, subleaf, r);
	if (leaf == 0)
		*r = (struct cpuid_regs){ 0xd, 0x68747541, 0x444d4163,
					  0x69746e65 };
}

/* Kernels read these without asking CPUID for more than the vendor. */
static void test_amd_msrs(void)
{
	static const struct cpuid_host amd = { amd_host };
	static const struct { u32 index, value; } rows[] = {
		{ 0xc0010010, 0 }, { 0xc0010015, BIT(24) },
		{ 0xc001001f, 0 }, { 0xc0010055, 0 },
	};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		u32 index = rows[i / 2].index, value = rows[i / 2].value;

		cpuid_policy_init(i & 1 ? &amd : NULL, CPUID_POLICY_32);
		machine_reset();
		m->v.gpr[R_CX] = index;
		m->v.gpr[R_AX] = m->v.gpr[R_DX] = ~0u;
		RUN(0x0f, 0x32);
		check_fault("AMD's register", i & 1 ? NO_FAULT : VEC_GP, 0);
		if (i & 1)
			CHECK(m->v.gpr[R_AX] == value && !m->v.gpr[R_DX],
			      "%x", index);
	}
	/* Kernels of that family turn HWCR's TLB flush filter off. */
	for (unsigned bit = 0; bit < 64; bit++) {
		u64 value = BIT(24) ^ BIT(bit);

		machine_reset();
		m->v.gpr[R_CX] = 0xc0010015;
		m->v.gpr[R_AX] = (u32)value;
		m->v.gpr[R_DX] = value >> 32;
		RUN(0x0f, 0x30);
		check_fault("HWCR", bit == 6 ? NO_FAULT : VEC_GP, 0);
	}
	cpuid_policy_init(NULL, CPUID_POLICY_32);
}

static void test_cpuid(void)
{
	static const struct cpuid_host full = { full_host }, old = { old_host };
	struct cpuid_regs r;

	cpuid_policy_init(&full, CPUID_POLICY_32);
	cpuid_query(0, 0, &r);
	CHECK(r.eax == 4 && r.ebx == 0x756e6547);
	cpuid_query(1, 0, &r);
	CHECK(r.edx == 0x0789a97d, "%x", r.edx);
	CHECK(r.ecx == 0x00980201, "%x", r.ecx);
	CHECK(r.ebx == 0xff00);
	cpuid_query(0x80000001, 0, &r);
	CHECK(r.edx == BIT(20) && r.ecx == 0);
	cpuid_query(0x80000008, 0, &r);
	CHECK(r.eax == 0x2024);
	CHECK(cpuid_maxphyaddr() == 36);
	CHECK(!cpuid_has(FEAT_LM) && cpuid_has(FEAT_NX));
	CHECK(!(cpuid_cr4_allowed() & (CR4_SMEP | CR4_SMAP)));
	cpuid_policy_init(&full, CPUID_POLICY_64);
	CHECK(cpuid_has(FEAT_LM) && cpuid_has(FEAT_SYSCALL));
	CHECK(!cpuid_has(FEAT_SMEP) && !cpuid_has(FEAT_SMAP));
	cpuid_policy_init(&old, CPUID_POLICY_32);
	CHECK(!cpuid_has(FEAT_NX) && !cpuid_has(FEAT_PAT));
	CHECK(!(cpuid_cr4_allowed() & (CR4_PGE | CR4_OSFXSR)));
	CHECK(cpuid_cr4_allowed() & CR4_PSE);
	CHECK(cpuid_efer_allowed() == 0);
	cpuid_policy_init(NULL, CPUID_POLICY_32);
}

/* The stand-in's SSE runs on whatever x86-64 CPU there is: SSE2 is the last. */
static void test_cpuid_stand_in(void)
{
	static const struct { unsigned policy; u32 ecx, ext_edx; } rows[] = {
		{ CPUID_POLICY_32, 0, BIT(20) },
		{ CPUID_POLICY_64, BIT(13), BIT(11) | BIT(20) | BIT(29) },
		{ CPUID_POLICY_32 | CPUID_POLICY_GUARDS, 0, BIT(20) },
	};
	struct cpuid_regs r;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		cpuid_policy_init(NULL, rows[i].policy);
		cpuid_query(0, 0, &r);
		CHECK(r.eax == 2, "leaf %u is the last", r.eax);
		cpuid_query(1, 0, &r);
		CHECK(r.ecx == rows[i].ecx, "row %u: %x", i, r.ecx);
		CHECK(r.edx == 0x0789a97d, "row %u: %x", i, r.edx);
		cpuid_query(0x80000001, 0, &r);
		CHECK(r.edx == rows[i].ext_edx, "row %u: %x", i, r.edx);
		CHECK(!cpuid_has(FEAT_POPCNT));
	}
	cpuid_policy_init(NULL, CPUID_POLICY_32);
}

/* Leaf 7 comes with SMEP and SMAP, and holds nothing else. */
static void test_cpuid_guards(void)
{
	static const struct cpuid_host full = { full_host }, old = { old_host };
	struct cpuid_regs r;

	cpuid_policy_init(&full, CPUID_POLICY_32 | CPUID_POLICY_GUARDS);
	cpuid_query(0, 0, &r);
	CHECK(r.eax == 7);
	cpuid_query(7, 0, &r);
	CHECK(!r.eax && r.ebx == (BIT(7) | BIT(20)) && !r.ecx && !r.edx);
	for (u32 leaf = 5; leaf < 7; leaf++) {
		cpuid_query(leaf, 0, &r);
		CHECK(!(r.eax | r.ebx | r.ecx | r.edx), "leaf %u", leaf);
	}
	CHECK(cpuid_has(FEAT_SMEP) && cpuid_has(FEAT_SMAP));
	CHECK(cpuid_cr4_allowed() & CR4_SMEP);
	CHECK(cpuid_cr4_allowed() & CR4_SMAP);
	cpuid_policy_init(&old, CPUID_POLICY_32 | CPUID_POLICY_GUARDS);
	CHECK(!cpuid_has(FEAT_SMEP) && !cpuid_has(FEAT_SMAP));
	cpuid_policy_init(NULL, CPUID_POLICY_32);
}

/* STAC and CLAC: for CPL 0, where SMAP is offered. */
static void test_ac(void)
{
	static const struct cpuid_host full = { full_host };

	for (unsigned on = 0; on < 16; on++) {
		bool set = on & 1, user = on & 2, offered = on & 4;
		u64 before = on & 8 ? EFLAGS_AC : 0;
		bool ok = offered && !user;

		cpuid_policy_init(&full, offered ? CPUID_POLICY_GUARDS :
						   CPUID_POLICY_32);
		machine_reset();
		set_cpl(user ? 3 : 0);
		m->v.rflags |= before;
		RUN(0x0f, 0x01, set ? 0xcb : 0xca);
		check_fault("stac, clac", ok ? NO_FAULT : VEC_UD, 0);
		CHECK((m->v.rflags & EFLAGS_AC) ==
			      (!ok ? before : set ? EFLAGS_AC : 0),
		      "combination %u", on);
	}
	cpuid_policy_init(NULL, CPUID_POLICY_32);
}

static void test_tables_and_sysenter(void)
{
	machine_reset();
	put16(0x6000, 0x1234);
	put32(0x6002, 0xabcdef01);
	m->v.gpr[R_BX] = 0x6000;
	CHECK(RUN(0x0f, 0x01, 0x1b)); /* lidt [ebx] */
	CHECK(m->v.idtr.limit == 0x1234 && m->v.idtr.base == 0xabcdef01);
	m->v.rip = CODE;
	CHECK(RUN(0x66, 0x0f, 0x01, 0x1b));
	CHECK(m->v.idtr.base == 0xcdef01, "24 bits");
	m->v.idtr.base = 0xabcdef01;
	m->v.gpr[R_BX] = 0x6010;
	m->v.rip = CODE;
	set_cpl(3);
	CHECK(RUN(0x0f, 0x01, 0x0b)); /* sidt at CPL 3 */
	CHECK(get16(0x6010) == 0x1234 && get32(0x6012) == 0xabcdef01);

	machine_reset();
	set_cpl(3);
	RUN(0x0f, 0x34);
	check_fault("sysenter without cs", VEC_GP, 0);
	m->v.sysenter_cs = 0x08;
	m->v.sysenter_esp = STACK0;
	m->v.sysenter_eip = HANDLER;
	m->v.rflags |= EFLAGS_IF;
	CHECK(RUN(0x0f, 0x34));
	CHECK(m->v.cpl == 0 && m->v.rip == HANDLER);
	CHECK(m->v.gpr[R_SP] == STACK0 && !(m->v.rflags & EFLAGS_IF));
	CHECK(m->v.seg[SEG_CS].sel == 8 && m->v.seg[SEG_SS].sel == 0x10);
	m->v.rip = CODE;
	m->v.gpr[R_CX] = STACK3;
	m->v.gpr[R_DX] = 0x5000;
	CHECK(RUN(0x0f, 0x35));
	CHECK(m->v.cpl == 3 && m->v.rip == 0x5000);
	CHECK(m->v.seg[SEG_CS].sel == 0x1b && m->v.seg[SEG_SS].sel == 0x23);
	m->v.rip = CODE;
	RUN(0x0f, 0x35);
	check_fault("sysexit at 3", VEC_GP, 0);

	machine_reset();
	m->v.gpr[R_AX] = 0x1234;
	CHECK(RUN(0x0f, 0x01, 0x38) && m->invlpg == 0x1234); /* invlpg [eax] */
	CHECK(RUN(0x90) || true);
	m->v.rip = CODE;
	RUN(0x0f, 0xaa);
	check_fault("rsm", VEC_UD, 0);
}

int main(void)
{
	test_popf_matrix();
	test_io_bitmap();
	test_cr_writes();
	test_pdptes();
	test_msrs();
	test_amd_msrs();
	test_cpuid();
	test_cpuid_stand_in();
	test_cpuid_guards();
	test_ac();
	test_tables_and_sysenter();
	return test_end("system");
}
