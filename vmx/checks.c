/* SPDX-License-Identifier: MIT */
/*
 * The rules of VM entry as functions: the list in checks.inc and the words
 * that it is written in.
 */
#include "vmx/checks.h"

#include "bits.h"

#define DEBUGCTL_DEFINED (BITS(1, 0) | BITS(12, 6) | BITS(15, 14))
#define AR_RESERVED      (BITS(31, 17) | BITS(11, 8))
#define RFLAGS_ZERO      (BITS(63, 22) | BIT(15) | BIT(5) | BIT(3))
#define EFER_DEFINED     (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
#define PDPTE_RESERVED   (BITS(8, 5) | BITS(2, 1))

/* --- Values --- */

static bool allowed(const struct vmx_caps *c, enum vmx_group group, u64 value)
{
	return !(vmx_must(c, group) & ~value) && !(value & ~(u64)vmx_may(c, group));
}

static bool fits(const struct vmx_caps *c, u64 address)
{
	return !(address >> c->phys_bits);
}

static bool is_page(const struct vmx_caps *c, u64 address)
{
	return fits(c, address) && !(address & ~PAGE_MASK);
}

static bool canonical(u64 address)
{
	return sign_extend(address, 48) == (s64)address;
}

static bool fixed_ok(u64 value, u64 fixed0, u64 fixed1)
{
	return !(fixed0 & ~value) && !(value & ~fixed1);
}

static bool msr_area_ok(const struct vmx_caps *c, u64 count, u64 address)
{
	return !count || (!(address & 15) && fits(c, address) &&
			  fits(c, address + count * 16 - 1));
}

static bool ept_pointer_ok(const struct vmx_caps *c, u64 pointer)
{
	unsigned type = pointer & 7;

	return (type == 0 || type == VMX_MEM_TYPE_WB) &&
	       bits_get(pointer, 5, 3) == 3 && !bits_get(pointer, 11, 7) &&
	       fits(c, pointer);
}

