/* SPDX-License-Identifier: MIT */
/*
 * What 64-bit code at CPL 0 and CPL 3 can raise: vector, error code, saved RIP
 * relative to the instruction, saved flags, CS and SS. Canonical addresses,
 * control registers and MSRs, descriptors, gates, what 64-bit mode took away.
 */
#include "long.h"

CASE(de_div, "xorl %edx,%edx; xorl %ecx,%ecx; movl $1,%eax; divq %rcx");
CASE(de_big, "movl $5,%edx; movl $2,%ecx; xorl %eax,%eax; divq %rcx");
CASE(de_idiv, "movabsq $0x8000000000000000,%rax; cqto; movq $-1,%rcx;"
     "idivq %rcx");
CASE(bp, "int3");
CASE(bp_cd, ".byte 0xcd,3");
CASE(ud2, "ud2");
CASE(ud_lock, ".byte 0xf0,0x90");
CASE(ud_06, ".byte 0x06");
CASE(ud_1e, ".byte 0x1e");
CASE(ud_27, ".byte 0x27");
CASE(ud_60, ".byte 0x60");
CASE(ud_82, ".byte 0x82,0xc0,1");
CASE(ud_9a, ".byte 0x9a,0,0,0,0,8,0");
CASE(ud_ce, ".byte 0xce");
CASE(ud_d4, ".byte 0xd4,10");
CASE(ud_ea, ".byte 0xea,0,0,0,0,8,0");
CASE(ud_cr1, ".byte 0x0f,0x20,0xc8");
CASE(ud_cr9, ".byte 0x44,0x0f,0x20,0xc8");
CASE(ud_mov_cs, ".byte 0x8e,0xc8");
CASE(int_0x90, "int $0x90");
CASE(gp_load, "movabsq $0x800000000000,%rbx; movq (%rbx),%rax");
CASE(gp_load_edge, "movabsq $0x7fffffffffff,%rbx; movq (%rbx),%rax");
CASE(gp_store, "movabsq $0xffff000000000000,%rbx; movb %al,(%rbx)");
CASE(ss_rbp, "movabsq $0x800000000000,%rbp; movq (%rbp),%rax");
CASE(gp_rbp_fs, "movabsq $0x800000000000,%rbp; movq %fs:(%rbp),%rax");
CASE(ss_push, "movq %rsp,%rbx; movabsq $0x800000000004,%rsp; pushq %rax");
CASE(gp_lea, "movabsq $0x800000000000,%rbx; leaq 8(%rbx),%rax");
CASE(no_invlpg, "movabsq $0x800000000000,%rbx; invlpg (%rbx)");
CASE(high_load, "movabsq $0xffff800000100000,%rbx; movl (%rbx),%eax");
CASE(gp_null_ds, "xorl %eax,%eax; movl %eax,%ds; movl %ds:0x100000,%eax;"
     "xorl %eax,%eax; movl $0x10,%ecx; movl %ecx,%ds");
CASE(ss_null, "xorl %eax,%eax; movl %eax,%ss; pushq %rax; popq %rax;"
     "movl %ss,%eax; movl $0x10,%ecx; movl %ecx,%ss; ud2");
CASE(ss_null_rpl, "movl $3,%eax; movl %eax,%ss");
CASE(gp_ss_code, "movl $8,%eax; movl %eax,%ss");
CASE(gp_ds_limit, "movl $0x7ff8,%eax; movl %eax,%ds");
CASE(gp_ds_tss, "movl $0x40,%eax; movl %eax,%ds");
CASE(np_ds, "movl $0x50,%eax; movl %eax,%ds");
CASE(ss_np, "movl $0x50,%eax; movl %eax,%ss");
CASE(gp_cr0_pg, "movq %cr0,%rax; btrq $31,%rax; movq %rax,%cr0");
CASE(gp_cr0_high, "movq %cr0,%rax; btsq $32,%rax; movq %rax,%cr0");
CASE(gp_cr0_nw, "movq %cr0,%rax; btrq $30,%rax; btsq $29,%rax;"
     "movq %rax,%cr0");
