/* SPDX-License-Identifier: MIT */
/*
 * Short ways for the exits that come most often: the exit says all that the
 * interpreter would have to find out again. Each returns false, with nothing
 * done, where there is more to it (traps due after the instruction, faults);
 * then the instruction is interpreted. Privilege was checked before the exit.
 */
#include "vmx/fast.h"

#include "cpu/control.h"
#include "cpu/cpuid.h"
#include "lib/counters.h"
#include "vmx/internal.h"

/* Exit qualification of I/O instructions */
#define IO_SIZE(q)  ((unsigned)bits_get(q, 2, 0) + 1)
#define IO_IN       BIT(3)
#define IO_STRING   BIT(4)
#define IO_PORT(q)  ((u16)bits_get(q, 31, 16))

/* Exit qualification of control-register accesses */
#define CR_NUMBER(q) ((unsigned)bits_get(q, 3, 0))
#define CR_ACCESS(q) ((unsigned)bits_get(q, 5, 4))
#define CR_GPR(q)    ((unsigned)bits_get(q, 11, 8))
enum { CR_MOV_TO, CR_MOV_FROM };

/* The instruction has been executed. */
static bool skip(void)
{
	vmx_state_skip();
	return true;
}

bool vmx_fast_invlpg(void)
{
	const struct emu *emu = vmx.env.emu;

	if (!vmx_state_plain())
		return false;
	emu->ops->invlpg(emu->ctx, GVA(vmcs_read(VMCS_EXIT_QUALIFICATION)));
	return skip();
}

static void io_in(struct vcpu *v, u16 port, unsigned size)
{
	const struct emu *emu = vmx.env.emu;
	u64 mask = BITS(8 * size - 1, 0);
	u64 kept = size == 4 ? 0 : ~mask;

	v->gpr[R_AX] = (v->gpr[R_AX] & kept) |
		       (emu->ops->in(emu->ctx, port, size) & mask);
}

static void io_out(struct vcpu *v, u16 port, unsigned size)
{
	const struct emu *emu = vmx.env.emu;

	emu->ops->out(emu->ctx, port, size,
		      (u32)(v->gpr[R_AX] & BITS(8 * size - 1, 0)));
}

bool vmx_fast_io(void)
{
	u64 q = vmcs_read(VMCS_EXIT_QUALIFICATION);
	struct vcpu *v = vmx.env.v;

	if ((q & IO_STRING) || !vmx_state_plain())
		return false;
	if (q & IO_IN)
		io_in(v, IO_PORT(q), IO_SIZE(q));
	else
		io_out(v, IO_PORT(q), IO_SIZE(q));
	return skip();
}

/* Bits that are no address are the interpreter's to judge. */
static bool load_cr3(u64 value)
{
	if (!vcpu_long_mode(vmx.env.v))
		value = (u32)value;
	else
		vmx_state_flatten_stack();
	return !(value >> vmx.mode.maxphyaddr) &&
	       control_load_cr3(vmx.env.emu, value);
}

/* The task priority: there is no local APIC that it would matter to. */
static bool load_cr8(u64 value)
{
	if (value & ~BITS(3, 0))
		return false;
	vmx.env.v->cr8 = value;
	return true;
}

bool vmx_fast_cr(void)
{
	u64 q = vmcs_read(VMCS_EXIT_QUALIFICATION);
	bool cr8 = CR_NUMBER(q) == 8;
	struct vcpu *v = vmx.env.v;
	u64 *gpr = &v->gpr[CR_GPR(q)];

	if ((CR_NUMBER(q) != 3 && !cr8) || CR_ACCESS(q) > CR_MOV_FROM)
		return false;
	if (CR_GPR(q) == R_SP)
		vmx_state_load(STATE_CORE);
	if (!vmx_state_plain())
		return false;
	if (CR_ACCESS(q) == CR_MOV_FROM)
		*gpr = cr8 ? v->cr8 : v->cr3;
	else if (!(cr8 ? load_cr8(*gpr) : load_cr3(*gpr)))
		return false;
	return skip();
}

/* What the extended features say depends on the mode. */
#define CPUID_BY_MODE 0x80000001u

bool vmx_fast_cpuid(void)
{
	struct vcpu *v = vmx.env.v;
	u32 leaf = (u32)v->gpr[R_AX];
	struct cpuid_regs r;

	if (leaf == CPUID_BY_MODE || !vmx_state_plain())
		return false;
	cpuid_query(leaf, (u32)v->gpr[R_CX], &r);
	v->gpr[R_AX] = r.eax;
	v->gpr[R_BX] = r.ebx;
	v->gpr[R_CX] = r.ecx;
	v->gpr[R_DX] = r.edx;
	return skip();
}
