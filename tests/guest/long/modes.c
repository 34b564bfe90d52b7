/* SPDX-License-Identifier: MIT */
/*
 * Out of IA-32e mode and back, through compatibility mode and unpaged protected
 * mode, with what the consistency checks refuse on the way: IA32_EFER, CR4 and
 * the general registers at each stop.
 */
#include "long.h"

/* What the 32-bit half leaves for us. */
extern u32 seen[8], refused, gate32[4 * 14 + 8];

__asm__(".pushsection .data\n.balign 8\n"
	".globl seen, refused, gate32\n"
	"seen: .fill 32\nrefused: .long 0\n"
	"gate32: .fill 14 * 8\n"
	"idtr32: .word 14 * 8 - 1; .long gate32\n"
	"idtr64: .fill 10\n"
	".popsection\n"
	".pushsection .text\n"
	".globl leave_and_return, refuse32\n"
	"leave_and_return:\n"
	"sidt idtr64; pushq $0x38; leaq 1f(%rip),%rax; pushq %rax; lretq\n"
	".code32\n"
	/* #GP of a 3-byte instruction: counted and skipped. */
	"refuse32: incl refused; addl $4,%esp; addl $3,(%esp); iretl\n"
	/* Compatibility mode: PAE cannot go (in the 64-bit IDT's hands). */
	"1: movl %cr0,%eax; btrl $31,%eax; movl %eax,%cr0\n"
	"lidt idtr32; movl $0xc0000080,%ecx; rdmsr; movl %eax,seen\n"
	"movl %cr4,%eax; btrl $5,%eax; movl %eax,%cr4; movl %eax,seen+4\n"
	/* LME without PAE. */
	"movl %cr0,%eax; btsl $31,%eax; movl %eax,%cr0\n"
	"movl refused,%eax; movl %eax,seen+8\n"
	"movl %cr4,%eax; btsl $5,%eax; movl %eax,%cr4\n"
	/* A 16-bit TSS. */
	"movl $0x58,%eax; ltr %ax\n"
	"movl %cr0,%eax; btsl $31,%eax; movl %eax,%cr0\n"
	"movl refused,%eax; movl %eax,seen+12\n"
	"movl $0x60,%eax; ltr %ax\n"
	/* LME off and on while paging is off. */
	"movl $0xc0000080,%ecx; rdmsr; btrl $8,%eax; wrmsr; rdmsr\n"
	"movl %eax,seen+16; btsl $8,%eax; wrmsr\n"
	"movl %cr0,%eax; btsl $31,%eax; movl %eax,%cr0\n"
	"movl $0xc0000080,%ecx; rdmsr; movl %eax,seen+20\n"
	"movl refused,%eax; movl %eax,seen+24\n"
	"ljmp $8,$2f\n"
	".code64\n"
	"2: lidt idtr64; ret\n"
	".popsection");
void leave_and_return(void);
void refuse32(void);

/* CR4.PAE must stay while LMA is set, in compatibility mode too. */
__asm__(".pushsection .text\n.code32\n"
	"drop_pae: movl %cr4,%eax; btrl $5,%eax; movl %eax,%cr4\n"
	".code64\n.popsection");
CASE(compat_pae, "pushq $0x38; leaq drop_pae(%rip),%rax; pushq %rax; lretq");

static void available(u32 sel)
{
	gdt[sel >> 3] &= ~(2ull << 40);
}

static void round_trip(void)
{
	available(0x58);
	available(0x60);
	refused = 0;
	__asm__ volatile("call leave_and_return"
			 : : : "rax", "rcx", "rdx", "memory", "cc");
	available(SEL_TSS);
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
	for (u32 i = 0; i < 7; i++)
		print("%x ", seen[i]);
	print("efer %llx cr4 %llx\n", rdmsr(MSR_EFER), READ_CR(4));
}

int main(void);
int main(void)
{
	static const struct row row = ROW(compat_pae);
	static u16 small_tss[0x2c / 2] ALIGNED(8);

	set_desc(0x58, (u32)(u64)small_tss, sizeof(small_tss) - 1, 0x81, 0);
	set_desc(0x60, (u32)(u64)&tss, sizeof(tss) - 1, 0x89, 0);
	gate32[26] = SEL_CODE32 << 16 | ((u64)refuse32 & 0xffff);
	gate32[27] = ((u64)refuse32 & 0xffff0000) | 0x8e00;
	for (u32 i = 0; i < 3; i++)
		round_trip();
	report(&row, catch(row.fn, 0));
	print("still here: %llx\n", READ_CR(0) & 0x80000001);
	return failures != 0;
}
