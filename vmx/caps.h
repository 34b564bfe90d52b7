/* SPDX-License-Identifier: MIT */
/*
 * What the processor's VMX can do: the capability MSRs as plain data, so that
 * everything that reasons about them runs on the host too.
 */
#ifndef VMX_CAPS_H
#define VMX_CAPS_H

#include "vmx/arch.h"

/* The groups of controls that have a capability MSR each. */
enum vmx_group {
	VMX_PIN, VMX_CPU, VMX_EXIT, VMX_ENTRY, VMX_CPU2, VMX_GROUP_COUNT
};

struct vmx_caps {
	u64 basic;
	/* Low half: bits that must be 1. High half: bits that may be 1. */
	u64 controls[VMX_GROUP_COUNT];
	u64 misc;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	u8 phys_bits;
};

static inline u32 vmx_must(const struct vmx_caps *c, enum vmx_group group)
{
	return (u32)c->controls[group];
}

static inline u32 vmx_may(const struct vmx_caps *c, enum vmx_group group)
{
	return (u32)(c->controls[group] >> 32);
}

/* What a VMCS field may depend on. */
enum vmx_feature {
	VMX_HAS_ALWAYS, VMX_HAS_IO_BITMAPS, VMX_HAS_MSR_BITMAPS,
	VMX_HAS_TPR_SHADOW, VMX_HAS_SECONDARY, VMX_HAS_EPT, VMX_HAS_VPID,
	VMX_HAS_TIMER, VMX_HAS_PAT, VMX_HAS_EFER, VMX_HAS_HOST_PAT,
	VMX_HAS_HOST_EFER,
};

bool vmx_has(const struct vmx_caps *c, enum vmx_feature feature);

/* hw.c: from the real MSRs. The processor must have VMX. */
void vmx_caps_read(struct vmx_caps *c);

#endif
