/* SPDX-License-Identifier: MIT */
/*
 * Instructions that load, store or examine selectors: MOV, PUSH, POP, LDS and
 * kin, LLDT, LTR, SLDT, STR, LAR, LSL, VERR, VERW, ARPL.
 */
#include "cpu/emu_internal.h"
#include "cpu/segment.h"

/* A selector goes to memory as 2 bytes, to a register zero-extended. */
static bool write_selector(struct emu *e, const struct operand *o, u16 sel)
{
	struct operand word = *o;

	if (o->kind == OPK_MEM)
		word.size = 2;
	return emu_write_opnd(e, &word, sel);
}

static bool read_selector(struct emu *e, const struct operand *o, u16 *sel)
{
	struct operand word = *o;
	u64 value;

	word.size = 2;
	if (!emu_read_opnd(e, &word, &value))
		return false;
	*sel = value;
	return true;
}

/* The instruction after a load of SS is not interrupted. */
static bool load_and_shadow(struct emu *e, enum sreg seg, u16 sel)
{
	if (!seg_load(e, seg, sel))
		return false;
	if (seg == SEG_SS)
		e->v->shadow = SHADOW_MOV_SS;
	return true;
}

bool op_mov_sreg(struct emu *e)
{
	const struct operand *dst = &e->insn.opnd[0];
	const struct operand *src = &e->insn.opnd[1];
	u16 sel;

	if (dst->kind != OPK_SREG) {
		if (src->reg > SEG_GS)
			return emu_ud(e);
		return write_selector(e, dst, e->v->seg[src->reg].sel);
	}
	if (dst->reg == SEG_CS || dst->reg > SEG_GS)
		return emu_ud(e);
	return read_selector(e, src, &sel) &&
	       load_and_shadow(e, dst->reg, sel);
}

/* The stack pointer moves by op_size; of 4 bytes only 2 are written. */
bool op_push_sreg(struct emu *e)
{
	unsigned size = e->insn.op_size == 8 ? 8 : 2;
	struct emu_stack s;
	u64 sel = e->v->seg[e->insn.opnd[0].reg].sel;

	emu_stack_current(e, &s);
	emu_stack_adjust(&s, (s64)size - e->insn.op_size);
	if (!emu_stack_push(e, &s, sel, size))
		return false;
	emu_stack_commit(e, &s);
	return true;
}

bool op_pop_sreg(struct emu *e)
{
	struct emu_stack s;
	u64 sel;

	emu_stack_current(e, &s);
	if (!emu_stack_peek(e, &s, 0, 2, &sel) ||
	    !load_and_shadow(e, e->insn.opnd[0].reg, sel))
		return false;
	/* The width is that of the stack before a load of SS. */
	emu_stack_adjust(&s, e->insn.op_size);
	emu_stack_commit(e, &s);
	return true;
}

static bool load_far_pointer(struct emu *e, enum sreg seg)
{
	const struct insn *i = &e->insn;
	u64 ea = emu_ea(e), offset = 0, sel = 0;
	u64 sel_ea = (ea + i->op_size) & emu_size_mask(i->addr_size);

	if (!i->has_mem)
		return emu_ud(e);
	if (!emu_read_mem(e, i->seg, ea, &offset, i->op_size) ||
	    !emu_read_mem(e, i->seg, sel_ea, &sel, 2) ||
	    !seg_load(e, seg, sel))
		return false;
	/* LSS casts no shadow: it brings its own ESP. */
	emu_gpr_write(e->v, i->opnd[0].reg, i->op_size, offset);
	return true;
}

bool op_les(struct emu *e) { return load_far_pointer(e, SEG_ES); }
bool op_lds(struct emu *e) { return load_far_pointer(e, SEG_DS); }
bool op_lss(struct emu *e) { return load_far_pointer(e, SEG_SS); }
bool op_lfs(struct emu *e) { return load_far_pointer(e, SEG_FS); }
bool op_lgs(struct emu *e) { return load_far_pointer(e, SEG_GS); }

bool op_lldt(struct emu *e)
{
	struct segment s;
	u16 sel;

	if (!read_selector(e, &e->insn.opnd[0], &sel) ||
	    !seg_ldt_for(e, sel, VEC_GP, 0, &s))
		return false;
	e->v->seg[SEG_LDTR] = s;
	return true;
}

/* IA-32e mode has no 16-bit TSS. */
static bool tss_available(const struct vcpu *v, unsigned type)
{
	return type == SYS_TSS32_AVAIL ||
	       (type == SYS_TSS16_AVAIL && !vcpu_long_mode(v));
}