CASE(gp_cr4_pae, "movq %cr4,%rax; btrq $5,%rax; movq %rax,%cr4");
CASE(gp_cr4_high, "movq %cr4,%rax; btsq $40,%rax; movq %rax,%cr4");
CASE(gp_cr8, "movl $16,%eax; movq %rax,%cr8");
CASE(cr8, "movl $9,%eax; movq %rax,%cr8; movq %cr8,%rax; xorl %ecx,%ecx;"
     "movq %rcx,%cr8; ud2");
CASE(cr2, "movabsq $0x123456789abcdef0,%rax; movq %rax,%cr2;"
     "movq %cr2,%rax; ud2");
CASE(gp_dr6, "movabsq $0x100000000,%rax; movq %rax,%dr6");
CASE(gp_dr7, "movabsq $0x100000000,%rax; movq %rax,%dr7");
CASE(dr0, "movabsq $0x123456789abcdef0,%rax; movq %rax,%dr0;"
     "movq %dr0,%rax; ud2");
CASE(gp_efer, "movl $0xc0000080,%ecx; rdmsr; btcl $8,%eax; wrmsr");
CASE(gp_efer_rsvd, "movl $0xc0000080,%ecx; rdmsr; btsl $1,%eax; wrmsr");
CASE(efer_lma, "movl $0xc0000080,%ecx; rdmsr; btrl $10,%eax; wrmsr; rdmsr;"
     "ud2");
CASE(gp_lstar, "movl $0xc0000082,%ecx; movl $0x8000,%edx; xorl %eax,%eax;"
     "wrmsr");
CASE(gp_gsbase, "movl $0xc0000101,%ecx; movl $0x8000,%edx; xorl %eax,%eax;"
     "wrmsr");
CASE(gp_lgdt, "subq $16,%rsp; movabsq $0x800000000000,%rax;"
     "movw $0x1ff,(%rsp); movq %rax,2(%rsp); lgdt (%rsp); addq $16,%rsp");
CASE(gp_ltr_data, "movl $0x10,%eax; ltr %ax");
CASE(gp_ltr_busy, "movl $0x40,%eax; ltr %ax");
CASE(gp_ltr_null, "xorl %eax,%eax; ltr %ax");
CASE(gp_ltr_16, "movl $0x58,%eax; ltr %ax");
CASE(gp_ltr_upper, "movl $0x60,%eax; ltr %ax");
CASE(gp_lldt, "movl $0x10,%eax; lldt %ax");
CASE(gp_iret_nt, "pushfq; popq %rax; btsq $14,%rax; pushq %rax; popfq; iretq");
CASE(gp_iret_null, "pushq $0; pushq %rsp; pushfq; pushq $0; pushq $0; iretq");
CASE(gp_iret_data, "pushq $0; pushq %rsp; pushfq; pushq $0x10; pushq $0;"
     "iretq");
CASE(gp_iret_ss3, "pushq $0; pushq %rsp; pushfq; pushq $0x2b; pushq $0;"
     "iretq");
CASE(gp_iret_ss32, "pushq $0; pushq %rsp; pushfq; pushq $0x38; pushq $0;"
     "iretq");
CASE(gp_iret_rip, "movq %rsp,%rcx; movl %ss,%eax; pushq %rax; pushq %rcx;"
     "pushfq; pushq $8; movabsq $0x800000000000,%rax; pushq %rax; iretq");
CASE(iret_null_ss, "movq %rsp,%rcx; pushq $0; pushq %rcx; pushfq; pushq $8;"
     "leaq 1f(%rip),%rax; pushq %rax; iretq; 1: movl %ss,%eax;"
     "movl $0x10,%ecx; movl %ecx,%ss; ud2");
CASE(gp_lret_data, "pushq $0x10; pushq $0; lretq");
CASE(gp_lret_ld, "pushq $0x70; pushq $0; lretq");
CASE(gp_lret_rip, "pushq $8; movabsq $0x800000000000,%rax; pushq %rax;"
     "lretq");
