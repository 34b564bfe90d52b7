/* SPDX-License-Identifier: MIT */
/*
 * Every exception that unpaged CPL 0 and CPL 3 code can raise: vector, error
 * code, saved EIP relative to the instruction, saved flags.
 */
#include "guest.h"

/* Code whose trap address is reported relative to its own start. */
#define CASE(name, text)                                                  \
	__asm__(".pushsection .text\n" #name ":\n" text                   \
		"\nret\n.popsection");                                    \
	void name(void *arg)

CASE(de_div, "xorl %edx,%edx; xorl %ecx,%ecx; movl $1,%eax; divl %ecx");
CASE(de_big, "movl $5,%edx; movl $2,%ecx; xorl %eax,%eax; divl %ecx");
CASE(de_idiv, "movl $0x80000000,%eax; cltd; movl $-1,%ecx; idivl %ecx");
CASE(de_aam, "movb $7,%al; aam $0");
CASE(bp, "int3");
CASE(bp_cd, ".byte 0xcd,3");
CASE(of, "movb $0x7f,%al; addb $1,%al; into");
CASE(of_not, "xorl %eax,%eax; into");
CASE(br_low, "movl $-1,%eax; boundl %eax, bounds");
CASE(br_high, "movl $11,%eax; boundl %eax, bounds");
CASE(br_in, "movl $10,%eax; boundl %eax, bounds");
CASE(ud2, "ud2");
CASE(ud_lock, ".byte 0xf0,0x90");
CASE(ud_lock_mov, ".byte 0xf0,0x89,0x00");
CASE(ud_lea, ".byte 0x8d,0xc0");
CASE(ud_les, ".byte 0xc4,0xc0");
CASE(ud_mov_cs, ".byte 0x8e,0xc8");
CASE(ud_sreg6, ".byte 0x8e,0xf0");
CASE(ud_cr1, ".byte 0x0f,0x20,0xc8");
CASE(ud_fe7, ".byte 0xfe,0xf8");
CASE(ud_bound, ".byte 0x62,0xc0");
CASE(int_0x90, "int $0x90");
CASE(gp_null_ds, "xorl %eax,%eax; movw %ax,%ds; movl %ds:0x100000,%eax");
CASE(gp_ss_null, "xorl %eax,%eax; movw %ax,%ss");
CASE(gp_ss_rpl, "movl $0x23,%eax; movw %ax,%ss");
CASE(gp_ss_code, "movl $8,%eax; movw %ax,%ss");
CASE(gp_ds_limit, "movl $0x7ff8,%eax; movw %ax,%ds");
CASE(gp_ds_tss, "movl $0x28,%eax; movw %ax,%ds");
CASE(np_ds, "movl $0x30,%eax; movw %ax,%ds");
CASE(ss_np, "movl $0x30,%eax; movw %ax,%ss");
CASE(gp_ldt, "movl $0x14,%eax; movw %ax,%ds");
CASE(gp_jmp_data, "ljmp $0x10,$0");
CASE(gp_jmp_null, "ljmp $0,$0");
CASE(np_jmp, "ljmp $0x38,$0");
CASE(gp_call_user, "lcall $0x18,$0");
CASE(gp_cr0_pg, "movl $0x80000010,%eax; movl %eax,%cr0");
CASE(gp_cr0_nw, "movl %cr0,%eax; andl $0x9fffffff,%eax;"
     "orl $0x20000000,%eax; movl %eax,%cr0");
CASE(gp_cr4, "movl $0x80000000,%eax; movl %eax,%cr4");
CASE(gp_ltr, "movl $0x10,%eax; ltr %ax");
CASE(gp_ltr_null, "xorl %eax,%eax; ltr %ax");
CASE(gp_lldt, "movl $0x10,%eax; lldt %ax");
CASE(gp_iret_null, "pushfl; pushl $0; pushl $0; iretl");
CASE(gp_iret_rpl, "pushfl; pushl $9; pushl $0; iretl");
CASE(gp_lret_data, "pushl $0x10; pushl $0; lret");
CASE(nm_fpu, "clts; movl %cr0,%eax; orl $8,%eax; movl %eax,%cr0; fnop");
CASE(nm_em, "clts; movl %cr0,%eax; orl $4,%eax; movl %eax,%cr0; fninit");
CASE(nm_wait, "movl %cr0,%eax; orl $10,%eax; movl %eax,%cr0; fwait");
CASE(gate_np, "int $0x91");
CASE(gate_limit, "int $0x92");
CASE(gate_null, "int $0x93");
CASE(gate_data, "int $0x94");
CASE(sysenter_off, "xorl %eax,%eax; xorl %edx,%edx; movl $0x174,%ecx;"
     "wrmsr; sysenter");
