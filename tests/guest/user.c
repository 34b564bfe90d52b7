/* SPDX-License-Identifier: MIT */
/*
 * CPL 3: system calls by INT 80h, ports by IOPL and by the TSS bitmap, EFLAGS
 * as PUSHF, POPF and IRET leave them for every CPL, IOPL and IF; what LAR, LSL,
 * VERR and VERW tell of descriptors that no register was ever loaded from, in
 * one GDT and the next; one IDT and TSS and the next; RF; FIP.
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
	"u_probe: movl u_selector, %ecx; xorl %ebx, %ebx; xorl %edx, %edx\n"
	"lar %ecx, %ebx; sete %al; lsl %ecx, %edx; sete %ah\n"
	"movl %eax, %esi; verr %cx; sete %al; verw %cx; sete %ah\n"
	"shll $16, %eax; movw %si, %ax; int $0x81\n"
	"u_rf: hlt\n"
	"u_after_rf: nop\n"
	"u_at_rf: int $0x80\n"
	"u_fnstenv: fnstenv u_environment; int $0x81\n"
	".popsection\n"
	".pushsection .data\n"
	"u_environment: .fill 28\n"
	"u_selector: .long 0\n"
	".popsection");
extern u32 u_selector, u_environment[7];
void u_probe(void), u_fnstenv(void), u_rf(void), u_after_rf(void), u_at_rf(void);
void u_loop(void), u_in(void), u_in_dx(void), u_flags(void), u_cli(void), u_sti(void);

static u32 calls, sum;
static u32 user_eflags = 2;

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
		report("in, iopl", iopl, catch_user(u_in, user_eflags | iopl << 12));
	tss.ports[0x21 / 8] &= (u8)~(1 << (0x21 % 8));
	report("in, bit clear", 0x21, catch_user(u_in, user_eflags));
	tss.ports[0x7f / 8] &= (u8)~(1 << (0x7f % 8));
	report("inw, half", 0x7f, catch_user(u_in_dx, user_eflags));
	tss.ports[0x80 / 8] &= (u8)~1;
	report("inw, both", 0x7f, catch_user(u_in_dx, user_eflags));
}

static void user_flags(void (*fn)(void), const char *name)
{
	for (u32 i = 0; i < 4; i++)
		report(name, i, catch_user(fn, user_eflags | i << 12));
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

/* Descriptors of every kind that matters at CPL 3, none of them loaded. */
static const struct {
	u32 limit, access, flags;
} probed[] = {
	{ 0x1234, 0xf3, 0x4 }, { 0x54321, 0xf1, 0xc }, { 0x77, 0xfb, 0x4 },
	{ 0x88, 0xf9, 0x4 },   { 0x99, 0x73, 0x4 },    { 0xaa, 0x93, 0x4 },
	{ 0xbb, 0xd3, 0x4 },   { 0xcc, 0x9f, 0x4 },    { 0xdd, 0xf7, 0x4 },
};

static void probe(u32 sel)
{
	u32 caught;

	u_selector = sel;
	caught = catch_user(u_probe, user_eflags);
	print("probe %x: %x lar/lsl/verr/verw %08x rights %x limit %x\n", sel,
	      caught - 1, last.eax & 0x01010101, last.ebx & 0xf0fe00, last.edx);
}

static void probes(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(probed); i++)
		set_desc(SEL_TEST + 8 * i, 0, probed[i].limit, probed[i].access,
			 probed[i].flags);
	for (u32 sel = 3; sel < SEL_TEST + 8 * ARRAY_SIZE(probed) + 8; sel += 8)
		if ((sel & ~3u) != SEL_TSS)
			probe(sel);
	set_desc(SEL_TEST, 0, 0x4321, 0xf3, 0);
	probe(SEL_TEST | 3);
	set_desc(SEL_TEST, 0, 0x4321, 0x93, 0);
	probe(SEL_TEST | 3);
	gdt[SEL_TEST >> 3] = 0;
	probe(SEL_TEST | 3);
}

/* Tables that lie alike in their pages, and differ in one descriptor. */
static void other_tables(void)
{
	static u64 tables[2][512] ALIGNED(4096);
	struct { u16 limit; u32 base; } PACKED first, table;

	__asm__ volatile("sgdt %0" : "=m"(first));
	table.limit = first.limit;
	for (u32 i = 0; i < 4; i++) {
		u64 *to = tables[i % 2];

		set_desc(SEL_TEST, 0, 0x1000 + i % 2, 0xf3, 0);
		for (u32 n = 0; n < GDT_SLOTS; n++)
			to[n] = gdt[n];
		table.base = (u32)to;
		__asm__ volatile("lgdt %0" : : "m"(table));
		if (!i) /* whoever keeps where the table is, keeps this one */
			WRITE_CR(3, READ_CR(3));
		probe(SEL_TEST | 3);
	}
	__asm__ volatile("lgdt %0" : : "m"(first));
	gdt[SEL_TEST >> 3] = 0;
}

