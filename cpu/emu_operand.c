/* SPDX-License-Identifier: MIT */
/*
 * Operands: general registers with their width rules, the effective address,
 * and reading and writing whatever a struct operand names. Values are
 * zero-extended from the operand's size.
 */
#include "cpu/emu_internal.h"

u64 emu_gpr_read(const struct vcpu *v, unsigned reg, unsigned size)
{
	return v->gpr[reg] & emu_size_mask(size);
}

void emu_gpr_write(struct vcpu *v, unsigned reg, unsigned size, u64 value)
{
	u64 mask = emu_size_mask(size);
	u64 keep = size < 4 ? v->gpr[reg] & ~mask : 0;

	v->gpr[reg] = keep | (value & mask);
}

u64 emu_reg_read(const struct emu *e, const struct operand *o)
{
	if (unlikely(o->high))
		return (u8)(e->v->gpr[o->reg] >> 8);
	return emu_gpr_read(e->v, o->reg, o->size);
}

void emu_reg_write(struct emu *e, const struct operand *o, u64 value)
{
	u64 *r = &e->v->gpr[o->reg];

	if (unlikely(o->high))
		*r = (*r & ~0xff00ull) | (value & 0xff) << 8;
	else
		emu_gpr_write(e->v, o->reg, o->size, value);
}

u64 emu_ea(const struct emu *e)
{
	const struct insn *i = &e->insn;
	u64 ea = (u64)i->disp;

	if (i->base >= 0)
		ea += e->v->gpr[i->base];
	if (i->index >= 0)
		ea += e->v->gpr[i->index] * i->scale;
	if (i->rip_rel)
		ea += e->v->rip + i->len;
	return ea & emu_size_mask(i->addr_size);
}

bool emu_read_opnd(struct emu *e, const struct operand *o, u64 *value)
{
	switch (o->kind) {
	case OPK_REG:
		*value = emu_reg_read(e, o);
		return true;
	case OPK_IMM:
		*value = e->insn.imm & emu_size_mask(o->size);
		return true;
	default:
		assert(o->kind == OPK_MEM && o->size <= 8);
		*value = 0;
		return emu_read_mem(e, e->insn.seg, emu_ea(e), value, o->size);
	}
}

bool emu_write_opnd(struct emu *e, const struct operand *o, u64 value)
{
	if (o->kind == OPK_REG) {
		emu_reg_write(e, o, value);
		return true;
	}
	assert(o->kind == OPK_MEM && o->size <= 8);
	return emu_write_mem(e, e->insn.seg, emu_ea(e), &value, o->size);
}

bool emu_read_rmw(struct emu *e, const struct operand *o, u64 *value)
{
	if (o->kind == OPK_REG) {
		*value = emu_reg_read(e, o);
		return true;
	}
	assert(o->kind == OPK_MEM && o->size <= 8);
	return emu_read_rmw_mem(e, e->insn.seg, emu_ea(e), o->size, value);
}

bool emu_write_rmw(struct emu *e, const struct operand *o, u64 value)
{
	if (o->kind == OPK_REG) {
		emu_reg_write(e, o, value);
		return true;
	}
	return emu_write_rmw_mem(e, o->size, value);
}

bool emu_set_rip(struct emu *e, u64 target, unsigned op_size)
{
	target &= emu_size_mask(op_size);
	if (vcpu_64bit(e->v) ? !is_canonical(target) :
			       target > e->v->seg[SEG_CS].limit)
		return emu_gp(e, 0);
	e->rip_next = target;
	return true;
}