CASE(u_ok, "movl $0x55,%eax; int $0x80");
CASE(u_cli, "cli");
CASE(u_sti, "sti");
CASE(u_hlt, "hlt");
CASE(u_in, "inb $0x60,%al");
CASE(u_out, "outb %al,$0xf4");
CASE(u_ins, "movl $0x3f8,%edx; movl $bounds,%edi; insb");
CASE(u_lgdt, "lgdt bounds");
CASE(u_lmsw, "lmsw %ax");
CASE(u_clts, "clts");
CASE(u_cr0, "movl %cr0,%eax");
CASE(u_cr3, "movl %eax,%cr3");
CASE(u_dr7, "movl %dr7,%eax");
CASE(u_invd, "invd");
CASE(u_wbinvd, "wbinvd");
CASE(u_invlpg, "invlpg bounds");
CASE(u_rdmsr, "movl $0x174,%ecx; rdmsr");
CASE(u_ltr, "ltr %ax");
CASE(u_int3, "int3");
CASE(u_into, "movb $0x7f,%al; addb $1,%al; into");
CASE(u_ud2, "ud2");
CASE(u_de, "xorl %edx,%edx; xorl %ecx,%ecx; divl %ecx");
CASE(u_gate, "int $0x10");
CASE(u_ds, "movl $0x10,%eax; movw %ax,%ds");
CASE(u_ss, "movl $0x10,%eax; movw %ax,%ss");
CASE(u_jmp, "ljmp $8,$0");
CASE(u_call, "lcall $0x10,$0");
CASE(u_popf, "pushl $0x3202; popfl; pushfl; popl %eax; int $0x80");

extern const int bounds[2];
const int bounds[2] = { 0, 10 };

struct row { const char *name; void (*fn)(void *); };
#define ROW(name) { #name, name }

static const struct row kernel_rows[] = {
	ROW(de_div), ROW(de_big), ROW(de_idiv), ROW(de_aam), ROW(bp),
	ROW(bp_cd), ROW(of), ROW(of_not), ROW(br_low), ROW(br_high),
	ROW(br_in), ROW(ud2), ROW(ud_lock), ROW(ud_lock_mov), ROW(ud_lea),
	ROW(ud_les), ROW(ud_mov_cs), ROW(ud_sreg6), ROW(ud_cr1), ROW(ud_fe7),
	ROW(ud_bound), ROW(int_0x90), ROW(gp_null_ds), ROW(gp_ss_null),
	ROW(gp_ss_rpl), ROW(gp_ss_code), ROW(gp_ds_limit), ROW(gp_ds_tss),
	ROW(np_ds), ROW(ss_np), ROW(gp_ldt), ROW(gp_jmp_data),
	ROW(gp_jmp_null), ROW(np_jmp), ROW(gp_call_user), ROW(gp_cr0_pg),
	ROW(gp_cr0_nw), ROW(gp_cr4), ROW(gp_ltr), ROW(gp_ltr_null),
	ROW(gp_lldt), ROW(gp_iret_null), ROW(gp_iret_rpl),
	ROW(gp_lret_data), ROW(nm_fpu), ROW(nm_em), ROW(nm_wait),
	ROW(gate_np), ROW(gate_null), ROW(gate_data),
	ROW(gate_limit), ROW(sysenter_off),
};

static const struct row user_rows[] = {
	ROW(u_ok), ROW(u_cli), ROW(u_sti), ROW(u_hlt), ROW(u_in), ROW(u_out),
	ROW(u_ins), ROW(u_lgdt), ROW(u_lmsw), ROW(u_clts), ROW(u_cr0),
	ROW(u_cr3), ROW(u_dr7), ROW(u_invd), ROW(u_wbinvd), ROW(u_invlpg),
	ROW(u_rdmsr), ROW(u_ltr), ROW(u_int3), ROW(u_into), ROW(u_ud2),
	ROW(u_de), ROW(u_gate), ROW(u_ds), ROW(u_ss), ROW(u_jmp), ROW(u_call),
	ROW(u_popf),
};

static void report(const struct row *row, u32 caught)
{
	if (!caught)
		print("%s: no trap\n", row->name);
	else
		print("%s: vector %u error %x eip +%u flags %x eax %x\n",
		      row->name, last.vector, last.error,
		      last.eip - (u32)row->fn, last.eflags, last.eax);
}

/* #GP while delivering #NP or the like: contributory twice is #DF. */
static void double_fault(void *arg)
{
	__asm__ volatile("movl $0x7ff8, %%eax; movw %%ax, %%ds" : : : "eax");
}

int main(void);
int main(void)
{
	u32 caught;

	set_desc(0x30, 0, 0xfffff, 0x13, 0xc); /* data, not present */
	set_desc(0x38, 0, 0xfffff, 0x1b, 0xc); /* code, not present */
	set_gate(0x91, SEL_CODE, guest_exit, 0x0e);
	set_gate(0x92, 0x7ff8, guest_exit, 0x8e);
	set_gate(0x93, 0, guest_exit, 0x8e);
	set_gate(0x94, SEL_DATA, guest_exit, 0x8e);
	for (u32 i = 0; i < ARRAY_SIZE(kernel_rows); i++) {
		u32 cr0 = READ_CR(0), cr4 = READ_CR(4);

		caught = catch(kernel_rows[i].fn, 0);
		report(&kernel_rows[i], caught);
		WRITE_CR(0, cr0);
		WRITE_CR(4, cr4);
	}
	for (u32 i = 0; i < ARRAY_SIZE(user_rows); i++) {
		caught = catch_user((void (*)(void))user_rows[i].fn, 2);
		report(&user_rows[i], caught);
	}
	set_gate(13, SEL_CODE, guest_exit, 0x0e);
	caught = catch(double_fault, 0);
	print("double: vector %u error %x\n", last.vector, last.error);
	check(caught == 9, "double fault");
	return failures != 0;
}
