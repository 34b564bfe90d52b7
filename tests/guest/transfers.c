/* SPDX-License-Identifier: MIT */
/*
 * Faults of far transfers: every access byte in an IDT gate, a target code
 * segment, an inner stack and the segments of a new task, from each privilege
 * that matters; and faults in the delivery of faults.
 */
#include "guest.h"

#define GATE 0x90
#define SEL_16 (SEL_TEST + 8)
#define SEL_CODE1 (SEL_TEST + 16)
#define SEL_NEW_TSS (SEL_TEST + 24)
#define SEL_CALL (SEL_TEST + 32)

struct landed {
	u32 esp, cs, flags, stack[8];
};
struct landed landed __attribute__((used));
u32 far_sel __attribute__((used));
static u32 inner_stack[256], task_stack[256], task_trap_stack[1024];
static struct tss new_tss ALIGNED(16);

/*
 * Where a transfer that worked arrives: at ring 0 it notes what it finds and
 * leaves by catch_return(); at any other ring it traps out with its state.
 */
__asm__(".pushsection .text\n"
	"landing: movw %cs, %ax; testb $3, %al; jz 1f; int $0x80\n"
	"1: movl $0x10, %eax; movw %ax, %ds; movw %ax, %es\n"
	" movl %esp, landed; movw %cs, landed+4; pushfl; popl landed+8\n"
	" movl %esp, %esi; movl $landed+12, %edi; movl $8, %ecx; cld\n"
	" rep movsl %ss:(%esi), %es:(%edi)\n"
	" pushl $0x201; call catch_return\n"
	".balign 16\n"
	"landing16: .code16; ljmpl $8, $landing; .code32\n"
	"far_jmp: pushl far_sel; pushl $landing; ljmp *(%esp)\n"
	"far_call: movl far_sel, %eax; movl %eax, far_at+4\n"
	" lcall *far_at; ret\n"
	"far_ret: movl %esp, %eax; pushl $0x23; pushl %eax; pushl far_sel\n"
	" pushl $landing; lret\n"
	"far_iret: movl %esp, %eax; pushl $0x23; pushl %eax; pushl $0x40247\n"
	" pushl far_sel; pushl $landing; iretl\n"
	"far_jmp_task: movl far_sel, %eax; movl %eax, far_at+4\n"
	" ljmp *far_at\n"
	"int_90: int $0x90; ret\n"
	"user_int_90: int $0x90; int $0x80\n"
	"user_call_gate: pushl $1; pushl $2; lcall $0x53, $0; int $0x80\n"
	".popsection\n"
	".pushsection .data; far_at: .long landing, 0; .popsection");
extern const u8 landing[], landing16[];
void far_jmp(void *), far_call(void *), far_ret(void *), far_iret(void *);
void far_jmp_task(void *), int_90(void *);
void user_int_90(void), user_call_gate(void);

/* One number for how it ended and in which state. */
static u32 outcome(u32 caught)
{
	u32 h = hash(2166136261u, caught);

	if (caught == 0x201) {
		for (u32 i = 0; i < sizeof(landed) / 4; i++)
			h = hash(h, ((const u32 *)&landed)[i]);
	} else if (caught) {
		h = hash(h, last.error);
		h = hash(h, last.eip);
		h = hash(h, last.cs);
		h = hash(h, last.eflags);
		h = hash(h, last.ds & 0xffff);
	}
	return h;
}

static void print_end(u32 caught)
{
	if (caught == 0x201)
		print(" ok");
	else
		print(" %x/%x", caught - 1, last.error);
}

static u32 table_hash;

static void row(u32 access, u32 h)
{
	table_hash = hash(table_hash, h);
	print("%s%02x:%04x%s", access & 7 ? " " : "", access, h & 0xffff,
	      (access & 7) == 7 ? "\n" : "");
}

