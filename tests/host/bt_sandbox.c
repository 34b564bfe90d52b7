/* SPDX-License-Identifier: MIT */
/* See bt_sandbox.h. Plays the engine: what stubs call, host faults, events. */
#define _GNU_SOURCE
#include "tests/host/bt_sandbox.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "bt/verify.h"
#include "log.h"
#include "tests/host/bt_random.h"

#define CODE_BYTES MIB(1)
#define TF 0x100

struct sandbox sb;

static struct bt_targets targets;
static u8 meta[2 * CODE_BYTES];

void test_enter(struct vcpu *v, const u8 *exec, struct bt_targets *table,
		u64 host_flags);
extern const u8 bt_leave[];

/* ---- memory ---------------------------------------------------------- */

static bool mem_fault(u64 gva, unsigned acc, bool present, struct pagefault *pf)
{
	*pf = (struct pagefault){
		.gva = GVA(gva),
		.error = (present ? PFEC_P : 0) | (acc & ACC_WRITE ? PFEC_W : 0),
	};
	return false;
}

static bool mem_check(u64 gva, unsigned size, unsigned acc,
		      struct pagefault *pf)
{
	for (u64 a = gva; a < gva + size; a++) {
		u64 page = (a - SB_BASE) >> PAGE_SHIFT;

		if (a < SB_BASE || a >= SB_BASE + SB_SIZE || !sb.perm[page])
			return mem_fault(a, acc, false, pf);
		if ((acc & ACC_WRITE) && sb.perm[page] != SB_WRITE)
			return mem_fault(a, acc, true, pf);
	}
	return true;
}

static bool op_read(void *ctx, gva_t gva, void *buf, unsigned size,
		    unsigned acc, struct pagefault *pf)
{
	if (!mem_check(gva.a, size, acc, pf))
		return false;
	memcpy(buf, (u8 *)ctx + (gva.a - SB_BASE), size);
	return true;
}

static bool op_write(void *ctx, gva_t gva, const void *buf, unsigned size,
		     unsigned acc, struct pagefault *pf)
{
	if (!mem_check(gva.a, size, acc | ACC_WRITE, pf))
		return false;
	memcpy((u8 *)ctx + (gva.a - SB_BASE), buf, size);
	return true;
}

static bool op_probe(void *ctx, gva_t gva, unsigned size, unsigned acc,
		     struct pagefault *pf)
{
	return mem_check(gva.a, size, acc, pf);
}

static bool op_fetch(void *ctx, gva_t gva, void *buf, unsigned size,
		     unsigned acc, unsigned *got, struct pagefault *pf)
{
	*got = MIN(size, PAGE_SIZE - (unsigned)(gva.a & ~PAGE_MASK));
	return op_read(ctx, gva, buf, *got, 0, pf);
}

/* A port is the data at its number. */
static u8 *port_at(u8 *mem, u16 port)
{
	return mem + (SB_DATA - SB_BASE) + (port & 0xff);
}

static u32 op_in(void *ctx, u16 port, unsigned size)
{
	u32 value = 0;

	memcpy(&value, port_at(ctx, port), size);
	return value;
}

static void op_out(void *ctx, u16 port, unsigned size, u32 value)
{
	memcpy(port_at(ctx, port), &value, size);
}

static void op_mode_changed(void *ctx, unsigned what)
{
}

static u64 op_tsc(void *ctx)
{
	return 1234;
}

static const struct emu_ops ops = {
	.read = op_read, .write = op_write, .probe = op_probe,
	.fetch = op_fetch, .in = op_in, .out = op_out, .mode_changed = op_mode_changed, .host_tsc = op_tsc,
};

static int memory_file(u64 size)
{
	int fd = memfd_create("sandbox", 0);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		exit(2);
	return fd;
}

