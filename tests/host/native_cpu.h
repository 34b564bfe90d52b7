/* SPDX-License-Identifier: MIT */
/*
 * Runs one 32-bit instruction on the real CPU, in compatibility mode in this
 * process: code at fixed low addresses loads the registers, runs ENTRY, and
 * stores what it left; a fault is caught as a signal. Linux's own 32-bit code
 * selector is used, so no descriptor has to be made.
 */
#ifndef TESTS_HOST_NATIVE_CPU_H
#define TESTS_HOST_NATIVE_CPU_H

#include "tests/host/native_place.h"

/* What both sides start from and end with. */
struct state {
	u32 gpr[8];
	u32 eflags;
	u32 path;  /* RIP: 0 after the instruction, 1 at TARGET_AT */
	u32 fault; /* vector + 1, or 0 */
	u32 error, cr2; /* #PF */
};

/* In low memory, reached by the 32-bit code with absolute addresses. */
struct slots {
	u64 rsp;
	u32 far_in[2]; /* offset, selector of the 32-bit entry */
	u32 gpr[8];
	u32 eflags;
	u32 path;
	u32 stack[16];
	u32 stack_top;
};

static struct slots *const slots = (struct slots *)(uintptr_t)SLOTS;

/* --- The real CPU ---------------------------------------------------- */

static u32 exit64, exit_after, exit_target;
static volatile u32 trap_fault, trap_error, trap_cr2;

static void put_bytes(const char *bytes, unsigned n)
{
	memcpy(code_at, bytes, n);
	code_at += n;
}

#define SLOT(field) ((u32)(SLOTS + offsetof(struct slots, field)))

/* 64-bit: save what C wants kept, then a far jump to 32-bit code. */
static void make_entry(void)
{
	put_bytes("\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10);
	put_bytes("\x48\x89\x24\x25", 4); /* mov [rsp slot], rsp */
	put(4, SLOT(rsp));
	put_bytes("\xff\x2c\x25", 3); /* jmp far [far_in] */
	put(4, SLOT(far_in));
	slots->far_in[0] = here();
	slots->far_in[1] = 0x23; /* Linux: 32-bit user code */
	put(1, 0xbc); /* mov esp, stack_top */
	put(4, SLOT(stack_top));
	put_bytes("\xff\x35", 2); /* push [eflags]; popfd */
	put(4, SLOT(eflags));
	put(1, 0x9d);
	for (unsigned r = 0; r < 8; r++) {
		put(1, 0x8b); /* mov r, [gpr + 4 * r] */
		put(1, 0x05 | r << 3);
		put(4, SLOT(gpr) + 4 * r);
	}
	put(1, 0xe9);
	put(4, ENTRY - (here() + 4));
}

static u32 make_path_exit(u32 path)
{
	u32 at = here();

	put_bytes("\xc7\x05", 2); /* mov dword [path], path */
	put(4, SLOT(path));
	put(4, path);
	for (unsigned r = 0; r < 8; r++) {
		put(1, 0x89);
		put(1, 0x05 | r << 3);
		put(4, SLOT(gpr) + 4 * r);
	}
	put(1, 0xbc);
	put(4, SLOT(stack_top));
	put_bytes("\x9c\x8f\x05", 3); /* pushfd; pop [eflags] */
	put(4, SLOT(eflags));
	put_bytes("\x6a\x02\x9d\xea", 4); /* push 2; popfd; jmp far */
	put(4, exit64);
	put(2, 0x33);
	return at;
}

static void make_code(void)
{
	code_at = (u8 *)(uintptr_t)CODE;
	make_entry();
	exit64 = here();
	put_bytes("\x48\x8b\x24\x25", 4); /* mov rsp, [rsp slot] */
	put(4, SLOT(rsp));
	put_bytes("\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 11);
	exit_after = make_path_exit(0);
	exit_target = make_path_exit(1);
	code_at = (u8 *)(uintptr_t)TARGET_AT;
	put(1, 0xe9);
	put(4, exit_target - (here() + 4));
}

/* A fault of the instruction: keep the facts and leave by the usual door. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	static const int order[] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX,
				     REG_RSP, REG_RBP, REG_RSI, REG_RDI };
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	if ((u32)g[REG_RIP] != ENTRY) {
		printf("native: signal %d at %llx\n", sig,
		       (unsigned long long)g[REG_RIP]);
		fflush(stdout);
		_exit(1);
	}
	trap_fault = (u32)g[REG_TRAPNO] + 1;
	trap_error = (u32)g[REG_ERR];
	trap_cr2 = (u32)g[REG_CR2];
	for (unsigned r = 0; r < 8; r++)
		slots->gpr[r] = (u32)g[order[r]];
	slots->eflags = (u32)g[REG_EFL];
	slots->path = 0;
	g[REG_RIP] = exit64;
	g[REG_EFL] = 0x202;
	g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xffffll) | 0x33;
}

static void run_native(struct state *s)
{
	memcpy(slots->gpr, s->gpr, sizeof(s->gpr));
	slots->eflags = s->eflags;
	trap_fault = 0;
	/* 64-bit processes run with null DS and ES. */
	__asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"(0x2b));
	((void (*)(void))(uintptr_t)CODE)();
	memcpy(s->gpr, slots->gpr, sizeof(s->gpr));
	s->eflags = slots->eflags;
	s->path = slots->path;
	s->fault = trap_fault;
	s->error = trap_error;
	s->cr2 = trap_cr2;
}

#endif
