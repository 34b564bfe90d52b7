/* SPDX-License-Identifier: MIT */
/* Commands that show the guest: registers, memory, interrupts. */
#include "debug/monitor.h"

#include "devices/pic.h"
#include "devices/pit.h"
#include "kernel/console.h"
#include "lib/string.h"

typedef unsigned long long ull;

/* --- regs ------------------------------------------------------------- */

static void print_general(const struct vcpu *v)
{
	static const char *const names[] = { "ax", "cx", "dx", "bx", "sp",
					     "bp", "si", "di" };
	bool wide = vcpu_long_mode(v);
	unsigned n = wide ? GPR_COUNT : 8;

	for (unsigned i = 0; i < n; i++) {
		ull x = wide ? v->gpr[i] : (u32)v->gpr[i];

		if (i < 8)
			console_printf("%s%s", wide ? "r" : "e", names[i]);
		else
			console_printf("r%-2u", i);
		console_printf(wide ? " %016llx%s" : " %08llx%s", x,
			       i % 4 == 3 ? "\n" : "  ");
	}
	console_printf("%sip %08llx  eflags %08llx  cpl %u\n", wide ? "r" : "e",
		       (ull)v->rip, (ull)v->rflags, v->cpl);
}

static void print_segment(const char *name, const struct segment *s)
{
	console_printf("%-4s %04x  base %08llx  limit %08x  rights %05x%s\n",
		       name, s->sel, (ull)s->base, s->limit, s->ar,
		       s->ar & AR_UNUSABLE ? " unusable" : "");
}

static void print_control(const struct vcpu *v)
{
	console_printf("gdtr base %08llx limit %04x  idtr base %08llx limit "
		       "%04x\n", (ull)v->gdtr.base, v->gdtr.limit,
		       (ull)v->idtr.base, v->idtr.limit);
	console_printf("cr0 %08llx  cr2 %08llx  cr3 %08llx  cr4 %08llx  "
		       "efer %llx\n", (ull)v->cr0, (ull)v->cr2, (ull)v->cr3,
		       (ull)v->cr4, (ull)v->efer);
	console_printf("dr0 %08llx  dr1 %08llx  dr2 %08llx  dr3 %08llx\n"
		       "dr6 %08llx  dr7 %08llx\n", (ull)v->dr[0],
		       (ull)v->dr[1], (ull)v->dr[2], (ull)v->dr[3],
		       (ull)v->dr[6], (ull)v->dr[7]);
}

void cmd_regs(const struct args *a)
{
	static const char *const names[] = { "es", "cs", "ss", "ds", "fs",
					     "gs", "ldtr", "tr" };
	const struct vcpu *v = dbg.vm->v;

	console_printf("%s, guest %s\n", target_ops.describe(NULL),
		       dbg.state == DEBUG_STANDING ? "stands" : "runs");
	print_general(v);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		print_segment(names[i], &v->seg[i]);
	print_control(v);
	console_printf("instructions %llu\n", (ull)v->insn_count);
}

/* --- x ---------------------------------------------------------------- */

static void print_line(u64 addr, const u8 *data, u64 n)
{
	console_printf("%08llx ", (ull)addr);
	for (u64 i = 0; i < 16; i++)
		console_printf(i < n ? " %02x" : "   ", data[i]);
	console_printf("  ");
	for (u64 i = 0; i < n; i++)
		console_printf("%c", data[i] >= ' ' && data[i] < 0x7f ?
				     data[i] : '.');
	console_printf("\n");
}

#define X_MAX KIB(64)

void cmd_x(const struct args *a)
{
	bool phys = a->count > 1 && !strncmp(a->word[1], "p:", 2);
	u64 addr, size;

	if (a->count < 2 || !arg_address(a->word[1] + (phys ? 2 : 0), &addr)) {
		console_printf("x [p:]ADDR [BYTES]\n");
		return;
	}
	if (!args_count(a, 2, 64, &size))
		return;
	for (u64 i = 0; i < MIN(size, X_MAX); i += 16) {
		u8 data[16] = { 0 };
		u64 want = MIN(size - i, 16);
		u64 n = vm_peek(dbg.vm, phys, addr + i, data, want);

		if (n)
			print_line(addr + i, data, n);
		if (n < want) {
			console_printf("%08llx  nothing there\n",
				       (ull)(addr + i + n));
			return;
		}
	}
}

/* --- irq -------------------------------------------------------------- */

static void print_pic(const char *name, const struct pic_chip *c)
{
	console_printf("8259 %-6s irr %02x  imr %02x  isr %02x  lines %02x  "
		       "elcr %02x  vectors %02x-%02x%s%s\n", name, c->irr,
		       c->imr, c->isr, c->lines, c->elcr, c->base, c->base + 7,
		       c->aeoi ? "  auto-EOI" : "",
		       c->init ? "  being set up" : "");
}

static void print_timer(const struct pit *p)
{
	for (unsigned i = 0; i < 3; i++) {
		const struct pit_counter *c = &p->counter[i];

		console_printf("8254 counter %u  mode %u  reload %u  count %u  "
			       "out %u  gate %u\n", i, c->mode, c->reload,
			       c->count, c->out, c->gate);
	}
}

void cmd_irq(const struct args *a)
{
	static const char *const shadows[] = { "none", "STI", "MOV SS" };
	const struct vm *vm = dbg.vm;
	const struct vcpu *v = vm->v;
	const struct pic *pic = board_pic(vm->board);

	print_pic("master", &pic->chip[0]);
	print_pic("slave", &pic->chip[1]);
	print_timer(board_pit(vm->board));
	console_printf("INTR %u  NMI pending %u  NMI blocked %u  IF %u  "
		       "interrupt shadow %s\n", v->intr != 0, v->nmi_pending,
		       v->nmi_blocked, !!(v->rflags & EFLAGS_IF),
		       shadows[v->shadow]);
	console_printf("halted %u  debug trap pending %u  next timer in %lld "
		       "ticks\n", v->activity == ACT_HALTED, v->db_pending,
		       (long long)(board_deadline(vm->board) - vm_now(vm)));
}
