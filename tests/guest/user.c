/* SPDX-License-Identifier: MIT */
/*
 * CPL 3: system calls by INT 80h, ports by IOPL and by the TSS bitmap, EFLAGS
 * as PUSHF, POPF and IRET leave them for every CPL, IOPL and IF.
 */
#include "guest.h"

__asm__(".pushsection .text\n"
	"u_loop: movl $100, %ecx; xorl %eax, %eax\n"
	"1: addl %ecx, %eax; int $0x80; loop 1b; int $0x81\n"
	"u_in: inb $0x21, %al; int $0x81\n"
	"u_in_dx: movl $0x7f, %edx; inw %dx, %ax; xorl %eax, %eax; int $0x81\n"
	"u_flags: pushl $0x244ed7; popfl; pushfl; popl %eax; int $0x81\n"
	"u_cli: cli; pushfl; popl %eax; int $0x81\n"
	"u_sti: sti; pushfl; popl %eax; int $0x81\n"
	".popsection");
void u_loop(void), u_in(void), u_in_dx(void), u_flags(void), u_cli(void), u_sti(void);

static u32 calls, sum;

static bool count_calls(struct trap *t)
{
	if (t->vector != 0x80)
		return 0;
	calls++;
	sum = hash(sum, t->eax);
	return 1;
}

static void report(const char *name, u32 arg, u32 caught)
{
	print("%s %x: %u error %x eax %x\n", name, arg, caught - 1,
	      last.error, caught == 0x82 ? last.eax & 0x3ffff : 0);
}

static void ports(void)
{
	for (u32 iopl = 0; iopl < 4; iopl++)
		report("in, iopl", iopl, catch_user(u_in, 2 | iopl << 12));
	tss.ports[0x21 / 8] &= (u8)~(1 << (0x21 % 8));
	report("in, bit clear", 0x21, catch_user(u_in, 2));
	tss.ports[0x7f / 8] &= (u8)~(1 << (0x7f % 8));
	report("inw, half", 0x7f, catch_user(u_in_dx, 2));
	tss.ports[0x80 / 8] &= (u8)~1;
	report("inw, both", 0x7f, catch_user(u_in_dx, 2));
}

static void user_flags(void (*fn)(void), const char *name)
{
	for (u32 i = 0; i < 4; i++)
		report(name, i, catch_user(fn, 2 | i << 12));
}

static void pop_flags(void *arg)
{
	u32 got;

	__asm__ volatile("pushl %1; popfl; pushfl; popl %0; pushl $2; popfl"
			 : "=r"(got) : "r"(arg) : "cc", "memory");
	print("popf %x: %x\n", (u32)arg, got);
}

static void kernel_flags(void)
{
	static const u32 values[] = {
		0, 0xffffffff & ~0x20300u, 0x1000, 0x3000, 0x4000, 0x8000,
		0x10000, 0x40000, 0x200000, 0x400, 0x8d5, 0x180000,
	};

	for (u32 i = 0; i < ARRAY_SIZE(values); i++)
		pop_flags((void *)values[i]);
}

int main(void);
int main(void)
{
	u32 caught;

	set_gate(0x80, SEL_CODE, trap_entry(0x80), 0xee);
	set_gate(0x81, SEL_CODE, trap_entry(0x81), 0xee);
	/* The interrupt controllers must stay quiet when IF gets set. */
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	trap_hook = count_calls;
	caught = catch_user(u_loop, 2);
	print("loop ended by %x after %u calls, %08x\n", caught - 1, calls,
	      sum);
	trap_hook = 0;
	ports();
	user_flags(u_cli, "cli, iopl");
	user_flags(u_sti, "sti, iopl");
	user_flags(u_flags, "popf, iopl");
	kernel_flags();
	return failures != 0;
}
