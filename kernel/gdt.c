/* SPDX-License-Identifier: MIT */
/* The host GDT and TSS: filled once, then only RSP0 changes. */
#include "kernel/gdt.h"

#include "kernel/instr.h"
#include "kernel/stacks.h"

/* Access bytes sit in bits 47:40, G, D/B and L in bits 55:52. */
#define DESC_CODE64 0x00209b0000000000ull
#define DESC_DATA   0x0000930000000000ull
#define DESC_LDT    0x0000820000000000ull
#define DESC_TSS    0x0000890000000000ull

u64 host_gdt[GDT_ENTRIES] ALIGNED(4096);
struct host_tss host_tss ALIGNED(128);

_Static_assert(sizeof(struct host_tss) == 104, "64-bit TSS");

/* A system descriptor in long mode: 16 bytes ("Segment Descriptors"). */
static void set_system(u16 sel, u64 access, u64 base, u32 limit)
{
	host_gdt[sel >> 3] = access | limit | bits_get(base, 23, 0) << 16 |
			     bits_get(base, 31, 24) << 56;
	host_gdt[(sel >> 3) + 1] = base >> 32;
}

static void set_tss(void)
{
	host_tss.rsp[0] = (uintptr_t)stack_rsp0_top;
	host_tss.ist[IST_DF - 1] = (uintptr_t)stack_df_top;
	host_tss.ist[IST_NMI - 1] = (uintptr_t)stack_nmi_top;
	host_tss.ist[IST_MC - 1] = (uintptr_t)stack_mc_top;
	host_tss.io_map_base = sizeof(host_tss); /* none: ports fault */

	set_system(HOST_TSS, DESC_TSS, (uintptr_t)&host_tss,
		   sizeof(host_tss) - 1);
}

/* A far return loads CS; data segments other than SS are not used. */
static void load_segments(void)
{
	__asm__ volatile("pushq %0\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovl %1, %%ss\n\t"
			 "movl %2, %%ds\n\t"
			 "movl %2, %%es\n\t"
			 "movl %2, %%fs\n\t"
			 "movl %2, %%gs\n\t"
			 :
			 : "i"(HOST_CS), "r"(HOST_SS), "r"(0)
			 : "rax", "memory");
}

void gdt_init(void)
{
	struct table_pointer p = { sizeof(host_gdt) - 1, (uintptr_t)host_gdt };

	host_gdt[HOST_CS >> 3] = DESC_CODE64;
	host_gdt[HOST_SS >> 3] = DESC_DATA;
	set_tss();
	lgdt(&p);
	load_segments();
	ltr(HOST_TSS);
}

void gdt_set_rsp0(u64 rsp0)
{
	host_tss.rsp[0] = rsp0;
}

void gdt_set_ldt(const u64 *table, u32 limit)
{
	set_system(HOST_LDT, DESC_LDT, (uintptr_t)table, limit);
}
