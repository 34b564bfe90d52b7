/* SPDX-License-Identifier: MIT */
/* Rows of the processor: control flow, flags, ports, control registers. */
#include "nano.h"

#define REPEAT(name, code, clobbers...)                                   \
	static void name(u32 n)                                           \
	{                                                                 \
		while (n--)                                               \
			__asm__ volatile(code : : : "memory", ##clobbers); \
	}

REPEAT(run_empty, "")
REPEAT(run_cli_sti, "cli; sti")
REPEAT(run_pushf_popf, "pushf; popf", "cc")
REPEAT(run_in80, "inb $0x80, %%al", "eax")
REPEAT(run_in_pic, "inb $0x21, %%al", "eax")
REPEAT(run_in_uart, "movl $0x3fd, %%edx; inb %%dx, %%al", "eax", "edx")
REPEAT(run_out80, "outb %%al, $0x80")
REPEAT(run_rdtsc, "rdtsc", "eax", "edx")
REPEAT(run_cpuid, "xorl %%eax, %%eax; cpuid", "eax", "ebx", "ecx", "edx")

static void run_from_cr0(u32 n)
{
	while (n--)
		READ_CR(0);
}

static void run_to_cr0(u32 n)
{
	while (n--)
		WRITE_CR(0, READ_CR(0) ^ 8);
}

static void run_indirect1(u32 n)
{
	call_indirect(n, 0);
}

static void run_indirect4(u32 n)
{
	call_indirect(n, 3);
}

static void run_indirect64(u32 n)
{
	call_indirect(n, 63);
}

#define DEPTH 64

static NOINLINE u32 deep(u32 n)
{
	u32 r = 0;

	if (n)
		r = deep(n - 1);
	__asm__ volatile("" : "+r"(r));
	return r + 1;
}

static void run_recursion(u32 n)
{
	for (; n > DEPTH; n -= DEPTH)
		deep(DEPTH - 1);
	deep(n - 1);
}

/* mov eax, imm32; ret: the immediate is new each time. */
static u8 modified[4096] ALIGNED(4096);

static void run_self_modify(u32 n)
{
	modified[0] = 0xb8;
	modified[5] = 0xc3;
	while (n--) {
		*(volatile u32 *)&modified[1] = n;
		__asm__ volatile("call *%0" : : "r"((word)modified)
				 : "eax", "memory");
	}
}

const struct op cpu_ops[] = {
	{ .name = "empty loop", .run = run_empty },
	{ .name = "call + ret", .run = call_once },
	{ .name = "recursion, 64 deep", .run = run_recursion },
	{ .name = "indirect call, 1 target", .run = run_indirect1 },
	{ .name = "indirect call, 4 targets", .run = run_indirect4 },
	{ .name = "indirect call, 64 targets", .run = run_indirect64 },
	{ .name = "cli + sti", .run = run_cli_sti },
	{ .name = "pushf + popf", .run = run_pushf_popf },
	{ .name = "in 80h", .run = run_in80 },
	{ .name = "out 80h", .run = run_out80 },
	{ .name = "in 21h (PIC)", .run = run_in_pic },
	{ .name = "in 3FDh (UART)", .run = run_in_uart },
	{ .name = "rdtsc", .run = run_rdtsc },
	{ .name = "cpuid", .run = run_cpuid },
	{ .name = "mov from CR0", .run = run_from_cr0 },
	{ .name = "mov to CR0 (TS)", .run = run_to_cr0 },
	{ .name = "self-modified instruction", .run = run_self_modify },
	{ 0 },
};
