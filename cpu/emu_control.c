/* SPDX-License-Identifier: MIT */
/*
 * Control registers: MOV CR, CLTS, LMSW, SMSW, the PDPTE registers, and the
 * way into and out of IA-32e mode. The rules that make a value #GP are here,
 * and so is what each change means to the engine (enum mode_change).
 */
#include "cpu/control.h"

#include "cpu/cpuid.h"
#include "cpu/emu_internal.h"

#define CR0_KNOWN                                                         \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP |   \
	 CR0_AM | CR0_NW | CR0_CD | CR0_PG)
#define CR0_PAGING (CR0_PG | CR0_WP)
#define CR4_PAGING (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP)
/* Changes of these reload the PDPTEs. */
#define CR0_PDPTES (CR0_CD | CR0_NW | CR0_PG)
#define CR4_PDPTES (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)
#define MSW 0xfu /* what LMSW writes: PE MP EM TS */

/* --- PDPTEs --- */

static bool uses_pdptes(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA);
}

/* "PDPTE Registers": reserved bits of a present entry are #GP at the load. */
static bool read_pdptes(struct emu *e, u64 cr3, u64 pdpte[4])
{
	u64 reserved = BITS(63, cpuid_maxphyaddr()) | BITS(8, 5) | BITS(2, 1);
	unsigned i;

	e->ops->read_phys(e->ctx, GPA(cr3 & 0xffffffe0), pdpte, 32);
	for (i = 0; i < 4; i++)
		if ((pdpte[i] & PTE_P) && (pdpte[i] & reserved))
			return false;
	return true;
}

bool control_load_cr3(struct emu *e, u64 cr3)
{
	struct vcpu *v = e->v;
	u64 pdpte[4];

	if (uses_pdptes(v->cr0, v->cr4, v->efer)) {
		if (!read_pdptes(e, cr3, pdpte))
			return false;
		memcpy(v->pdpte, pdpte, sizeof(pdpte));
	}
	v->cr3 = cr3;
	e->ops->mode_changed(e->ctx, MODE_CR3);
	return true;
}

/* --- MOV CR --- */

/* CD and NW matter to paging only in that they reload the PDPTEs. */
static unsigned cr0_changes(u64 changed, bool reloaded)
{
	unsigned what = 0;

	if ((changed & CR0_PAGING) || reloaded)
		what |= MODE_PAGING;
	if (changed & ~CR0_PAGING)
		what |= MODE_OTHER;
	return what;
}

/* "Control Registers": the combinations that are #GP. */
static bool cr0_valid(u64 cr0)
{
	if ((cr0 & CR0_PG) && !(cr0 & CR0_PE))
		return false;
	return (!(cr0 & CR0_NW) || (cr0 & CR0_CD)) && !(cr0 >> 32);
}

/* "IA-32e Mode Consistency Checks": paging goes on with EFER.LME set. */
static bool may_enter_long_mode(const struct vcpu *v)
{
	return (v->cr4 & CR4_PAE) && !(v->seg[SEG_CS].ar & AR_L) &&
	       (v->seg[SEG_TR].ar & AR_TYPE) >= SYS_TSS32_AVAIL;
}

/* What IA32_EFER becomes with this CR0; false: the change is not allowed. */
static bool efer_with_cr0(const struct vcpu *v, u64 cr0, u64 *efer)
{
	bool paged = cr0 & CR0_PG;

	*efer = v->efer;
	if (paged == !!(v->cr0 & CR0_PG) || !(v->efer & EFER_LME))
		return true;
	*efer ^= EFER_LMA;
	return paged ? may_enter_long_mode(v) : !vcpu_64bit(v);
}

/* Reload v->pdpte from the current CR3; #GP(0) when they are bad. */
static bool reload_pdptes(struct emu *e)
{
	u64 pdpte[4];

	if (!read_pdptes(e, e->v->cr3, pdpte))
		return emu_gp(e, 0);
	memcpy(e->v->pdpte, pdpte, sizeof(pdpte));
	return true;
}

