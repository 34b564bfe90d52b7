/* SPDX-License-Identifier: MIT */
/*
 * Segments that are not flat: data, stack and code with bases, FS and GS as a
 * kernel's per-CPU pointers, 16-bit code and stacks in protected mode, ESP's
 * upper half. Limits are all 4 GiB, so that any emulator may judge.
 */
#include "guest.h"

#define BASED SEL_TEST
#define STACK (SEL_TEST + 8)
#define CODE (SEL_TEST + 16)
#define CODE16 (SEL_TEST + 24)
#define STACK16 (SEL_TEST + 32)

static u8 area[8192] ALIGNED(4096);
static u32 sum;

static u32 area_hash(void)
{
	u32 h = 0;

	for (u32 i = 0; i < sizeof(area) / 4; i++)
		h = h * 31 + ((u32 *)area)[i];
	return h;
}

static void prepare(void)
{
	for (u32 i = 0; i < sizeof(area) / 4; i++)
		((u32 *)area)[i] = i * 0x01010101u;
}

static void data_segments(void)
{
	u32 a = 0, b = 0, c;

	prepare();
	set_desc(BASED, (u32)area + 0x100, 0xfffff, 0x93, 0xc);
	__asm__ volatile("movw %w0, %%fs; movw %w0, %%gs" : : "r"(BASED));
	__asm__ volatile("movl %%fs:0x10, %0; addl %%gs:0x20, %0\n"
			 "movl %0, %%fs:(%1,%2,4); incl %%gs:0x44"
			 : "=&r"(a) : "r"(8), "r"(3) : "memory", "cc");
	__asm__ volatile("pushl %%ds; movw %w1, %%ds; movl 0x30, %0\n"
			 "addl %0, 0x34; xchgl %0, 0x38; btsl $5, 0x3c\n"
			 "popl %%ds" : "=&r"(b) : "r"(BASED)
			 : "memory", "cc");
	__asm__ volatile("movl %%fs:(%1), %0" : "=r"(c) : "r"(-0x80));
	print("data %x %x %x %08x\n", a, b, c, area_hash());
}

static void strings(void)
{
	u32 di = 0x200, si = (u32)area + 0x10, cx = 50;

	prepare();
	__asm__ volatile("pushl %%es; movw %w3, %%es; rep movsb\n"
			 "movl $7, %%ecx; rep stosl; popl %%es"
			 : "+D"(di), "+c"(cx), "+S"(si)
			 : "r"(BASED), "a"(0x55aa) : "memory");
	print("es %x %x %x\n", di, si - (u32)area, cx);
	di = (u32)area + 0x400, si = 0x20, cx = 33;
	__asm__ volatile("rep fs movsb" : "+D"(di), "+c"(cx), "+S"(si)
			 : : "memory");
	print("fs %x %x %08x\n", di - (u32)area, si, area_hash());
}

/* Push, pop, call and enter on a stack with a base. */
static void stack_segment(void)
{
	u32 a = 0x1234, sp = 0;

	prepare();
	set_desc(STACK, (u32)area, 0xfffff, 0x93, 0xc);
	__asm__ volatile("movl %%esp, %%esi; movw %w2, %%ss\n"
			 "movl $0x1000, %%esp; pushl %0; pushw $7\n"
			 "pushl $-2; pushal; popal; call 1f; jmp 2f\n"
			 "1: addl 4(%%esp), %0; ret $4\n"
			 "2: enter $32, $0; leave; pushfl; popl %%edx\n"
			 "movl %%esp, %1; movw %w3, %%ss; movl %%esi, %%esp"
			 : "+r"(a), "=&r"(sp)
			 : "r"(STACK), "r"(SEL_DATA)
			 : "esi", "edx", "memory", "cc");
	print("stack %x %x\n", a, sp);
}

__asm__(".pushsection .text\n"
	"based_code: xorl %eax, %eax; movl $10, %ecx\n"
	"1: addl %ecx, %eax; loop 1b; call 2f; lret\n"
	"2: addl $5, %eax; ret\n"
	".code16\n"
	"code16: movw $0x1234, %ax; addw %cx, %ax; pushw %ax; popw %dx\n"
	" movl $0x89abcdef, %esi; addr32 movl 4(%ebx), %edi\n"
	" call 3f; pushw $5; loop 4f\n"
	"3: incw %ax; ret\n"
	"4: popw %bp; incb %ah; data32 lret\n"
	".code32\n.popsection");
extern const u8 based_code[], code16[];

static void code_segments(void)
{
	struct { u32 offset; u16 sel; } PACKED p = { 0x20, CODE };
	u32 a, d, si, di, c = 9;

	set_desc(CODE, (u32)based_code - 0x20, 0xfffff, 0x9b, 0xc);
	__asm__ volatile("lcall *%2" : "=a"(a), "=c"(c) : "m"(p)
			 : "memory", "cc");
	print("code with a base %u\n", a);
	set_desc(CODE16, (u32)code16 & ~0xfffu, 0xfffff, 0x9b, 0x8);
	p.offset = (u32)code16 & 0xfff;
	p.sel = CODE16;
	c = 9;
	__asm__ volatile("pushl %%ebp; movl %6, %%ebp; lcall *(%%ebp)\n"
			 "popl %%ebp"
			 : "=a"(a), "=d"(d), "=S"(si), "=D"(di), "+c"(c)
			 : "b"(area), "r"(&p) : "memory", "cc");
	print("16-bit code ax %x dx %x esi %x edi %x cx %x\n", a & 0xffff,
	      d & 0xffff, si, di, c & 0xffff);
}

/* A 16-bit stack wraps at 64 KiB and keeps ESP's upper half. */
static void stack16(void)
{
	u32 sp, value;

	set_desc(STACK16, 0x20000, 0xffff, 0x93, 0);
	__asm__ volatile("movl %%esp, %%esi; movw %w2, %%ss\n"
			 "movl $0xabcd0000, %%esp; pushl $0x11223344\n"
			 "popw %%ax; pushw $0x5566; movl %%esp, %0\n"
			 "movzwl %%ax, %1; movw %w3, %%ss; movl %%esi, %%esp"
			 : "=&r"(sp), "=&r"(value)
			 : "r"(STACK16), "r"(SEL_DATA)
			 : "esi", "eax", "memory");
	print("16-bit stack %x %x\n", sp, value);
}

/* Bases changed again and again under the same code. */
static void changing(void)
{
	for (u32 i = 0; i < 200; i++) {
		u32 v;

		set_desc(BASED, (u32)area + i * 8, 0xfffff, 0x93, 0xc);
		__asm__ volatile("movw %w1, %%fs; movl %%fs:0x40, %0\n"
				 "addl %0, %%fs:4" : "=&r"(v)
				 : "r"(BASED) : "memory", "cc");
		sum = hash(sum, v);
	}
	print("changing %08x %08x\n", sum, area_hash());
}

int main(void);
int main(void)
{
	data_segments();
	strings();
	stack_segment();
	code_segments();
	stack16();
	prepare();
	changing();
	return failures != 0;
}