/* Interrupt tables that lie alike in their pages, and differ in one gate. */
static void other_gates(void)
{
	static u64 tables[2][512] ALIGNED(4096);
	struct { u16 limit; u32 base; } PACKED first, table;

	__asm__ volatile("sidt %0" : "=m"(first));
	table.limit = first.limit;
	for (u32 i = 0; i < 4; i++) {
		set_gate(0x81, SEL_CODE, trap_entry(0x81 + i % 2), 0xee);
		for (u32 n = 0; n < 256; n++)
			tables[i % 2][n] = ((u64 *)first.base)[n];
		table.base = (u32)tables[i % 2];
		__asm__ volatile("lidt %0" : : "m"(table));
		report("gate, table", i, catch_user(u_flags, user_eflags));
	}
	__asm__ volatile("lidt %0" : : "m"(first));
	set_gate(0x81, SEL_CODE, trap_entry(0x81), 0xee);
}

static u32 frame_at;

static bool note_frame(struct trap *t)
{
	frame_at = (u32)t;
	return 0;
}

static void load_tss(u32 base)
{
	set_desc(SEL_TSS, base, sizeof(tss) - 1, 0x89, 0);
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}

/* Task segments alike in their pages: the stack's top, there and changed. */
static void other_stacks(void)
{
	static u8 pages[2][4 * 4096] ALIGNED(4096);
	u32 top = tss.esp0;

	trap_hook = note_frame;
	for (u32 i = 0; i < 6; i++) {
		struct tss *now = (void *)(pages[i % 2] +
					   ((u32)&tss & 0xfff));

		if (i < 4) {
			copy(now, &tss, sizeof(tss));
			load_tss((u32)now);
		}
		now->esp0 = top - 16 * i;
		catch_user(u_flags, user_eflags);
		print("stack %u: %u below\n", i,
		      (top - frame_at - sizeof(struct trap)) / 16);
	}
	trap_hook = 0;
	load_tss((u32)&tss);
}

/* RF, as IRET loads it behind a fault, covers one instruction. */
static u32 resume_at;

static bool resume_with_rf(struct trap *t)
{
	if (t->vector != 13) { /* RF then is wrong in QEMU */
		print("vector %x eip +%u\n", t->vector, t->eip - resume_at);
		return 0;
	}
	t->eip = resume_at;
	t->eflags |= 1 << 16;
	return 1;
}

static void resume_flag(void)
{
	trap_hook = resume_with_rf;
	resume_at = (u32)u_after_rf;
	catch_user(u_rf, user_eflags);
	resume_at = (u32)u_at_rf;
	catch_user(u_rf, user_eflags);
	trap_hook = 0;
}

/*
 * Where the kernel's last x87 instruction was: in this image, or not told, but
 * nowhere else.
 */
static void last_x87(void)
{
	u32 caught;

	__asm__ volatile("fninit; fld1; fstp %st(0)");
	caught = catch_user(u_fnstenv, user_eflags);
	print("fnstenv: %x control %x tag %x\n", caught - 1,
	      u_environment[0] & 0xffff, u_environment[2] & 0xffff);
	check(u_environment[3] < 32u << 20, "x87 instruction pointer in the image");
}

/*
 * All of it again with paging and IF set, so that bt runs CPL 3 code directly:
 * all of 4 GiB mapped onto itself, for the user too.
 */
static void page_identity(void)
{
	static u32 directory[1024] ALIGNED(4096);

	for (u32 i = 0; i < 1024; i++)
		directory[i] = i << 22 | 0x87;
	WRITE_CR(3, directory);
	WRITE_CR(4, READ_CR(4) | 1 << 4);
	WRITE_CR(0, READ_CR(0) | 1u << 31);
}

static void everything(void)
{
	u32 caught;

	calls = sum = 0;
	trap_hook = count_calls;
	caught = catch_user(u_loop, user_eflags);
	print("loop ended by %x after %u calls, %08x\n", caught - 1, calls,
	      sum);
	trap_hook = 0;
	ports();
	user_flags(u_cli, "cli, iopl");
	user_flags(u_sti, "sti, iopl");
	user_flags(u_flags, "popf, iopl");
	probes();
	other_tables();
	other_gates();
	other_stacks();
	resume_flag();
	if (command_line()[0] != 'i') /* "integer" */
		last_x87();
}

int main(void);
int main(void)
{

	set_gate(0x80, SEL_CODE, trap_entry(0x80), 0xee);
	set_gate(0x81, SEL_CODE, trap_entry(0x81), 0xee);
	/* The interrupt controllers must stay quiet when IF gets set. */
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	everything();
	kernel_flags();
	page_identity();
	user_eflags = 0x202;
	everything();
	return failures != 0;
}
