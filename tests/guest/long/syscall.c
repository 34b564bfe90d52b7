/* SPDX-License-Identifier: MIT */
/*
 * SYSCALL, SYSRET, SYSENTER and SYSEXIT with all their selectors and flags,
 * SWAPGS, and the bases of FS and GS by MSR and by selector.
 */
#include "long.h"

#define MSR_SYSENTER_CS		0x174u
#define MSR_SYSENTER_ESP	0x175u
#define MSR_SYSENTER_EIP	0x176u

/* Kernel entries end at once: the trap tells the state. */
CASE(entry, "ud2");
CASE(u_syscall, "movl $0x1234,%eax; stc; std; syscall");
CASE(u_syscall_flags, "pushq $0x244ed7; popfq; syscall");
CASE(u_sysenter, "movl $0x1234,%eax; stc; sysenter");
CASE(u_landed, "int $0x80");
__asm__(".pushsection .text\n.code32\n"
	"u_landed32: nop; movl %cs,%eax; int $0x80\n"
	"u_syscall32: movl $0x55,%eax; syscall; int $0x80\n"
	"u_sysenter32: movl $0x66,%eax; sysenter\n"
	".code64\n.popsection");
void u_landed32(void *arg), u_syscall32(void *arg), u_sysenter32(void *arg);

struct way_out {
	u64 rip, rsp, flags;
};

/* Out to CPL 3 by the instruction's bytes; all registers as the manual says. */
#define OUT(name, insn, rip_in, rsp_in)                                   \
	static void name(void *arg)                                       \
	{                                                                 \
		struct way_out *w = arg;                                  \
									  \
		__asm__ volatile(insn : : rip_in(w->rip), rsp_in(w->rsp), \
				 "a"(w->flags) : "r11", "memory");        \
	}

OUT(sysretq, "movq %%rax,%%r11; sysretq", "c", "d")
OUT(sysretl, "movq %%rax,%%r11; sysretl", "c", "d")
OUT(sysexitq, ".byte 0x48; sysexit", "d", "c")
OUT(sysexitl, "sysexit", "d", "c")

static void show(const char *what, u32 caught)
{
	print("%s: %u error %llx cs %llx ss %llx flags %llx rip ", what,
	      caught - 1, last.error, last.cs, last.ss, last.rflags);
	print("%llx rsp %llx rax %llx rcx %llx r11 %llx\n", last.rip,
	      last.rsp & 0xfff, last.rax, last.rcx, last.r11 & 0xffffffff);
}

static void syscalls(void)
{
	static const u32 masks[] = { 0, 0x700, 0x47700, 0xffffffff, 0x3f7fd5 };

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1);
	wrmsr(MSR_STAR, (u64)(SEL_UCODE32) << 48 | (u64)SEL_CODE << 32);
	wrmsr(MSR_LSTAR, (u64)entry);
	for (u32 i = 0; i < ARRAY_SIZE(masks); i++) {
		wrmsr(MSR_FMASK, masks[i]);
		print("mask %x\n", masks[i]);
		show("syscall", catch_user(u_syscall, SEL_UCODE, 2));
		show("flags", catch_user(u_syscall_flags, SEL_UCODE, 2));
	}
	wrmsr(MSR_STAR, (u64)0x1b << 48 | (u64)0x0b << 32);
	show("rpl", catch_user(u_syscall, SEL_UCODE, 2));
	show("high", catch(u_syscall, 0));
	show("compat", catch_user(u_syscall32, SEL_UCODE32, 2));
	wrmsr(MSR_LSTAR, HIGH + (u64)entry);
	show("upper half", catch_user(u_syscall, SEL_UCODE, 2));
}

static void sysrets(void)
{
	static const u64 flags[] = { 2, 0x4ed7, 0x203002, 0x3f0000, ~0x500ull };
	struct way_out w = { .rsp = 0 };

	for (u32 i = 0; i < ARRAY_SIZE(flags); i++) {
		w.flags = flags[i] & ~0x100ull;
		w.rip = (u64)u_landed;
		show("sysretq", catch(sysretq, &w));
		w.rip = (u64)u_landed32 | 0xabcdull << 32;
		show("sysretl", catch(sysretl, &w));
	}
	w.rip = 0x800000000000;
	show("not canonical", catch(sysretq, &w));
}

static void sysenters(void)
{
	struct way_out w = { .rip = (u64)u_landed, .rsp = 0x7ff8, .flags = 2 };

	wrmsr(MSR_SYSENTER_CS, 0);
	show("sysenter, no cs", catch_user(u_sysenter, SEL_UCODE, 2));
	show("sysexit, no cs", catch(sysexitq, &w));
	wrmsr(MSR_SYSENTER_CS, SEL_CODE | 3);
	wrmsr(MSR_SYSENTER_ESP, HIGH + 0x123450);
	wrmsr(MSR_SYSENTER_EIP, HIGH + (u64)entry);
	show("sysenter", catch_user(u_sysenter, SEL_UCODE, 0x202));
	show("sysenter32", catch_user(u_sysenter32, SEL_UCODE32, 2));
	show("sysexitq", catch(sysexitq, &w));
	w.rip = (u64)u_landed32;
	show("sysexitl", catch(sysexitl, &w));
	w.rip = 0x800000000000;
	show("rip not canonical", catch(sysexitq, &w));
	w = (struct way_out){ .rip = (u64)u_landed, .rsp = ~0ull >> 1 };
	show("rsp not canonical", catch(sysexitq, &w));
}

static u64 through_gs(u64 at)
{
	u64 value;

	__asm__ volatile("movq %%gs:(%1), %0" : "=r"(value) : "r"(at));
	return value;
}

static void bases(void)
{
	static u64 here = 0x1111222233334444, there = 0x5555666677778888;
	u64 low;

	wrmsr(MSR_GS_BASE, (u64)&here);
	wrmsr(MSR_KERNEL_GS, HIGH + (u64)&there);
	print("gs %llx", through_gs(0));
	__asm__ volatile("swapgs" : : : "memory");
	print(" %llx", through_gs(0));
	print(" %x", rdmsr(MSR_KERNEL_GS) == (u64)&here);
	__asm__ volatile("swapgs" : : : "memory");
	print(" %llx\n", through_gs(0));
	/* The base wraps with the address; a selector sets its lower half. */
	wrmsr(MSR_GS_BASE, HIGH);
	print("gs sum %llx\n", through_gs((u64)&here - HIGH + HIGH));
	__asm__ volatile("movl %0, %%gs" : : "r"(SEL_DATA));
	print("gs by selector %llx\n", rdmsr(MSR_GS_BASE));
	set_desc(SEL_TEST, 0xfedc0000, 0xfffff, 0x93, 0xc);
	wrmsr(MSR_FS_BASE, HIGH + 5);
	__asm__ volatile("movl %0, %%fs" : : "r"(SEL_TEST));
	print("fs by selector %llx\n", rdmsr(MSR_FS_BASE));
	__asm__ volatile("movl %1, %%fs; movl %%fs, %k0"
			 : "=r"(low) : "r"(0));
	print("fs null %llx %llx\n", low & 0xffffffff, rdmsr(MSR_FS_BASE));
}

int main(void);
int main(void)
{
	/* The interrupt controllers must stay quiet when IF gets set. */
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	syscalls();
	sysrets();
	sysenters();
	bases();
	return failures != 0;
}
