/* SPDX-License-Identifier: MIT */
/*
 * Where instructions run that the real CPU judges, in 32-bit and in 64-bit
 * mode: fixed low addresses, the same for the CPU and the interpreter, code
 * that is put there, and faults that are caught there.
 */
#ifndef TESTS_HOST_NATIVE_PLACE_H
#define TESTS_HOST_NATIVE_PLACE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "x86.h"

#define CODE   0x20000000u
#define ENTRY  (CODE + 0x400) /* the instruction under test */
#define TARGET_AT (CODE + 0x440) /* where its branches go */
#define SLOTS  (CODE + 0x800) /* struct slots */
#define DATA   0x20010000u
#define DATA_SIZE 0x3000u     /* two writable pages and a read-only one */
#define RO_AT  (DATA + 0x2000)

enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, DF = 0x400, OF = 0x800,
       ARITH = CF | PF | AF | ZF | SF | OF };

static u8 *const data = (u8 *)(uintptr_t)DATA;
static u8 shadow[DATA_SIZE]; /* the interpreter's copy of data */
static u8 *code_at;

static void put(unsigned size, u64 value)
{
	memcpy(code_at, &value, size);
	code_at += size;
}

static u32 here(void)
{
	return (u32)(uintptr_t)code_at;
}

static void *map_low(u32 at, u64 size, int prot)
{
	void *p = mmap((void *)(uintptr_t)at, size, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		       0);

	if (p != (void *)(uintptr_t)at) {
		perror("native64_test: mmap");
		exit(1);
	}
	return p;
}

typedef void signal_fn(int sig, siginfo_t *info, void *context);

static void catch_faults(signal_fn *handler)
{
	static const int signals[] = { SIGSEGV, SIGFPE, SIGILL, SIGBUS,
				       SIGTRAP };
	static u8 stack[65536];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_sigaction = handler,
				.sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&alt, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

#endif
