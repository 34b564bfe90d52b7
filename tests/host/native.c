/* SPDX-License-Identifier: MIT */
/*
 * host_code_area() and host_native_call() in an ordinary process. The guest's
 * x87/SSE state lives in native_fx and is the live one only during a call;
 * exceptions come back as signals, with the vector in the signal frame.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "kernel/host.h"
#include "tests/host/native.h"

#define AREA_BYTES KIB(16)

u8 native_fx[512] ALIGNED(64);
static u8 host_fx[512] ALIGNED(64);

u32 native_enter(const void *code, void *mem, u64 *rax, u64 *flags, u8 *guest,
		 u8 *host);
extern u64 native_stack;
extern const u8 native_leave[];

__asm__(".pushsection .text\n"
	".globl native_enter, native_leave\n"
	"native_enter:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n"
	"	push %r14\n	push %r15\n	sub $8, %rsp\n"
	"	mov %rsp, native_stack(%rip)\n"
	"	mov %rdx, %r12\n	mov %rcx, %r13\n"
	"	mov %r8, %r14\n	mov %r9, %r15\n"
	"	fxsave64 (%r15)\n	fxrstor64 (%r14)\n"
	"	mov %rdi, %r11\n	mov %rsi, %rdi\n	mov (%r12), %rax\n"
	"	mov (%r13), %r10\n	and $0x8d5, %r10d\n"
	"	or $0x202, %r10d\n	push %r10\n	popfq\n"
	"	call *%r11\n"
	"	pushfq\n	pop %r10\n	and $0x8d5, %r10d\n"
	"	mov %r10, (%r13)\n	mov %rax, (%r12)\n	xor %eax, %eax\n"
	"native_leave:\n"
	"	fxsave64 (%r14)\n	fxrstor64 (%r15)\n"
	"	add $8, %rsp\n	pop %r15\n	pop %r14\n	pop %r13\n"
	"	pop %r12\n	pop %rbp\n	pop %rbx\n	ret\n"
	".popsection\n"
	".pushsection .bss\n"
	".balign 8\n"
	".globl native_stack\n"
	"native_stack: .quad 0\n"
	".popsection\n");

static struct host_code area;

/* A fault in the area leaves the call with 1 + vector. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	if ((u64)r[REG_RIP] - (uintptr_t)area.exec >= area.size)
		abort();
	r[REG_RIP] = (greg_t)(uintptr_t)native_leave;
	r[REG_RSP] = (greg_t)native_stack;
	r[REG_RAX] = 1 + r[REG_TRAPNO];
}

static void install(void)
{
	static const int signals[] = { SIGFPE, SIGILL, SIGSEGV };
	struct sigaction sa = { .sa_sigaction = on_signal,
				.sa_flags = SA_SIGINFO | SA_NODEFER };

	for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
	native_reset();
}

struct host_code host_code_area(void)
{
	if (!area.size) {
		void *p = mmap(NULL, AREA_BYTES,
			       PROT_READ | PROT_WRITE | PROT_EXEC,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			abort();
		install();
		area = (struct host_code){ p, p, AREA_BYTES };
	}
	return area;
}

/* FNINIT and the default MXCSR. */
void native_reset(void)
{
	static const u8 fcw[2] = { 0x7f, 0x03 };
	static const u8 mxcsr[2] = { 0x80, 0x1f };

	memset(native_fx, 0, sizeof(native_fx));
	memcpy(native_fx, fcw, sizeof(fcw));
	memcpy(native_fx + 24, mxcsr, sizeof(mxcsr));
}

u32 host_native_call(const void *code, void *mem, u64 *rax, u64 *flags)
{
	return native_enter(code, mem, rax, flags, native_fx, host_fx);
}
