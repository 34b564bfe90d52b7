/* SPDX-License-Identifier: MIT */
/*
 * Control transfers between rings: call gates with parameters, far
 * returns outward, conforming code, interrupt and trap gates, what
 * happens to data segments on the way out.
 */
#include "guest.h"

#define GATE SEL_TEST
#define CONFORMING (SEL_TEST + 16)

__asm__(".pushsection .text\n"
	/* Called at ring 0 through the gate with two parameters. */
	"gate_entry: movl 8(%esp), %eax; movl 12(%esp), %edx\n"
	" movl 4(%esp), %ecx; pushl %ecx; movw %cs, %cx; popl %ebx\n"
	" lret $8\n"
	"u_gate: pushl $0x2222; pushl $0x1111; lcall $0x33, $0\n"
	" movw %cs, %si; movl %esp, %edi; int $0x80\n"
	"u_gate_low: lcall $0x30, $0; int $0x80\n"
	"u_jmp_gate: ljmp $0x33, $0\n"
	"u_conforming: lcall $0x43, $conf_entry; int $0x80\n"
	"conf_entry: movw %cs, %ax; lret\n"
	"u_segs: movw $0x10, %ax; int $0x80\n"
	"u_trap_gate: int $0x82; int $0x80\n"
	".popsection");
extern const u8 gate_entry[];
void u_gate(void), u_gate_low(void), u_jmp_gate(void),
	u_conforming(void), u_segs(void), u_trap_gate(void);

static void set_call_gate(u32 sel, u32 entry, u32 access, u32 count)
{
	gdt[sel >> 3] = (u64)((entry & 0xffff0000) | access << 8 | count)
			<< 32 | (SEL_CODE << 16 | (entry & 0xffff));
}

static void run(const char *name, void (*fn)(void))
{
	u32 caught = catch_user(fn, 2);

	print("%s: %u error %x eax %x edx %x cs %x si %x ds %x es %x\n", name,
	      caught - 1, last.error, last.eax, last.edx, last.cs,
	      last.esi & 0xffff, last.ds & 0xffff, last.es & 0xffff);
}

static bool note_if(struct trap *t)
{
	if (t->vector != 0x82)
		return 0;
	print("gate flags %x saved %x\n", read_flags() & 0x3300, t->eflags);
	return 1;
}

/* A far return to ring 3 drops data segments that ring 3 may not use. */
static void lret_out(void *arg)
{
	__asm__ volatile("movw $0x10, %%ax; movw %%ax, %%fs\n"
			 "movw $0x23, %%ax; movw %%ax, %%gs\n"
			 "movl %%esp, %%ecx; pushl $0x23; pushl %%ecx\n"
			 "pushl $0x1b; pushl $1f; lret\n"
			 "1: movw %%fs, %%si; movw %%gs, %%di; int $0x80"
			 : : : "eax", "ecx", "esi", "edi", "memory");
}

static void far_same_ring(void)
{
	u32 cs, depth;

	__asm__("movl %%esp, %1; lcall %2, $1f; jmp 2f\n"
		"1: movl 4(%%esp), %0; lret\n"
		"2: subl %%esp, %1" : "=&r"(cs), "=&r"(depth)
		: "i"(SEL_CODE));
	print("lcall cs %x depth %u\n", cs & 0xffff, depth);
}

int main(void);
int main(void)
{
	set_gate(0x80, SEL_CODE, trap_entry(0x80), 0xee);
	set_call_gate(GATE, (u32)gate_entry, 0xec, 2);
	set_desc(CONFORMING, 0, 0xfffff, 0x9f, 0xc);
	run("gate", u_gate);
	run("gate rpl 0", u_gate_low);
	run("jmp to gate", u_jmp_gate);
	run("conforming", u_conforming);
	set_call_gate(GATE, (u32)gate_entry, 0x8c, 2);
	run("gate dpl 0", u_gate);
	set_call_gate(GATE, (u32)gate_entry, 0x6c, 2);
	run("gate absent", u_gate);
	trap_hook = note_if;
	outb(0x21, 0xff), outb(0xa1, 0xff);
	set_gate(0x82, SEL_CODE, trap_entry(0x82), 0xee);
	catch_user(u_trap_gate, 0x202);
	set_gate(0x82, SEL_CODE, trap_entry(0x82), 0xef);
	catch_user(u_trap_gate, 0x202);
	trap_hook = 0;
	catch(lret_out, 0);
	print("lret: cs %x si %x di %x\n", last.cs, last.esi & 0xffff,
	      last.edi & 0xffff);
	far_same_ring();
	return failures != 0;
}