static void idt_gates(void)
{
	print("gates\n");
	set_desc(SEL_16, (u32)landing16, 0xffff, 0x9b, 0);
	for (u32 access = 0; access < 256; access++) {
		u32 type = access & 0x1f, kernel, user;
		bool is16 = type == 6 || type == 7;

		set_gate(GATE, is16 ? SEL_16 : SEL_CODE, is16 ? 0 : landing,
			 access);
		kernel = catch(int_90, 0);
		print("%02x", access);
		print_end(kernel);
		kernel = outcome(kernel);
		user = catch_user(user_int_90, 0x202);
		print_end(user);
		print(" %04x%s", hash(kernel, outcome(user)) & 0xffff,
		      access & 3 ? "  " : "\n");
	}
	print("\n");
}

static void gate_targets(void)
{
	print("gate targets\n");
	for (u32 access = 0; access < 256; access++) {
		u32 h;

		set_desc(SEL_TEST, 0, 0xfffff, access, 0xc);
		set_gate(GATE, SEL_TEST | (access & 3), landing, 0xee);
		h = outcome(catch(int_90, 0));
		h = hash(h, outcome(catch_user(user_int_90, 0x4302)));
		row(access, h);
	}
}

static void code_targets(void)
{
	static void (*const ways[])(void *) = { far_jmp, far_call, far_ret,
						far_iret };

	print("far targets\n");
	for (u32 access = 0; access < 256; access++) {
		u32 h = 0, type = access & 0x1f;

		set_desc(SEL_TEST, 0, 0xfffff, access, 0xc);
		if (type == 1 || type == 9)
			continue; /* would be a task */
		for (u32 rpl = 0; rpl < 4; rpl++)
			for (u32 w = 0; w < ARRAY_SIZE(ways); w++) {
				far_sel = SEL_TEST | rpl;
				h = hash(h, outcome(catch(ways[w], 0)));
			}
		row(access, h);
	}
	print("\n");
}

static void inner_stacks(void)
{
	u32 entry = (u32)landing;

	print("inner stacks\n");
	set_desc(SEL_CODE1, 0, 0xfffff, 0xbb, 0xc);
	set_gate(GATE, SEL_CODE1, landing, 0xee);
	gdt[SEL_CALL >> 3] = (u64)((entry & 0xffff0000) | 0xec02) << 32 |
			     (SEL_CODE1 << 16 | (entry & 0xffff));
	tss.esp1 = (u32)(inner_stack + 256);
	for (u32 access = 0; access < 256; access++) {
		u32 h = 0;

		for (u32 rpl = 0; rpl < 4; rpl++) {
			set_desc(SEL_TEST, 0, 0xfffff, access, 0xc);
			tss.ss1 = SEL_TEST | rpl;
			h = hash(h, outcome(catch_user(user_int_90, 0x202)));
			h = hash(h, outcome(catch_user(user_call_gate, 2)));
		}
		row(access, h);
	}
	tss.ss1 = 0;
	print("null:");
	print_end(catch_user(user_int_90, 2));
	set_desc(SEL_TEST, 0, 19, 0xb3, 4);
	tss.ss1 = SEL_TEST | 1;
	for (u32 esp = 16; esp < 40; esp += 4) {
		tss.esp1 = esp;
		print_end(catch_user(user_int_90, 2));
		print_end(catch_user(user_call_gate, 2));
	}
	print("\n");
}

static void fresh_task(void)
{
	fill(&new_tss, 0, 104);
	new_tss.ss0 = SEL_DATA;
	new_tss.esp0 = (u32)(task_trap_stack + 1024);
	new_tss.eip = (u32)landing;
	new_tss.eflags = 2;
	new_tss.esp = (u32)(task_stack + 200);
	new_tss.cs = SEL_CODE;
	new_tss.ss = SEL_DATA;
	new_tss.ds = new_tss.es = SEL_DATA;
	set_desc(SEL_NEW_TSS, (u32)&new_tss, 0x67, 0x89, 0);
}

