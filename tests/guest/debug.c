/* SPDX-License-Identifier: MIT */
/*
 * Debug exceptions: TF stepping over every kind of instruction, code and data
 * breakpoints, RF, BS/B0-3/BD in DR6, general detect.
 */
#include "guest.h"

static u32 base, steps, trace;
extern u32 watched[4];
u32 watched[4];
static u32 hits[16], hit_eip[16], hit_count;

#define READ_DR(n)                                                        \
	({                                                                \
		u32 dr_;                                                  \
		__asm__ volatile("movl %%dr" #n ", %0" : "=r"(dr_));      \
		dr_;                                                      \
	})
#define WRITE_DR(n, v)                                                    \
	__asm__ volatile("movl %0, %%dr" #n : : "r"(v) : "memory")

static bool on_step(struct trap *t)
{
	if (t->vector == 0x80)
		return 1;
	if (t->vector != 1)
		return 0;
	steps++;
	trace = hash(trace, t->eip - base);
	if (steps <= 40)
		print("%x ", t->eip - base);
	check((READ_DR(6) & 0x4000) != 0, "BS");
	WRITE_DR(6, 0xffff0ff0);
	return 1;
}

__asm__(".pushsection .text\n"
	"stepped: pushl $0x102; popfl\n"
	"nop; movl $3, %ecx; 1: loop 1b\n"
	"pushl %edi; movl $watched_copy, %edi; movl $4, %ecx; rep stosb\n"
	"popl %edi; call 2f; jmp 3f; 2: ret; 3:\n"
	"pushfl; popl %edx; movw %ss, %ax; movw %ax, %ss; nop; nop\n"
	"int $0x80; nop; xorl %eax, %eax; cpuid; sti; cli\n"
	"pushfl; andl $0xfffffeff, (%esp); popfl; nop; ret\n"
	".popsection");
void stepped(void);
extern u32 watched_copy[4];
u32 watched_copy[4];

static void single_step(void)
{
	u32 ebx_saved;

	trap_hook = on_step;
	base = (u32)stepped;
	__asm__ volatile("call stepped" : "=b"(ebx_saved) : :
			 "eax", "ecx", "edx", "memory", "cc");
	print("\nsteps %u trace %08x\n", steps, trace);
}

static bool on_break(struct trap *t)
{
	if (t->vector != 1)
		return 0;
	if (hit_count < ARRAY_SIZE(hits)) {
		hits[hit_count] = READ_DR(6) & 0xe00f;
		hit_eip[hit_count++] = t->eip - base;
	}
	WRITE_DR(6, 0xffff0ff0);
	t->eflags |= 0x10000; /* RF: past a code breakpoint */
	return 1;
}

static void show(const char *name)
{
	WRITE_DR(7, 0x400);
	print("%s:", name);
	for (u32 i = 0; i < hit_count; i++)
		print(" %x at %x", hits[i], hit_eip[i]);
	print("\n");
	hit_count = 0;
}

__asm__(".pushsection .text\n"
	"touching: movl $1, watched; movl watched, %eax; nop\n"
	"movb $2, watched+1; incw watched+2; movl $3, watched+4\n"
	"point: nop; nop; ret\n"
	".popsection");
void touching(void);
extern const u8 point[];

static void touch(void)
{
	__asm__ volatile("call touching" : : : "eax", "memory", "cc");
}

static void breakpoints(void)
{
	trap_hook = on_break;
	base = (u32)touching;
	WRITE_DR(0, point);
	WRITE_DR(7, 0x402);
	touch();
	touch();
	show("code");
	WRITE_DR(1, watched);
	WRITE_DR(7, 0x408 | 0xdu << 20); /* write, 4 bytes */
	touch();
	show("write");
	WRITE_DR(7, 0x408 | 0xfu << 20); /* read or write */
	touch();
	show("access");
	WRITE_DR(2, (u32)watched + 1);
	WRITE_DR(7, 0x420 | 1u << 24); /* write, 1 byte */
	touch();
	show("byte");
	WRITE_DR(7, 0x402 | 0x8 | 0xdu << 20);
	touch();
	show("both");
}

static void read_dr0(void *arg)
{
	READ_DR(0);
}

static void general_detect(void)
{
	u32 caught;

	trap_hook = 0;
	WRITE_DR(7, 0x2400);
	caught = catch(read_dr0, 0);
	print("general detect: %u dr6 %x dr7 %x\n", caught,
	      READ_DR(6) & 0xe00f, READ_DR(7));
	WRITE_DR(6, 0xffff0ff0);
	WRITE_DR(7, 0x400);
}

static void values(void)
{
	WRITE_DR(6, 0);
	print("dr6 %x", READ_DR(6));
	WRITE_DR(7, 0xffffffff & ~0x2000u & ~0xffff00ffu);
	print(" dr7 %x", READ_DR(7));
	WRITE_DR(3, 0xdeadbeef);
	print(" dr3 %x\n", READ_DR(3));
	WRITE_DR(7, 0x400);
}

int main(void);
int main(void)
{
	outb(0x21, 0xff), outb(0xa1, 0xff);
	set_gate(0x80, SEL_CODE, trap_entry(0x80), 0x8e);
	single_step();
	breakpoints();
	general_detect();
	values();
	return failures != 0;
}
