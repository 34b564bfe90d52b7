/* SPDX-License-Identifier: MIT */
/*
 * What a 64-bit test image may use: text.h, 64-bit descriptor tables, exceptions
 * caught and reported. The image runs at CPL 0 in 64-bit mode; 4 GiB are mapped
 * onto themselves, for the user too, and once more from HIGH on.
 */
#ifndef LONG_H
#define LONG_H

#include "text.h"

/* In the order that SYSRET, SYSENTER and SYSEXIT want. */
enum {
	SEL_CODE = 0x08,
	SEL_DATA = 0x10,
	SEL_UCODE32 = 0x18 | 3,
	SEL_UDATA = 0x20 | 3,
	SEL_UCODE = 0x28 | 3,
	SEL_UDATA2 = 0x30 | 3,
	SEL_CODE32 = 0x38,
	SEL_TSS = 0x40, /* 16 bytes */
	SEL_TEST = 0x50,
	GDT_SLOTS = 64,
};

#define HIGH 0xffff800000000000ull
#define VECTOR_SYSCALL 0x80 /* its gate is open to CPL 3 */

/* What a stub pushed, from the bottom up. */
struct trap {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

struct tss {
	u32 reserved0;
	u64 rsp[3], reserved1, ist[7], reserved2;
	u16 reserved3, bitmap;
	u8 ports[8193];
} PACKED;

extern u64 gdt[GDT_SLOTS];
extern u64 idt[512];
extern struct tss tss;
extern struct trap last; /* the trap that ended the last catch() */
extern u64 pml4[512];

/* Returns true when it has dealt with the trap: the code goes on. */
extern bool (*trap_hook)(struct trap *t);

/* 0 when fn returned, else 1 + the vector of what ended it. */
u32 catch(void (*fn)(void *), void *arg);
void catch_return(u32 value) __attribute__((noreturn));
/* The same with fn at CPL 3, in the code segment `cs`. */
u32 catch_user(void (*fn)(void *), u64 cs, u64 rflags);

void set_desc(u32 sel, u32 base, u32 limit, u32 access, u32 flags);
void set_gate(u32 vector, u32 sel, u64 entry, u32 access, u32 ist);
/* A 16-byte system descriptor or call gate. */
void set_wide(u32 sel, u64 low, u64 high);
u64 trap_entry(u32 vector); /* the library's stub */
const char *command_line(void);

/* Code whose trap address is reported relative to its own start. */
#define CASE(name, text)                                                  \
	__asm__(".pushsection .text\n.balign 16\n" #name ":\n" text       \
		"\nret\n.popsection");                                    \
	void name(void *arg)

struct row {
	const char *name;
	void (*fn)(void *);
};
#define ROW(name) { #name, name }

/* One line: how fn ended. */
void report(const struct row *row, u32 caught);

static inline u64 rdmsr(u32 index)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
	return (u64)high << 32 | low;
}

static inline void wrmsr(u32 index, u64 value)
{
	__asm__ volatile("wrmsr" : : "a"((u32)value), "d"((u32)(value >> 32)),
			 "c"(index) : "memory");
}

#define MSR_EFER	0xc0000080u
#define MSR_STAR	0xc0000081u
#define MSR_LSTAR	0xc0000082u
#define MSR_FMASK	0xc0000084u
#define MSR_FS_BASE	0xc0000100u
#define MSR_GS_BASE	0xc0000101u
#define MSR_KERNEL_GS	0xc0000102u

#define READ_CR(n)                                                        \
	({                                                                \
		u64 cr_;                                                  \
		__asm__ volatile("movq %%cr" #n ", %0"                    \
				 : "=r"(cr_) : : "memory");               \
		cr_;                                                      \
	})
#define WRITE_CR(n, v)                                                    \
	__asm__ volatile("movq %0, %%cr" #n : : "r"((u64)(v)) : "memory")

static inline void invlpg(u64 va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

#endif
