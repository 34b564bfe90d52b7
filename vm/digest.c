/* SPDX-License-Identifier: MIT */
/*
 * State digests: at every trace_every-th instruction between trace_from and
 * trace_to one line with all registers and, when asked, a hash of memory. Two
 * engines whose time is the instruction count print the same lines, up to the
 * first instruction that one of them gets wrong.
 *
 * Stops cut an engine's translated blocks short. With trace_blocks there are
 * none, and digests come where the engine pleases.
 *
 * trace-memory=pages puts a line before that tells where memory differs.
 *
 *   penumbra-digest: COUNT EIP EFLAGS, 8 registers, 8 x SELECTOR:BASE:LIMIT:
 *   RIGHTS, BASE:LIMIT of GDTR and IDTR, CR0, CR2, CR3, CR4, a hash of the
 *   other registers, control and debug registers and MSRs, a hash of memory (0: not
 *   asked for), and where every instruction is traced, the next one: its bytes
 *   and text.
 */
#include "kernel/host.h"
#include "log.h"
#include "vm/vm.h"

typedef unsigned long long ull;

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

/*
 * Control registers, debug registers and MSRs lie together in the vcpu. What
 * R8 to R15 hold matters only in IA-32e mode.
 */
static u64 hash_rest(const struct vcpu *v)
{
	enum {
		FROM = offsetof(struct vcpu, cr8),
		TO = offsetof(struct vcpu, tsc_offset),
	};

	u64 h = hash_words((const u64 *)((const u8 *)v + FROM),
			   (TO - FROM) / 8);

	if (vcpu_long_mode(v))
		h ^= hash_words(&v->gpr[R_8], GPR_COUNT - R_8);
	return h;
}

static u64 hash_memory(const struct vm *vm)
{
	return hash_words((const u64 *)vm->gpm.base, vm->gpm.size / 8);
}

/* A hash of each page, on one line. Multiplying carries upwards only, so the
 * upper half is the one that all bits reach. */
static void print_pages(const struct vm *vm)
{
	console_printf("penumbra-pages: %llu", (ull)vm->v->insn_count);
	for (u64 at = 0; at < vm->gpm.size; at += PAGE_SIZE) {
		const u64 *page = (const u64 *)(vm->gpm.base + at);

		console_printf(" %x", (u32)(hash_words(page, PAGE_SIZE / 8) >>
					    32));
	}
	console_printf("\n");
}

static void print_registers(const struct vcpu *v)
{
	console_printf("%llx %llx", (ull)v->rip, (ull)v->rflags);
	for (int i = 0; i < 8; i++)
		console_printf(" %llx", (ull)v->gpr[i]);
	for (int i = 0; i < SEG_COUNT; i++)
		console_printf(" %x:%llx:%x:%x", v->seg[i].sel,
			       (ull)v->seg[i].base, v->seg[i].limit,
			       v->seg[i].ar);
	console_printf(" %llx:%x %llx:%x", (ull)v->gdtr.base, v->gdtr.limit,
		       (ull)v->idtr.base, v->idtr.limit);
	console_printf(" %llx %llx %llx %llx", (ull)v->cr0, (ull)v->cr2,
		       (ull)v->cr3, (ull)v->cr4);
}

/* Bytes at CS:RIP, no A bit touched; up to where a page cannot be read. */
static unsigned peek_code(struct vm *vm, u8 *bytes, unsigned size)
{
	struct pagefault pf;
	struct walk w;
	unsigned n;

	for (n = 0; n < size; n++) {
		u64 at = vcpu_code_linear(vm->v, vm->v->rip + n);
		const u8 *p;

		if (!gwalk(&vm->gpm, &vm->mode, GVA(at), ACC_FETCH, false, &w,
			   &pf))
			break;
		p = gpm_ptr(&vm->gpm, w.gpa);
		if (!p)
			break;
		bytes[n] = *p;
	}
	return n;
}

static void print_insn(struct vm *vm)
{
	u8 bytes[INSN_MAX];
	unsigned have = peek_code(vm, bytes, sizeof(bytes));
	struct insn insn;
	char text[64];

	console_printf(" ");
	if (insn_decode(&insn, bytes, have, vcpu_code_size(vm->v)) !=
	    DECODE_OK) {
		console_printf("%02x (bad)", have ? bytes[0] : 0);
		return;
	}
	for (unsigned i = 0; i < insn.len; i++)
		console_printf("%02x", bytes[i]);
	insn_format(&insn, vm->v->rip, text, sizeof(text));
	console_printf(" %s", text);
}

static void print(struct vm *vm)
{
	const struct vm_config *c = &vm->config;
	u64 n = vm->v->insn_count;

	if (n == vm->digest_last)
		return;
	vm->digest_last = n;
	if (c->trace_memory == DIGEST_PAGES)
		print_pages(vm);
	console_printf("penumbra-digest: %llu ", (ull)n);
	print_registers(vm->v);
	console_printf(" %llx %llx", (ull)hash_rest(vm->v),
		       c->trace_memory ? (ull)hash_memory(vm) : 0ull);
	if (c->trace_every == 1 || c->trace_blocks)
		print_insn(vm);
	console_printf("\n");
}

void vm_digest(struct vm *vm)
{
	const struct vm_config *c = &vm->config;
	u64 n = vm->v->insn_count;

	if (n >= c->trace_from && n <= c->trace_to &&
	    !((n - c->trace_from) % c->trace_every))
		print(vm);
}

void vm_digest_end(struct vm *vm)
{
	const struct vm_config *c = &vm->config;
	u64 n = vm->v->insn_count;

	if ((c->trace_every || c->trace_blocks) && n >= c->trace_from &&
	    n <= c->trace_to)
		print(vm);
}

void vm_digest_block(void *ctx)
{
	struct vm *vm = ctx;
	const struct vm_config *c = &vm->config;
	bool first = vm->digest_last == ~0ull;

	/* The last one is at or behind the end. */
	if (vm->v->insn_count >= c->trace_from &&
	    (first || vm->digest_last < c->trace_to))
		print(vm);
}
