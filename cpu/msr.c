/* SPDX-License-Identifier: MIT */
/*
 * MSR policy: one row per register says where it lives, which bits a write may
 * set and what else a write must satisfy. An index without a row is #GP(0), as
 * is a write that changes a bit outside the mask.
 */
#include "cpu/msr.h"

#include "cpu/cpuid.h"
#include "log.h"

#define ALWAYS   0  /* no row depends on feature 0, the FPU */
#define AMD_ONLY -1
#define EFER_ANY -2 /* with any feature that has a bit there */
#define LOW_HALF BITS(31, 0)

/* AMD's, in the BIOS and Kernel Developer's Guides. */
#define MSR_AMD_SYSCFG      0xc0010010u
#define MSR_AMD_HWCR        0xc0010015u
#define MSR_AMD_NB_CFG      0xc001001fu
#define MSR_AMD_INT_PENDING 0xc0010055u

struct msr_row {
	u32 index;
	const char *name;
	int feature;      /* FEAT_* that it comes with; ALWAYS, AMD_ONLY */
	u16 offset;       /* of the u64 in struct vcpu; 0: reads zero */
	u64 writable;     /* bits that a write may change */
	bool address;     /* must be canonical; 32 bits wide without long mode */
	u64 (*read)(struct emu *e);            /* instead of the field */
	bool (*write)(struct emu *e, u64 value); /* checks, then acts */
};

static u64 read_tsc(struct emu *e)
{
	return e->ops->host_tsc(e->ctx) + e->v->tsc_offset;
}

static bool write_tsc(struct emu *e, u64 value)
{
	e->v->tsc_offset = value - e->ops->host_tsc(e->ctx);
	e->ops->mode_changed(e->ctx, MODE_TSC);
	return true;
}

