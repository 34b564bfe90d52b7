/* SPDX-License-Identifier: MIT */
/*
 * Architectural constants by the Intel manual's own names, grouped by the
 * manual's headings. No state.
 */
#ifndef X86_H
#define X86_H

#include "bits.h"

/* EFLAGS Register */
#define EFLAGS_CF   BIT(0)
#define EFLAGS_MBS  BIT(1) /* always 1 */
#define EFLAGS_PF   BIT(2)
#define EFLAGS_AF   BIT(4)
#define EFLAGS_ZF   BIT(6)
#define EFLAGS_SF   BIT(7)
#define EFLAGS_TF   BIT(8)
#define EFLAGS_IF   BIT(9)
#define EFLAGS_DF   BIT(10)
#define EFLAGS_OF   BIT(11)
#define EFLAGS_IOPL (BIT(12) | BIT(13))
#define EFLAGS_NT   BIT(14)
#define EFLAGS_RF   BIT(16)
#define EFLAGS_VM   BIT(17)
#define EFLAGS_AC   BIT(18)
#define EFLAGS_VIF  BIT(19)
#define EFLAGS_VIP  BIT(20)
#define EFLAGS_ID   BIT(21)
#define EFLAGS_ARITH                                                     \
	(EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF |     \
	 EFLAGS_OF)

/* Control Registers */
#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR3_PWT BIT(3)
#define CR3_PCD BIT(4)

#define CR4_VME        BIT(0)
#define CR4_PVI        BIT(1)
#define CR4_TSD        BIT(2)
#define CR4_DE         BIT(3)
#define CR4_PSE        BIT(4)
#define CR4_PAE        BIT(5)
#define CR4_MCE        BIT(6)
#define CR4_PGE        BIT(7)
#define CR4_PCE        BIT(8)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_LA57       BIT(12)
#define CR4_VMXE       BIT(13)
#define CR4_SMXE       BIT(14)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)
#define CR4_PKE        BIT(22)

/* Model-Specific Registers */
#define MSR_IA32_TSC             0x010u
#define MSR_IA32_PLATFORM_ID     0x017u
#define MSR_IA32_APIC_BASE       0x01bu
#define MSR_IA32_FEATURE_CONTROL 0x03au
#define MSR_IA32_BIOS_SIGN_ID    0x08bu
#define MSR_IA32_MTRRCAP         0x0feu
#define MSR_IA32_SYSENTER_CS     0x174u
#define MSR_IA32_SYSENTER_ESP    0x175u
#define MSR_IA32_SYSENTER_EIP    0x176u
#define MSR_IA32_MCG_CAP         0x179u
#define MSR_IA32_MISC_ENABLE     0x1a0u
#define MSR_IA32_DEBUGCTL        0x1d9u
#define MSR_IA32_PAT             0x277u
#define MSR_IA32_EFER            0xc0000080u
#define MSR_IA32_STAR            0xc0000081u
#define MSR_IA32_LSTAR           0xc0000082u
#define MSR_IA32_CSTAR           0xc0000083u
#define MSR_IA32_FMASK           0xc0000084u
#define MSR_IA32_FS_BASE         0xc0000100u
#define MSR_IA32_GS_BASE         0xc0000101u
#define MSR_IA32_KERNEL_GS_BASE  0xc0000102u
#define MSR_IA32_TSC_AUX         0xc0000103u

#define FEATURE_CONTROL_LOCK      BIT(0)
#define FEATURE_CONTROL_VMX       BIT(2) /* VMXON outside SMX */

#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)

#define PAT_RESET 0x0007040600070406ull

/* Paging: bits of an entry, the same in every format that has them */
#define PTE_P   BIT(0)
#define PTE_W   BIT(1)
#define PTE_U   BIT(2)
#define PTE_PWT BIT(3)
#define PTE_PCD BIT(4)
#define PTE_A   BIT(5)
#define PTE_D   BIT(6)
#define PTE_PS  BIT(7)
#define PTE_PAT BIT(7) /* in a 4 KiB leaf */
#define PTE_G   BIT(8)
#define PTE_NX  BIT(63)
#define PTE_ADDR BITS(51, 12)

/* Page-Fault Exceptions: error code */
#define PFEC_P    BIT(0)
#define PFEC_W    BIT(1)
#define PFEC_U    BIT(2)
#define PFEC_RSVD BIT(3)
#define PFEC_I    BIT(4)

/* Exception and Interrupt Reference */
#define VEC_DE 0
#define VEC_DB 1
#define VEC_NMI 2
#define VEC_BP 3
#define VEC_OF 4
#define VEC_BR 5
#define VEC_UD 6
#define VEC_NM 7
#define VEC_DF 8
#define VEC_TS 10
#define VEC_NP 11
#define VEC_SS 12
#define VEC_GP 13
#define VEC_PF 14
#define VEC_MF 16
#define VEC_AC 17
#define VEC_MC 18
#define VEC_XM 19

/* Error code of a selector: external event, IDT, LDT */
#define ERR_EXT BIT(0)
#define ERR_IDT BIT(1)
#define ERR_TI  BIT(2)

/*
 * Segment access rights, in the layout that the VMCS uses: bytes 5 and 6 of
 * the descriptor with the limit's bits 19:16 left out.
 */
#define AR_TYPE     BITS(3, 0)
#define AR_ACCESSED BIT(0)
#define AR_WRITE    BIT(1) /* data: writable */
#define AR_READ     BIT(1) /* code: readable */
#define AR_DOWN     BIT(2) /* data: expands down */
#define AR_CONFORM  BIT(2) /* code: conforming */
#define AR_CODE     BIT(3)
#define AR_S        BIT(4) /* code or data, not system */
#define AR_DPL_SHIFT 5
#define AR_DPL      BITS(6, 5)
#define AR_P        BIT(7)
#define AR_AVL      BIT(12)
#define AR_L        BIT(13)
#define AR_DB       BIT(14)
#define AR_G        BIT(15)
#define AR_UNUSABLE BIT(16)

/* System-Segment and Gate-Descriptor Types */
#define SYS_TSS16_AVAIL 1
#define SYS_LDT         2
#define SYS_TSS16_BUSY  3
#define SYS_CALL16      4
#define SYS_TASK_GATE   5
#define SYS_INT16       6
#define SYS_TRAP16      7
#define SYS_TSS32_AVAIL 9
#define SYS_TSS32_BUSY  11
#define SYS_CALL32      12
#define SYS_INT32       14
#define SYS_TRAP32      15
/* The same codes in IA-32e mode, where descriptors and gates are 64-bit. */
#define SYS_TSS64_AVAIL 9
#define SYS_TSS64_BUSY  11
#define SYS_CALL64      12
#define SYS_INT64       14
#define SYS_TRAP64      15

/* Debug Registers */
#define DR6_B0   BIT(0)
#define DR6_BD   BIT(13)
#define DR6_BS   BIT(14)
#define DR6_BT   BIT(15)
#define DR6_RESET 0xffff0ff0ull
#define DR7_GD   BIT(13)
#define DR7_RESET 0x400ull
#define DR7_ENABLED 0xffull /* any L or G bit */

/* "Canonical Addressing": bits 63:47 are alike; 57-bit ones are not offered. */
static inline bool is_canonical(u64 address)
{
	return (u64)sign_extend(address, 48) == address;
}

#endif
