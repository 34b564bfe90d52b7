/* SPDX-License-Identifier: MIT */
/* The test images' library: see guest.h. */
#include "guest.h"

u64 gdt[GDT_SLOTS] ALIGNED(16);
struct tss tss ALIGNED(16);
struct trap last;
bool (*trap_hook)(struct trap *t);

static u64 idt[256] ALIGNED(16);
static u8 user_stack[8192] ALIGNED(4096);
static u8 trap_stack[16384] ALIGNED(16);
extern const u32 stub_table[256];
extern u32 boot_magic, boot_info, catch_esp;

void guest_init(void);
void trap_common(struct trap *t);

/* One line for a trap; the address is relative to the image. */
void print_trap(const char *what, u32 caught)
{
	if (!caught)
		print("%s: no trap\n", what);
	else
		print("%s: vector %u error %x eip %x flags %x\n", what,
		      last.vector, last.error, last.eip, last.eflags);
}

void trap_common(struct trap *t)
{
	if (trap_hook && trap_hook(t))
		return;
	last = *t;
	if (catch_esp)
		catch_return(t->vector + 1);
	print("unexpected trap: vector %u error %x cs %x eip %x\n", t->vector,
	      t->error, t->cs, t->eip);
	guest_exit(99);
}

void set_desc(u32 sel, u32 base, u32 limit, u32 access, u32 flags)
{
	u32 low = (limit & 0xffff) | base << 16;
	u32 high = (base >> 16 & 0xff) | access << 8 | (limit & 0xf0000) |
		   flags << 20 | (base & 0xff000000);

	gdt[sel >> 3] = (u64)high << 32 | low;
}

void set_gate(u32 vector, u32 sel, const void *entry, u32 access)
{
	u32 at = (u32)entry;

	idt[vector] = (u64)((at & 0xffff0000) | access << 8) << 32 |
		      (sel << 16 | (at & 0xffff));
}

const void *trap_entry(u32 vector)
{
	return (void *)stub_table[vector];
}

static void load_tables(void)
{
	struct { u16 limit; u32 base; } PACKED g, i;

	g.limit = sizeof(gdt) - 1;
	g.base = (u32)gdt;
	i.limit = sizeof(idt) - 1;
	i.base = (u32)idt;
	__asm__ volatile("lgdt %0; lidt %1" : : "m"(g), "m"(i));
	__asm__ volatile("ljmp %0, $1f; 1:" : : "i"(SEL_CODE));
	__asm__ volatile("movw %w0, %%ds; movw %w0, %%es; movw %w0, %%ss;"
			 "movw %w1, %%fs; movw %w1, %%gs"
			 : : "r"(SEL_DATA), "r"(SEL_NULL));
	__asm__ volatile("ltr %w0; lldt %w1" : : "r"(SEL_TSS), "r"(SEL_NULL));
	WRITE_CR(0, 0x31); /* PE, ET, NE: the firmware's caching bits go */
}

void guest_init(void)
{
	set_desc(SEL_CODE, 0, 0xfffff, 0x9b, 0xc);
	set_desc(SEL_DATA, 0, 0xfffff, 0x93, 0xc);
	set_desc(SEL_UCODE, 0, 0xfffff, 0xfb, 0xc);
	set_desc(SEL_UDATA, 0, 0xfffff, 0xf3, 0xc);
	set_desc(SEL_TSS, (u32)&tss, sizeof(tss) - 1, 0x89, 0);
	tss.ss0 = SEL_DATA;
	tss.esp0 = (u32)(trap_stack + sizeof(trap_stack));
	tss.bitmap = (u16)(u32)&((struct tss *)0)->ports;
	fill(tss.ports, 0xff, sizeof(tss.ports));
	for (u32 v = 0; v < 256; v++)
		set_gate(v, SEL_CODE, (void *)stub_table[v],
			 v == 3 || v == 4 || v == 0x80 ? 0xee : 0x8e);
	load_tables();
	text_init();
}

const char *command_line(void)
{
	const u32 *info = (const u32 *)boot_info;

	if (boot_magic != 0x2badb002 || !(info[0] & 4))
		return "";
	return (const char *)info[4];
}

struct user_entry { void (*fn)(void); u32 eflags; };

static void enter_user(void *arg)
{
	struct user_entry *e = arg;

	__asm__ volatile("pushl %0; pushl %1; pushl %2; pushl %3; pushl %4;"
			 "movw %w0, %%ds; movw %w0, %%es; iretl"
			 : : "r"(SEL_UDATA),
			   "r"(user_stack + sizeof(user_stack) - 16),
			   "r"(e->eflags), "i"(SEL_UCODE), "r"(e->fn)
			 : "memory");
}

u32 catch_user(void (*fn)(void), u32 eflags)
{
	struct user_entry e = { fn, eflags };

	return catch(enter_user, &e);
}