CASE(gp_far_tss, "pushq $0; movb $0x40,4(%rsp); ljmpl *(%rsp)");
CASE(gp_far_null, "pushq $0; pushq $0; ljmpl *(%rsp)");
CASE(gp_far_data, "pushq $0; movb $0x10,4(%rsp); lcalll *(%rsp)");
CASE(gp_far_task_gate, "pushq $0; movb $0x78,4(%rsp); ljmpl *(%rsp)");
CASE(gp_far_call16, "pushq $0; movb $0x80,4(%rsp); lcalll *(%rsp)");
CASE(gate_np, "int $0x91");
CASE(gate_null, "int $0x93");
CASE(gate_data, "int $0x94");
CASE(gate_task, "int $0x95");
CASE(gate_int32, "int $0x96");
CASE(gate_code32, "int $0x97");
CASE(gate_rip, "int $0x98");
CASE(gate_upper, "int $0x99");
CASE(lar_ldt16, "movl $0x58,%ecx; xorl %eax,%eax; lar %ecx,%eax; setzb %al;"
     "ud2");
CASE(lar_call, "movl $0x88,%ecx; xorl %eax,%eax; lar %ecx,%eax; ud2");
CASE(lsl_tss, "movl $0x40,%ecx; xorl %eax,%eax; lsl %ecx,%eax; ud2");
CASE(syscall_off, "syscall");
CASE(swap, "swapgs; swapgs");
CASE(u_ok, "movl $0x55,%eax; int $0x80");
CASE(u_cli, "cli");
CASE(u_hlt, "hlt");
CASE(u_in, "inb $0x60,%al");
CASE(u_cr8, "movq %cr8,%rax");
CASE(u_cr0, "movq %cr0,%rax");
CASE(u_dr7, "movq %dr7,%rax");
CASE(u_swapgs, "swapgs");
CASE(u_sysret, "sysretq");
CASE(u_rdmsr, "movl $0xc0000101,%ecx; rdmsr");
CASE(u_invlpg, "invlpg (%rsp)");
CASE(u_gate, "int $0x10");
CASE(u_ss_null, "xorl %eax,%eax; movl %eax,%ss");
CASE(u_ds, "movl $0x10,%eax; movl %eax,%ds");
CASE(u_ud_load, "movabsq $0x800000000000,%rbx; movq (%rbx),%rax");
CASE(u_ss_push, "movabsq $0x800000000004,%rsp; pushq %rax");
CASE(u_popf, "pushq $0x203202; popfq; pushfq; popq %rax; int $0x80");
CASE(u_int3, "int3");
CASE(u_de, "xorl %edx,%edx; xorl %ecx,%ecx; divq %rcx");

static const struct row kernel_rows[] = {
	ROW(de_div), ROW(de_big), ROW(de_idiv), ROW(bp), ROW(bp_cd), ROW(ud2),
	ROW(ud_lock), ROW(ud_06), ROW(ud_1e), ROW(ud_27), ROW(ud_60),
	ROW(ud_82), ROW(ud_9a), ROW(ud_ce), ROW(ud_d4), ROW(ud_ea),
	ROW(ud_cr1), ROW(ud_cr9), ROW(ud_mov_cs), ROW(int_0x90), ROW(gp_load),
	ROW(gp_load_edge), ROW(gp_store), ROW(ss_rbp), ROW(gp_rbp_fs),
	ROW(gp_lea), ROW(no_invlpg), ROW(high_load), ROW(gp_null_ds),
	ROW(ss_null), ROW(ss_null_rpl), ROW(gp_ss_code), ROW(gp_ds_limit),
	ROW(gp_ds_tss), ROW(np_ds), ROW(ss_np), ROW(gp_cr0_pg),
	ROW(gp_cr0_high), ROW(gp_cr0_nw), ROW(gp_cr4_pae), ROW(gp_cr4_high),
	ROW(gp_cr8), ROW(cr8), ROW(cr2), ROW(gp_dr6), ROW(gp_dr7), ROW(dr0),
	ROW(gp_efer), ROW(gp_efer_rsvd), ROW(efer_lma), ROW(gp_lstar),
	ROW(gp_gsbase), ROW(gp_lgdt), ROW(gp_ltr_data), ROW(gp_ltr_busy),
	ROW(gp_ltr_null), ROW(gp_ltr_16), ROW(gp_ltr_upper), ROW(gp_lldt),
	ROW(gp_iret_nt), ROW(gp_iret_null), ROW(gp_iret_data),
	ROW(gp_iret_ss3), ROW(gp_iret_ss32), ROW(gp_iret_rip),
	ROW(iret_null_ss), ROW(gp_lret_data), ROW(gp_lret_ld),
	ROW(gp_lret_rip), ROW(gp_far_tss), ROW(gp_far_null),
	ROW(gp_far_data), ROW(gp_far_task_gate), ROW(gp_far_call16),
	ROW(gate_np), ROW(gate_null), ROW(gate_data), ROW(gate_task),
	ROW(gate_int32), ROW(gate_code32), ROW(gate_rip), ROW(gate_upper),
	ROW(lar_ldt16), ROW(lar_call), ROW(lsl_tss), ROW(syscall_off),
	ROW(swap),
};

