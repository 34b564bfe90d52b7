/* SPDX-License-Identifier: MIT */
/*
 * The vcpu to the VMCS and back. `known` mirrors what the VMCS holds, so that
 * a store writes only differences; scalars are a list, segments a loop over
 * fields that the manual numbers in the order of the registers.
 */
#include "cpu/cpuid.h"
#include "cpu/emu_fpu.h"
#include "cpu/insn.h"
#include "kernel/instr.h"
#include "lib/string.h"
#include "vmx/internal.h"

/* Bits that the guest writes without an exit. */
#define CR0_GUEST_OWNS (CR0_MP | CR0_EM | CR0_TS | CR0_AM)
#define CR4_GUEST_OWNS (CR4_TSD | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT)
/* Always on in hardware: the shadow MMU's paging, and errors as exceptions. */
#define CR0_ALWAYS (CR0_PE | CR0_PG | CR0_WP | CR0_NE | CR0_ET)

#define AR_KEPT (BITS(15, 12) | BITS(7, 0))

/* S(name, field): values that are one VMCS field each. */
#define CORE_SCALARS(S)                                                   \
	S(RIP, GUEST_RIP)                                                 \
	S(RSP, GUEST_RSP)                                                 \
	S(RFLAGS, GUEST_RFLAGS)                                           \
	S(INTERRUPTIBILITY, GUEST_INTERRUPTIBILITY)                       \
	S(PENDING_DEBUG, GUEST_PENDING_DEBUG)
#define OTHER_SCALARS(S)                                                  \
	S(CR0, GUEST_CR0)                                                 \
	S(CR0_SHADOW, CR0_SHADOW)                                         \
	S(CR3, GUEST_CR3)                                                 \
	S(CR4, GUEST_CR4)                                                 \
	S(CR4_SHADOW, CR4_SHADOW)                                         \
	S(GDTR_BASE, GUEST_GDTR_BASE)                                     \
	S(GDTR_LIMIT, GUEST_GDTR_LIMIT)                                   \
	S(IDTR_BASE, GUEST_IDTR_BASE)                                     \
	S(IDTR_LIMIT, GUEST_IDTR_LIMIT)                                   \
	S(DR7, GUEST_DR7)                                                 \
	S(SYSENTER_CS, GUEST_SYSENTER_CS)                                 \
	S(SYSENTER_ESP, GUEST_SYSENTER_ESP)                               \
	S(SYSENTER_EIP, GUEST_SYSENTER_EIP)                               \
	S(TSC_OFFSET, TSC_OFFSET)                                         \
	S(ENTRY_CONTROLS, ENTRY_CONTROLS)

enum scalar {
#define S(name, field) SC_##name,
	CORE_SCALARS(S) SC_CORE_COUNT,
	SC_BEFORE_OTHERS = SC_CORE_COUNT - 1,
	OTHER_SCALARS(S) SC_COUNT
#undef S
};

static const u16 scalar_fields[SC_COUNT] = {
#define S(name, field) [SC_##name] = VMCS_##field,
	CORE_SCALARS(S) OTHER_SCALARS(S)
#undef S
};

/* The real ones are the guest's: neither exits nor entries touch them. */
#define MSRS(M)                                                           \
	M(STAR, star)                                                     \
	M(LSTAR, lstar)                                                   \
	M(CSTAR, cstar)                                                   \
	M(FMASK, fmask)                                                   \
	M(KERNEL_GS_BASE, kernel_gs_base)

enum real_msr {
#define M(name, field) REAL_##name,
	MSRS(M) REAL_COUNT
#undef M
};