/* Come back to the library's own task by hand. */
static void back(void)
{
	gdt[SEL_TSS >> 3] &= ~(1ull << 41);
	__asm__ volatile("clts; ltr %w0; lldt %w1" : : "r"(SEL_TSS), "r"(0));
}

static void tasks(void)
{
	static const char *const fields[] = { "cs", "ss", "ds", "ldt" };

	far_sel = SEL_NEW_TSS;
	for (u32 field = 0; field < 4; field++) {
		print("task %s\n", fields[field]);
		for (u32 access = 0; access < 256; access++) {
			u32 h = 0;

			if (field == 1 && (access & 0x1e) == 0x16)
				continue; /* expands down: no room at all */
			for (u32 rpl = 0; rpl < 4; rpl += 3) {
				u32 sel = SEL_TEST | rpl;

				fresh_task();
				set_desc(SEL_TEST, 0, 0xfffff, access, 0xc);
				if (field == 0) {
					new_tss.cs = sel;
					new_tss.ss = rpl ? SEL_UDATA : SEL_DATA;
					new_tss.ds = new_tss.es = 0;
				} else if (field == 1) {
					new_tss.ss = sel;
					new_tss.cs = rpl ? SEL_UCODE : SEL_CODE;
					new_tss.ds = new_tss.es = 0;
				} else if (field == 2) {
					new_tss.ds = sel;
				} else {
					new_tss.ldt = sel;
				}
				h = hash(h, outcome(catch(far_jmp_task, 0)));
				back();
			}
			row(access, h);
		}
	}
}

static void bad_selector(void *a)
{
	__asm__ volatile("movw %w0, %%fs" : : "r"(0x7ff8));
}
static void undefined(void *a)
{
	__asm__ volatile("ud2");
}
static void divide(void *a)
{
	__asm__ volatile("xorl %%ecx, %%ecx; divl %%ecx"
			 : : : "eax", "ecx", "edx");
}
static void absent(void *a)
{
	set_desc(SEL_TEST, 0, 0xfffff, 0x13, 0xc);
	__asm__ volatile("movw %w0, %%fs" : : "r"(SEL_TEST));
}
static void absent_stack(void *a)
{
	set_desc(SEL_TEST, 0, 0xfffff, 0x13, 0xc);
	__asm__ volatile("movw %w0, %%ss" : : "r"(SEL_TEST));
}
static void int3(void *a)
{
	__asm__ volatile("int3");
}

/* Each first fault with its gate spoilt in some way. */
static void double_faults(void)
{
	static const struct {
		const char *name;
		void (*fn)(void *);
		u32 vector;
	} rows[] = {
		{ "gp", bad_selector, 13 }, { "ud", undefined, 6 },
		{ "de", divide, 0 },        { "np", absent, 11 },
		{ "ss", absent_stack, 12 }, { "bp", int3, 3 },
	};
	static const u32 sel[] = { SEL_CODE, SEL_CODE, 0, SEL_DATA, 0x7ff8 };
	static const u32 access[] = { 0xee & 0x7f, 0xec, 0xee, 0xee, 0xee };

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		const void *stub = trap_entry(rows[i].vector);

		print("%s:", rows[i].name);
		for (u32 k = 0; k < ARRAY_SIZE(sel); k++) {
			set_gate(rows[i].vector, sel[k], stub, access[k]);
			print_end(catch(rows[i].fn, 0));
			print(" %x", last.eflags & 0x10000);
			set_gate(rows[i].vector, SEL_CODE, stub,
				 rows[i].vector == 3 ? 0xee : 0x8e);
		}
		print("\n");
	}
}

u32 main(void)
{
	outb(0x21, 0xff); /* no interrupts, though IF is set now and then */
	outb(0xa1, 0xff);
	idt_gates();
	gate_targets();
	code_targets();
	inner_stacks();
	tasks();
	double_faults();
	print("all %x\n", table_hash);
	return failures;
}