static const struct row user_rows[] = {
	ROW(u_ok), ROW(u_cli), ROW(u_hlt), ROW(u_in), ROW(u_cr8), ROW(u_cr0),
	ROW(u_dr7), ROW(u_swapgs), ROW(u_sysret), ROW(u_rdmsr),
	ROW(u_invlpg), ROW(u_gate), ROW(u_ss_null), ROW(u_ds), ROW(u_ud_load),
	ROW(u_ss_push), ROW(u_popf), ROW(u_int3), ROW(u_de),
};

static void set_descriptors(void)
{
	set_desc(0x50, 0, 0xfffff, 0x13, 0xc);	/* data, not present */
	set_desc(0x58, 0, 0xfff, 0x81, 0);	/* 16-bit TSS */
	set_wide(0x60, 0x0000890000000067, 0x0000010000000000);
	set_desc(0x70, 0, 0xfffff, 0x9b, 0xe);	/* code with L and D */
	set_desc(0x78, 0x40 << 0, 0, 0x85, 0);	/* task gate */
	set_desc(0x80, 8, 0, 0x84, 0);		/* 16-bit call gate */
	set_wide(0x88, 0x00008c0000080000, 0);	/* 64-bit call gate */
	set_gate(0x91, SEL_CODE, trap_entry(0x91), 0x0e, 0);
	set_gate(0x93, 0, trap_entry(0x93), 0x8e, 0);
	set_gate(0x94, SEL_DATA, trap_entry(0x94), 0x8e, 0);
	set_gate(0x95, SEL_TSS, 0, 0x85, 0);
	set_gate(0x96, SEL_CODE, trap_entry(0x96), 0x86, 0);
	set_gate(0x97, SEL_CODE32, trap_entry(0x97), 0x8e, 0);
	set_gate(0x98, SEL_CODE, 0x800000000000, 0x8e, 0);
	set_gate(0x99, SEL_CODE, trap_entry(0x99), 0x8e, 0);
	idt[2 * 0x99 + 1] |= 1ull << 40; /* type bits of the upper half */
}

static void stack_fault(void)
{
	/* #SS with a stack that cannot be pushed on needs one of its own. */
	static u8 stack[4096] ALIGNED(16);
	static const struct row row = ROW(ss_push);

	tss.ist[0] = (u64)(stack + sizeof(stack));
	set_gate(12, SEL_CODE, trap_entry(12), 0x8e, 1);
	report(&row, catch(ss_push, 0));
	set_gate(12, SEL_CODE, trap_entry(12), 0x8e, 0);
}

static void double_fault(void *arg)
{
	__asm__ volatile("movl $0x7ff8, %%eax; movl %%eax, %%ds" : : : "eax");
}

int main(void);
int main(void)
{
	u32 caught;

	set_descriptors();
	for (u32 i = 0; i < ARRAY_SIZE(kernel_rows); i++) {
		u64 cr0 = READ_CR(0), cr4 = READ_CR(4);

		report(&kernel_rows[i], catch(kernel_rows[i].fn, 0));
		WRITE_CR(0, cr0);
		WRITE_CR(4, cr4);
	}
	stack_fault();
	for (u32 i = 0; i < ARRAY_SIZE(user_rows); i++) {
		caught = catch_user(user_rows[i].fn, SEL_UCODE, 2);
		report(&user_rows[i], caught);
	}
	set_gate(13, SEL_CODE, trap_entry(13), 0x0e, 0);
	caught = catch(double_fault, 0);
	print("double: vector %u error %llx\n", (u32)last.vector, last.error);
	check(caught == 9, "double fault");
	return failures != 0;
}
