/* SPDX-License-Identifier: MIT */
/*
 * Capabilities against wishes. A refusal names the capability; its text is
 * made by the list, so that every row has one ("VMX Capability Reporting
 * Facility").
 */
#include "vmx/controls.h"

#include "lib/string.h"

bool vmx_has(const struct vmx_caps *c, enum vmx_feature feature)
{
	u32 cpu2 = vmx_may(c, VMX_CPU) & CPU_SECONDARY ? vmx_may(c, VMX_CPU2)
							: 0;
	u32 exit = vmx_may(c, VMX_EXIT), entry = vmx_may(c, VMX_ENTRY);

	switch (feature) {
	case VMX_HAS_ALWAYS:
		return true;
	case VMX_HAS_IO_BITMAPS:
		return vmx_may(c, VMX_CPU) & CPU_IO_BITMAPS;
	case VMX_HAS_MSR_BITMAPS:
		return vmx_may(c, VMX_CPU) & CPU_MSR_BITMAPS;
	case VMX_HAS_TPR_SHADOW:
		return vmx_may(c, VMX_CPU) & CPU_TPR_SHADOW;
	case VMX_HAS_SECONDARY:
		return vmx_may(c, VMX_CPU) & CPU_SECONDARY;
	case VMX_HAS_EPT:
		return cpu2 & CPU2_EPT;
	case VMX_HAS_VPID:
		return cpu2 & CPU2_VPID;
	case VMX_HAS_TIMER:
		return vmx_may(c, VMX_PIN) & PIN_PREEMPTION_TIMER;
	case VMX_HAS_PAT:
		return (entry & ENTRY_CTL_LOAD_PAT) ||
		       (exit & EXIT_CTL_SAVE_PAT);
	case VMX_HAS_EFER:
		return (entry & ENTRY_CTL_LOAD_EFER) ||
		       (exit & EXIT_CTL_SAVE_EFER);
	case VMX_HAS_HOST_PAT:
		return exit & EXIT_CTL_LOAD_PAT;
	case VMX_HAS_HOST_EFER:
		return exit & EXIT_CTL_LOAD_EFER;
	}
	return false;
}

enum want { WANT_REQUIRED, WANT_WANTED, WANT_DYNAMIC, WANT_MAYBE, WANT_UNUSED };

static const struct row {
	u32 bit;
	enum vmx_group group;
	enum want want;
	const char *lacks, *forced;
} rows[] = {
#define C(group, bit, want, name)                                         \
	{ (u32)(bit), VMX_##group, WANT_##want,                       \
	  "VT-x lacks " name, "VT-x forces " name },
#include "vmx/controls.inc"
#undef C
};

/* NULL: the row is satisfied and its bit, if wanted, is in the value. */
static const char *apply(const struct row *r, const struct vmx_caps *caps,
			 u32 *value)
{
	bool may = vmx_may(caps, r->group) & r->bit;
	bool must = vmx_must(caps, r->group) & r->bit;

	bool set = r->want == WANT_REQUIRED || r->want == WANT_WANTED;

	if ((r->want == WANT_REQUIRED || r->want == WANT_DYNAMIC) && !may)
		return r->lacks;
	if (!set && must)
		return r->forced;
	if (set && may)
		*value |= r->bit;
	return NULL;
}

/* Beyond the rows, a bit may be forced on only where it always was. */
static const char *check_forced(const struct vmx_caps *caps,
				const struct vmx_controls *c)
{
	static const struct {
		u32 default1;
		const char *text;
	} groups[] = {
		[VMX_PIN] = { PIN_DEFAULT1, "VT-x forces an unknown "
					    "pin-based control" },
		[VMX_CPU] = { CPU_DEFAULT1, "VT-x forces an unknown "
					    "processor-based control" },
		[VMX_EXIT] = { EXIT_DEFAULT1, "VT-x forces an unknown "
					      "VM-exit control" },
		[VMX_ENTRY] = { ENTRY_DEFAULT1, "VT-x forces an unknown "
						"VM-entry control" },
	};

	for (unsigned g = 0; g < ARRAY_SIZE(groups); g++)
		if (vmx_must(caps, (enum vmx_group)g) & ~c->value[g] &
		    ~groups[g].default1)
			return groups[g].text;
	return NULL;
}

#define CR0_WE_CAN (CR0_PE | CR0_PG | CR0_NE)

static const char *check_registers(const struct vmx_caps *caps)
{
	if (VMX_BASIC_MEM_TYPE(caps->basic) != VMX_MEM_TYPE_WB)
		return "VT-x wants a VMCS that is not write-back memory";
	if (VMX_BASIC_SIZE(caps->basic) > PAGE_SIZE)
		return "VT-x wants a VMCS larger than a page";
	if (caps->cr0_fixed0 & ~CR0_WE_CAN)
		return "VT-x fixes a bit of CR0 that guests change";
	if (~caps->cr0_fixed1 & BITS(31, 0) &
	    (CR0_MP | CR0_EM | CR0_TS | CR0_WP | CR0_AM))
		return "VT-x keeps a bit of CR0 clear that guests set";
	if (caps->cr4_fixed0 & ~CR4_VMXE)
		return "VT-x fixes a bit of CR4 that guests change";
	return NULL;
}

const char *vmx_controls_reconcile(const struct vmx_caps *caps,
				   struct vmx_controls *out)
{
	const char *why = check_registers(caps);

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < ARRAY_SIZE(rows) && !why; i++)
		why = apply(&rows[i], caps, &out->value[rows[i].group]);
	if (!why)
		why = check_forced(caps, out);
	for (unsigned g = 0; g < VMX_CPU2; g++)
		out->value[g] |= vmx_must(caps, (enum vmx_group)g);
	return why;
}
