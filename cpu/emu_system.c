/* SPDX-License-Identifier: MIT */
/*
 * Instructions that drive the processor itself: descriptor table registers,
 * MSRs, time, identification, HLT, SYSENTER, and the I/O permission check.
 */
#include "cpu/emu_internal.h"
#include "cpu/cpuid.h"
#include "cpu/msr.h"
#include "cpu/segment.h"

/* --- GDTR, IDTR --- */

/* A 16-bit operand size loads 24 bits of base. */
static bool load_table(struct emu *e, struct dtable *t)
{
	const struct insn *i = &e->insn;
	u64 ea = emu_ea(e), limit = 0, base = 0;
	u64 base_ea = (ea + 2) & emu_size_mask(i->addr_size);

	if (!i->has_mem)
		return emu_ud(e);
	if (!emu_read_mem(e, i->seg, ea, &limit, 2) ||
	    !emu_read_mem(e, i->seg, base_ea, &base, 4))
		return false;
	t->limit = limit;
	t->base = i->op_size == 2 ? base & 0xffffff : base;
	return true;
}

/* All 32 bits of the base are stored, whatever the operand size. */
static bool store_table(struct emu *e, const struct dtable *t)
{
	const struct insn *i = &e->insn;
	u64 ea = emu_ea(e);
	u64 base_ea = (ea + 2) & emu_size_mask(i->addr_size);

	if (!i->has_mem)
		return emu_ud(e);
	return emu_probe_mem(e, i->seg, base_ea, 4) &&
	       emu_write_mem(e, i->seg, ea, &t->limit, 2) &&
	       emu_write_mem(e, i->seg, base_ea, &t->base, 4);
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

bool op_invlpg(struct emu *e)
{
	const struct insn *i = &e->insn;
	u64 linear = e->v->seg[i->seg].base + emu_ea(e);

	if (!i->has_mem)
		return emu_ud(e);
	e->ops->invlpg(e->ctx, GVA(vcpu_long_mode(e->v) ? linear :
							  (u32)linear));
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
	emu_gpr_write(v, R_AX, 4, r.eax);
	emu_gpr_write(v, R_BX, 4, r.ebx);
	emu_gpr_write(v, R_CX, 4, r.ecx);
	emu_gpr_write(v, R_DX, 4, r.edx);
	return true;
}

/* --- SYSENTER, SYSEXIT and what needs a mode that is not offered --- */

#define AR_FLAT (AR_P | AR_S | AR_WRITE | AR_ACCESSED | AR_DB | AR_G)

static void load_flat(struct segment *s, u16 sel, u32 type, unsigned dpl)
{
	s->sel = sel;
	s->base = 0;
	s->limit = 0xffffffff;
	s->ar = AR_FLAT | type | dpl << AR_DPL_SHIFT;
}

static bool sysenter_ready(struct emu *e)
{
	const struct vcpu *v = e->v;

	if (!cpuid_has(FEAT_SEP))
		return emu_ud(e);
	if (!vcpu_protected(v) || sel_is_null(v->sysenter_cs))
		return emu_gp(e, 0);
	return true;
}

bool op_sysenter(struct emu *e)
{
	struct vcpu *v = e->v;
	u16 cs = v->sysenter_cs & 0xfffc;

	if (!sysenter_ready(e))
		return false;
	load_flat(&v->seg[SEG_CS], cs, AR_CODE, 0);
	load_flat(&v->seg[SEG_SS], cs + 8, 0, 0);
	v->cpl = 0;
	v->rflags &= ~(EFLAGS_VM | EFLAGS_IF);
	emu_gpr_write(v, R_SP, 4, v->sysenter_esp);
	e->rip_next = (u32)v->sysenter_eip;
	return true;
}

bool op_sysexit(struct emu *e)
{
	struct vcpu *v = e->v;
	u16 cs = v->sysenter_cs & 0xfffc;

	if (!sysenter_ready(e))
		return false;
	load_flat(&v->seg[SEG_CS], (cs + 16) | 3, AR_CODE, 3);
	load_flat(&v->seg[SEG_SS], (cs + 24) | 3, 0, 3);
	v->cpl = 3;
	e->rip_next = (u32)v->gpr[R_DX];
	emu_gpr_write(v, R_SP, 4, v->gpr[R_CX]);
	return true;
}

/* SYSCALL and SYSRET exist in 64-bit mode only, as on Intel processors. */
bool op_syscall(struct emu *e)
{
	return emu_ud(e);
}

bool op_sysret(struct emu *e)
{
	return emu_ud(e);
}

/* 64-bit mode only. */
bool op_swapgs(struct emu *e)
{
	return emu_ud(e);
}

/* SMAP is not offered. */
bool op_clac(struct emu *e)
{
	return emu_ud(e);
}

bool op_stac(struct emu *e)
{
	return emu_ud(e);
}

/* Outside system-management mode. */
bool op_rsm(struct emu *e)
{
	return emu_ud(e);
}

/* --- I/O permission --- */

#define TSS_IO_MAP 0x66

/*
 * The bits of all `size` ports must be clear in the 32-bit TSS's map. Two
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
	if (!emu_read_lin(e, GVA((u32)(tr->base + TSS_IO_MAP)), &map, 2,
			  ACC_IMPLICIT))
		return false;
	offset = map + port / 8;
	if (offset + 1 > tr->limit)
		return emu_gp(e, 0);
	if (!emu_read_lin(e, GVA((u32)(tr->base + offset)), &bits, 2,
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
