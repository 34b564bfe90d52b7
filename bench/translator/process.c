/* SPDX-License-Identifier: MIT */
/* See translator.h. Plays the engine: what the stubs call, system calls. */
#define _GNU_SOURCE
#include "bench/translator/translator.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bt/verify.h"
#include "log.h"

#define CODE_BYTES MIB(8)
#define TF 0x100

struct process process;

static struct bt_targets targets;
static u8 meta[2 * CODE_BYTES];

void test_enter(struct vcpu *v, const u8 *exec, struct bt_targets *table,
		u64 host_flags);

/* ---- memory ------------------------------------------------------------- */

static void *at(u64 gva)
{
	return (void *)(uintptr_t)gva;
}

static bool op_read(void *ctx, gva_t gva, void *buf, unsigned size,
		    unsigned acc, struct pagefault *pf)
{
	memcpy(buf, at(gva.a), size);
	return true;
}

static bool op_write(void *ctx, gva_t gva, const void *buf, unsigned size,
		     unsigned acc, struct pagefault *pf)
{
	memcpy(at(gva.a), buf, size);
	return true;
}

static bool op_probe(void *ctx, gva_t gva, unsigned size, unsigned acc,
		     struct pagefault *pf)
{
	return true;
}

static bool op_fetch(void *ctx, gva_t gva, void *buf, unsigned size,
		     unsigned acc, unsigned *got, struct pagefault *pf)
{
	*got = size;
	return op_read(ctx, gva, buf, size, acc, pf);
}

static void op_mode_changed(void *ctx, unsigned what)
{
}

static u64 op_tsc(void *ctx)
{
	return __rdtsc();
}

static const struct emu_ops ops = {
	.read = op_read, .write = op_write, .probe = op_probe,
	.fetch = op_fetch, .mode_changed = op_mode_changed, .host_tsc = op_tsc,
};

static void *map(int fd, u64 address, u64 size, int prot)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *p = mmap(at(address), size, prot,
		       flags | (address ? MAP_FIXED_NOREPLACE : 0), fd, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return p;
}

/* ---- blocks --------------------------------------------------------------- */

static const u8 *next_page(void *ctx, gpa_t *gpa)
{
	const struct bt_xlate_req *req = ctx;

	*gpa = GPA(ALIGN_UP(req->gpa.a + 1, PAGE_SIZE));
	return at(gpa->a);
}

static bool is_known(void *ctx, u32 eip)
{
	const struct bt_xlate_req *req = ctx;

	return bt_cache_find(&process.cache, GPA(eip), eip, req->mode);
}

static struct bt_block *translate(struct bt_xlate_req *req)
{
	u64 start = __rdtsc(), middle, end;
	struct bt_block *b;
	const char *why = NULL;

	if (bt_translate(&process.cache, req, &b) != BT_XLATE_OK)
		panic("the cache is full");
	middle = __rdtsc();
	if (process.verify)
		why = bt_verify(&process.cache, b);
	end = __rdtsc();
	if (why)
		panic("block for %#x refused: %s", b->eip, why);
	bt_cache_insert(&process.cache, b);
	process.work.blocks++;
	process.work.insns += b->insns;
	process.work.guest_bytes += (u64)b->guest_len + b->tail_len;
	process.work.host_bytes += b->host_len;
	process.work.translate_cycles += middle - start;
	process.work.verify_cycles += end - middle;
	return b;
}

static struct bt_block *block_at(u32 eip, u32 mode)
{
	struct bt_xlate_req req = {
		.gpa = GPA(eip), .eip = eip, .mode = mode, .bytes = at(eip),
		.avail = PAGE_SIZE - (u32)(eip & ~PAGE_MASK),
		.count = true, .branches = BT_BLOCK_BRANCHES, .known = is_known,
		.next_page = next_page, .ctx = &req,
	};
	struct bt_block *b = bt_cache_find(&process.cache, GPA(eip), eip, mode);

	return b ? b : translate(&req);
}

const u8 *bt_on_dispatch(struct vcpu *v)
{
	u32 mode = bt_mode_of(v);
	struct bt_block *b;

	if (process.ended)
		return NULL;
	bt_plain(v)->tag_space = bt_tag_space(1, mode);
	if (v->rip < GUEST_BASE || v->rip >= GUEST_BASE + GUEST_SIZE)
		panic("the guest jumped to %#x", (u32)v->rip);
	b = block_at((u32)v->rip, mode);
	bt_cache_target(&process.cache, bt_plain(v)->tag_space, b);
	return b->exec;
}

const u8 *bt_on_link(struct vcpu *v, const u8 *ret)
{
	struct bt_exit *x = bt_cache_exit_at(&process.cache, ret);
	const u8 *exec;

	assert(x);
	v->rip = x->target;
	exec = bt_on_dispatch(v);
	if (exec) {
		bt_cache_link(&process.cache, x,
			      bt_cache_at(&process.cache, exec));
		process.work.links++;
	}
	return exec;
}

/* ---- the guest's system ------------------------------------------------------ */

