/* SPDX-License-Identifier: MIT */
/*
 * What a debugger may do to a guest that stands at an instruction boundary
 * outside its engine: look, write, step, set stops. The engine and the shadow
 * MMU are told of all that they may have derived something from.
 */
#include "vm/debug.h"

#include "lib/string.h"

/* As the supervisor, whatever SMAP says; sets no A bit. */
bool vm_translate(struct vm *vm, gva_t gva, gpa_t *gpa)
{
	struct walk_mode mode;
	struct pagefault pf;
	struct walk w;

	walk_mode_of(vm->v, &mode);
	mode.smap = false;
	if (!gwalk(&vm->gpm, &mode, gva, ACC_READ, false, &w, &pf))
		return false;
	*gpa = w.gpa;
	return true;
}

static bool move_phys(struct vm *vm, gpa_t gpa, void *buf, u32 size,
		      bool write)
{
	switch (gpm_kind(&vm->gpm, gpa)) {
	case GPM_NONE:
		return false;
	case GPM_ROM:
		return write ? gpm_poke(&vm->gpm, gpa, buf, size)
			     : gpm_peek(&vm->gpm, gpa, buf, size);
	case GPM_RAM:
		/* Through tracking: translated code and shadow tables follow. */
		if (write)
			gpm_write(&vm->gpm, gpa, buf, size);
		else
			gpm_read(&vm->gpm, gpa, buf, size);
		return true;
	}
	return false;
}

/* Page by page; bytes moved before one that is not there. */
static u64 move(struct vm *vm, bool phys, u64 addr, u8 *buf, u64 size,
		bool write)
{
	u64 done = 0;

	while (done < size) {
		u64 n = MIN(size - done, PAGE_SIZE - (addr & ~PAGE_MASK));
		gpa_t gpa = GPA(addr);

		if (!phys && !vm_translate(vm, GVA(addr), &gpa))
			break;
		if (!move_phys(vm, gpa, buf + done, (u32)n, write))
			break;
		done += n;
		addr += n;
		if (!phys && !vcpu_long_mode(vm->v))
			addr = (u32)addr;
	}
	return done;
}

u64 vm_peek(struct vm *vm, bool phys, u64 addr, void *buf, u64 size)
{
	return move(vm, phys, addr, buf, size, false);
}

u64 vm_poke(struct vm *vm, bool phys, u64 addr, const void *buf, u64 size)
{
	return move(vm, phys, addr, (void *)buf, size, true);
}

void vm_stops_changed(struct vm *vm)
{
	vm->emu.stops = vm->stops.count ? &vm->stops : NULL;
	if (vm->shadow)
		shadow_stops_changed(vm->shadow);
	if (vm->config.engine->stops_changed)
		vm->config.engine->stops_changed(vm->v);
}

bool vm_stop_due(const struct vm *vm)
{
	return vm->stops.due;
}

void vm_stop_taken(struct vm *vm)
{
	vm->stops.due = false;
	vm->v->hold &= ~(u64)HOLD_EVENTS;
}

void vm_step_over(struct vm *vm)
{
	stops_step_over(&vm->stops, stops_pc(vm->v));
}

/*
 * By the interpreter. External interrupts are held off, as whoever steps
 * expects; a halted processor goes on by taking one.
 */
bool vm_step(struct vm *vm)
{
	struct vcpu *v = vm->v;

	if (v->activity == ACT_SHUTDOWN)
		return true;
	if (v->activity == ACT_HALTED)
		return emu_poll_events(&vm->emu);
	v->hold |= HOLD_INTR;
	vm->emu.one_iteration = true;
	vm_step_over(vm);
	if (!emu_poll_events(&vm->emu))
		emu_step(&vm->emu);
	vm->emu.one_iteration = false;
	v->hold &= ~(u64)HOLD_INTR;
	return true;
}