static void *map(int fd, u64 at, u64 size, int prot)
{
	void *p = mmap((void *)at, size, prot,
		       MAP_SHARED | (at ? MAP_FIXED_NOREPLACE : 0), fd, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return p;
}

void sb_protect(unsigned page, enum sb_perm perm)
{
	static const int prot[] = { PROT_NONE, PROT_READ,
				    PROT_READ | PROT_WRITE };

	if (sb.perm[page] == perm)
		return;
	sb.perm[page] = (u8)perm;
	mprotect((void *)(u64)(SB_BASE + page * PAGE_SIZE), PAGE_SIZE,
		 prot[perm]);
}

void sb_poke(u32 address, const void *bytes, u32 size)
{
	memcpy(sb.native_mem + (address - SB_BASE), bytes, size);
	memcpy(sb.ref_mem + (address - SB_BASE), bytes, size);
}

/* ---- the engine's part ------------------------------------------------ */

static const u8 *next_page(void *ctx, gpa_t *gpa)
{
	const struct bt_xlate_req *req = ctx;
	u64 offset = ALIGN_UP(req->gpa.a + 1, PAGE_SIZE);

	if (offset >= SB_SIZE || !sb.perm[offset >> PAGE_SHIFT])
		return NULL;
	sb.straddles++;
	*gpa = GPA(offset);
	return sb.native_mem + offset;
}

static bool known(void *ctx, u32 eip)
{
	const struct bt_xlate_req *req = ctx;

	return bt_cache_find(&sb.cache, GPA(eip - SB_BASE), eip, req->mode);
}

static const u8 *block_at(struct vcpu *v)
{
	u32 eip = (u32)v->rip, offset = eip - SB_BASE;
	struct bt_xlate_req req = {
		.gpa = GPA(offset), .eip = eip, .mode = bt_mode_of(v),
		.bytes = sb.native_mem + offset,
		.avail = PAGE_SIZE - (u32)(offset & ~PAGE_MASK),
		.self_check = sb.self_check, .count = sb.count,
		.branches = sb.branches, .known = known,
		.stores = sb.stores, .filter = sb.filter,
		.want_callout = sb.want_callout,
		.next_page = next_page, .ctx = &req,
	};
	struct bt_block *b;
	const char *why;

	if (offset >= SB_SIZE) {
		sb.native_fault = (struct sb_fault){
			.set = true, .vector = VEC_PF, .cr2 = eip,
		};
		return NULL;
	}
	if (sb.end > eip)
		req.avail = MIN(req.avail, sb.end - eip);
	b = bt_cache_find(&sb.cache, req.gpa, eip, req.mode);
	if (b)
		return b->exec;
	if (bt_translate(&sb.cache, &req, &b) != BT_XLATE_OK)
		panic("the cache is full");
	why = bt_verify(&sb.cache, b);
	if (why)
		panic("block refused: %s", why);
	bt_cache_insert(&sb.cache, b);
	bt_cache_target(&sb.cache, bt_plain(v)->tag_space, b);
	return b->exec;
}

const u8 *bt_on_dispatch(struct vcpu *v)
{
	bt_plain(v)->tag_space = bt_tag_space(1, bt_mode_of(v));
	if (v->rip == sb.end || sb.native_fault.set || !sb.budget ||
	    sb.event_taken || !bt_can_translate(v))
		return NULL;
	sb.budget--;
	return block_at(v);
}

const u8 *bt_on_link(struct vcpu *v, const u8 *ret)
{
	struct bt_exit *x = bt_cache_exit_at(&sb.cache, ret);
	const u8 *exec;

	assert(x);
	v->rip = x->target;
	exec = bt_on_dispatch(v);
	if (exec && sb.linking)
		bt_cache_link(&sb.cache, x, bt_cache_at(&sb.cache, exec));
	return exec;
}

/* False: it faulted. */
static bool interpret(struct emu *e, struct sb_fault *f)
{
	u64 rip = e->v->rip;

	do {
		e->fault_set = false;
		emu_step(e);
	} while (!e->fault_set && e->repeat && e->v->rip == rip);
	if (e->fault_set)
		*f = (struct sb_fault){
			.set = true, .vector = e->fault.vector,
			.error = e->fault.error, .cr2 = e->fault.cr2,
		};
	return !e->fault_set;
}

const u8 *bt_on_callout(struct vcpu *v, const u8 *ret)
{
	const struct bt_block *b = bt_cache_at(&sb.cache, ret - 1);
	const struct bt_map *m = bt_block_map(b, ret - 1);
	u32 mode = bt_mode_of(v);

	assert(v->rip == b->eip + m->guest);
	sb.callouts++;
	if (!interpret(&sb.native_emu, &sb.native_fault))
		mode = ~0u;
	v->shadow = SHADOW_NONE;
	if (bt_block_continues(b, ret, (u32)v->rip) && mode == bt_mode_of(v) &&
	    !(v->rflags & EFLAGS_TF) && !(b->flags & BT_BLOCK_DEAD) &&
	    !sb.event_taken) {
		v->insn_count -= b->counted && !(m->flags & BT_MAP_CALLOUT);
		return ret;
	}
	bt_uncount(v, bt_block_uncounted(b, ret - 1));
	return bt_on_dispatch(v);
}

/* Now and then it is left to the callout. */
enum bt_store bt_on_store(struct vcpu *v, u32 at, u32 value, const u8 *ret)
{
	const struct bt_block *b = bt_cache_at(&sb.cache, ret - 1);
	u32 offset = at - SB_BASE, last = offset + 3;

	assert(v->rip == b->eip + bt_block_map(b, ret - 1)->guest);
	if (last >= SB_SIZE || offset >= SB_SIZE ||
	    sb.perm[offset >> PAGE_SHIFT] != SB_WRITE ||
	    sb.perm[last >> PAGE_SHIFT] != SB_WRITE || rnd(4) == 0) {
		sb.refused++;
		return BT_STORE_REFUSED;
	}
	sb.callouts++;
	sb.stored++;
	memcpy(sb.native_mem + offset, &value, sizeof(value));
	v->insn_count += 1;
	v->attention = sb.event_taken && rnd(2);
	return sb.event_taken && !v->attention ? BT_STORE_LEAVES :
						 BT_STORE_DONE;
}

/* What the instruction at EIP does to EAX and the port. */
static void do_port(struct vcpu *v)
{
	const u8 *code = sb.native_mem + ((u32)v->rip - SB_BASE);
	bool word = *code == 0x66;
	u8 opcode = *(code += word);
	unsigned size = opcode & 1 ? word ? 2 : 4 : 1;
	u16 port = opcode & 8 ? (u16)v->gpr[R_DX] : code[1];

	if (opcode & 2)
		op_out(sb.native_mem, port, size, (u32)v->gpr[R_AX]);
	else
		memcpy(&v->gpr[R_AX], port_at(sb.native_mem, port), size);
}

enum bt_store bt_on_port(struct vcpu *v, const u8 *ret)
{
	const struct bt_block *b = bt_cache_at(&sb.cache, ret - 1);

	assert(v->rip == b->eip + bt_block_map(b, ret - 1)->guest);
	if (rnd(4) == 0) {
		sb.refused++;
		return BT_STORE_REFUSED;
	}
	sb.callouts++;
	sb.ports++;
	do_port(v);
	v->insn_count += 1;
	v->attention = sb.event_taken && rnd(2);
	return sb.event_taken && !v->attention ? BT_STORE_LEAVES :
						 BT_STORE_DONE;
}

const u8 *bt_on_stored(struct vcpu *v, const u8 *ret)
{
	const struct bt_block *b = bt_cache_at(&sb.cache, ret - 1);

	assert(sb.event_taken);
	v->attention = 0;
	v->rip = b->eip + bt_block_map(b, ret - 1)[1].guest;
	bt_uncount(v, bt_block_uncounted(b, ret - 1));
	return bt_on_dispatch(v);
}

const u8 *bt_on_interp(struct vcpu *v)
{
	sb.callouts++;
	if (!interpret(&sb.native_emu, &sb.native_fault))
		return NULL;
	v->shadow = SHADOW_NONE;
	return bt_on_dispatch(v);
}

const u8 *bt_on_stale(struct vcpu *v, const u8 *ret)
{
	struct bt_block *b = bt_cache_at(&sb.cache, ret - 1);

	sb.stales++;
	v->rip = b->eip;
	bt_cache_drop_block(&sb.cache, b);
	return bt_on_dispatch(v);
}

/* ---- host faults and events ------------------------------------------- */

static void save_registers(const greg_t *r, u32 eip)
{
	static const int order[8] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX,
				      REG_R12, REG_RBP, REG_RSI, REG_RDI };
	struct vcpu *v = sb.native;

	for (unsigned n = 0; n < 8; n++)
		v->gpr[n] = (u32)r[order[n]];
	v->rip = eip;
	v->rflags = (v->rflags & ~(BT_FLAGS_REAL | EFLAGS_IF)) |
		    ((u64)r[REG_EFL] & BT_FLAGS_REAL) | bt_plain(v)->iflag;
}

