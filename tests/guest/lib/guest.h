/* SPDX-License-Identifier: MIT */
/*
 * What a 32-bit test image may use: text.h, descriptor tables, exceptions caught
 * and reported. Output must be the same on every
 * engine: no times, no addresses that a loader chooses.
 */
#ifndef GUEST_H
#define GUEST_H

#include "text.h"

/* The library's GDT; a test may use the slots from SEL_TEST on. */
enum {
	SEL_NULL = 0x00,
	SEL_CODE = 0x08,
	SEL_DATA = 0x10,
	SEL_UCODE = 0x18 | 3,
	SEL_UDATA = 0x20 | 3,
	SEL_TSS = 0x28,
	SEL_TEST = 0x30,
	GDT_SLOTS = 64,
};

/* What a stub pushed, from the bottom up. */
struct trap {
	u32 gs, fs, es, ds;
	u32 edi, esi, ebp, esp_low, ebx, edx, ecx, eax;
	u32 vector, error;
	u32 eip, cs, eflags;
	u32 esp, ss;             /* from an outer ring only */
	u32 v86_es, v86_ds, v86_fs, v86_gs;
};

struct tss {
	u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
	u32 eax, ecx, edx, ebx, esp, ebp, esi, edi;
	u32 es, cs, ss, ds, fs, gs, ldt;
	u16 trap, bitmap;
	u8 ports[8193];
} PACKED;

extern u64 gdt[GDT_SLOTS];
extern struct tss tss;
extern struct trap last; /* the trap that ended the last catch() */

/* Returns true when it has dealt with the trap: the code goes on. */
extern bool (*trap_hook)(struct trap *t);

u32 catch(void (*fn)(void *), void *arg);
void catch_return(u32 value) __attribute__((noreturn));

void print_trap(const char *what, u32 caught);

void set_desc(u32 sel, u32 base, u32 limit, u32 access, u32 flags);
void set_gate(u32 vector, u32 sel, const void *entry, u32 access);
const void *trap_entry(u32 vector); /* the library's stub */
const char *command_line(void);

/* Run fn at CPL 3 with the library's user stack; as catch(). */
u32 catch_user(void (*fn)(void), u32 eflags);

static inline u32 read_flags(void)
{
	u32 f;

	__asm__ volatile("pushfl; popl %0" : "=r"(f) : : "memory");
	return f;
}

#define READ_CR(n)                                                        \
	({                                                                \
		u32 cr_;                                                  \
		__asm__ volatile("movl %%cr" #n ", %0"                    \
				 : "=r"(cr_) : : "memory");               \
		cr_;                                                      \
	})
#define WRITE_CR(n, v)                                                    \
	__asm__ volatile("movl %0, %%cr" #n : : "r"(v) : "memory")

static inline void invlpg(u32 va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

#endif
