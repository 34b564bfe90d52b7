/* SPDX-License-Identifier: MIT */
/*
 * Compatibility mode: 32-bit code under 64-bit tables at CPL 0 and CPL 3, far
 * transfers between the two kinds of code, call gates, what 64-bit mode lost
 * and 32-bit code still has, string instructions, and addresses that wrap.
 */
#include "long.h"

#define CASE32(name, text)                                                \
	__asm__(".pushsection .text\n.balign 16\n.code32\n" #name ":\n"   \
		text "\n.code64\n.popsection");                           \
	void name(void *arg)

#define END "; int $0x80"

CASE32(c_daa, "movl $0x79,%eax; addb $0x35,%al; daa" END);
CASE32(c_aam, "movl $0x7b,%eax; aam; movl %eax,%ebx" END);
CASE32(c_inc, "movl $-1,%eax; incl %eax; decl %ecx; incl %eax" END);
CASE32(c_into, "movb $0x7f,%al; addb $1,%al; into");
CASE32(c_bound, "movl $11,%eax; pushl $10; pushl $0; boundl %eax,(%esp)");
CASE32(c_pusha, "movl $5,%edi; pushal; popl %eax; addl $28,%esp" END);
CASE32(c_push_seg, "pushl %ds; popl %eax; pushl %es; popl %es" END);
CASE32(c_les, "pushl $0x23; pushl $0x12345678; lesl (%esp),%eax" END);
CASE32(c_salc, "stc; .byte 0xd6" END);
CASE32(c_push, "movl %esp,%ebx; pushl $-2; popl %eax; subl %esp,%ebx" END);
CASE32(c_enter, "movl %esp,%ebx; enter $16,$2; subl %esp,%ebx; leave" END);
CASE32(c_wrap, "movl $0xffffffff,%ebx; movb 0x100001(%ebx),%al" END);
CASE32(c_wrap_stack, "movl %esp,%ecx; xorl %esp,%esp; movl $0x100004,%ebx;"
       "movl -4(%esp,%ebx),%eax; movl %ecx,%esp" END);
CASE32(c_a16, "movl $0x70000,%ebx; .byte 0x67; leal 0x1234(%bx),%eax" END);
CASE32(c_ud_syscall, "ud2");
CASE32(c_cr8, ".byte 0x44; .byte 0x0f,0x0b");
CASE32(c_gp_cli, "cli");
CASE32(c_gp_ds, "movl $0x10,%eax; movl %eax,%ds");
CASE32(c_null_ds, "xorl %eax,%eax; movl %eax,%ds; movb %ds:0x100000,%al");
CASE32(c_null_ss, "xorl %eax,%eax; movl %eax,%ss");
CASE32(c_limit, "movl $0x53,%eax; movl %eax,%ds; movb 0x1000,%al;"
       "movb 0xfff,%al");
CASE32(c_jump64, "ljmp $0x2b,$u_wide");
CASE32(c_call64, "lcall $0x2b,$u_wide_back; movl %eax,%ebx" END);
CASE32(c_gate, "lcall $0x83,$0");
CASE32(c_ret64, "pushl $0x2b; pushl $u_wide; lret");
CASE32(c_iret64, "pushl $0x23; pushl %esp; pushfl; pushl $0x2b; pushl $u_wide;"
       "iretl");
CASE32(c_iret_nt, "pushfl; popl %eax; orl $0x4000,%eax; pushl %eax; popfl;"
       "iretl");
CASE32(c_int, "int $0x90");
CASE32(c_pop_flags, "pushl $0x244ed7; popfl; pushfl; popl %eax" END);
CASE32(c_lods, "cld; movl $text_in,%esi; movl $text_out,%edi; xorl %ebx,%ebx;"
       "1: lodsb; incl %ebx; xorb $0x20,%al; stosb; cmpb $0x20,%al; jne 1b"
       END);
CASE32(c_bytes, "movl $text_in,%edx; movl $text_out,%ebx; xorl %ecx,%ecx;"
       "1: movl %edx,cursor; incl cursor; movsbl (%edx),%eax;"
       "movl cursor,%edx; leal 1(%ecx),%esi; movb %al,(%ebx,%ecx);"
       "movl %esi,%ecx; testl %eax,%eax; jne 1b" END);
