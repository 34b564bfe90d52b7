/* SPDX-License-Identifier: MIT */
/*
 * The fast ways into and out of the kernel: SYSENTER, SYSEXIT, SYSCALL, SYSRET
 * and SWAPGS. Their segments are made up, no descriptor is read.
 *
 * SYSCALL belongs to 64-bit mode, but AMD's processors have it in compatibility
 * and legacy protected mode too, and have SYSENTER in legacy modes only.
 */
#include "cpu/cpuid.h"
#include "cpu/emu_internal.h"
#include "cpu/event.h"
#include "cpu/segment.h"

#define AR_FLAT (AR_P | AR_S | AR_WRITE | AR_ACCESSED | AR_G)
#define AR_FLAT_STACK  (AR_FLAT | AR_DB)
#define AR_FLAT_CODE32 (AR_FLAT | AR_CODE | AR_DB)
#define AR_FLAT_CODE64 (AR_FLAT | AR_CODE | AR_L)

/* CS and, 8 above it, SS; and the privilege. */
static void load_flat(struct vcpu *v, u16 cs, u16 ss, u32 code, unsigned pl)
{
	struct segment *s[] = { &v->seg[SEG_CS], &v->seg[SEG_SS] };
	u16 sel[] = { cs, ss };
	u32 ar[] = { code, AR_FLAT_STACK };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(s); i++) {
		s[i]->sel = (u16)((sel[i] & ~3u) | pl);
		s[i]->base = 0;
		s[i]->limit = 0xffffffff;
		s[i]->ar = ar[i] | pl << AR_DPL_SHIFT;
	}
	v->cpl = pl;
}

/* --- SYSENTER, SYSEXIT --- */

static bool sysenter_ready(struct emu *e)
{
	const struct vcpu *v = e->v;

	if (!cpuid_has(FEAT_SEP) || (cpuid_is_amd() && vcpu_long_mode(v)))
		return emu_ud(e);
	if (!vcpu_protected(v) || sel_is_null(v->sysenter_cs))
		return emu_gp(e, 0);
	return true;
}

bool op_sysenter(struct emu *e)
{
	struct vcpu *v = e->v;
	bool wide = vcpu_long_mode(v);
	u16 cs = v->sysenter_cs & 0xfffc;

	if (!sysenter_ready(e))
		return false;
	load_flat(v, cs, cs + 8, wide ? AR_FLAT_CODE64 : AR_FLAT_CODE32, 0);
	v->rflags &= ~(EFLAGS_VM | EFLAGS_IF);
	emu_gpr_write(v, R_SP, wide ? 8 : 4, v->sysenter_esp);
	e->rip_next = wide ? v->sysenter_eip : (u32)v->sysenter_eip;
	return true;
}

/* With REX.W to 64-bit code, whose selectors follow those of 32-bit code. */
bool op_sysexit(struct emu *e)
{
	struct vcpu *v = e->v;
	bool wide = vcpu_64bit(v) && e->insn.op_size == 8;
	u16 cs = (v->sysenter_cs & 0xfffc) + (wide ? 32 : 16);

	if (!sysenter_ready(e))
		return false;
	if (wide &&
	    (!is_canonical(v->gpr[R_DX]) || !is_canonical(v->gpr[R_CX])))
		return emu_gp(e, 0);
	load_flat(v, cs, cs + 8, wide ? AR_FLAT_CODE64 : AR_FLAT_CODE32, 3);
	e->rip_next = wide ? v->gpr[R_DX] : (u32)v->gpr[R_DX];
	emu_gpr_write(v, R_SP, wide ? 8 : 4, v->gpr[R_CX]);
	return true;
}

/* --- SYSCALL, SYSRET --- */

static bool syscall_ready(struct emu *e)
{
	const struct vcpu *v = e->v;

	if (!cpuid_has(FEAT_SYSCALL) || !(v->efer & EFER_SCE) ||
	    !vcpu_protected(v))
		return emu_ud(e);
	return vcpu_64bit(v) || cpuid_is_amd() || emu_ud(e);
}

static void syscall_long(struct emu *e, u16 cs)
{
	struct vcpu *v = e->v;

	v->gpr[R_CX] = e->rip_next;
	v->gpr[R_11] = v->rflags;
	e->rip_next = vcpu_64bit(v) ? v->lstar : v->cstar;
	v->rflags = (v->rflags & ~v->fmask) | EFLAGS_MBS;
	load_flat(v, cs, cs + 8, AR_FLAT_CODE64, 0);
	/* A TF that the mask took off does not trap any more. */
	e->single_step &= !!(v->rflags & EFLAGS_TF);
}

bool op_syscall(struct emu *e)
{
	struct vcpu *v = e->v;
	u16 cs = (u16)(v->star >> 32);

	if (!syscall_ready(e))
		return false;
	if (vcpu_long_mode(v)) {
		syscall_long(e, cs);
		return true;
	}
	emu_gpr_write(v, R_CX, 4, e->rip_next);
	e->rip_next = (u32)v->star;
	v->rflags &= ~(EFLAGS_VM | EFLAGS_IF);
	load_flat(v, cs, cs + 8, AR_FLAT_CODE32, 0);
	return true;
}

#define SYSRET_FLAGS 0x3c7fd7ull /* all but RF and VM */

bool op_sysret(struct emu *e)
{
	struct vcpu *v = e->v;
	u16 cs = (u16)(v->star >> 48), ss = cs + 8;
	bool wide = vcpu_64bit(v) && e->insn.op_size == 8;

	if (!syscall_ready(e))
		return false;
	if (v->cpl || (wide && !is_canonical(v->gpr[R_CX])))
		return emu_gp(e, 0);
	if (vcpu_long_mode(v))
		v->rflags = (v->gpr[R_11] & SYSRET_FLAGS) | EFLAGS_MBS;
	else
		v->rflags |= EFLAGS_IF;
	e->rip_next = wide ? v->gpr[R_CX] : (u32)v->gpr[R_CX];
	load_flat(v, wide ? cs + 16 : cs, ss,
		  wide ? AR_FLAT_CODE64 : AR_FLAT_CODE32, 3);
	return true;
}

bool op_swapgs(struct emu *e)
{
	struct vcpu *v = e->v;
	u64 *base = &v->seg[SEG_GS].base, old = *base;

	if (v->cpl)
		return emu_gp(e, 0);
	*base = v->kernel_gs_base;
	v->kernel_gs_base = old;
	return true;
}