/* Each byte is a memory type: UC, WC, WT, WP, WB or UC-. */
static bool write_pat(struct emu *e, u64 value)
{
	unsigned i;

	for (i = 0; i < 64; i += 8) {
		u8 type = value >> i;

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	e->v->pat = value;
	e->ops->mode_changed(e->ctx, MODE_OTHER);
	return true;
}

/* LMA belongs to the processor; LME must not change while paging is on. */
static bool write_efer(struct emu *e, u64 value)
{
	struct vcpu *v = e->v;
	u64 old = v->efer;

	if (value & ~(cpuid_efer_allowed() | EFER_LMA))
		return false;
	if ((v->cr0 & CR0_PG) && ((value ^ old) & EFER_LME))
		return false;
	v->efer = (value & ~EFER_LMA) | (old & EFER_LMA);
	if ((v->efer ^ old) & EFER_NXE)
		e->ops->mode_changed(e->ctx, MODE_PAGING);
	if ((v->efer ^ old) & ~EFER_NXE)
		e->ops->mode_changed(e->ctx, MODE_OTHER);
	return true;
}

/* TscFreqSel: the TSC does not follow the processor's frequency. */
static u64 read_hwcr(struct emu *e)
{
	return BIT(24);
}

/* The microcode revision: the guest clears it, runs CPUID, reads it. */
static bool write_ignored(struct emu *e, u64 value)
{
	return true;
}

#define FIELD(f) offsetof(struct vcpu, f)

#define ROW(reg, ...) \
	{ .index = MSR_IA32_##reg, .name = #reg, __VA_ARGS__ }
#define ADDRESS_ROW(reg, with, field)                                     \
	ROW(reg, .feature = with, .offset = FIELD(field),                 \
	    .writable = ~0ull, .address = true)

static const struct msr_row msr_rows[] = {
	ROW(TSC, .feature = FEAT_TSC, .writable = ~0ull, .read = read_tsc,
	    .write = write_tsc),
	ROW(PLATFORM_ID, .feature = ALWAYS),
	ROW(APIC_BASE, .offset = FIELD(apic_base)),
	ROW(BIOS_SIGN_ID, .writable = ~0ull, .write = write_ignored),
	ROW(SYSENTER_CS, .feature = FEAT_SEP, .offset = FIELD(sysenter_cs),
	    .writable = LOW_HALF),
	ADDRESS_ROW(SYSENTER_ESP, FEAT_SEP, sysenter_esp),
	ADDRESS_ROW(SYSENTER_EIP, FEAT_SEP, sysenter_eip),
	ROW(MISC_ENABLE, .offset = FIELD(misc_enable),
	    .writable = BIT(0) /* fast strings */),
	ROW(DEBUGCTL, .feature = ALWAYS),
	ROW(PAT, .feature = FEAT_PAT, .offset = FIELD(pat),
	    .writable = ~0ull, .write = write_pat),
	ROW(EFER, .feature = EFER_ANY, .offset = FIELD(efer),
	    .writable = ~0ull, .write = write_efer),
	ROW(STAR, .feature = FEAT_LM, .offset = FIELD(star), .writable = ~0ull),
	ADDRESS_ROW(LSTAR, FEAT_LM, lstar),
	ADDRESS_ROW(CSTAR, FEAT_LM, cstar),
	ROW(FMASK, .feature = FEAT_LM, .offset = FIELD(fmask),
	    .writable = LOW_HALF),
	ADDRESS_ROW(FS_BASE, FEAT_LM, seg[SEG_FS].base),
	ADDRESS_ROW(GS_BASE, FEAT_LM, seg[SEG_GS].base),
	ADDRESS_ROW(KERNEL_GS_BASE, FEAT_LM, kernel_gs_base),
	ROW(TSC_AUX, .feature = FEAT_RDTSCP, .offset = FIELD(tsc_aux),
	    .writable = LOW_HALF),
	{ .index = MSR_AMD_HWCR, .name = "HWCR", .feature = AMD_ONLY,
	  .writable = BIT(6) /* FFDIS; no flush filter to turn off */,
	  .read = read_hwcr, .write = write_ignored },
	/* No extended MTRRs, no northbridge, no C1E state: all zero. */
	{ .index = MSR_AMD_SYSCFG, .name = "SYSCFG", .feature = AMD_ONLY },
	{ .index = MSR_AMD_NB_CFG, .name = "NB_CFG", .feature = AMD_ONLY },
	{ .index = MSR_AMD_INT_PENDING, .name = "INT_PENDING",
	  .feature = AMD_ONLY },
};

static bool row_offered(const struct msr_row *r)
{
	if (r->feature == AMD_ONLY)
		return cpuid_is_amd();
	if (r->feature == EFER_ANY)
		return cpuid_efer_allowed();
	return r->feature == ALWAYS || cpuid_has(r->feature);
}

static const struct msr_row *find_row(u32 index)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(msr_rows); i++) {
		const struct msr_row *r = &msr_rows[i];

		if (r->index == index && row_offered(r))
			return r;
	}
	return NULL;
}

static u64 *row_field(struct emu *e, const struct msr_row *r)
{
	return (u64 *)((u8 *)e->v + r->offset);
}

static u64 row_value(struct emu *e, const struct msr_row *r)
{
	if (r->read)
		return r->read(e);
	return r->offset ? *row_field(e, r) : 0;
}

bool msr_read(struct emu *e, u32 index, u64 *value)
{
	const struct msr_row *r = find_row(index);

	if (!r) {
		log_debug("rdmsr %x: no such register", index);
		return false;
	}
	*value = row_value(e, r);
	return true;
}

static bool value_allowed(struct emu *e, const struct msr_row *r, u64 value)
{
	if (r->address)
		return cpuid_has(FEAT_LM) ? is_canonical(value) : !(value >> 32);
	return !~r->writable || !((value ^ row_value(e, r)) & ~r->writable);
}

bool msr_write(struct emu *e, u32 index, u64 value)
{
	const struct msr_row *r = find_row(index);

	if (!r) {
		log_debug("wrmsr %x: no such register", index);
		return false;
	}
	if (!value_allowed(e, r, value)) {
		log_debug("wrmsr %s: %llx is not allowed", r->name,
			  (unsigned long long)value);
		return false;
	}
	if (r->write)
		return r->write(e, value);
	if (r->offset)
		*row_field(e, r) = value;
	return true;
}
