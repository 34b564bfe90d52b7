/* SPDX-License-Identifier: MIT */
/*
 * The states that a vcpu starts in. Reset is a table of what is not zero; the
 * flat 32-bit state is what both boot protocols of our loaders ask for.
 */
#include "cpu/vcpu.h"

#include "cpu/cpuid.h"
#include "lib/string.h"

/* Access rights of the hidden parts: present, accessed, DPL 0. */
#define AR_RESET_DATA (AR_P | AR_S | AR_WRITE | AR_ACCESSED)
#define AR_RESET_LDTR (AR_P | SYS_LDT)
#define AR_RESET_TR   (AR_P | SYS_TSS32_BUSY)
#define AR_FLAT_CODE  (AR_RESET_DATA | AR_CODE | AR_DB | AR_G)
#define AR_FLAT_DATA  (AR_RESET_DATA | AR_DB | AR_G)

/* Fast strings on; branch trace store and PEBS not available. */
#define MISC_ENABLE_RESET (BIT(0) | BIT(11) | BIT(12))
/* The bootstrap processor's, with the local APIC disabled. */
#define APIC_BASE_RESET 0xfee00100ull

void vcpu_reset(struct vcpu *v)
{
	struct cpuid_regs id;
	unsigned i;

	memset(v, 0, sizeof(*v));
	v->insn_stop = ~0ull;
	for (i = SEG_ES; i <= SEG_GS; i++) {
		v->seg[i].limit = 0xffff;
		v->seg[i].ar = AR_RESET_DATA;
	}
	v->seg[SEG_CS].sel = 0xf000;
	v->seg[SEG_CS].base = 0xffff0000;
	v->seg[SEG_LDTR].limit = 0xffff;
	v->seg[SEG_LDTR].ar = AR_RESET_LDTR;
	v->seg[SEG_TR].limit = 0xffff;
	v->seg[SEG_TR].ar = AR_RESET_TR;
	v->gdtr.limit = 0xffff;
	v->idtr.limit = 0xffff;

	cpuid_query(1, 0, &id);
	v->gpr[R_DX] = id.eax;
	v->rip = 0xfff0;
	v->rflags = EFLAGS_MBS;
	v->cr0 = CR0_CD | CR0_NW | CR0_ET;
	v->xcr0 = 1;
	v->dr[6] = DR6_RESET;
	v->dr[7] = DR7_RESET;
	v->pat = PAT_RESET;
	v->apic_base = APIC_BASE_RESET;
	v->misc_enable = MISC_ENABLE_RESET;
}

static void set_flat(struct segment *s, u16 sel, u32 ar)
{
	s->sel = sel;
	s->base = 0;
	s->limit = 0xffffffff;
	s->ar = ar;
}

void vcpu_reset_flat32(struct vcpu *v, u32 entry, u16 cs_sel, u16 ds_sel)
{
	unsigned i;

	vcpu_reset(v);
	for (i = SEG_ES; i <= SEG_GS; i++)
		set_flat(&v->seg[i], ds_sel, AR_FLAT_DATA);
	set_flat(&v->seg[SEG_CS], cs_sel, AR_FLAT_CODE);
	v->gpr[R_DX] = 0;
	v->rip = entry;
	v->cr0 = CR0_ET | CR0_PE;
}
