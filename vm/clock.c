/* SPDX-License-Identifier: MIT */
/*
 * The guest's time: that of the host, less all the time that a debugger has
 * held the guest. Devices count by it, and the guest's TSC follows. While the
 * guest is held it stands still.
 */
#include "kernel/host.h"
#include "vm/vm.h"

/* With icount: a round figure near a real CPU's pace, so that timers fit. */
#define ICOUNT_HZ 100000000ull

u64 vm_host_now(const struct vm *vm)
{
	return vm->config.icount ? vm->v->insn_count : host_tsc();
}

u64 vm_tsc_hz(const struct vm *vm)
{
	return vm->config.icount ? ICOUNT_HZ : host_tsc_hz();
}

u64 vm_now(const struct vm *vm)
{
	return (vm->held_since ? vm->held_since : vm_host_now(vm)) - vm->lag;
}

u64 vm_host_time(const struct vm *vm, u64 guest_time)
{
	return guest_time > ~0ull - vm->lag ? ~0ull : guest_time + vm->lag;
}

void vm_clock_hold(struct vm *vm)
{
	if (!vm->held_since)
		vm->held_since = vm_host_now(vm);
}

void vm_clock_release(struct vm *vm)
{
	u64 held;

	if (!vm->held_since)
		return;
	held = vm_host_now(vm) - vm->held_since;
	vm->held_since = 0;
	if (!held)
		return;
	vm->lag += held;
	vm->v->tsc_offset -= held;
	vm->emu.ops->mode_changed(vm->emu.ctx, MODE_TSC);
}