/* Leave the cache with the guest at this map entry. */
static void leave_at(greg_t *r, const struct bt_block *b,
		     const struct bt_map *m)
{
	save_registers(r, b->eip + m->guest);
	bt_count(sb.native, (u64)r[REG_R13]);
	bt_uncount(sb.native, bt_block_uncounted(b, (const u8 *)r[REG_RIP]));
	r[REG_RIP] = (greg_t)bt_leave;
	r[REG_EFL] &= ~TF;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	const u8 *rip = (const u8 *)r[REG_RIP];
	const struct bt_block *b = bt_cache_at(&sb.cache, rip);

	if (!b) {
		fprintf(stderr, "host signal %d at %p\n", sig, (void *)rip);
		abort();
	}
	sb.native_fault = (struct sb_fault){
		.set = true, .vector = (u8)r[REG_TRAPNO],
	};
	if (r[REG_TRAPNO] == VEC_PF) {
		sb.native_fault.error = r[REG_ERR] & (PFEC_P | PFEC_W);
		sb.native_fault.cr2 = (u64)r[REG_CR2];
	}
	leave_at(r, b, bt_block_map(b, rip));
}

/* As bt's step_forward(): a stub may run on, since it tests for events. */
static void on_trap(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	const u8 *rip = (const u8 *)r[REG_RIP];
	const struct bt_block *b = bt_cache_at(&sb.cache, rip);
	const struct bt_map *m;

	sb.steps++;
	if (!b) {
		sb.event_taken = sb.steps >= sb.event_at;
		r[REG_EFL] &= ~TF;
		return;
	}
	if (sb.steps < sb.event_at)
		return;
	m = bt_block_boundary(b, rip);
	if (!m || (m->flags & BT_MAP_INHIBIT))
		return;
	sb.event_taken = true;
	leave_at(r, b, m);
}

