/* SPDX-License-Identifier: MIT */
/* The host IDT, the fix-up table and the instructions that rely on it. */
#include "kernel/idt.h"

#include "kernel/gdt.h"
#include "kernel/instr.h"

#define STUB_BYTES 16
#define GATE_INTERRUPT 0xe

/* Intel manual, "64-Bit Mode IDT" */
struct gate {
	u16 offset_low;
	u16 selector;
	u8 ist;
	u8 type;
	u16 offset_middle;
	u32 offset_high;
	u32 reserved;
};

extern const u8 isr_stubs[];
extern const struct fixup fixup_start[], fixup_end[];

static struct gate idt[256] ALIGNED(4096);

static const u8 ist_of[256] = {
	[VEC_DF] = IST_DF,
	[VEC_NMI] = IST_NMI,
	[VEC_MC] = IST_MC,
};

static const char *const names[] = {
	[VEC_DE] = "#DE divide error",
	[VEC_DB] = "#DB debug",
	[VEC_NMI] = "NMI",
	[VEC_BP] = "#BP breakpoint",
	[VEC_OF] = "#OF overflow",
	[VEC_BR] = "#BR bound range",
	[VEC_UD] = "#UD invalid opcode",
	[VEC_NM] = "#NM no FPU",
	[VEC_DF] = "#DF double fault",
	[VEC_TS] = "#TS invalid TSS",
	[VEC_NP] = "#NP segment not present",
	[VEC_SS] = "#SS stack fault",
	[VEC_GP] = "#GP general protection",
	[VEC_PF] = "#PF page fault",
	[VEC_MF] = "#MF x87 error",
	[VEC_AC] = "#AC alignment check",
	[VEC_MC] = "#MC machine check",
	[VEC_XM] = "#XM SIMD error",
};

const char *idt_vector_name(u64 vector)
{
	if (vector < ARRAY_SIZE(names) && names[vector])
		return names[vector];
	return "interrupt";
}

static void set_gate(u8 vector)
{
	u64 entry = (uintptr_t)isr_stubs + vector * STUB_BYTES;

	idt[vector] = (struct gate){
		.offset_low = (u16)entry,
		.selector = HOST_CS,
		.ist = ist_of[vector],
		.type = AR_P | GATE_INTERRUPT,
		.offset_middle = (u16)(entry >> 16),
		.offset_high = (u32)(entry >> 32),
	};
}

void idt_init(void)
{
	struct table_pointer p = { sizeof(idt) - 1, (uintptr_t)idt };

	for (unsigned v = 0; v < 256; v++)
		set_gate((u8)v);
	lidt(&p);
}

void idt_set_dpl(u8 vector, unsigned dpl)
{
	idt[vector].type = (u8)(AR_P | dpl << AR_DPL_SHIFT | GATE_INTERRUPT);
}

bool idt_fixup(struct host_frame *f)
{
	for (const struct fixup *x = fixup_start; x < fixup_end; x++) {
		if (x->fault == f->rip) {
			f->rip = x->resume;
			return true;
		}
	}
	return false;
}

/* RCX counts what is left, wherever it faults. */
u64 host_peek(u64 addr, void *buf, u64 size)
{
	u64 left = size;

	__asm__ volatile("1:\trep movsb\n"
			 "2:\n\t" FIXUP(1b, 2b)
			 : "+c"(left), "+S"(addr), "+D"(buf)
			 :
			 : "memory");
	return size - left;
}

bool rdmsr_safe(u32 msr, u64 *v)
{
	u32 lo = 0, hi = 0;
	u8 done = 0;

	__asm__ volatile("1:\trdmsr\n\t"
			 "movb $1, %2\n"
			 "2:\n\t" FIXUP(1b, 2b)
			 : "+a"(lo), "+d"(hi), "+q"(done)
			 : "c"(msr));
	*v = (u64)hi << 32 | lo;
	return done;
}

bool wrmsr_safe(u32 msr, u64 v)
{
	u8 done = 0;

	__asm__ volatile("1:\twrmsr\n\t"
			 "movb $1, %0\n"
			 "2:\n\t" FIXUP(1b, 2b)
			 : "+q"(done)
			 : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32))
			 : "memory");
	return done;
}