static bool pat_ok(u64 pat)
{
	for (unsigned i = 0; i < 64; i += 8) {
		u8 type = (u8)(pat >> i);

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

static bool efer_ok(u64 efer, bool long_mode, bool paging)
{
	if (efer & ~EFER_DEFINED || !!(efer & EFER_LMA) != long_mode)
		return false;
	return !paging || !!(efer & EFER_LME) == long_mode;
}

/* --- Controls --- */

static bool has_pin(const struct vmcs_image *v, u64 bit)
{
	return v->PIN_CONTROLS & bit;
}

static bool has_cpu(const struct vmcs_image *v, u64 bit)
{
	return v->CPU_CONTROLS & bit;
}

static bool has_cpu2(const struct vmcs_image *v, u64 bit)
{
	return has_cpu(v, CPU_SECONDARY) && (v->CPU2_CONTROLS & bit);
}

static bool unrestricted(const struct vmcs_image *v)
{
	return has_cpu2(v, CPU2_UNRESTRICTED);
}

static bool host_64(const struct vmcs_image *v)
{
	return v->EXIT_CONTROLS & EXIT_CTL_HOST_64;
}

static bool guest_64(const struct vmcs_image *v)
{
	return v->ENTRY_CONTROLS & ENTRY_CTL_GUEST_64;
}

static bool loads_debug(const struct vmcs_image *v)
{
	return v->ENTRY_CONTROLS & ENTRY_CTL_LOAD_DEBUG;
}

/* --- Injection --- */

static bool injects(const struct vmcs_image *v)
{
	return v->ENTRY_INTR_INFO & INTR_VALID;
}

static unsigned inject_type(const struct vmcs_image *v)
{
	return (unsigned)INTR_TYPE(v->ENTRY_INTR_INFO);
}

static unsigned inject_vector(const struct vmcs_image *v)
{
	return v->ENTRY_INTR_INFO & INTR_VECTOR;
}

static bool injects_type(const struct vmcs_image *v, unsigned type)
{
	return injects(v) && inject_type(v) == type;
}

static bool injects_error(const struct vmcs_image *v)
{
	return injects(v) && (v->ENTRY_INTR_INFO & INTR_ERROR_VALID);
}

static bool injects_soft(const struct vmcs_image *v)
{
	return injects_type(v, INTR_SOFT_INT) ||
	       injects_type(v, INTR_PRIV_SOFT_EXC) ||
	       injects_type(v, INTR_SOFT_EXC);
}

static bool inject_type_ok(const struct vmx_caps *c,
			   const struct vmcs_image *v)
{
	unsigned type = inject_type(v);

	if (type == INTR_OTHER)
		return vmx_may(c, VMX_CPU) & CPU_TRAP_FLAG;
	return type != INTR_TYPE_RESERVED;
}

static bool inject_vector_ok(const struct vmcs_image *v)
{
	switch (inject_type(v)) {
	case INTR_NMI:
		return inject_vector(v) == VEC_NMI;
	case INTR_HARD_EXCEPTION:
		return inject_vector(v) < 32;
	case INTR_OTHER:
		return inject_vector(v) == 0;
	default:
		return true;
	}
}

static bool inject_error_ok(const struct vmcs_image *v)
{
	static const u32 with_error =
		BIT(VEC_DF) | BIT(VEC_TS) | BIT(VEC_NP) | BIT(VEC_SS) |
		BIT(VEC_GP) | BIT(VEC_PF) | BIT(VEC_AC);
	bool wants = inject_type(v) == INTR_HARD_EXCEPTION &&
		     inject_vector(v) < 32 && (v->GUEST_CR0 & CR0_PE) &&
		     (with_error >> inject_vector(v) & 1);

	return injects_error(v) == wants;
}

static bool inject_length_ok(const struct vmx_caps *c,
			     const struct vmcs_image *v)
{
	u64 length = v->ENTRY_INSN_LENGTH;

	return length <= 15 && (length || (c->misc & VMX_MISC_ZERO_LENGTH));
}

/* --- Guest state --- */

static bool vm86(const struct vmcs_image *v)
{
	return v->GUEST_RFLAGS & EFLAGS_VM;
}

static u64 guest_cr0_fixed0(const struct vmx_caps *c,
			    const struct vmcs_image *v)
{
	return unrestricted(v) ? c->cr0_fixed0 & ~(CR0_PE | CR0_PG)
			       : c->cr0_fixed0;
}

static bool usable(u64 ar)
{
	return !(ar & AR_UNUSABLE);
}

static unsigned ar_dpl(u64 ar)
{
	return (unsigned)bits_get(ar, 6, 5);
}

static bool granular(u64 ar, u64 limit)
{
	if ((limit & 0xfff) != 0xfff && (ar & AR_G))
		return false;
	return !(limit >> 20) || (ar & AR_G);
}

static bool base_32(u64 ar, u64 base)
{
	return !usable(ar) || !(base >> 32);
}

struct seg_image {
	u64 selector, base, limit, ar;
};

#define SEG_IMAGE(v, name)                                                \
	{ (v)->GUEST_##name##_SELECTOR, (v)->GUEST_##name##_BASE,         \
	  (v)->GUEST_##name##_LIMIT, (v)->GUEST_##name##_AR }

#define SEG_TEST(test) bool (*test)(const struct seg_image *s)

static bool each(const struct seg_image *segs, unsigned n, SEG_TEST(test))
{
	for (unsigned i = 0; i < n; i++)
		if (usable(segs[i].ar) && !test(&segs[i]))
			return false;
	return true;
}

static bool each_plain_data(const struct vmcs_image *v, SEG_TEST(test))
{
	struct seg_image segs[] = { SEG_IMAGE(v, DS), SEG_IMAGE(v, ES),
				    SEG_IMAGE(v, FS), SEG_IMAGE(v, GS) };

	return each(segs, ARRAY_SIZE(segs), test);
}

static bool each_segment(const struct vmcs_image *v, SEG_TEST(test))
{
	struct seg_image segs[] = { SEG_IMAGE(v, CS), SEG_IMAGE(v, SS) };

	return each(segs, ARRAY_SIZE(segs), test) && each_plain_data(v, test);
}

/* In virtual-8086 mode "unusable" does not excuse. */
static bool each_data(const struct vmcs_image *v, SEG_TEST(test))
{
	struct seg_image segs[] = { SEG_IMAGE(v, CS), SEG_IMAGE(v, SS),
				    SEG_IMAGE(v, DS), SEG_IMAGE(v, ES),
				    SEG_IMAGE(v, FS), SEG_IMAGE(v, GS) };

	for (unsigned i = 0; i < ARRAY_SIZE(segs); i++)
		if (!test(&segs[i]))
			return false;
	return true;
}

static bool vm86_base_ok(const struct seg_image *s)
{
	return s->base == s->selector << 4;
}

static bool vm86_limit_ok(const struct seg_image *s)
{
	return s->limit == 0xffff;
}

static bool vm86_ar_ok(const struct seg_image *s)
{
	return s->ar == 0xf3;
}

static bool accessed_ok(const struct seg_image *s)
{
	return s->ar & AR_ACCESSED;
}

static bool readable_ok(const struct seg_image *s)
{
	return !(s->ar & AR_CODE) || (s->ar & AR_READ);
}

static bool s_bit_ok(const struct seg_image *s)
{
	return s->ar & AR_S;
}

static bool present_ok(const struct seg_image *s)
{
	return s->ar & AR_P;
}

static bool reserved_ok(const struct seg_image *s)
{
	return !(s->ar & AR_RESERVED);
}

static bool limit_ok(const struct seg_image *s)
{
	return granular(s->ar, s->limit);
}

static bool data_dpl_ok(const struct seg_image *s)
{
	return (s->ar & (AR_CODE | AR_CONFORM)) == (AR_CODE | AR_CONFORM) ||
	       ar_dpl(s->ar) >= (s->selector & 3);
}

static bool cs_type_ok(const struct vmcs_image *v)
{
	u64 type = v->GUEST_CS_AR & AR_TYPE;

	return (type & (AR_CODE | AR_ACCESSED)) == (AR_CODE | AR_ACCESSED) ||
	       (unrestricted(v) && type == (AR_WRITE | AR_ACCESSED));
}

static bool cs_dpl_ok(const struct vmcs_image *v)
{
	unsigned cs = ar_dpl(v->GUEST_CS_AR), ss = ar_dpl(v->GUEST_SS_AR);

	if (!(v->GUEST_CS_AR & AR_CODE))
		return cs == 0;
	return v->GUEST_CS_AR & AR_CONFORM ? cs <= ss : cs == ss;
}

static bool tr_type_ok(const struct vmcs_image *v)
{
	u64 type = v->GUEST_TR_AR & AR_TYPE;

	return type == SYS_TSS32_BUSY ||
	       (type == SYS_TSS16_BUSY && !guest_64(v));
}

static bool blocked(const struct vmcs_image *v, u64 bits)
{
	return v->GUEST_INTERRUPTIBILITY & bits;
}

static bool trap_held_off(const struct vmcs_image *v)
{
	return blocked(v, BLOCKING_STI | BLOCKING_MOV_SS) ||
	       v->GUEST_ACTIVITY == ACTIVITY_HLT;
}

/* TF means single steps unless DEBUGCTL.BTF makes it mean branches. */
static bool single_steps(const struct vmcs_image *v)
{
	return (v->GUEST_RFLAGS & EFLAGS_TF) && !(v->GUEST_DEBUGCTL & BIT(1));
}

/* HLT takes interrupts, NMIs, #DB, #MC; shutdown takes NMIs and #MC. */
static bool activity_takes(const struct vmcs_image *v)
{
	unsigned type = inject_type(v), vector = inject_vector(v);
	bool nmi = type == INTR_NMI ||
		   (type == INTR_HARD_EXCEPTION && vector == VEC_MC);

	switch (v->GUEST_ACTIVITY) {
	case ACTIVITY_HLT:
		return nmi || type == INTR_EXTERNAL || type == INTR_OTHER ||
		       (type == INTR_HARD_EXCEPTION && vector == VEC_DB);
	case ACTIVITY_SHUTDOWN:
		return nmi;
	case ACTIVITY_SIPI:
		return false;
	default:
		return true;
	}
}

static bool uses_pdptes(const struct vmcs_image *v)
{
	return (v->GUEST_CR0 & CR0_PG) && (v->GUEST_CR4 & CR4_PAE) &&
	       !guest_64(v) && !has_cpu2(v, CPU2_EPT);
}

static bool pdptes_ok(const struct vmx_check_input *in)
{
	for (unsigned i = 0; i < ARRAY_SIZE(in->pdpte); i++) {
		u64 e = in->pdpte[i];

		if ((e & PTE_P) &&
		    ((e & PDPTE_RESERVED) || !fits(in->caps, e)))
			return false;
	}
	return true;
}

/* --- The rules --- */

#define R(name, text, holds)                                              \
	static bool rule_##name(const struct vmx_check_input *in)         \
	{                                                                 \
		const struct vmcs_image *v UNUSED = &in->vmcs;            \
		const struct vmx_caps *c UNUSED = in->caps;               \
									  \
		return holds;                                             \
	}
#include "vmx/checks.inc"
#undef R

static const struct {
	bool (*holds)(const struct vmx_check_input *in);
	const char *text;
} rules[RULE_COUNT] = {
#define R(name, text, holds) [RULE_##name] = { rule_##name, text },
#include "vmx/checks.inc"
#undef R
};

int vmx_check_next(const struct vmx_check_input *in, int from,
		   const char **text)
{
	for (int rule = from; rule < RULE_COUNT; rule++) {
		if (rules[rule].holds(in))
			continue;
		*text = rules[rule].text;
		return rule;
	}
	return -1;
}
