/* SPDX-License-Identifier: MIT */
/*
 * emu_ops over mm, board and engine: what the interpreter's reads, writes,
 * ports and mode changes mean in a whole guest.
 */
#include "kernel/host.h"
#include "lib/counters.h"
#include "lib/ring.h"
#include "lib/string.h"
#include "vm/debug.h"
#include "vm/vm.h"

/* The mode that guest accesses are walked in; AC changes with every POPF. */
static const struct walk_mode *mode_now(struct vm *vm)
{
	vm->mode.ac = vm->v->rflags & EFLAGS_AC;
	return &vm->mode;
}

static bool ops_read(void *ctx, gva_t gva, void *buf, unsigned size,
		     unsigned acc, struct pagefault *pf)
{
	struct vm *vm = ctx;

	return gmem_read(&vm->gpm, mode_now(vm), gva, buf, size, acc, pf);
}

static bool ops_write(void *ctx, gva_t gva, const void *buf, unsigned size,
		      unsigned acc, struct pagefault *pf)
{
	struct vm *vm = ctx;

	return gmem_write(&vm->gpm, mode_now(vm), gva, buf, size, acc, pf);
}

static bool ops_probe(void *ctx, gva_t gva, unsigned size, unsigned acc,
		      struct pagefault *pf)
{
	struct vm *vm = ctx;

	return gmem_probe(&vm->gpm, mode_now(vm), gva, size, acc, pf);
}

static bool ops_fetch(void *ctx, gva_t gva, void *buf, unsigned size,
		      unsigned acc, unsigned *got, struct pagefault *pf)
{
	struct vm *vm = ctx;
	gpa_t gpa;
	unsigned to_end = PAGE_SIZE - (gva.a & ~PAGE_MASK);
	const u8 *p;

	if (!gmem_translate(&vm->gpm, mode_now(vm), gva, acc | ACC_FETCH, &gpa,
			    pf))
		return false;
	*got = MIN(size, to_end);
	p = gpm_ptr(&vm->gpm, gpa);
	if (p)
		memcpy(buf, p, *got);
	else
		memset(buf, 0xff, *got);
	return true;
}

static void ops_read_phys(void *ctx, gpa_t gpa, void *buf, unsigned size)
{
	struct vm *vm = ctx;

	gpm_read(&vm->gpm, gpa, buf, size);
}

/* A moved deadline or a stop is the run loop's job. */
static void ask_attention(struct vm *vm)
{
	if (board_deadline(vm->board) != vm->armed ||
	    board_stop_state(vm->board) != BOARD_RUNNING)
		vm->v->attention = 1;
}

/* Reads move deadlines too: of the clock's flags, of the UART's FIFO. */
static u32 ops_in(void *ctx, u16 port, unsigned size)
{
	struct vm *vm = ctx;
	u32 value = board_in(vm->board, port, size);

	ring_add(RING_PORT, port | size << 16, value);
	ask_attention(vm);
	return value;
}

static void ops_out(void *ctx, u16 port, unsigned size, u32 value)
{
	struct vm *vm = ctx;

	ring_add(RING_PORT, port | size << 16 | BIT(31), value);
	board_out(vm->board, port, size, value);
	ask_attention(vm);
}

static void ops_invlpg(void *ctx, gva_t gva)
{
	struct vm *vm = ctx;

	count(CNT_SHADOW_INVLPG);
	if (vm->shadow)
		shadow_invlpg(vm->shadow, mode_now(vm), gva);
	if (vm->config.engine->invlpg)
		vm->config.engine->invlpg(vm->v, gva);
}

static void ops_mode_changed(void *ctx, unsigned what)
{
	struct vm *vm = ctx;

	walk_mode_of(vm->v, &vm->mode);
	if (what & MODE_CR3)
		count(CNT_CR3_LOADS);
	if (vm->shadow && (what & (MODE_CR3 | MODE_PAGING))) {
		vm->reloading = vm->config.engine->reloads;
		shadow_flush(vm->shadow, &vm->mode, what & MODE_PAGING);
		vm->reloading = false;
	}
	if (vm->config.engine->mode_changed)
		vm->config.engine->mode_changed(vm->v, what);
}

static u64 ops_host_tsc(void *ctx)
{
	return vm_host_now(ctx);
}

static u8 ops_intr_ack(void *ctx)
{
	struct vm *vm = ctx;

	return board_intr_ack(vm->board);
}

static bool ops_translate(void *ctx, gva_t gva, gpa_t *gpa)
{
	return vm_translate(ctx, gva, gpa);
}

const struct emu_ops vm_emu_ops = {
	.read = ops_read,
	.write = ops_write,
	.probe = ops_probe,
	.fetch = ops_fetch,
	.read_phys = ops_read_phys,
	.in = ops_in,
	.out = ops_out,
	.invlpg = ops_invlpg,
	.mode_changed = ops_mode_changed,
	.host_tsc = ops_host_tsc,
	.intr_ack = ops_intr_ack,
	.translate = ops_translate,
};
