/* SPDX-License-Identifier: MIT */
/*
 * Instructions that drive the processor itself: descriptor table registers,
 * MSRs, time, identification, HLT, and the I/O permission check.
 */
#include "cpu/emu_internal.h"
#include "cpu/cpuid.h"
#include "cpu/msr.h"
#include "cpu/segment.h"

/* --- GDTR, IDTR --- */

/* Bytes of base in a table operand. */
static unsigned base_size(const struct emu *e)
{
	return vcpu_64bit(e->v) ? 8 : 4;
}

/* Outside 64-bit mode a 16-bit operand size loads 24 bits of base. */
static bool load_table(struct emu *e, struct dtable *t)
{
	const struct insn *i = &e->insn;
	u64 ea = emu_ea(e), limit = 0, base = 0;
	u64 base_ea = (ea + 2) & emu_size_mask(i->addr_size);

	if (!i->has_mem)
		return emu_ud(e);
	if (!emu_read_mem(e, i->seg, ea, &limit, 2) ||
	    !emu_read_mem(e, i->seg, base_ea, &base, base_size(e)))
		return false;
	if (!vcpu_64bit(e->v) && i->op_size == 2)
		base &= 0xffffff;
	if (!is_canonical(base))
		return emu_gp(e, 0);
	t->limit = limit;
	t->base = base;
	return true;
}

/* The whole base is stored, whatever the operand size. */
static bool store_table(struct emu *e, const struct dtable *t)
{
	const struct insn *i = &e->insn;
	u64 ea = emu_ea(e);
	u64 base_ea = (ea + 2) & emu_size_mask(i->addr_size);
	unsigned size = base_size(e);

	if (!i->has_mem)
		return emu_ud(e);
	return emu_probe_mem(e, i->seg, base_ea, size) &&
	       emu_write_mem(e, i->seg, ea, &t->limit, 2) &&
	       emu_write_mem(e, i->seg, base_ea, &t->base, size);
}

bool op_lgdt(struct emu *e)
{
	return load_table(e, &e->v->gdtr);
}

bool op_lidt(struct emu *e)
{
	return load_table(e, &e->v->idtr);
}

bool op_sgdt(struct emu *e)
{
	return store_table(e, &e->v->gdtr);
}

bool op_sidt(struct emu *e)
{
	return store_table(e, &e->v->idtr);
}

/* --- Interrupt flag, HLT --- */

/* No VME and no PVI, so only IOPL decides. */
static bool may_change_if(const struct vcpu *v)
{
	return v->cpl <= vcpu_iopl(v);
}

bool op_cli(struct emu *e)
{
	if (!may_change_if(e->v))
		return emu_gp(e, 0);
	e->v->rflags &= ~EFLAGS_IF;
	return true;
}

bool op_sti(struct emu *e)
{
	struct vcpu *v = e->v;

	if (!may_change_if(v))
		return emu_gp(e, 0);
	if (!(v->rflags & EFLAGS_IF))
		v->shadow = SHADOW_STI;
	v->rflags |= EFLAGS_IF;
	return true;
}

bool op_hlt(struct emu *e)
{
	e->v->activity = ACT_HALTED;
	return true;
}

/* --- Caches and TLB: caches are not modelled --- */

bool op_invd(struct emu *e)
{
	return true;
}

bool op_wbinvd(struct emu *e)
{
	return true;
}

/* No address faults; one that is not canonical has no translation. */
bool op_invlpg(struct emu *e)
{
	const struct insn *i = &e->insn;
	u64 base = e->v->seg[i->seg].base, linear = emu_ea(e);

	if (!i->has_mem)
		return emu_ud(e);
	if (!vcpu_64bit(e->v))
		linear = (u32)(base + linear);
	else if (i->seg >= SEG_FS)
		linear += base;
	if (is_canonical(linear))
		e->ops->invlpg(e->ctx, GVA(linear));
	return true;
}

/* --- MSRs, time, identification --- */

static void write_edx_eax(struct vcpu *v, u64 value)
{
	emu_gpr_write(v, R_AX, 4, value);
	emu_gpr_write(v, R_DX, 4, value >> 32);
}

