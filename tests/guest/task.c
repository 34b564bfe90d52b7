/* SPDX-License-Identifier: MIT */
/*
 * Hardware task switch: by JMP, by CALL and IRET, by a task gate in the IDT;
 * busy bits, back links, NT, CR0.TS, and the faults of a bad TSS.
 */
#include "guest.h"

#define OTHER SEL_TEST
#define TASK_GATE (SEL_TEST + 8)

static struct tss other;
static u8 stack[4096] ALIGNED(16);
static u32 runs, seen_flags, seen_link, seen_busy, seen_ts;
extern u32 error_code;
u32 error_code;
void note(void);


static u32 busy(u32 sel)
{
	return (u32)(gdt[sel >> 3] >> 41) & 1;
}

void note(void)
{
	runs++;
	seen_flags = read_flags();
	seen_link = other.link & 0xffff;
	seen_busy = busy(SEL_TSS) << 1 | busy(OTHER);
	seen_ts = READ_CR(0) >> 3 & 1;
	__asm__ volatile("clts");
}

static void by_call(void)
{
	for (;;) {
		note();
		__asm__ volatile("iretl" : : : "memory");
	}
}

static void by_jmp(void)
{
	for (;;) {
		note();
		__asm__ volatile("ljmp %0, $0" : : "i"(SEL_TSS) : "memory");
	}
}

static void prepare(void (*entry)(void))
{
	fill(&other, 0, 104);
	other.eip = (u32)entry;
	other.esp = (u32)(stack + sizeof(stack) - 16);
	other.eflags = 2;
	other.cs = SEL_CODE;
	other.ss = other.ds = other.es = SEL_DATA;
	other.bitmap = 104;
	set_desc(OTHER, (u32)&other, 103, 0x89, 0);
	gdt[TASK_GATE >> 3] = (u64)0xe500 << 32 | OTHER << 16;
}

static void report(const char *name)
{
	print("%s: runs %u flags %x link %x busy %x ts %x; after busy %x%x",
	      name, runs, seen_flags, seen_link, seen_busy, seen_ts,
	      busy(SEL_TSS), busy(OTHER));
	print(" flags %x ts %x eip in tss %x\n", read_flags() & 0x4000,
	      READ_CR(0) >> 3 & 1, tss.eip != 0);
	__asm__ volatile("clts");
}

static void far_call(void *sel)
{
	struct { u32 offset; u16 sel; } PACKED p = { 0, (u16)(u32)sel };

	__asm__ volatile("lcall *%0" : : "m"(p) : "memory");
}

static void far_jmp(void *sel)
{
	struct { u32 offset; u16 sel; } PACKED p = { 0, (u16)(u32)sel };

	__asm__ volatile("ljmp *%0" : : "m"(p) : "memory");
}

/* `mov fs, ax` is 2 bytes: the handler task steps over them. */
static void gp(void)
{
	__asm__ volatile("movl $0x7ff8, %%eax; movw %%ax, %%fs" : : : "eax");
}

__asm__(".pushsection .text\n"
	"skip_fault: popl error_code; call note; addl $2, tss+32\n"
	" iretl; jmp skip_fault\n"
	".popsection");
void skip_fault(void);

static void bad_tss(const char *name)
{
	u32 caught = catch(far_call, (void *)OTHER);

	print("%s: vector %u error %x busy %x%x nt %x\n", name,
	      caught ? last.vector : 0, last.error, busy(SEL_TSS), busy(OTHER),
	      read_flags() >> 14 & 1);
}

static void bad_tasks(void)
{
	prepare(by_call);
	set_desc(OTHER, (u32)&other, 102, 0x89, 0);
	bad_tss("short limit");
	set_desc(OTHER, (u32)&other, 103, 0x09, 0);
	bad_tss("absent");
	set_desc(OTHER, (u32)&other, 103, 0x8b, 0);
	bad_tss("busy");
}

int main(void);
int main(void)
{
	prepare(by_call);
	far_call((void *)OTHER);
	report("call");
	far_call((void *)OTHER);
	report("call again");
	far_call((void *)TASK_GATE);
	report("call gate");
	prepare(by_jmp);
	far_jmp((void *)OTHER);
	report("jmp");
	far_jmp((void *)OTHER);
	report("jmp again");
	prepare(by_call);
	set_gate(0x85, OTHER, 0, 0x85);
	__asm__ volatile("int $0x85" : : : "memory");
	report("task gate");
	prepare(skip_fault);
	set_gate(13, OTHER, 0, 0x85);
	gp();
	report("fault by task gate");
	print("error %x\n", error_code);
	set_gate(13, SEL_CODE, trap_entry(13), 0x8e);
	bad_tasks();
	return failures != 0;
}
