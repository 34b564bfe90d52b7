/* SPDX-License-Identifier: MIT */
/*
 * Stacks: pushing and popping at 16- to 64-bit widths, on SS:RSP or on a
 * stack that is not yet current. The stack pointer moves only after its
 * memory access succeeded.
 */
#include "cpu/emu_internal.h"

void emu_stack_current(const struct emu *e, struct emu_stack *s)
{
	const struct vcpu *v = e->v;

	s->seg = v->seg[SEG_SS];
	s->sp_size = vcpu_stack_size(v);
	s->sp = v->gpr[R_SP] & emu_size_mask(s->sp_size);
	s->acc = emu_acc(e);
	s->error = 0;
}

static bool stack_linear(struct emu *e, const struct emu_stack *s, u64 sp,
			 unsigned size, unsigned acc, gva_t *gva)
{
	if (s->sp_size == 8)
		return emu_linear64(e, sp, size, s->acc | acc, gva, VEC_SS,
				    s->error);
	return emu_linear_in(e, &s->seg, sp, size, s->acc | acc, gva, VEC_SS,
			     s->error);
}

bool emu_stack_push(struct emu *e, struct emu_stack *s, u64 value,
		    unsigned size)
{
	u64 sp = (s->sp - size) & emu_size_mask(s->sp_size);
	gva_t gva;

	if (!stack_linear(e, s, sp, size, ACC_WRITE, &gva) ||
	    !emu_write_lin(e, gva, &value, size, s->acc))
		return false;
	if (emu_debug_on(e))
		emu_debug_data(e, gva, size, ACC_WRITE);
	s->sp = sp;
	return true;
}

bool emu_stack_peek(struct emu *e, const struct emu_stack *s, u64 offset,
		    unsigned size, u64 *value)
{
	u64 sp = (s->sp + offset) & emu_size_mask(s->sp_size);
	gva_t gva;

	*value = 0;
	if (!stack_linear(e, s, sp, size, ACC_READ, &gva) ||
	    !emu_read_lin(e, gva, value, size, s->acc))
		return false;
	if (emu_debug_on(e))
		emu_debug_data(e, gva, size, ACC_READ);
	return true;
}

bool emu_stack_pop(struct emu *e, struct emu_stack *s, unsigned size,
		   u64 *value)
{
	if (!emu_stack_peek(e, s, 0, size, value))
		return false;
	emu_stack_adjust(s, size);
	return true;
}

/* Item by item, so that a fault is the one that the pushes would meet. */
bool emu_stack_probe(struct emu *e, const struct emu_stack *s, unsigned count,
		     unsigned size)
{
	u64 sp = s->sp;
	gva_t gva;

	while (count--) {
		sp = (sp - size) & emu_size_mask(s->sp_size);
		if (!stack_linear(e, s, sp, size, ACC_WRITE, &gva) ||
		    !emu_probe_lin(e, gva, size, s->acc))
			return false;
	}
	return true;
}

void emu_stack_adjust(struct emu_stack *s, s64 bytes)
{
	s->sp = (s->sp + (u64)bytes) & emu_size_mask(s->sp_size);
}

void emu_stack_commit(struct emu *e, const struct emu_stack *s)
{
	emu_gpr_write(e->v, R_SP, s->sp_size, s->sp);
}

bool emu_push(struct emu *e, u64 value, unsigned size)
{
	unsigned width = vcpu_stack_size(e->v);
	u64 sp = (e->v->gpr[R_SP] - size) & emu_size_mask(width);

	if (!emu_write_mem(e, SEG_SS, sp, &value, size))
		return false;
	emu_gpr_write(e->v, R_SP, width, sp);
	return true;
}

bool emu_pop(struct emu *e, unsigned size, u64 *value)
{
	unsigned width = vcpu_stack_size(e->v);
	u64 sp = e->v->gpr[R_SP] & emu_size_mask(width);

	*value = 0;
	if (!emu_read_mem(e, SEG_SS, sp, value, size))
		return false;
	emu_gpr_write(e->v, R_SP, width, sp + size);
	return true;
}
