/* SPDX-License-Identifier: MIT */
/*
 * The VMX architecture by the manual's names: capability MSRs, controls, bits
 * of VMCS fields. No code, no state. "Virtual Machine Control Structures".
 */
#ifndef VMX_ARCH_H
#define VMX_ARCH_H

#include "x86.h"

/* VMX Capability Reporting Facility */
#define MSR_IA32_VMX_BASIC           0x480u
#define MSR_IA32_VMX_PINBASED_CTLS   0x481u
#define MSR_IA32_VMX_PROCBASED_CTLS  0x482u
#define MSR_IA32_VMX_EXIT_CTLS       0x483u
#define MSR_IA32_VMX_ENTRY_CTLS      0x484u
#define MSR_IA32_VMX_MISC            0x485u
#define MSR_IA32_VMX_CR0_FIXED0      0x486u
#define MSR_IA32_VMX_CR0_FIXED1      0x487u
#define MSR_IA32_VMX_CR4_FIXED0      0x488u
#define MSR_IA32_VMX_CR4_FIXED1      0x489u
#define MSR_IA32_VMX_PROCBASED_CTLS2 0x48bu
#define MSR_IA32_VMX_TRUE_PINBASED   0x48du /* then in the order of above */

#define VMX_BASIC_REVISION  BITS(30, 0)
#define VMX_BASIC_32BIT     BIT(48) /* regions lie below 4 GiB */
#define VMX_BASIC_TRUE_CTLS BIT(55)
#define VMX_BASIC_MEM_TYPE(basic) bits_get(basic, 53, 50)
#define VMX_BASIC_SIZE(basic)     bits_get(basic, 44, 32)
#define VMX_MEM_TYPE_WB 6

#define VMX_MISC_TIMER_SHIFT(misc) bits_get(misc, 4, 0)
#define VMX_MISC_CR3_TARGETS(misc) bits_get(misc, 24, 16)
#define VMX_MISC_ZERO_LENGTH       BIT(30) /* injection with length 0 */

/* Pin-Based VM-Execution Controls */
#define PIN_EXTERNAL_INTERRUPT BIT(0)
#define PIN_NMI                BIT(3)
#define PIN_VIRTUAL_NMIS       BIT(5)
#define PIN_PREEMPTION_TIMER   BIT(6)

/* Processor-Based VM-Execution Controls */
#define CPU_INTERRUPT_WINDOW BIT(2)
#define CPU_TSC_OFFSETTING   BIT(3)
#define CPU_HLT              BIT(7)
#define CPU_INVLPG           BIT(9)
#define CPU_MWAIT            BIT(10)
#define CPU_RDPMC            BIT(11)
#define CPU_RDTSC            BIT(12)
#define CPU_CR3_LOAD         BIT(15)
#define CPU_CR3_STORE        BIT(16)
#define CPU_CR8_LOAD         BIT(19)
#define CPU_CR8_STORE        BIT(20)
#define CPU_TPR_SHADOW       BIT(21)
#define CPU_NMI_WINDOW       BIT(22)
#define CPU_MOV_DR           BIT(23)
#define CPU_UNCONDITIONAL_IO BIT(24)
#define CPU_IO_BITMAPS       BIT(25)
#define CPU_TRAP_FLAG        BIT(27)
#define CPU_MSR_BITMAPS      BIT(28)
#define CPU_MONITOR          BIT(29)
#define CPU_PAUSE            BIT(30)
#define CPU_SECONDARY        BIT(31)

/* Secondary Processor-Based VM-Execution Controls */
#define CPU2_EPT          BIT(1)
#define CPU2_VPID         BIT(5)
#define CPU2_UNRESTRICTED BIT(7)

/* VM-Exit Controls */
#define EXIT_CTL_SAVE_DEBUG    BIT(2)
#define EXIT_CTL_HOST_64       BIT(9) /* host address-space size */
#define EXIT_CTL_PERF_GLOBAL   BIT(12)
#define EXIT_CTL_ACK_INTERRUPT BIT(15)
#define EXIT_CTL_SAVE_PAT      BIT(18)
#define EXIT_CTL_LOAD_PAT      BIT(19)
#define EXIT_CTL_SAVE_EFER     BIT(20)
#define EXIT_CTL_LOAD_EFER     BIT(21)
#define EXIT_CTL_SAVE_TIMER    BIT(22)

/* VM-Entry Controls */
#define ENTRY_CTL_LOAD_DEBUG  BIT(2)
#define ENTRY_CTL_GUEST_64    BIT(9) /* IA-32e mode guest */
#define ENTRY_CTL_SMM         BIT(10)
#define ENTRY_CTL_DUAL_MON    BIT(11)
#define ENTRY_CTL_PERF_GLOBAL BIT(13)
#define ENTRY_CTL_LOAD_PAT    BIT(14)
#define ENTRY_CTL_LOAD_EFER   BIT(15)

/* Reserved bits that a capability MSR without its TRUE twin forces to 1. */
#define PIN_DEFAULT1   0x16ull
#define CPU_DEFAULT1   0x0401e172ull
#define EXIT_DEFAULT1  0x36dffull
#define ENTRY_DEFAULT1 0x11ffull

/* Interruption information: on entry, on exit and while vectoring */
#define INTR_VECTOR      BITS(7, 0)
#define INTR_TYPE(info)  bits_get(info, 10, 8)
#define INTR_TYPE_SHIFT  8
#define INTR_ERROR_VALID BIT(11)
#define INTR_NMI_UNBLOCK BIT(12) /* on exit: an IRET had unblocked NMIs */
#define INTR_RESERVED    BITS(30, 12)
#define INTR_VALID       BIT(31)

enum intr_type {
	INTR_EXTERNAL = 0,
	INTR_TYPE_RESERVED = 1,
	INTR_NMI = 2,
	INTR_HARD_EXCEPTION = 3,
	INTR_SOFT_INT = 4,
	INTR_PRIV_SOFT_EXC = 5,
	INTR_SOFT_EXC = 6,
	INTR_OTHER = 7,
};

/* Guest Non-Register State: interruptibility, activity, pending debug */
#define BLOCKING_STI    BIT(0)
#define BLOCKING_MOV_SS BIT(1)
#define BLOCKING_SMI    BIT(2)
#define BLOCKING_NMI    BIT(3)

enum { ACTIVITY_ACTIVE, ACTIVITY_HLT, ACTIVITY_SHUTDOWN, ACTIVITY_SIPI };

#define PENDING_BP      BITS(3, 0)
#define PENDING_ENABLED BIT(12) /* at least one of them was enabled */
#define PENDING_BS      BIT(14)

#define EXIT_REASON_BASIC  BITS(15, 0)
#define EXIT_ENTRY_FAILURE BIT(31)

#define VMCS_LINK_NONE ~0ull

#endif
