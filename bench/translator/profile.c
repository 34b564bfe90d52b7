/* SPDX-License-Identifier: MIT */
/*
 * Where translated code spends its time: a timer looks, some thousand times a
 * second, at the host instruction that the program has come to, and counts it
 * for the kind of guest instruction that it was made for. Needs nothing of the
 * machine but signals.
 */
#define _GNU_SOURCE
#include "bench/translator/translator.h"

#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <ucontext.h>

#include "cpu/insn.h"

#define PERIOD_US 197 /* a prime: no program's own rhythm */

enum kind {
	RETURN, CALL, INDIRECT, BRANCH, STRING, MEMORY, REGISTERS, ENTRY,
	ENGINE, KINDS
};

static const char *const names[KINDS] = {
	[RETURN] = "returns", [CALL] = "direct calls",
	[INDIRECT] = "indirect calls and jumps",
	[BRANCH] = "direct jumps, the way to the next block",
	[STRING] = "string instructions", [MEMORY] = "loads and stores",
	[REGISTERS] = "registers alone", [ENTRY] = "block entries: counting",
	[ENGINE] = "outside: translation, stubs, system calls",
};

static u64 seen[KINDS];

static enum kind kind_of_branch(const struct insn *insn)
{
	switch (insn->op) {
	case OP_RET:
		return RETURN;
	case OP_CALL:
		return CALL;
	case OP_CALL_IND:
	case OP_JMP_IND:
		return INDIRECT;
	default:
		return BRANCH;
	}
}

static enum kind kind_of_insn(u32 eip)
{
	struct insn insn;

	if (insn_decode(&insn, (const u8 *)(uintptr_t)eip, INSN_MAX, 4) !=
	    DECODE_OK)
		return ENGINE;
	if (insn.attrs & ATTR_BRANCH)
		return kind_of_branch(&insn);
	if (insn.attrs & ATTR_STRING)
		return STRING;
	return insn.has_mem || insn.op == OP_PUSH || insn.op == OP_POP ?
		MEMORY : REGISTERS;
}

/* What the host instruction at rip is there for. */
static enum kind kind_of(const u8 *rip)
{
	const struct bt_block *b = bt_cache_at(&process.cache, rip);
	const struct bt_map *m;

	if (!b)
		return ENGINE;
	if (rip < b->exec + b->prefix)
		return ENTRY;
	m = bt_block_map(b, rip);
	if (m->guest >= b->guest_len + b->tail_len)
		return BRANCH;
	return kind_of_insn(b->eip + m->guest);
}

static void on_timer(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	seen[kind_of((const u8 *)r[REG_RIP])]++;
}

void profile_start(void)
{
	struct sigaction sa = { .sa_sigaction = on_timer,
				.sa_flags = SA_SIGINFO | SA_RESTART };
	struct itimerval often = { { 0, PERIOD_US }, { 0, PERIOD_US } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

void profile_stop(void)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
}

void profile_print(void)
{
	printf("{");
	for (unsigned i = 0; i < KINDS; i++)
		printf("%s\"%s\": %llu", i ? ", " : "", names[i],
		       (unsigned long long)seen[i]);
	printf("}\n");
}
