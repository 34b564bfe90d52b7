/* SPDX-License-Identifier: MIT */
/* Which guest states the processor can be given. */
#ifndef VMX_RUNNABLE_H
#define VMX_RUNNABLE_H

#include "cpu/vcpu.h"

/*
 * Would VM entry accept this state, with paging as the shadow MMU makes it?
 * "Checks on the Guest State Area".
 */
bool vmx_state_runnable(const struct vcpu *v, bool virtual_nmis);

#endif
