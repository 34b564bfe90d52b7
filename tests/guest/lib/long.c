/* SPDX-License-Identifier: MIT */
/* The 64-bit test images' library: see long.h. */
#include "long.h"

u64 gdt[GDT_SLOTS] ALIGNED(16);
u64 idt[512] ALIGNED(16);
struct tss tss ALIGNED(16);
struct trap last;
bool (*trap_hook)(struct trap *t);

static u8 user_stack[8192] ALIGNED(4096);
static u8 trap_stack[16384] ALIGNED(16);
extern const u64 stub_table[256];
extern u64 catch_rsp;
extern u32 boot_magic, boot_info;

void guest_init(void);
void trap_common(struct trap *t);
void enter_user(void *arg);

void report(const struct row *row, u32 caught)
{
	if (!caught)
		print("%s: no trap\n", row->name);
	else
		print("%s: vector %u error %llx rip +%llx cs %llx flags %llx "
		      "ss %llx rax %llx\n", row->name, (u32)last.vector,
		      last.error, last.rip - (u64)row->fn, last.cs,
		      last.rflags, last.ss, last.rax);
}

void trap_common(struct trap *t)
{
	if (trap_hook && trap_hook(t))
		return;
	last = *t;
	if (catch_rsp)
		catch_return((u32)t->vector + 1);
	print("unexpected trap: vector %u error %llx cs %llx rip %llx\n",
	      (u32)t->vector, t->error, t->cs, t->rip);
	guest_exit(99);
}

void set_desc(u32 sel, u32 base, u32 limit, u32 access, u32 flags)
{
	u32 low = (limit & 0xffff) | base << 16;
	u32 high = (base >> 16 & 0xff) | access << 8 | (limit & 0xf0000) |
		   flags << 20 | (base & 0xff000000);

	gdt[sel >> 3] = (u64)high << 32 | low;
}

void set_gate(u32 vector, u32 sel, u64 entry, u32 access, u32 ist)
{
	idt[2 * vector] = (entry & 0xffff) | sel << 16 | (u64)ist << 32 |
			  (u64)access << 40 | (entry >> 16 & 0xffff) << 48;
	idt[2 * vector + 1] = entry >> 32;
}

void set_wide(u32 sel, u64 low, u64 high)
{
	gdt[sel >> 3] = low;
	gdt[(sel >> 3) + 1] = high;
}

u64 trap_entry(u32 vector)
{
	return stub_table[vector];
}

static void load_tables(void)
{
	struct { u16 limit; u64 base; } PACKED g, i;

	g.limit = sizeof(gdt) - 1;
	g.base = (u64)gdt;
	i.limit = sizeof(idt) - 1;
	i.base = (u64)idt;
	__asm__ volatile("lgdt %0; lidt %1" : : "m"(g), "m"(i));
	__asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq;"
			 "1:" : : "i"(SEL_CODE) : "rax", "memory");
	__asm__ volatile("movw %w0, %%ds; movw %w0, %%es; movw %w0, %%ss;"
			 "movw %w1, %%fs; movw %w1, %%gs"
			 : : "r"(SEL_DATA), "r"(0));
	__asm__ volatile("ltr %w0; lldt %w1" : : "r"(SEL_TSS), "r"(0));
}

static void set_tss(void)
{
	u64 base = (u64)&tss;

	set_desc(SEL_TSS, (u32)base, sizeof(tss) - 1, 0x89, 0);
	gdt[(SEL_TSS >> 3) + 1] = base >> 32;
	tss.rsp[0] = (u64)(trap_stack + sizeof(trap_stack));
	tss.bitmap = (u16)((u64)tss.ports - base);
	fill(tss.ports, 0xff, sizeof(tss.ports));
}

void guest_init(void)
{
	set_desc(SEL_CODE, 0, 0xfffff, 0x9b, 0xa);
	set_desc(SEL_DATA, 0, 0xfffff, 0x93, 0xc);
	set_desc(SEL_UCODE32, 0, 0xfffff, 0xfb, 0xc);
	set_desc(SEL_UDATA, 0, 0xfffff, 0xf3, 0xc);
	set_desc(SEL_UCODE, 0, 0xfffff, 0xfb, 0xa);
	set_desc(SEL_UDATA2, 0, 0xfffff, 0xf3, 0xc);
	set_desc(SEL_CODE32, 0, 0xfffff, 0x9b, 0xc);
	set_tss();
	for (u32 v = 0; v < 256; v++)
		set_gate(v, SEL_CODE, stub_table[v],
			 v == 3 || v == 4 || v == VECTOR_SYSCALL ? 0xee : 0x8e,
			 0);
	load_tables();
	text_init();
}

const char *command_line(void)
{
	const u32 *info = (const u32 *)(u64)boot_info;

	if (boot_magic != 0x2badb002 || !(info[0] & 4))
		return "";
	return (const char *)(u64)info[4];
}

struct user_entry { void (*fn)(void *); u64 cs, rflags; };

void enter_user(void *arg)
{
	struct user_entry *e = arg;

	__asm__ volatile("pushq %0; pushq %1; pushq %2; pushq %3; pushq %4;"
			 "movw %w0, %%ds; movw %w0, %%es; iretq"
			 : : "r"((u64)SEL_UDATA),
			   "r"(user_stack + sizeof(user_stack) - 16),
			   "r"(e->rflags), "r"(e->cs), "r"(e->fn)
			 : "memory");
}

u32 catch_user(void (*fn)(void *), u64 cs, u64 rflags)
{
	struct user_entry e = { fn, cs, rflags };

	return catch(enter_user, &e);
}