static const struct {
	u32 index;
	u16 offset; /* in struct vcpu */
} msrs[REAL_COUNT] = {
#define M(name, field) \
	[REAL_##name] = { MSR_IA32_##name, offsetof(struct vcpu, field) },
	MSRS(M)
#undef M
};

static struct {
	bool scalars, segs; /* is anything known at all? */
	u64 efer, msr[REAL_COUNT];
	u64 scalar[SC_COUNT];
	struct segment seg[SEG_COUNT];
} known;

static u64 cr4_guest_owns(void)
{
	return CR4_GUEST_OWNS & cpuid_cr4_allowed();
}

void vmx_state_init(void)
{
	known.scalars = known.segs = false;
	known.efer = rdmsr(MSR_IA32_EFER);
	for (unsigned i = 0; i < REAL_COUNT; i++)
		known.msr[i] = rdmsr(msrs[i].index);
	vmcs_write(VMCS_CR0_MASK, ~CR0_GUEST_OWNS);
	vmcs_write(VMCS_CR4_MASK, ~cr4_guest_owns());
}

/* --- VMCS to vcpu ------------------------------------------------------ */

static u64 take(enum scalar s)
{
	return known.scalar[s] = vmcs_read((enum vmcs_field)scalar_fields[s]);
}

static void load_blocking(struct vcpu *v)
{
	u64 blocking = take(SC_INTERRUPTIBILITY);
	u64 pending = take(SC_PENDING_DEBUG);

	v->shadow = blocking & BLOCKING_MOV_SS ? SHADOW_MOV_SS :
		    blocking & BLOCKING_STI ? SHADOW_STI : SHADOW_NONE;
	if (vmx.virtual_nmis)
		v->nmi_blocked = !!(blocking & BLOCKING_NMI);
	v->db_pending = v->shadow == SHADOW_MOV_SS &&
			(pending & PENDING_ENABLED);
	v->db_dr6 = v->db_pending ? pending & PENDING_BP : 0;
}

/* Outside IA-32e mode the upper halves mean nothing. */
static u64 address(const struct vcpu *v, u64 value)
{
	return vcpu_long_mode(v) ? value : (u32)value;
}

static void load_core(struct vcpu *v)
{
	v->rip = address(v, take(SC_RIP));
	v->gpr[R_SP] = address(v, take(SC_RSP));
	v->rflags = take(SC_RFLAGS);
	load_blocking(v);
}

/* In 64-bit mode the bases of FS and GS count with a null selector, too. */
static bool has_base(const struct vcpu *v, int seg)
{
	return !(v->seg[seg].ar & AR_UNUSABLE) ||
	       (vcpu_long_mode(v) && (seg == SEG_FS || seg == SEG_GS));
}

static void load_segment(struct vcpu *v, int seg)
{
	struct segment *s = &v->seg[seg];

	s->sel = (u16)vmcs_read(VMCS_SEG(SELECTOR, seg));
	s->ar = (u32)vmcs_read(VMCS_SEG(AR, seg));
	if (seg == SEG_SS) /* good even if SS is unusable */
		v->cpl = (u8)bits_get(s->ar, 6, 5);
	s->ar &= s->ar & AR_UNUSABLE ? AR_UNUSABLE : AR_KEPT;
	s->base = s->limit = 0;
	if (has_base(v, seg))
		s->base = address(v, vmcs_read(VMCS_SEG(BASE, seg)));
	if (!(s->ar & AR_UNUSABLE))
		s->limit = (u32)vmcs_read(VMCS_SEG(LIMIT, seg));
	known.seg[seg] = *s;
}

static void load_segs(struct vcpu *v)
{
	for (int seg = SEG_ES; seg < SEG_COUNT; seg++)
		load_segment(v, seg);
	v->gdtr.base = take(SC_GDTR_BASE);
	v->gdtr.limit = (u16)take(SC_GDTR_LIMIT);
	v->idtr.base = take(SC_IDTR_BASE);
	v->idtr.limit = (u16)take(SC_IDTR_LIMIT);
}

static void load_control(struct vcpu *v)
{
	u64 owns = cr4_guest_owns();

	v->cr0 = (v->cr0 & ~CR0_GUEST_OWNS) | (take(SC_CR0) & CR0_GUEST_OWNS);
	v->cr4 = (v->cr4 & ~owns) | (take(SC_CR4) & owns);
	v->cr2 = read_cr2(); /* nothing of ours faults on a page */
	if (vcpu_long_mode(v)) /* SWAPGS does not exit */
		v->kernel_gs_base = known.msr[REAL_KERNEL_GS_BASE] =
			rdmsr(MSR_IA32_KERNEL_GS_BASE);
}

void vmx_state_load(unsigned groups)
{
	struct vcpu *v = vmx.env.v;

	groups &= ~vmx.valid;
	if (groups & STATE_CORE)
		load_core(v);
	if (groups & STATE_SEGS)
		load_segs(v);
	if (groups & STATE_CONTROL)
		load_control(v);
	vmx.valid |= groups;
}

/* --- Past an instruction ----------------------------------------------- */

/*
 * RIP must not wrap, which it does at the end of compatibility mode's 4 GiB.
 * With no blocking there is no trap that MOV SS holds off.
 */
bool vmx_state_plain(void)
{
	const struct vcpu *v = vmx.env.v;
	u64 rip = v->rip, rflags = v->rflags, held = v->db_pending;

	if (!(vmx.valid & STATE_CORE)) {
		rip = take(SC_RIP);
		rflags = take(SC_RFLAGS);
		held = take(SC_INTERRUPTIBILITY);
	}
	return !(rflags & (EFLAGS_TF | EFLAGS_RF)) &&
	       !(v->dr[7] & DR7_ENABLED) && !held &&
	       (u32)rip < 0u - INSN_MAX;
}

void vmx_state_skip(void)
{
	struct vcpu *v = vmx.env.v;
	u64 length = vmcs_read(VMCS_EXIT_INSN_LENGTH);

	if (vmx.valid & STATE_CORE) {
		v->rip += length;
		v->shadow = SHADOW_NONE;
		return;
	}
	known.scalar[SC_RIP] += length;
	vmcs_write(VMCS_GUEST_RIP, known.scalar[SC_RIP]);
}

/* --- vcpu to VMCS ------------------------------------------------------ */

static u64 blocking_of(const struct vcpu *v)
{
	u64 blocking = v->shadow == SHADOW_MOV_SS ? BLOCKING_MOV_SS :
		       v->shadow == SHADOW_STI ? BLOCKING_STI : 0;

	if (v->nmi_blocked)
		blocking |= BLOCKING_NMI;
	return blocking;
}

/* With a shadow, BS must be as TF is: the trap after the instruction. */
static u64 pending_of(const struct vcpu *v)
{
	u64 pending = 0;

	if (v->db_pending)
		pending = (v->db_dr6 & PENDING_BP) | PENDING_ENABLED;
	if (v->shadow != SHADOW_NONE && (v->rflags & EFLAGS_TF))
		pending |= PENDING_BS;
	return pending;
}

static void want_core(const struct vcpu *v, u64 want[SC_COUNT])
{
	want[SC_RIP] = v->rip;
	want[SC_RSP] = v->gpr[R_SP];
	want[SC_RFLAGS] = v->rflags;
	want[SC_INTERRUPTIBILITY] = blocking_of(v);
	want[SC_PENDING_DEBUG] = pending_of(v);
}

static u64 real_cr4(const struct vcpu *v)
{
	u64 cr4 = CR4_PAE | (CR4_MCE & vmx.caps.cr4_fixed1) |
		  vmx.caps.cr4_fixed0 | (v->cr4 & cr4_guest_owns());

	if (v->cr0 & CR0_PG)
		cr4 |= v->cr4 & (CR4_SMEP | CR4_SMAP);
	return cr4;
}

static void want_others(const struct vcpu *v, u64 want[SC_COUNT])
{
	want[SC_CR0] = CR0_ALWAYS | vmx.caps.cr0_fixed0 |
		       (v->cr0 & CR0_GUEST_OWNS);
	want[SC_CR0_SHADOW] = v->cr0;
	want[SC_CR3] = vmx.root.a;
	want[SC_CR4] = real_cr4(v);
	want[SC_CR4_SHADOW] = v->cr4;
	want[SC_GDTR_BASE] = v->gdtr.base;
	want[SC_GDTR_LIMIT] = v->gdtr.limit;
	want[SC_IDTR_BASE] = v->idtr.base;
	want[SC_IDTR_LIMIT] = v->idtr.limit;
	want[SC_DR7] = v->dr[7];
	want[SC_SYSENTER_CS] = v->sysenter_cs;
	want[SC_SYSENTER_ESP] = v->sysenter_esp;
	want[SC_SYSENTER_EIP] = v->sysenter_eip;
	want[SC_TSC_OFFSET] = v->tsc_offset;
	want[SC_ENTRY_CONTROLS] = vmx.controls.value[VMX_ENTRY] |
				  (vcpu_long_mode(v) ? ENTRY_CTL_GUEST_64 : 0);
}

static void store_scalars(const u64 want[SC_COUNT], unsigned from, unsigned to)
{
	for (unsigned s = from; s < to; s++) {
		if (known.scalars && want[s] == known.scalar[s])
			continue;
		known.scalar[s] = want[s];
		vmcs_write((enum vmcs_field)scalar_fields[s], want[s]);
	}
}

static bool same_segment(const struct segment *a, const struct segment *b)
{
	return a->base == b->base && a->limit == b->limit && a->ar == b->ar &&
	       a->sel == b->sel;
}

/*
 * Of an unusable SS the DPL is still the CPL, and the rest means nothing. But
 * Bochs' SYSRET leaves limit, G and D/B as it finds them, where the manual has
 * it set them: so they stand there as they will be.
 */
#define AR_NULL_STACK (AR_UNUSABLE | AR_G | AR_DB)
#define NULL_STACK_LIMIT 0xffffffffu

static bool is_null_stack(const struct segment *s, int seg)
{
	return seg == SEG_SS && (s->ar & AR_UNUSABLE);
}

static u32 segment_ar(const struct vcpu *v, int seg)
{
	if (is_null_stack(&v->seg[seg], seg))
		return AR_NULL_STACK | (u32)v->cpl << AR_DPL_SHIFT;
	return v->seg[seg].ar;
}

void vmx_state_flatten_stack(void)
{
	u32 ar = (u32)vmcs_read(VMCS_SEG(AR, SEG_SS));

	if ((ar & AR_NULL_STACK) != AR_UNUSABLE)
		return;
	vmcs_write(VMCS_SEG(AR, SEG_SS), ar | AR_NULL_STACK);
	vmcs_write(VMCS_SEG(LIMIT, SEG_SS), NULL_STACK_LIMIT);
}

static void store_segs(const struct vcpu *v)
{
	for (int seg = SEG_ES; seg < SEG_COUNT; seg++) {
		const struct segment *s = &v->seg[seg];

		if (known.segs && same_segment(s, &known.seg[seg]))
			continue;
		known.seg[seg] = *s;
		vmcs_write(VMCS_SEG(SELECTOR, seg), s->sel);
		vmcs_write(VMCS_SEG(BASE, seg), s->base);
		vmcs_write(VMCS_SEG(LIMIT, seg),
			   is_null_stack(s, seg) ? NULL_STACK_LIMIT : s->limit);
		vmcs_write(VMCS_SEG(AR, seg), segment_ar(v, seg));
	}
	known.segs = true;
}

/* The real DR0 to DR3 matter only while DR7 enables one of them. */
static void store_breakpoints(const struct vcpu *v)
{
	if (!(v->dr[7] & DR7_ENABLED))
		return;
	__asm__ volatile("mov %0, %%dr0\n\t"
			 "mov %1, %%dr1\n\t"
			 "mov %2, %%dr2\n\t"
			 "mov %3, %%dr3"
			 :
			 : "r"(v->dr[0]), "r"(v->dr[1]), "r"(v->dr[2]),
			   "r"(v->dr[3]));
}

/* SYSCALL is #UD outside 64-bit mode whatever these hold. */
static void store_msrs(const struct vcpu *v)
{
	u64 efer = (known.efer & ~EFER_SCE) | (v->efer & EFER_SCE);

	if (!vcpu_long_mode(v))
		return;
	if (efer != known.efer)
		wrmsr(MSR_IA32_EFER, known.efer = efer);
	for (unsigned i = 0; i < REAL_COUNT; i++) {
		u64 want = *(const u64 *)((const u8 *)v + msrs[i].offset);

		if (want != known.msr[i])
			wrmsr(msrs[i].index, known.msr[i] = want);
	}
}

void vmx_state_store(void)
{
	const struct vcpu *v = vmx.env.v;
	u64 want[SC_COUNT];

	if (vmx.valid & STATE_CORE) {
		want_core(v, want);
		store_scalars(want, 0, SC_CORE_COUNT);
	}
	if (vmx.root.a != known.scalar[SC_CR3] && known.scalars) {
		known.scalar[SC_CR3] = vmx.root.a;
		vmcs_write(VMCS_GUEST_CR3, vmx.root.a);
	}
	if (vmx.valid == STATE_ALL) {
		want_others(v, want);
		store_scalars(want, SC_CORE_COUNT, SC_COUNT);
		store_segs(v);
		store_breakpoints(v);
		store_msrs(v);
		if (read_cr2() != v->cr2)
			write_cr2(v->cr2);
		if (v->x87_ours)
			emu_fpu_hide_pc(vmx.env.emu);
		known.scalars = true;
	}
	vmx.valid = 0;
}
