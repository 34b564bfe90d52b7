/* SPDX-License-Identifier: MIT */
/* The way into the guest and back (entry.asm). */
#ifndef VMX_ENTRY_H
#define VMX_ENTRY_H

#include "cpu/vcpu.h"

enum vmx_entry_result {
	VMX_ENTERED,      /* and left again: there is an exit reason */
	VMX_FAIL_INVALID, /* no current VMCS */
	VMX_FAIL_VALID,   /* the reason is in the instruction-error field */
};

/*
 * Enter with the general registers of v but RSP, which the VMCS holds. Host
 * interrupts are off. `launched`: the VMCS was entered before.
 */
enum vmx_entry_result vmx_enter(struct vcpu *v, bool launched);

/* Where exits land: the VMCS's host RIP. */
extern const u8 vmx_exit_landing[];

#endif
