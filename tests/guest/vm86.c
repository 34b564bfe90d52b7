/* SPDX-License-Identifier: MIT */
/*
 * Virtual-8086 mode: sensitive instructions by IOPL, segment arithmetic,
 * exceptions and interrupts out of it with the segments on the stack, return
 * into it, 32-bit prefixes, the 64 KiB limits.
 */
#include "guest.h"

#define CODE_SEG 0x2000
#define DATA_SEG 0x3000

struct v86 { u32 eflags, ip; };

static void enter(void *arg)
{
	struct v86 *s = arg;

	__asm__ volatile("pushl $0x1111; pushl $0x2222; pushl %0; pushl %0\n"
			 "pushl %1; pushl $0xfff0; pushl %2; pushl %3\n"
			 "pushl %4; movl $0x12345678, %%eax\n"
			 "movl $3, %%ecx; movl $0x10, %%esi\n"
			 "movl $0x40, %%edi; iretl"
			 : : "i"(DATA_SEG), "i"(DATA_SEG + 0x100),
			   "r"(s->eflags), "i"(CODE_SEG), "r"(s->ip)
			 : "memory");
}

static void run(const char *name, u32 iopl, const u8 *code, u32 size)
{
	u8 *at = (u8 *)(CODE_SEG * 16);
	struct v86 s = { 0x20002 | iopl << 12, 0x100 };
	u32 caught;

	fill(at, 0xf4, 0x200); /* hlt: ends what falls through */
	copy(at + 0x100, code, size);
	caught = catch(enter, &s);
	print("%s iopl %u: %u err %x ip +%x fl %x ax %x cx %x si %x di %x",
	      name, iopl, caught - 1, last.error, last.eip - 0x100,
	      last.eflags & ~0x10000u, last.eax, last.ecx, last.esi,
	      last.edi);
	print(" sp %x ss %x ds %x es %x gs %x h %x\n", last.esp & 0xffff,
	      last.ss, last.v86_ds, last.v86_es, last.v86_gs,
	      hash(0, *(u32 *)(DATA_SEG * 16 + 0x40)));
}

#define RUN(name, ...)                                                    \
	do {                                                              \
		static const u8 code_[] = { __VA_ARGS__ };                \
		run(name, 0, code_, sizeof(code_));                       \
		run(name, 3, code_, sizeof(code_));                       \
	} while (0)

int main(void);
int main(void)
{
	outb(0x21, 0xff), outb(0xa1, 0xff);
	for (u32 i = 0; i < 0x100; i++)
		((u8 *)(DATA_SEG * 16))[i] = (u8)(i * 3);
	set_gate(0x20, SEL_CODE, trap_entry(0x20), 0xee);
	RUN("hlt", 0xf4);
	RUN("cli", 0xfa, 0xcd, 0x20);
	RUN("sti", 0xfb, 0xcd, 0x20);
	RUN("pushf", 0x9c, 0x58, 0xcd, 0x20);
	RUN("popf", 0x68, 0xd5, 0x7e, 0x9d, 0x9c, 0x58, 0xcd, 0x20);
	RUN("popfd", 0x66, 0x68, 0xd5, 0x3e, 0x27, 0, 0x66, 0x9d, 0x66, 0x9c,
	    0x66, 0x58, 0xcd, 0x20);
	RUN("int3", 0xcc);
	RUN("int", 0xcd, 0x20);
	RUN("int dpl 0", 0xcd, 0x21);
	RUN("iret", 0x68, 2, 0, 0x68, 0, 0x20, 0x68, 0x80, 1, 0xcf);
	RUN("in masked", 0xe4, 0x21, 0xcd, 0x20);
	RUN("ud", 0x0f, 0x0b);
	RUN("div", 0x31, 0xc9, 0xf7, 0xf1);
	RUN("lgdt", 0x0f, 0x01, 0x16, 0, 0);
	RUN("mov cr", 0x0f, 0x20, 0xc0);
	RUN("lldt", 0x0f, 0x00, 0xd0);
	RUN("lar", 0x0f, 0x02, 0xc0);
	RUN("arpl", 0x63, 0xc0);
	RUN("smsw", 0x0f, 0x01, 0xe0, 0xcd, 0x20);
	RUN("mov", 0xb8, 0, 0x30, 0x8e, 0xd8, 0x8b, 0x04, 0x89, 0x05, 0xcd,
	    0x20);
	RUN("movs", 0xf3, 0xa4, 0xcd, 0x20);
	RUN("movsd a32", 0x66, 0x67, 0xf3, 0xa5, 0xcd, 0x20);
	RUN("limit", 0xa1, 0xff, 0xff);
	RUN("limit a32", 0x67, 0xa1, 0, 0, 1, 0);
	RUN("stack limit", 0xbc, 1, 0, 0x50);
	RUN("far call", 0x9a, 0x10, 1, 0, 0x20, 0xcd, 0x20, 0, 0, 0, 0, 0, 0,
	    0, 0, 0, 0x8c, 0xc8, 0xcb);
	RUN("far jmp", 0xea, 0x80, 0, 0x10, 0x20);
	RUN("push segs", 0x1e, 0x06, 0x0e, 0x58, 0x07, 0x1f, 0xcd, 0x20);
	RUN("lds", 0xc5, 0x04, 0xcd, 0x20);
	RUN("loop", 0x40, 0xe2, 0xfd, 0xcd, 0x20);
	RUN("enter", 0xc8, 8, 0, 1, 0xc9, 0xcd, 0x20);
	RUN("pusha", 0x60, 0x61, 0xcd, 0x20);
	RUN("call near", 0xe8, 2, 0, 0xcd, 0x20, 0x40, 0xc3);
	RUN("xlat", 0xbb, 0, 0, 0xd7, 0xcd, 0x20);
	RUN("lock", 0xf0, 0xff, 0x05, 0xcd, 0x20);
	return failures != 0;
}
