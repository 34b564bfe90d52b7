/* SPDX-License-Identifier: MIT */
/* Exits done without the interpreter; false: nothing done, interpret it. */
#ifndef VMX_FAST_H
#define VMX_FAST_H

#include "types.h"

bool vmx_fast_invlpg(void);
bool vmx_fast_io(void);
bool vmx_fast_cr(void); /* MOV to and from CR3 */
bool vmx_fast_cpuid(void);

#endif
