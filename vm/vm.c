/* SPDX-License-Identifier: MIT */
/*
 * Creation of a guest: memory, processor, board and engines, in that order.
 * Everything is allocated here once; the run loop allocates nothing.
 */
#include "vm/vm.h"

#include "cpu/cpuid.h"
#include "cpu/emu_fpu.h"
#include "kernel/host.h"
#include "lib/string.h"
#include "lib/switches.h"
#include "log.h"

static struct vm the_vm;

static u64 board_now(void *ctx)
{
	return vm_now(ctx);
}

static void board_serial_out(void *ctx, u8 byte)
{
	host_console_put(byte);
}

static void board_intr(void *ctx, bool level)
{
	struct vm *vm = ctx;

	vm->v->intr = level ? INTR_WAITING : 0;
}

static void board_mark(void *ctx, u8 what)
{
	vm_mark(ctx, what);
}

static u64 board_wall_seconds(void *ctx)
{
	struct vm *vm = ctx;

	return vm->wall_start + (vm_now(vm) - vm->guest_start) / vm_tsc_hz(vm);
}

static bool create_memory(struct vm *vm)
{
	u64 size = vm->config.mem_bytes;
	u64 frames = size / PAGE_SIZE;
	void *base = palloc(frames, MIB(2));
	u8 *bits = palloc(ALIGN_UP(frames, PAGE_SIZE) / PAGE_SIZE, PAGE_SIZE);

	if (!base || !bits)
		return false;
	track_init(&vm->track, bits, frames);
	gpm_init(&vm->gpm, base, host_phys(base), size);
	vm->gpm.track = &vm->track;
	return true;
}

static bool create_board(struct vm *vm)
{
	struct board_ops ops = {
		.now = board_now,
		.tsc_hz = vm_tsc_hz(vm),
		.serial_out = board_serial_out,
		.debug_out = board_serial_out,
		.intr = board_intr,
		.wall_seconds = board_wall_seconds,
		.ram_bytes = vm->config.mem_bytes,
		.mark = vm->config.marks ? board_mark : NULL,
		.ctx = vm,
	};
	void *mem = palloc(ALIGN_UP(board_size(), PAGE_SIZE) / PAGE_SIZE,
			   PAGE_SIZE);

	if (!mem)
		return false;
	vm->board = board_init(mem, &ops);
	return true;
}

/* A frame's mappings changed under the engine: it drops what it derived. */
static void shadow_unmapped(void *ctx, gva_t gva, u64 size)
{
	struct vm *vm = ctx;

	if (vm->config.engine->unmapped)
		vm->config.engine->unmapped(vm->v, gva, size);
}

static void shadow_tracked(void *ctx, u64 gfn)
{
	struct vm *vm = ctx;

	if (vm->config.engine->tracked)
		vm->config.engine->tracked(vm->v, gfn);
}

static void shadow_tlb_flush(void *ctx, const gva_t *gva)
{
	struct vm *vm = ctx;

	if (vm->config.engine->tlb_flush && !vm->reloading)
		vm->config.engine->tlb_flush(vm->v, gva);
}

static void *shadow_alloc_low(void *ctx, u64 pages)
{
	return palloc_low(pages);
}

/*
 * A table for every 64 guest pages, and never fewer than 16 for each of the
 * roots that are kept: a process of Linux has 8.
 */
static u32 shadow_pool_pages(u64 mem_bytes)
{
	return (u32)MAX(mem_bytes / PAGE_SIZE / 64, 1024);
}

static bool create_shadow(struct vm *vm)
{
	struct shadow_config config = {
		.gpm = &vm->gpm,
		.root_kind = vm->config.root_kind,
		.pool_pages = shadow_pool_pages(vm->config.mem_bytes),
		.nx = true,
		.kernel_nx = vm->config.root_kind == SHADOW_ROOT_4LEVEL,
		.prefetch = switch_on(SWITCH_prefetch) ? 8 : 0,
		.small = vm->config.small_pages,
		.fault_flushes = vm->config.fault_flushes,
		.unsync = vm->config.unsync,
		.trap_bit = vm->config.trap_bit,
		.host_pml4 = vm->config.host_pml4,
		.alloc_low = shadow_alloc_low,
		.stops = &vm->stops,
		.tlb_flush = shadow_tlb_flush,
		.unmapped = shadow_unmapped,
		.tracked = shadow_tracked,
		.ctx = vm,
	};

	vm->shadow = shadow_create(&config);
	return vm->shadow != NULL;
}

/* The interpreter's x87, MMX and SSE instructions run on the real CPU. */
static void lend_native_code(void)
{
	struct host_code area = host_code_area();
	struct emu_native native = { area.write, area.exec, area.size,
				     host_native_call };

	emu_fpu_init(&native);
}

static const char *init_engine(struct vm *vm, const struct engine *engine)
{
	struct engine_env env = {
		.v = vm->v,
		.emu = &vm->emu,
		.gpm = &vm->gpm,
		.shadow = vm->shadow,
		.stops = &vm->stops,
		.cache_bytes = vm->config.cache_bytes,
		.icount = vm->config.icount,
		.observe = vm->config.trace_blocks ? vm_digest_block : NULL,
		.observe_ctx = vm,
	};

	return engine->init ? engine->init(&env) : NULL;
}

static const char *init_engines(struct vm *vm)
{
	const char *why = init_engine(vm, vm->config.engine);

	if (!why && vm->config.fallback != vm->config.engine)
		why = init_engine(vm, vm->config.fallback);
	return why;
}

static unsigned policy_of(const struct vm_config *config)
{
	unsigned policy = CPUID_POLICY_32;

	if (config->engine->long_mode && !config->no_long_mode)
		policy |= CPUID_POLICY_64;
	if (config->engine->guards)
		policy |= CPUID_POLICY_GUARDS;
	return policy;
}

struct vm *vm_create(const struct vm_config *config, const char **why)
{
	struct vm *vm = &the_vm;

	memset(vm, 0, sizeof(*vm));
	vm->config = *config;
	vm->digest_last = ~0ull;
	vm->v = palloc(1, PAGE_SIZE);
	*why = "too little memory for the guest";
	if (!vm->v || !create_memory(vm))
		return NULL;
	cpuid_policy_init(config->cpuid, policy_of(config));
	vcpu_reset(vm->v);
	vm->v->insn_stop = ~0ull;
	vm->wall_start = config->icount ? 0 : host_wall_seconds();
	vm->emu = (struct emu){ .v = vm->v, .ops = &vm_emu_ops, .ctx = vm };
	lend_native_code();
	if (!create_board(vm))
		return NULL;
	if (config->engine->needs_shadow && !create_shadow(vm))
		return NULL;
	*why = init_engines(vm);
	return *why ? NULL : vm;
}
