/* SPDX-License-Identifier: MIT */
/*
 * VMX instructions, one wrapper each; VMREAD and VMWRITE are in vmcs.h and
 * vmcs.c. False: the instruction failed (CF or ZF).
 */
#ifndef VMX_INSTR_H
#define VMX_INSTR_H

#include "bits.h"

#define VMX_REGION_WRAPPER(name)                                          \
	static inline MUST_CHECK bool name(hpa_t region)                  \
	{                                                                 \
		bool done;                                                \
                                                                          \
		__asm__ volatile(#name " %1"                              \
				 : "=@cca"(done)                          \
				 : "m"(region.a)                          \
				 : "memory");                             \
		return done;                                              \
	}

VMX_REGION_WRAPPER(vmxon)
VMX_REGION_WRAPPER(vmclear)
VMX_REGION_WRAPPER(vmptrld)
#undef VMX_REGION_WRAPPER

#endif