/* ---- runs --------------------------------------------------------------- */

static void handle(int sig, void (*fn)(int, siginfo_t *, void *))
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO };

	sigaction(sig, &sa, NULL);
}

/* FS and GS are told apart in modes from the start. */
static void use_fs_and_gs(void)
{
	for (u8 seg = SEG_FS; seg <= SEG_GS; seg++)
		for (unsigned n = 0; n < 16; n++)
			bt_mode_note_callout(&(struct insn){ .has_mem = true,
							     .seg = seg });
}

void sb_init(void)
{
	int guest = memory_file(SB_SIZE), code = memory_file(CODE_BYTES);
	u64 near = ((u64)bt_stub_link & ~(MIB(1) - 1)) - MIB(256);

	sb.native_mem = map(guest, 0, SB_SIZE, PROT_READ | PROT_WRITE);
	sb.ref_mem = calloc(1, SB_SIZE);
	map(guest, SB_BASE, SB_SIZE, PROT_READ | PROT_WRITE);
	memset(sb.perm, SB_WRITE, sizeof(sb.perm));
	sb.native = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	sb.ref = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	bt_cache_init(&sb.cache, &(struct bt_cache_config){
		.write = map(code, 0, CODE_BYTES, PROT_READ | PROT_WRITE),
		.exec = map(code, near, CODE_BYTES, PROT_READ | PROT_EXEC),
		.size = CODE_BYTES, .meta = meta, .meta_size = sizeof(meta),
		.targets = &targets,
	});
	use_fs_and_gs();
	/* ASan's shadow of low memory, which no test code touches. */
	mprotect((void *)0x7fff8000, 0x8fff7000 - 0x7fff8000, PROT_NONE);
	handle(SIGSEGV, on_fault);
	handle(SIGBUS, on_fault);
	handle(SIGFPE, on_fault);
	handle(SIGILL, on_fault);
	handle(SIGTRAP, on_trap);
}