static bool write_cr0(struct emu *e, u64 value)
{
	struct vcpu *v = e->v;
	u64 cr0 = (value & CR0_KNOWN) | CR0_ET;
	u64 changed = cr0 ^ v->cr0, efer;
	bool reload;

	if (!cr0_valid(value) || !efer_with_cr0(v, cr0, &efer))
		return emu_gp(e, 0);
	reload = uses_pdptes(cr0, v->cr4, efer) && (changed & CR0_PDPTES);
	if (reload && !reload_pdptes(e))
		return false;
	v->cr0 = cr0;
	v->efer = efer;
	if (changed)
		e->ops->mode_changed(e->ctx, cr0_changes(changed, reload));
	return true;
}

/* Legacy modes write 32 bits; PAE ignores the rest of CR3 anyway. */
static bool write_cr3(struct emu *e, u64 value)
{
	if (value & BITS(63, cpuid_maxphyaddr()))
		return emu_gp(e, 0);
	return control_load_cr3(e, value) || emu_gp(e, 0);
}

static bool write_cr4(struct emu *e, u64 value)
{
	struct vcpu *v = e->v;
	u64 changed = value ^ v->cr4;

	if (value & ~cpuid_cr4_allowed())
		return emu_gp(e, 0);
	if (vcpu_long_mode(v) && !(value & CR4_PAE))
		return emu_gp(e, 0);
	if (uses_pdptes(v->cr0, value, v->efer) && (changed & CR4_PDPTES) &&
	    !reload_pdptes(e))
		return false;
	v->cr4 = value;
	if (changed & CR4_PAGING)
		e->ops->mode_changed(e->ctx, MODE_PAGING);
	if (changed & ~CR4_PAGING)
		e->ops->mode_changed(e->ctx, MODE_OTHER);
	return true;
}

static bool read_cr(struct emu *e, unsigned reg, u64 *value)
{
	switch (reg) {
	case 0:
		*value = e->v->cr0;
		return true;
	case 2:
		*value = e->v->cr2;
		return true;
	case 3:
		*value = e->v->cr3;
		return true;
	case 4:
		*value = e->v->cr4;
		return true;
	case 8:
		*value = e->v->cr8;
		return true;
	default:
		return emu_ud(e);
	}
}

/* No local APIC is offered, so the task priority holds nothing off. */
static bool write_cr8(struct emu *e, u64 value)
{
	if (value & ~BITS(3, 0))
		return emu_gp(e, 0);
	e->v->cr8 = value;
	return true;
}

static bool write_cr(struct emu *e, unsigned reg, u64 value)
{
	switch (reg) {
	case 0:
		return write_cr0(e, value);
	case 2:
		e->v->cr2 = value;
		return true;
	case 3:
		return write_cr3(e, value);
	case 4:
		return write_cr4(e, value);
	case 8:
		return write_cr8(e, value);
	default:
		return emu_ud(e);
	}
}

bool op_mov_cr(struct emu *e)
{
	const struct operand *dst = &e->insn.opnd[0];
	const struct operand *src = &e->insn.opnd[1];
	u64 value = 0;

	if (dst->kind == OPK_CR)
		return write_cr(e, dst->reg, emu_reg_read(e, src));
	if (!read_cr(e, src->reg, &value))
		return false;
	emu_reg_write(e, dst, value);
	return true;
}

bool op_clts(struct emu *e)
{
	if (e->v->cr0 & CR0_TS) {
		e->v->cr0 &= ~CR0_TS;
		e->ops->mode_changed(e->ctx, MODE_OTHER);
	}
	return true;
}

/* PE can be set but not cleared. */
bool op_lmsw(struct emu *e)
{
	struct operand word = e->insn.opnd[0];
	u64 value;

	word.size = 2;
	if (!emu_read_opnd(e, &word, &value))
		return false;
	value = (value & MSW) | (e->v->cr0 & (CR0_PE | ~(u64)MSW));
	return write_cr0(e, value);
}

/* Memory takes 2 bytes; a 32-bit register gets all of CR0. */
bool op_smsw(struct emu *e)
{
	struct operand o = e->insn.opnd[0];

	if (o.kind == OPK_MEM)
		o.size = 2;
	return emu_write_opnd(e, &o, e->v->cr0 & emu_size_mask(o.size));
}
