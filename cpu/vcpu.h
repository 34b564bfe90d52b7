/* SPDX-License-Identifier: MIT */
/*
 * The guest processor's architectural state: plain data, no pointer and no
 * host address in it, so that any byte pattern is at worst another guest
 * state. Translated code addresses this structure as r15 + constant, which is
 * why it must fit a page and hold nothing that the monitor trusts.
 *
 * Enum orders are the hardware's encodings (ModRM and sreg numbers).
 *
 * Hidden parts are kept as they were loaded: in 64-bit mode CS, SS, DS and ES
 * keep bases and limits that count only once compatibility mode is back. There
 * and in legacy modes bits 63:32 of registers are what was left in them.
 */
#ifndef CPU_VCPU_H
#define CPU_VCPU_H

#include "x86.h"

enum gpr {
	R_AX, R_CX, R_DX, R_BX, R_SP, R_BP, R_SI, R_DI,
	R_8, R_9, R_10, R_11, R_12, R_13, R_14, R_15,
	GPR_COUNT
};

enum sreg {
	SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS,
	SEG_LDTR, SEG_TR,
	SEG_COUNT
};

/* A segment register with its hidden part; `limit` is in bytes, G applied. */
struct segment {
	u64 base;
	u32 limit;
	u32 ar; /* AR_* */
	u16 sel;
	u16 pad[3];
};

/* Not 0: they are not alike, hidden parts and all. */
static inline u64 segment_differs(const struct segment *a,
				  const struct segment *b)
{
	return (a->base ^ b->base) | (a->limit ^ b->limit) | (a->ar ^ b->ar) |
	       (u16)(a->sel ^ b->sel);
}

struct dtable {
	u64 base;
	u16 limit;
	u16 pad[3];
};

/* Why maskable events are held off for one instruction. */
enum { SHADOW_NONE, SHADOW_STI, SHADOW_MOV_SS };

/* What the processor is doing, when it is not running instructions. */
enum activity { ACT_ACTIVE, ACT_HALTED, ACT_SHUTDOWN };

/* A debugger's: no event at all is delivered; no external interrupt is. */
enum { HOLD_EVENTS = BIT(0), HOLD_INTR = BIT(1) };

/* INTR is high. As part of an address it makes one that faults: gen_sti(). */
#define INTR_WAITING (BIT(62) | 1)

struct vcpu {
	u64 gpr[GPR_COUNT];
	u64 rip;    /* offset in CS of the next instruction */
	u64 rflags; /* all of EFLAGS; bit 1 always set */

	struct segment seg[SEG_COUNT];
	struct dtable gdtr, idtr;

	u64 cr0, cr2, cr3, cr4, cr8;
	u64 efer;
	u64 xcr0;
	u64 pdpte[4]; /* PAE: as loaded at the last CR3 write */
	u64 dr[8];    /* 4 and 5 unused */

	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
	u64 pat, apic_base, misc_enable;
	u64 tsc_offset; /* guest TSC = host TSC + offset */

	u64 intr;     /* 0, or INTR_WAITING: the interrupt controller's INTR */
	u8 cpl;       /* kept equal to SS.DPL (3 in VM86, 0 in real mode) */
	u8 shadow;    /* SHADOW_*: events held off until the next boundary */
	u8 activity;  /* enum activity */
	u8 nmi_pending;
	u8 nmi_blocked;
	u8 attention; /* set from host interrupts: the run loop is wanted */
	u8 db_pending; /* a single-step or data breakpoint trap is due */
	/*
	 * FIP, FDP and FOP are of an x87 instruction that an engine ran at an
	 * address of its own: they read as zero.
	 */
	u8 x87_ours;
	u64 db_dr6;    /* the DR6 bits that it will report */

	u64 insn_count; /* guest instructions retired; exact where counted */
	u64 insn_stop;  /* engines that count return ATTENTION here; ~0: never */
	u64 pc_linear;  /* scratch of engines: linear address at a callout */
	u64 hold;       /* HOLD_*: the debugger keeps events off */
	u64 engine[64]; /* plain scratch that belongs to the running engine */
};

_Static_assert(sizeof(struct vcpu) <= 2048, "vcpu must fit its page");

static inline bool vcpu_protected(const struct vcpu *v)
{
	return v->cr0 & CR0_PE;
}

static inline bool vcpu_vm86(const struct vcpu *v)
{
	return v->rflags & EFLAGS_VM;
}

/* Real mode or VM86: selectors are paragraphs, no descriptors are read. */
static inline bool vcpu_real_addressing(const struct vcpu *v)
{
	return !vcpu_protected(v) || vcpu_vm86(v);
}

/* IA-32e mode: 64-bit mode or compatibility mode. */
static inline bool vcpu_long_mode(const struct vcpu *v)
{
	return v->efer & EFER_LMA;
}

/* 64-bit mode: IA-32e mode with CS.L. */
static inline bool vcpu_64bit(const struct vcpu *v)
{
	return vcpu_long_mode(v) && (v->seg[SEG_CS].ar & AR_L);
}

/* Default size of code at CS: 2, 4 or 8 bytes (8: 64-bit mode). */
static inline unsigned vcpu_code_size(const struct vcpu *v)
{
	if (vcpu_64bit(v))
		return 8;
	return v->seg[SEG_CS].ar & AR_DB ? 4 : 2;
}

/* Linear address of an offset in CS; in 64-bit mode its base counts as 0. */
static inline u64 vcpu_code_linear(const struct vcpu *v, u64 offset)
{
	if (vcpu_64bit(v))
		return offset;
	return (u32)(v->seg[SEG_CS].base + offset);
}

/* Width of the stack pointer in use: 2, 4 or 8 bytes. */
static inline unsigned vcpu_stack_size(const struct vcpu *v)
{
	if (vcpu_64bit(v))
		return 8;
	return v->seg[SEG_SS].ar & AR_DB ? 4 : 2;
}

static inline unsigned vcpu_iopl(const struct vcpu *v)
{
	return bits_get(v->rflags, 13, 12);
}

/* State after RESET, as in "Processor State After Reset". */
void vcpu_reset(struct vcpu *v);

/*
 * 32-bit protected mode, unpaged, flat segments, interrupts off: what both the
 * Linux 32-bit boot protocol and Multiboot ask for. `entry` is the new EIP.
 * CS = cs_sel, the data segments = ds_sel.
 */
void vcpu_reset_flat32(struct vcpu *v, u32 entry, u16 cs_sel, u16 ds_sel);

#endif
