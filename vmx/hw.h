/* SPDX-License-Identifier: MIT */
/* The processor's VMX operation: switched on once, with one current VMCS. */
#ifndef VMX_HW_H
#define VMX_HW_H

#include "vmx/controls.h"

/*
 * Enter VMX operation and make a cleared VMCS current. NULL when done, else
 * why not, in words.
 */
const char *vmx_hw_start(const struct vmx_caps *caps);

/* Write the fields of the VMCS that never change: controls and host state. */
void vmx_hw_init_vmcs(const struct vmx_caps *caps,
		      const struct vmx_controls *controls);

/*
 * Where there are MSR bitmaps: may the guest use the base MSRs of FS and GS
 * with no exit? Else every MSR exits, as it does where there are none.
 */
void vmx_hw_open_msrs(bool open);

#endif