CASE32(c_rep, "std; movl $text_in+20,%esi; movl $text_out+20,%edi;"
       "movl $21,%ecx; rep movsb; cld; movl $text_in,%edi; xorl %eax,%eax;"
       "movl $-1,%ecx; repne scasb; movl %ecx,%eax" END);
CASE32(c_bt, "movl $bits,%ebx; movl $-40,%eax; btsl %eax,(%ebx);"
       "movl bits-8,%eax" END);
CASE(u_wide, "movl %cs,%eax; movl %ss,%ebx; movq %rsp,%rcx; int $0x80");
CASE(u_wide_back, "movl $0x77,%eax; lretl");
CASE(u_gate64, "pushq $0; movb $0x83,4(%rsp); lcalll *(%rsp)");
CASE(u_to32, "pushq $0x1b; leaq c_daa(%rip),%rax; pushq %rax; lretq");
CASE(u_to32_iret, "movq %rsp,%rbx; pushq $0x23; pushq %rbx; pushfq; pushq $0x1b;"
     "leaq c_push(%rip),%rax; pushq %rax; iretq");
CASE(k_gate, "movq (%rsp),%rax; movq 8(%rsp),%rbx; movq 16(%rsp),%rcx;"
     "movq 24(%rsp),%rdx; ud2");
CASE(k_to32, "movl $0,%edx; pushq $0x38; leaq k_code32(%rip),%rax;"
     "pushq %rax; lretq; k_back: movl %cs,%eax; ud2");
__asm__(".pushsection .text\n.code32\n"
	"k_code32: movl %cs,%ebx; pushl $0x12345678; popl %ecx;"
	"ljmp $8,$k_back\n.code64\n.popsection");
__asm__(".pushsection .data\n.globl text_in, text_out\n"
	"text_in: .asciz \"the quick brown fox jumps\"\n"
	"text_out: .fill 64\n.balign 8\ncursor: .long 0\n"
	".fill 16\nbits: .quad 0\n.popsection");
extern u8 text_out[64];

static const struct row rows32[] = {
	ROW(c_daa), ROW(c_aam), ROW(c_inc), ROW(c_into), ROW(c_bound),
	ROW(c_pusha), ROW(c_push_seg), ROW(c_les), ROW(c_salc), ROW(c_push),
	ROW(c_enter), ROW(c_wrap), ROW(c_wrap_stack), ROW(c_a16),
	ROW(c_ud_syscall), ROW(c_cr8), ROW(c_gp_cli), ROW(c_gp_ds),
	ROW(c_null_ds), ROW(c_null_ss), ROW(c_limit), ROW(c_jump64),
	ROW(c_call64), ROW(c_gate), ROW(c_ret64), ROW(c_iret64),
	ROW(c_iret_nt), ROW(c_int), ROW(c_pop_flags), ROW(c_lods),
	ROW(c_bytes), ROW(c_rep), ROW(c_bt),
};

static const struct row rows64[] = {
	ROW(u_gate64), ROW(u_to32), ROW(u_to32_iret),
};

static u32 sum_text(void)
{
	u32 h = 1;

	for (u32 i = 0; i < sizeof(text_out); i++)
		h = hash(h, text_out[i]);
	return h;
}

/* Registers that the case leaves; addresses of the stack by their low bits. */
static void show(const struct row *row, u32 caught)
{
	report(row, caught);
	print("  ebx %llx ecx %llx edx %llx text %x\n", last.rbx & 0xffff,
	      last.rcx & 0xffff, last.rdx & 0xffff, sum_text());
}

int main(void);
int main(void)
{
	static const struct row kernel = ROW(k_to32);

	set_desc(SEL_TEST, 0, 0xfff, 0xf3, 0x4); /* 50h: data, 4 KiB */
	set_wide(0x80, ((u64)k_gate >> 16 & 0xffff) << 48 | 0xec0000080000 |
		 ((u64)k_gate & 0xffff), (u64)k_gate >> 32);
	for (u32 i = 0; i < ARRAY_SIZE(rows32); i++) {
		fill(text_out, 0, sizeof(text_out));
		show(&rows32[i], catch_user(rows32[i].fn, SEL_UCODE32, 2));
	}
	for (u32 i = 0; i < ARRAY_SIZE(rows64); i++)
		show(&rows64[i], catch_user(rows64[i].fn, SEL_UCODE, 2));
	show(&kernel, catch(k_to32, 0));
	return failures != 0;
}
