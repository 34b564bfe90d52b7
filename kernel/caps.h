/* SPDX-License-Identifier: MIT */
/* What the host CPU can do, found once at start. */
#ifndef KERNEL_CAPS_H
#define KERNEL_CAPS_H

#include "bits.h"

/* VT-x by CPUID and IA32_FEATURE_CONTROL. */
enum vtx_state {
	VTX_ABSENT,
	VTX_LOCKED_OFF, /* by the firmware; only its setup can change it */
	VTX_UNLOCKED,   /* off, and ours to enable and lock */
	VTX_ENABLED,
};

struct host_caps {
	char vendor[13];
	char model[49];
	u8 family, model_number, stepping;
	u8 phys_bits;
	bool long_mode, nx, smep, smap, umip, pcid, bmi2;
	bool invariant_tsc, cpuid_faulting, svm;
	enum vtx_state vtx;
	u64 feature_control; /* 0 where the MSR is absent */
	u64 tsc_hz;
	u64 ram_bytes;
};

extern struct host_caps host_caps;

void caps_init(void);
/* Is this QEMU's translator, by its hypervisor leaf? At any time. */
bool caps_is_tcg(void);
void caps_print(void);
const char *caps_vtx_text(enum vtx_state state);
/* Where the firmware left VT-x unlocked: enable and lock it. False: cannot. */
bool caps_vtx_enable(void);

#endif
