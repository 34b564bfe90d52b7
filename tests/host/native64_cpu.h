/* SPDX-License-Identifier: MIT */
/*
 * Runs one instruction on the real CPU in 64-bit mode, in this process: code at
 * fixed low addresses loads all registers, runs ENTRY, and stores what it left;
 * a fault is caught as a signal.
 */
#ifndef TESTS_HOST_NATIVE64_CPU_H
#define TESTS_HOST_NATIVE64_CPU_H

#include "tests/host/native_place.h"

#include <asm/prctl.h>
#include <sys/syscall.h>

#define GS_BASE_AT 0x10002340u

/* What both sides start from and end with. */
struct state {
	u64 gpr[16];
	u64 rflags;
	u32 path;  /* RIP: 0 after the instruction, 1 at TARGET_AT */
	u32 fault; /* vector + 1, or 0 */
	u64 error, cr2; /* #PF; otherwise the error code is 0 */
};

/* In low memory, reached with absolute addresses. */
struct slots {
	u64 host_rsp, rflags, path;
	u64 gpr[16];
};

static struct slots *const slots = (struct slots *)(uintptr_t)SLOTS;

static u32 exit_after, exit_target;
static volatile u64 trap_fault, trap_error, trap_cr2;

#define SLOT(field) ((u32)(SLOTS + offsetof(struct slots, field)))

/* mov r64, [slot] or, with 89h, mov [slot], r64: an absolute disp32. */
static void put_mov(u8 opcode, unsigned r, u32 slot)
{
	put(1, 0x48 | (r & 8) >> 1);
	put(1, opcode);
	put(1, 0x04 | (r & 7) << 3);
	put(1, 0x25);
	put(4, slot);
}

/* pushq [slot], popq [slot] */
static void put_push(u32 slot)
{
	put(2, 0x34ff);
	put(1, 0x25);
	put(4, slot);
}

static void put_pop(u32 slot)
{
	put(2, 0x048f);
	put(1, 0x25);
	put(4, slot);
}

static const u8 kept[] = { 3, 5, 12, 13, 14, 15 }; /* RBX RBP R12-R15 */

static void put_push_reg(u8 opcode, unsigned r)
{
	if (r & 8)
		put(1, 0x41);
	put(1, opcode | (r & 7));
}

static void make_entry(void)
{
	for (unsigned i = 0; i < sizeof(kept); i++)
		put_push_reg(0x50, kept[i]);
	put_mov(0x89, 4, SLOT(host_rsp));
	put_push(SLOT(rflags));
	put(1, 0x9d); /* popfq */
	for (unsigned r = 0; r < 16; r++)
		put_mov(0x8b, r, SLOT(gpr) + 8 * r);
	put(1, 0xe9);
	put(4, ENTRY - (here() + 4));
}

static u32 make_exit(u32 path)
{
	u32 at = here();

	for (unsigned r = 0; r < 16; r++)
		put_mov(0x89, r, SLOT(gpr) + 8 * r);
	put_mov(0x8b, 4, SLOT(host_rsp));
	put(1, 0x9c); /* pushfq */
	put_pop(SLOT(rflags));
	put(4, 0x2504c748); /* mov qword [path], path */
	put(4, SLOT(path));
	put(4, path);
	put(1, 0xfc); /* cld */
	for (unsigned i = sizeof(kept); i; i--)
		put_push_reg(0x58, kept[i - 1]);
	put(1, 0xc3);
	return at;
}

static void make_code(void)
{
	code_at = (u8 *)(uintptr_t)CODE;
	make_entry();
	exit_after = make_exit(0);
	exit_target = make_exit(1);
	if (here() > ENTRY)
		abort();
	code_at = (u8 *)(uintptr_t)TARGET_AT;
	put(1, 0xe9);
	put(4, exit_target - (here() + 4));
}

/* A fault of the instruction: keep the facts and leave by the usual door. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	if ((u64)g[REG_RIP] != ENTRY) {
		printf("native64: signal %d at %llx; the code:", sig,
		       (unsigned long long)g[REG_RIP]);
		for (unsigned i = 0; i < 24; i++)
			printf(" %02x", ((u8 *)(uintptr_t)ENTRY)[i]);
		printf("\n");
		fflush(stdout);
		_exit(1);
	}
	trap_fault = (u64)g[REG_TRAPNO] + 1;
	trap_error = (u64)g[REG_ERR];
	trap_cr2 = (u64)g[REG_CR2];
	g[REG_RIP] = exit_after;
}

static void run_native(struct state *s)
{
	memcpy(slots->gpr, s->gpr, sizeof(s->gpr));
	slots->rflags = s->rflags;
	trap_fault = 0;
	((void (*)(void))(uintptr_t)CODE)();
	memcpy(s->gpr, slots->gpr, sizeof(s->gpr));
	s->rflags = slots->rflags;
	s->path = (u32)slots->path;
	s->fault = (u32)trap_fault;
	s->error = trap_error;
	s->cr2 = trap_cr2;
}

#endif
