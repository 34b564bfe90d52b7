/* SPDX-License-Identifier: MIT */
/*
 * Interrupts use what is below rsp: host_native_call() must keep nothing there
 * at any of its instructions. Each is stepped, and what is below rsp destroyed.
 * SRCS: tests/host/native_real.asm
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tests/host/test.h"
#include "types.h"

#define BELOW 512

u32 real_native_call(const void *code, void *mem, u64 *rax, u64 *flags);
extern const u8 real_native_end[];

static unsigned steps;

static void on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *c = context;
	u64 rip = (u64)c->uc_mcontext.gregs[REG_RIP];
	u64 start = (u64)(uintptr_t)real_native_call;
	u8 *rsp = (u8 *)(uintptr_t)c->uc_mcontext.gregs[REG_RSP];

	if (rip - start >= (u64)(uintptr_t)real_native_end - start)
		return;
	steps++;
	for (unsigned n = 1; n <= BELOW; n++) /* no memset(): it may be checked */
		*(volatile u8 *)(rsp - n) = 0xcc;
}

static void step_from_here(void)
{
	static u8 stack[65536];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction act = { .sa_sigaction = on_step,
				 .sa_flags = SA_SIGINFO | SA_ONSTACK };

	CHECK(!sigaltstack(&alt, NULL) && !sigaction(SIGTRAP, &act, NULL));
}

#define SET_TF(op)                                                        \
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; " op            \
			 ", (%%rsp); popfq; lea 128(%%rsp), %%rsp"        \
			 : : : "memory", "cc")

int main(void)
{
	/* add al, [rdi]; ret */
	static const u8 code[] = { 0x02, 0x07, 0xc3 };
	u8 *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u64 rax = 0x1234567890abcdf0, flags = 0xffffffff00000246;
	u8 operand = 0x20;
	u32 result;

	CHECK(page != MAP_FAILED);
	memcpy(page, code, sizeof(code));
	step_from_here();
	SET_TF("orq $0x100");
	result = real_native_call(page, &operand, &rax, &flags);
	SET_TF("andq $~0x100");
	CHECK(steps > 40, "%u steps", steps);
	CHECK(!result && rax == 0x1234567890abcd10, "%u, rax %llx", result,
	      (unsigned long long)rax);
	CHECK(flags == 0xffffffff00000203, "flags %llx",
	      (unsigned long long)flags);
	return test_end("interrupted");
}
