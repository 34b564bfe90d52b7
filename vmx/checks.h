/* SPDX-License-Identifier: MIT */
/*
 * The VM-entry explainer: the manual's checks on controls, host state and
 * guest state, in software, on an image of the VMCS. Pure.
 */
#ifndef VMX_CHECKS_H
#define VMX_CHECKS_H

#include "vmx/vmcs.h"

struct vmx_check_input {
	const struct vmx_caps *caps;
	struct vmcs_image vmcs;
	u64 pdpte[4]; /* at the guest's CR3, when it uses PAE paging */
};

enum vmx_rule {
#define R(name, text, holds) RULE_##name,
#include "vmx/checks.inc"
#undef R
	RULE_COUNT
};

/* The first broken rule from `from` on, and what it says; -1: none. */
int vmx_check_next(const struct vmx_check_input *in, int from,
		   const char **text);

#endif
