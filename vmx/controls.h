/* SPDX-License-Identifier: MIT */
/*
 * The controls that the engine runs with: what it wants reconciled with what
 * the processor offers, once, at start. Pure.
 */
#ifndef VMX_CONTROLS_H
#define VMX_CONTROLS_H

#include "vmx/caps.h"

struct vmx_controls {
	u32 value[VMX_GROUP_COUNT];
};

/*
 * NULL: *out is filled and every VM entry rule about reserved control bits
 * holds. Else the first thing that is missing, in words; *out is undefined.
 */
const char *vmx_controls_reconcile(const struct vmx_caps *caps,
				   struct vmx_controls *out);

#endif
