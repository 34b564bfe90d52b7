/* SPDX-License-Identifier: MIT */
/*
 * The run loop's side of a debugger, and what it may do to the guest while it
 * stands. debug/ implements struct vm_debugger; nothing here knows how.
 */
#ifndef VM_DEBUG_H
#define VM_DEBUG_H

#include "vm/vm.h"

struct vm_debugger {
	/*
	 * Between two entries of the engine, devices served: the guest stands
	 * for as long as this stays. False: end the guest so.
	 */
	bool (*turn)(struct vm *vm, enum vm_end *end);
	/* A byte was typed at the console; true: it is not for the guest. */
	bool (*typed)(struct vm *vm, u8 byte);
	/* The guest is about to end: last looks. */
	void (*ending)(struct vm *vm, enum vm_end end, u32 status);
};

/* Where a linear address lies now; false: nowhere. */
bool vm_translate(struct vm *vm, gva_t gva, gpa_t *gpa);

/*
 * Linear or physical memory, whatever its protection; device memory is not
 * touched. Returns the bytes moved, up to the first that is not there.
 */
u64 vm_peek(struct vm *vm, bool phys, u64 addr, void *buf, u64 size);
u64 vm_poke(struct vm *vm, bool phys, u64 addr, const void *buf, u64 size);

/* vm->stops is another set now: everything derived from it goes. */
void vm_stops_changed(struct vm *vm);
/* Has the guest met a stop? vm->stops says which; then take it. */
bool vm_stop_due(const struct vm *vm);
void vm_stop_taken(struct vm *vm);
/* Run the instruction at the pc though there is a stop. */
void vm_step_over(struct vm *vm);

/*
 * Execute one instruction, or deliver the trap that is due before it. False:
 * the guest is halted and waits.
 */
bool vm_step(struct vm *vm);

/* Bytes from the console to the guest's serial port, past the debugger. */
void vm_feed_serial(struct vm *vm);

#endif
