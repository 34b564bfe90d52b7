/* SPDX-License-Identifier: MIT */
/*
 * State digests: at every trace_every-th instruction between trace_from and
 * trace_to one line with all registers and, when asked, a hash of memory. Two
 * engines whose time is the instruction count print the same lines, up to the
 * first instruction that one of them gets wrong.
 */
#include "kernel/host.h"
#include "log.h"
#include "vm/vm.h"

/* FNV-1a over words: memory is large, and only equality matters. */
static u64 hash_words(const u64 *p, u64 words)
{
	u64 h = 0xcbf29ce484222325ull;

	for (u64 i = 0; i < words; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

u64 vm_digest_next(const struct vm *vm)
{
	const struct vm_config *c = &vm->config;
	u64 now = vm->v->insn_count;

	if (!c->trace_every || now >= c->trace_to)
		return ~0ull;
	if (now < c->trace_from)
		return c->trace_from;
	return now + c->trace_every - (now - c->trace_from) % c->trace_every;
}

static void print_segments(const struct vcpu *v)
{
	for (int i = 0; i < SEG_COUNT; i++)
		console_printf(" %x:%llx", v->seg[i].sel,
			       (unsigned long long)v->seg[i].base);
}

void vm_digest(struct vm *vm)
{
	const struct vm_config *c = &vm->config;
	const struct vcpu *v = vm->v;
	u64 n = v->insn_count;

	if (n < c->trace_from || n > c->trace_to || n == vm->digest_last ||
	    (n - c->trace_from) % c->trace_every)
		return;
	vm->digest_last = n;
	console_printf("penumbra-digest: %llu %llx %llx",
		       (unsigned long long)n, (unsigned long long)v->rip,
		       (unsigned long long)v->rflags);
	for (int i = 0; i < 8; i++)
		console_printf(" %llx", (unsigned long long)v->gpr[i]);
	print_segments(v);
	console_printf(" %llx %llx %llx %llx", (unsigned long long)v->cr0,
		       (unsigned long long)v->cr2, (unsigned long long)v->cr3,
		       (unsigned long long)v->cr4);
	if (c->trace_memory)
		console_printf(" m%llx",
			       (unsigned long long)hash_words(
				       (const u64 *)vm->gpm.base,
				       vm->gpm.size / 8));
	console_printf("\n");
}
