/* SPDX-License-Identifier: MIT */
/*
 * The processor identification that the guest is given: a subset of the
 * host's own leaves, so that user code which runs CPUID on the hardware learns
 * the same processor. What a feature switches on elsewhere (CR4 bits, EFER
 * bits, instructions) asks here.
 */
#ifndef CPU_CPUID_H
#define CPU_CPUID_H

#include "bits.h"

struct cpuid_regs {
	u32 eax, ebx, ecx, edx;
};

/* Where the host's own leaves come from. */
struct cpuid_host {
	void (*leaf)(u32 leaf, u32 subleaf, struct cpuid_regs *regs);
};

/* Flags: what is offered beyond the rest, where the host has it. */
enum cpuid_policy {
	CPUID_POLICY_32 = 0, /* no long mode, no SYSCALL; 36 address bits */
	CPUID_POLICY_64 = BIT(0),     /* with them */
	CPUID_POLICY_GUARDS = BIT(1), /* SMEP and SMAP */
};

/* A feature is register * 32 + bit, registers as below. */
enum {
	CPUID_1_EDX, CPUID_1_ECX, CPUID_EXT_EDX, CPUID_EXT_ECX, CPUID_7_EBX,
	CPUID_REGISTERS
};
#define FEATURE(reg, bit) ((reg) * 32 + (bit))
enum cpuid_feature {
	FEAT_DE = FEATURE(CPUID_1_EDX, 2),
	FEAT_PSE = FEATURE(CPUID_1_EDX, 3),
	FEAT_TSC = FEATURE(CPUID_1_EDX, 4),
	FEAT_MSR = FEATURE(CPUID_1_EDX, 5),
	FEAT_PAE = FEATURE(CPUID_1_EDX, 6),
	FEAT_SEP = FEATURE(CPUID_1_EDX, 11),
	FEAT_PGE = FEATURE(CPUID_1_EDX, 13),
	FEAT_CMOV = FEATURE(CPUID_1_EDX, 15),
	FEAT_PAT = FEATURE(CPUID_1_EDX, 16),
	FEAT_MMX = FEATURE(CPUID_1_EDX, 23),
	FEAT_FXSR = FEATURE(CPUID_1_EDX, 24),
	FEAT_SSE = FEATURE(CPUID_1_EDX, 25),
	FEAT_SSE2 = FEATURE(CPUID_1_EDX, 26),
	FEAT_POPCNT = FEATURE(CPUID_1_ECX, 23),
	FEAT_SYSCALL = FEATURE(CPUID_EXT_EDX, 11),
	FEAT_NX = FEATURE(CPUID_EXT_EDX, 20),
	FEAT_RDTSCP = FEATURE(CPUID_EXT_EDX, 27),
	FEAT_LM = FEATURE(CPUID_EXT_EDX, 29),
	FEAT_LAHF64 = FEATURE(CPUID_EXT_ECX, 0),
	FEAT_CX16 = FEATURE(CPUID_1_ECX, 13),
	FEAT_SMEP = FEATURE(CPUID_7_EBX, 7),
	FEAT_SMAP = FEATURE(CPUID_7_EBX, 20),
};

/*
 * Choose what is offered. Until this is called, and with a NULL host, a fixed
 * processor of the P6 family stands in, with features that no x86-64 CPU lacks.
 */
void cpuid_policy_init(const struct cpuid_host *host, unsigned policy);

/* What CPUID returns to the guest. */
void cpuid_query(u32 leaf, u32 subleaf, struct cpuid_regs *regs);

bool cpuid_has(enum cpuid_feature feature);
bool cpuid_is_amd(void); /* by the vendor string */
unsigned cpuid_maxphyaddr(void);
u64 cpuid_cr4_allowed(void);  /* other bits of CR4 are reserved */
u64 cpuid_efer_allowed(void); /* other bits of IA32_EFER are reserved */

#endif
