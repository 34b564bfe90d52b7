/* SPDX-License-Identifier: MIT */
/*
 * Where an interrupt that is pending gets in: after STI (one instruction
 * late), after MOV SS and POP SS, after POPF and IRET (at once). The timer's
 * request is made pending first, so every position is exact.
 */
#include "guest.h"

static u32 hits, hit_at, hit_flags;
static u32 base;

static bool on_timer(struct trap *t)
{
	if (t->vector != 0x20)
		return 0;
	hits++;
	hit_at = t->eip - base;
	hit_flags = t->eflags;
	outb(0x20, 0x20);
	return 1;
}

static void init_pic(void)
{
	static const u8 master[] = { 0x11, 0x20, 4, 1 };

	outb(0x20, master[0]);
	outb(0xa0, 0x11);
	outb(0x21, master[1]);
	outb(0xa1, 0x28);
	outb(0x21, master[2]);
	outb(0xa1, 2);
	outb(0x21, master[3]);
	outb(0xa1, 1);
	outb(0x21, 0xfe);
	outb(0xa1, 0xff);
}

/* One shot; returns when the request is pending in the controller. */
static void pend(void)
{
	outb(0x43, 0x30);
	outb(0x40, 100);
	outb(0x40, 0);
	outb(0x20, 0x0a);
	while (!(inb(0x20) & 1))
		;
}

#define SEQUENCE(name, text)                                              \
	__asm__(".pushsection .text\n" #name ":\n" text                   \
		"\nnop; nop; nop; nop; cli; ret\n.popsection");           \
	void name(void *arg)

SEQUENCE(sti_nop, "sti");
SEQUENCE(sti_cli, "sti; cli");
SEQUENCE(sti_sti, "sti; sti");
SEQUENCE(sti_hlt, "sti; hlt");
SEQUENCE(popf_if, "pushl $0x202; popfl");
SEQUENCE(popf_16, "pushw $0x202; popfw");
SEQUENCE(popf_same, "sti; pushfl; popfl");
SEQUENCE(sti_ret, "call 1f; jmp 2f; 1: sti; ret; 2:");
SEQUENCE(sti_jmp, "sti; jmp 1f; nop; 1:");
SEQUENCE(sti_push_mem, "pushl sti_target; sti; popl sti_target");
SEQUENCE(iret_if, "pushl $0x202; pushl $8; pushl $1f; iretl; 1:");
SEQUENCE(sti_iret, "pushl $0x202; pushl $8; pushl $1f; sti; iretl; 1:");
SEQUENCE(pop_ss, "sti; pushl $0x10; cli; sti; popl %ss");
SEQUENCE(no_if, "pushl $2; popfl");
extern u32 sti_target[4];
u32 sti_target[4];

struct row { const char *name; void (*fn)(void *); };
#define ROW(name) { #name, name }
static const struct row rows[] = {
	ROW(sti_nop), ROW(sti_cli), ROW(sti_sti), ROW(sti_hlt),
	ROW(popf_if), ROW(popf_16),
	ROW(popf_same), ROW(sti_ret), ROW(sti_jmp), ROW(sti_push_mem),
	ROW(iret_if), ROW(sti_iret), ROW(pop_ss), ROW(no_if),
};

int main(void);
int main(void)
{
	trap_hook = on_timer;
	init_pic();
	for (u32 round = 0; round < 2; round++)
		for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
			hits = 0;
			base = (u32)rows[i].fn;
			pend();
			rows[i].fn(0);
			print("%s: %u hits at +%u flags %x\n", rows[i].name,
			      hits, hits ? hit_at : 0,
			      hits ? hit_flags & 0x3200 : 0);
			if (!hits) { /* take it, so that the next is new */
				__asm__ volatile("sti; nop; nop; cli");
				check(hits == 1, "still pending");
			}
		}
	return failures != 0;
}
