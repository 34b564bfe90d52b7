/* SPDX-License-Identifier: MIT */
/*
 * Something for a debugger to look at: a hundred functions, variables that are
 * written and read, kernel and user code with paging on, and, by the command
 * line, one of three ways never to end: halt, cli, user. It sums its own code,
 * which a breakpoint must not change.
 */
#include "paging.h"

#define FUNCTIONS 100

__asm__(".pushsection .text\n"
	".globl functions, functions_end, u_work, u_spin, u_target\n"
	"functions:\n"
	".rept 100; incl %eax; ret; nop; nop; .endr\n"
	"functions_end:\n"
	"u_work: movl $5, %ecx\n"
	"u_target: incl %eax; loop u_target; int $0x81\n"
	"u_spin: jmp u_spin\n"
	".popsection");
extern const u8 functions[], functions_end[];
void u_work(void), u_spin(void), u_target(void);

volatile u32 watched, beside;

NOINLINE void write_watched(u32 value);
NOINLINE void write_watched(u32 value)
{
	beside = value;
	watched = value;
}

NOINLINE u32 read_watched(void);
NOINLINE u32 read_watched(void)
{
	return watched + 1;
}

static u32 call_all(void)
{
	u32 sum = 0;

	for (u32 i = 0; i < FUNCTIONS; i++)
		__asm__ volatile("call *%1" : "+a"(sum)
				 : "r"(functions + 4 * i));
	return sum;
}

NOINLINE u32 sum_code(void);
NOINLINE u32 sum_code(void)
{
	u32 sum = 0;

	for (const u8 *p = functions; p < functions_end; p++)
		sum = sum * 31 + *p;
	return sum;
}

/* Something that takes its time, on a page of its own: away from stops. */
NOINLINE u32 work(u32 rounds) __attribute__((section(".text.work"))) ALIGNED(4096);
NOINLINE u32 work(u32 rounds)
{
	u32 x = 1;

	while (rounds--) {
		x = x * 1664525 + 1013904223;
		beside = x;
	}
	return x;
}

/* With every interrupt masked: a stop finds it here, never in a handler. */
NOINLINE void halt_for_ever(void);
NOINLINE void halt_for_ever(void)
{
	pic_init(0xff);
	for (;;)
		__asm__ volatile("sti; hlt");
}

NOINLINE void spin_for_ever(void);
NOINLINE void spin_for_ever(void)
{
	__asm__ volatile("cli; 1: jmp 1b");
}

static void map_for_user(void)
{
	for (u32 i = 0; i < 1024; i++)
		identity[0][i] |= U;
	dir[0] |= U;
	flush();
}

static const char *last_word(const char *text)
{
	const char *word = text;

	for (; *text; text++)
		if (*text == ' ')
			word = text + 1;
	return word;
}

int main(void);
int main(void)
{
	const char *job = last_word(command_line());

	pic_init(0xff); /* else the firmware's timer may come to user code */
	print("sum %x\n", sum_code());
	paging_on(0);
	map_for_user();
	print("calls %u\n", call_all());
	for (u32 i = 1; i <= 3; i++) {
		write_watched(i);
		print("read %u\n", read_watched());
	}
	print("user %u\n", catch_user(u_work, 0x202));
	print("worked %x\n", work(100000));
	print("sum %x\n", sum_code());
	if (*job == 'h')
		halt_for_ever();
	if (*job == 'c')
		spin_for_ever();
	if (*job == 'u')
		catch_user(u_spin, 0x202);
	return failures != 0;
}
