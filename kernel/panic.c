/* SPDX-License-Identifier: MIT */
/*
 * The end after a bug of ours: reason, registers, call chain, last events, on
 * every console, then stop. Takes no locks, allocates nothing, trusts nothing;
 * a panic in a panic says so and stops at once.
 */
#include "kernel/panic.h"

#include <stdarg.h>

#include "kernel/blackbox.h"
#include "kernel/console.h"
#include "kernel/exit.h"
#include "kernel/idt.h"
#include "kernel/instr.h"
#include "kernel/stacks.h"
#include "lib/format.h"
#include "lib/ring.h"

#define CHAIN_MAX 24
#define RING_SHOWN 16

extern const u8 image_text[], image_rodata[];

void (*panic_hook)(const struct host_frame *f, const char *reason);

static unsigned depth;
static char reason[2][200]; /* of the first panic, of one inside it */

static void print_registers(const struct host_frame *f)
{
	console_printf("vector %lx %s, error code %lx\n", f->vector,
		       idt_vector_name(f->vector), f->error);
	console_printf("rip %04lx:%016lx  rflags %016lx\n", f->cs, f->rip, f->rflags);
	console_printf("rsp %04lx:%016lx  rbp    %016lx\n", f->ss, f->rsp, f->rbp);
	console_printf("rax %016lx  rcx %016lx  rdx %016lx\n", f->rax, f->rcx, f->rdx);
	console_printf("rbx %016lx  rsi %016lx  rdi %016lx\n", f->rbx, f->rsi, f->rdi);
	console_printf("r8  %016lx  r9  %016lx  r10 %016lx\n", f->r8, f->r9, f->r10);
	console_printf("r11 %016lx  r12 %016lx  r13 %016lx\n", f->r11, f->r12, f->r13);
	console_printf("r14 %016lx  r15 %016lx\n", f->r14, f->r15);
}

static void print_control_registers(void)
{
	console_printf("cr0 %lx cr2 %lx cr3 %lx cr4 %lx\n", read_cr0(),
		       read_cr2(), read_cr3(), read_cr4());
}

/* rbp may be the guest's: follow it only within our own stacks. */
static bool in_stacks(u64 rbp)
{
	return rbp >= (uintptr_t)stacks_start && rbp % 8 == 0 &&
	       rbp + 16 <= (uintptr_t)stacks_end;
}

static bool in_text(u64 rip)
{
	return rip >= (uintptr_t)image_text && rip < (uintptr_t)image_rodata;
}

/* Frames grow upwards, so a chain that does not is broken. */
static void print_chain(u64 rip, u64 rbp)
{
	console_printf("call chain (resolve with addr2line -fe penumbra.elf):\n");
	for (unsigned i = 0; i < CHAIN_MAX; i++) {
		const u64 *frame = (const u64 *)rbp;

		console_printf("  %016lx%s\n", rip, in_text(rip) ? "" : " (not monitor text)");
		if (!in_stacks(rbp) || !frame[1])
			return;
		rip = frame[1];
		if (frame[0] <= rbp)
			return;
		rbp = frame[0];
	}
}

static void print_ring(void)
{
	const struct ring_entry *e;

	console_printf("last events, newest first:\n");
	for (unsigned i = 0; i < RING_SHOWN && (e = ring_last(i)); i++)
		console_printf("  %u tsc %lu %s %lx %lx\n", e->seq, e->tsc,
			       ring_event_name(e->event), e->a, e->b);
}

static void begin(const char *fmt, va_list ap)
{
	cli();
	console_panic_mode();
	fmt_vsnprintf(reason[depth != 0], sizeof(reason[0]), fmt, ap);
	if (depth++) {
		console_printf("\npenumbra: panic in a panic: %s\n", reason[1]);
		machine_exit(EXIT_STATUS_PANIC);
	}
	console_printf("\npenumbra: panic: %s\n", reason[0]);
	blackbox_panic(reason[0]);
}

/* The reason once more: on a screen of 25 lines the first is gone by now. */
static void end(const struct host_frame *f) NORETURN;
static void end(const struct host_frame *f)
{
	print_control_registers();
	print_chain(f->rip, f->rbp);
	print_ring();
	console_printf("penumbra: stopped by a panic: %s\n", reason[0]);
	if (panic_hook)
		panic_hook(f, reason[0]);
	machine_exit(EXIT_STATUS_PANIC);
}

void panic_at(const struct host_frame *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	begin(fmt, ap);
	va_end(ap);
	print_registers(f);
	end(f);
}

void panic(const char *fmt, ...)
{
	u64 rbp = (uintptr_t)__builtin_frame_address(0);
	struct host_frame f = {
		/* Within the call: what follows may be the next function. */
		.rip = (uintptr_t)__builtin_return_address(0) - 1,
		.rbp = *(const u64 *)rbp,
		.rsp = rbp + 16, /* behind the return address */
		.rflags = read_rflags(),
	};
	va_list ap;

	va_start(ap, fmt);
	begin(fmt, ap);
	va_end(ap);
	console_printf("rsp %016lx  rflags %016lx\n", rbp, read_rflags());
	end(&f);
}