bool op_rdmsr(struct emu *e)
{
	u64 value;

	if (!msr_read(e, e->v->gpr[R_CX], &value))
		return emu_gp(e, 0);
	write_edx_eax(e->v, value);
	return true;
}

bool op_wrmsr(struct emu *e)
{
	const u64 *gpr = e->v->gpr;
	u64 value = (u64)(u32)gpr[R_DX] << 32 | (u32)gpr[R_AX];

	return msr_write(e, gpr[R_CX], value) || emu_gp(e, 0);
}

static bool read_tsc(struct emu *e)
{
	struct vcpu *v = e->v;

	if ((v->cr4 & CR4_TSD) && v->cpl)
		return emu_gp(e, 0);
	write_edx_eax(v, e->ops->host_tsc(e->ctx) + v->tsc_offset);
	return true;
}

bool op_rdtsc(struct emu *e)
{
	return read_tsc(e);
}

bool op_rdtscp(struct emu *e)
{
	if (!cpuid_has(FEAT_RDTSCP))
		return emu_ud(e);
	if (!read_tsc(e))
		return false;
	emu_gpr_write(e->v, R_CX, 4, e->v->tsc_aux);
	return true;
}

/* No performance counter is offered, so every index is a bad one. */
bool op_rdpmc(struct emu *e)
{
	return emu_gp(e, 0);
}

bool op_cpuid(struct emu *e)
{
	struct vcpu *v = e->v;
	struct cpuid_regs r;

	cpuid_query(v->gpr[R_AX], v->gpr[R_CX], &r);
	/* Intel's processors tell of SYSCALL where it can be used. */
	if ((u32)v->gpr[R_AX] == 0x80000001 && !cpuid_is_amd() &&
	    !vcpu_64bit(v))
		r.edx &= ~(u32)BIT(FEAT_SYSCALL % 32);
	emu_gpr_write(v, R_AX, 4, r.eax);
	emu_gpr_write(v, R_BX, 4, r.ebx);
	emu_gpr_write(v, R_CX, 4, r.ecx);
	emu_gpr_write(v, R_DX, 4, r.edx);
	return true;
}

/* --- The flag that lets the supervisor at user pages --- */

/* In virtual-8086 mode the CPL is 3. */
static bool write_ac(struct emu *e, u64 ac)
{
	if (e->v->cpl || !cpuid_has(FEAT_SMAP))
		return emu_ud(e);
	e->v->rflags = (e->v->rflags & ~EFLAGS_AC) | ac;
	return true;
}

bool op_clac(struct emu *e)
{
	return write_ac(e, 0);
}

bool op_stac(struct emu *e)
{
	return write_ac(e, EFLAGS_AC);
}

/* --- What is not offered --- */

/* Outside system-management mode. */
bool op_rsm(struct emu *e)
{
	return emu_ud(e);
}

/* --- I/O permission --- */

#define TSS_IO_MAP 0x66

/*
 * The bits of all `size` ports must be clear in the 32- or 64-bit TSS's map. Two
 * bytes are read, as the processor does, so both must be within the limit.
 */
static bool bitmap_allows(struct emu *e, u16 port, unsigned size)
{
	const struct segment *tr = &e->v->seg[SEG_TR];
	u16 map, bits;
	u32 offset;

	if ((tr->ar & AR_UNUSABLE) || !(tr->ar & 8) ||
	    tr->limit < TSS_IO_MAP + 1)
		return emu_gp(e, 0);
	if (!emu_read_lin(e, seg_table_at(e->v, tr->base, TSS_IO_MAP), &map,
			  2, ACC_IMPLICIT))
		return false;
	offset = map + port / 8;
	if (offset + 1 > tr->limit)
		return emu_gp(e, 0);
	if (!emu_read_lin(e, seg_table_at(e->v, tr->base, offset), &bits, 2,
			  ACC_IMPLICIT))
		return false;
	if (bits >> port % 8 & ((1u << size) - 1))
		return emu_gp(e, 0);
	return true;
}

bool emu_io_allowed(struct emu *e, u16 port, unsigned size)
{
	const struct vcpu *v = e->v;

	if (!vcpu_protected(v))
		return true;
	if (!vcpu_vm86(v) && v->cpl <= vcpu_iopl(v))
		return true;
	return bitmap_allows(e, port, size);
}