#define SYS_EXIT 1
#define SYS_WRITE 4
#define SYS_CLOCK_GETTIME 265

static void system_call(struct vcpu *v)
{
	u64 *r = v->gpr;
	struct timespec ts;

	switch (r[R_AX]) {
	case SYS_EXIT:
		process.status = (int)r[R_BX];
		process.ended = true;
		break;
	case SYS_WRITE:
		r[R_AX] = (u32)write((int)r[R_BX], at(r[R_CX]), r[R_DX]);
		break;
	case SYS_CLOCK_GETTIME:
		clock_gettime((clockid_t)r[R_BX], &ts);
		((u32 *)at(r[R_CX]))[0] = (u32)ts.tv_sec;
		((u32 *)at(r[R_CX]))[1] = (u32)ts.tv_nsec;
		r[R_AX] = 0;
		break;
	default:
		panic("system call %u", (u32)r[R_AX]);
	}
}

const u8 *bt_on_callout(struct vcpu *v, const u8 *ret)
{
	const struct bt_block *b = bt_cache_at(&process.cache, ret - 1);
	const struct bt_map *m = bt_block_map(b, ret - 1);

	process.work.callouts++;
	emu_step(&process.emu);
	v->shadow = SHADOW_NONE;
	if (bt_block_continues(b, ret, (u32)v->rip)) {
		v->insn_count -= b->counted && !(m->flags & BT_MAP_CALLOUT);
		return ret;
	}
	bt_uncount(v, bt_block_uncounted(b, ret - 1));
	return bt_on_dispatch(v);
}

/* Blocks of this process have neither such stores nor ports. */
enum bt_store bt_on_store(struct vcpu *v, u32 at, u32 value, const u8 *ret)
{
	return BT_STORE_REFUSED;
}

enum bt_store bt_on_port(struct vcpu *v, const u8 *ret)
{
	return BT_STORE_REFUSED;
}

const u8 *bt_on_stored(struct vcpu *v, const u8 *ret)
{
	return NULL;
}

const u8 *bt_on_interp(struct vcpu *v)
{
	const u8 *insn = at(v->rip);

	if (insn[0] == 0xf4) {
		process.ended = true;
		return NULL;
	}
	if (insn[0] == 0xcd && insn[1] == 0x80) {
		v->rip += 2;
		system_call(v);
	} else {
		process.work.callouts++;
		emu_step(&process.emu);
		v->shadow = SHADOW_NONE;
	}
	return bt_on_dispatch(v);
}

const u8 *bt_on_stale(struct vcpu *v, const u8 *ret)
{
	panic("self-checking code where nothing is written");
}

/* ---- runs ------------------------------------------------------------------ */

/* As in the monitor's own stepping: stubs may just run. */
static void on_trap(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	const u8 *rip = (const u8 *)r[REG_RIP];

	if (bt_cache_at(&process.cache, rip))
		process.steps++;
	else
		r[REG_EFL] &= ~TF;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	const u8 *rip = (const u8 *)r[REG_RIP];
	const struct bt_block *b = bt_cache_at(&process.cache, rip);

	fprintf(stderr, "signal %d at %p, guest %#x, address %#llx\n", sig,
		(const void *)rip,
		b ? b->eip + bt_block_map(b, rip)->guest : 0,
		(unsigned long long)r[REG_CR2]);
	_exit(1);
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *))
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO };

	sigaction(sig, &sa, NULL);
}

void process_init(void)
{
	int code = memfd_create("code", 0);
	u64 near = ((u64)bt_stub_link & ~(MIB(1) - 1)) - MIB(256);

	if (code < 0 || ftruncate(code, CODE_BYTES))
		exit(2);
	map(-1, GUEST_BASE, GUEST_SIZE, PROT_READ | PROT_WRITE);
	process.v = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	bt_cache_init(&process.cache, &(struct bt_cache_config){
		.write = map(code, 0, CODE_BYTES, PROT_READ | PROT_WRITE),
		.exec = map(code, near, CODE_BYTES, PROT_READ | PROT_EXEC),
		.size = CODE_BYTES, .meta = meta, .meta_size = sizeof(meta),
		.targets = &targets,
	});
	handle(SIGTRAP, on_trap);
	handle(SIGSEGV, on_fault);
	handle(SIGILL, on_fault);
	handle(SIGFPE, on_fault);
}

void process_reset(u32 entry)
{
	memset(process.v, 0, PAGE_SIZE);
	vcpu_reset_flat32(process.v, entry, 0x10, 0x18);
	process.v->gpr[R_SP] = GUEST_STACK;
	process.emu = (struct emu){ .v = process.v, .ops = &ops };
	process.ended = false;
	process.status = 0;
	process.steps = 0;
	process.work = (struct work){ 0 };
	bt_cache_flush(&process.cache);
}

void process_run(bool single_step)
{
	const u8 *exec;

	process.ended = false;
	exec = bt_on_dispatch(process.v);
	if (exec)
		test_enter(process.v, exec, &targets, single_step ? TF : 0);
}