bool op_ltr(struct emu *e)
{
	struct segment s;
	struct desc d;
	u16 sel;

	if (!read_selector(e, &e->insn.opnd[0], &sel))
		return false;
	if (sel_is_null(sel))
		return emu_gp(e, 0);
	if (sel & ERR_TI)
		return seg_fault(e, VEC_GP, sel, 0);
	if (!seg_desc_read(e, sel, VEC_GP, 0, &d))
		return false;
	if (!desc_is_system(&d) || !tss_available(e->v, desc_type(&d)))
		return seg_fault(e, VEC_GP, sel, 0);
	if (!desc_present(&d))
		return seg_fault(e, VEC_NP, sel, 0);
	if (!seg_from_system_desc(e, &s, sel, &d) ||
	    !seg_desc_set_busy(e, &d, true))
		return false;
	s.ar |= BIT(1); /* busy */
	e->v->seg[SEG_TR] = s;
	return true;
}

bool op_sldt(struct emu *e)
{
	return write_selector(e, &e->insn.opnd[0], e->v->seg[SEG_LDTR].sel);
}

bool op_str(struct emu *e)
{
	return write_selector(e, &e->insn.opnd[0], e->v->seg[SEG_TR].sel);
}

static bool set_zf(struct emu *e, bool on)
{
	e->v->rflags &= ~EFLAGS_ZF;
	if (on)
		e->v->rflags |= EFLAGS_ZF;
	return true;
}

/*
 * The descriptor that an examining instruction looks at. *seen false: null or
 * out of its table, which is ZF = 0 and no fault.
 */
static bool examine(struct emu *e, u16 sel, struct desc *d, bool *seen)
{
	gva_t at;

	*seen = !sel_is_null(sel) && seg_desc_find(e->v, sel, &at);
	return !*seen || seg_desc_read(e, sel, VEC_GP, 0, d);
}

/* Visible at max(CPL, RPL); conforming code always is. */
static bool visible(const struct vcpu *v, u16 sel, const struct desc *d)
{
	if (desc_is_conforming(d) && !desc_is_system(d))
		return true;
	return desc_dpl(d) >= MAX(v->cpl, sel_rpl(sel));
}

#define SYS(t) BIT(SYS_##t)
/* System types that LSL accepts: what has a limit. LAR takes gates as well. */
#define LSL_TYPES (SYS(TSS16_AVAIL) | SYS(LDT) | SYS(TSS16_BUSY) |        \
		   SYS(TSS32_AVAIL) | SYS(TSS32_BUSY))
#define LAR_TYPES (LSL_TYPES | SYS(CALL16) | SYS(TASK_GATE) | SYS(CALL32))
/* What of them is left in IA-32e mode. */
#define LONG_TYPES (SYS(LDT) | SYS(TSS64_AVAIL) | SYS(TSS64_BUSY) | SYS(CALL64))

static bool type_among(const struct vcpu *v, const struct desc *d,
		       u64 system_types)
{
	if (vcpu_long_mode(v))
		system_types &= LONG_TYPES;
	return !desc_is_system(d) || (system_types >> desc_type(d) & 1);
}

static u32 access_rights(const struct desc *d)
{
	return d->hi & 0x00ffff00;
}

static u32 segment_limit(const struct desc *d)
{
	struct segment s;

	seg_from_desc(&s, 0, d);
	return s.limit;
}

static bool lar_lsl(struct emu *e, u64 types, u32 (*result)(const struct desc *))
{
	const struct operand *o = e->insn.opnd;
	struct desc d;
	bool seen;
	u16 sel;

	if (!read_selector(e, &o[1], &sel) || !examine(e, sel, &d, &seen))
		return false;
	if (!seen || !type_among(e->v, &d, types) || !visible(e->v, sel, &d))
		return set_zf(e, false);
	emu_gpr_write(e->v, o[0].reg, e->insn.op_size, result(&d));
	return set_zf(e, true);
}

bool op_lar(struct emu *e)
{
	return lar_lsl(e, LAR_TYPES, access_rights);
}

bool op_lsl(struct emu *e)
{
	return lar_lsl(e, LSL_TYPES, segment_limit);
}

static bool readable(const struct desc *d)
{
	return !desc_is_system(d) &&
	       (!desc_is_code(d) || (desc_type(d) & AR_READ));
}

static bool verify(struct emu *e, bool (*allows)(const struct desc *d))
{
	struct desc d;
	bool seen;
	u16 sel;

	if (!read_selector(e, &e->insn.opnd[0], &sel) ||
	    !examine(e, sel, &d, &seen))
		return false;
	return set_zf(e, seen && allows(&d) && visible(e->v, sel, &d));
}

bool op_verr(struct emu *e)
{
	return verify(e, readable);
}

bool op_verw(struct emu *e)
{
	return verify(e, desc_is_writable_data);
}

bool op_arpl(struct emu *e)
{
	const struct operand *dst = &e->insn.opnd[0];
	u64 sel, rpl;

	if (!emu_read_rmw(e, dst, &sel) ||
	    !emu_read_opnd(e, &e->insn.opnd[1], &rpl))
		return false;
	rpl &= 3;
	if ((sel & 3) >= rpl)
		return set_zf(e, false);
	return emu_write_rmw(e, dst, (sel & ~3ull) | rpl) && set_zf(e, true);
}