void sb_reset(void)
{
	struct vcpu *v = sb.ref;

	memset(sb.ref, 0, PAGE_SIZE);
	memset(sb.native, 0, PAGE_SIZE);
	vcpu_reset_flat32(v, SB_CODE, 0x10, 0x18);
	v->gpr[R_SP] = SB_STACK;
	*sb.native = *v;
	sb.native_emu = (struct emu){ .v = sb.native, .ops = &ops,
				      .ctx = sb.native_mem,
				      .no_deliver = true };
	sb.ref_emu = sb.native_emu;
	sb.ref_emu.v = v;
	sb.ref_emu.ctx = sb.ref_mem;
	sb.native_fault = sb.ref_fault = (struct sb_fault){ 0 };
	sb.event_at = sb.steps = sb.callouts = sb.stales = sb.straddles = 0;
	sb.stored = sb.refused = sb.ports = 0;
	sb.event_taken = false;
	sb.budget = 1000;
	bt_cache_flush(&sb.cache);
}

bool sb_ref_step(void)
{
	bool ok = interpret(&sb.ref_emu, &sb.ref_fault);

	sb.ref->shadow = SHADOW_NONE;
	return ok;
}

void sb_native_run(void)
{
	const u8 *exec = bt_on_dispatch(sb.native);

	if (exec)
		test_enter(sb.native, exec, &targets, sb.event_at ? TF : 0);
}

/* ---- comparison ----------------------------------------------------------- */

static char text[160];

static const char *differ(const char *what, u64 native, u64 ref)
{
	snprintf(text, sizeof(text), "%s: native %#llx, interpreter %#llx",
		 what, (unsigned long long)native, (unsigned long long)ref);
	return text;
}

static const char *fault_difference(void)
{
	const struct sb_fault *n = &sb.native_fault, *r = &sb.ref_fault;

	if (n->set != r->set)
		return differ(n->set ? "native fault" : "interpreter fault",
			      n->cr2, r->cr2);
	if (n->vector != r->vector)
		return differ("vector", n->vector, r->vector);
	if (n->vector == VEC_PF && n->cr2 != r->cr2)
		return differ("cr2", n->cr2, r->cr2);
	if (n->vector == VEC_PF && n->error != r->error)
		return differ("error code", n->error, r->error);
	return NULL;
}

const char *sb_difference(void)
{
	static const char *const name[] = { "eax", "ecx", "edx", "ebx", "esp",
					    "ebp", "esi", "edi" };
	const struct vcpu *n = sb.native, *r = sb.ref;

	if (fault_difference())
		return text;
	for (unsigned i = 0; i < 8; i++)
		if (n->gpr[i] != r->gpr[i])
			return differ(name[i], n->gpr[i], r->gpr[i]);
	if (n->rip != r->rip)
		return differ("eip", n->rip, r->rip);
	if ((n->rflags ^ r->rflags) & ~EFLAGS_RF)
		return differ("eflags", n->rflags, r->rflags);
	if (sb.count && n->insn_count != r->insn_count)
		return differ("count", n->insn_count, r->insn_count);
	for (unsigned i = 0; i < SB_SIZE; i++)
		if (sb.native_mem[i] != sb.ref_mem[i])
			return differ("memory", SB_BASE + i,
				      (u64)sb.native_mem[i] << 8 |
					      sb.ref_mem[i]);
	return NULL;
}
