/* SPDX-License-Identifier: MIT */
/* The host CPU's instructions that C lacks, one wrapper each. */
#ifndef KERNEL_INSTR_H
#define KERNEL_INSTR_H

#include "x86.h"

static inline u8 inb(u16 port)
{
	u8 v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outb(u16 port, u8 v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void cli(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void sti(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void hlt(void)
{
	__asm__ volatile("hlt" : : : "memory");
}

/* Adjacent, so that no interrupt falls between the two. */
static inline void sti_hlt(void)
{
	__asm__ volatile("sti; hlt" : : : "memory");
}

static inline void pause(void)
{
	__asm__ volatile("pause");
}

static inline u64 rdtsc(void)
{
	return __builtin_ia32_rdtsc();
}

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

struct cpuid {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

#define CR_ACCESSORS(n)                                                   \
	static inline u64 read_cr##n(void)                                \
	{                                                                 \
		u64 v;                                                    \
                                                                          \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v) : : "memory"); \
		return v;                                                 \
	}                                                                 \
                                                                          \
	static inline void write_cr##n(u64 v)                             \
	{                                                                 \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory"); \
	}

CR_ACCESSORS(0)
CR_ACCESSORS(2)
CR_ACCESSORS(3)
CR_ACCESSORS(4)
#undef CR_ACCESSORS

static inline u64 read_dr6(void)
{
	u64 v;

	__asm__ volatile("mov %%dr6, %0" : "=r"(v));
	return v;
}

static inline void write_dr6(u64 v)
{
	__asm__ volatile("mov %0, %%dr6" : : "r"(v));
}

static inline void invlpg(const void *p)
{
	__asm__ volatile("invlpg %0" : : "m"(*(const char *)p) : "memory");
}

static inline u64 read_rflags(void)
{
	u64 v;

	__asm__ volatile("pushfq; popq %0" : "=r"(v));
	return v;
}

struct table_pointer {
	u16 limit;
	u64 base;
} PACKED;

static inline void lgdt(const struct table_pointer *p)
{
	__asm__ volatile("lgdt %0" : : "m"(*p) : "memory");
}

static inline void lidt(const struct table_pointer *p)
{
	__asm__ volatile("lidt %0" : : "m"(*p) : "memory");
}

/* By the cheapest of the instructions that "Serializing Instructions" lists and
 * that leaves the TLB alone: the IDTR as it is. */
static inline void serialise(void)
{
	struct table_pointer p;

	__asm__ volatile("sidt %0; lidt %0" : "=m"(p) : : "memory");
}

static inline void ltr(u16 sel)
{
	__asm__ volatile("ltr %0" : : "r"(sel) : "memory");
}

static inline void lldt(u16 sel)
{
	__asm__ volatile("lldt %0" : : "r"(sel) : "memory");
}

#define SREG_READER(name)                                                 \
	static inline u16 read_##name(void)                               \
	{                                                                 \
		u16 v;                                                    \
                                                                          \
		__asm__ volatile("movw %%" #name ", %0" : "=r"(v));        \
		return v;                                                 \
	}

SREG_READER(ds)
SREG_READER(es)
SREG_READER(fs)
SREG_READER(gs)
#undef SREG_READER

/* As rdmsr and wrmsr, but false where they would fault (see kernel/idt.c). */
bool rdmsr_safe(u32 msr, u64 *v);
bool wrmsr_safe(u32 msr, u64 v);

#endif
