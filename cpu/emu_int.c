/* SPDX-License-Identifier: MIT */
/*
 * INT n, INT3, INTO, INT1 and IRET in every mode, and the instructions that
 * move whole EFLAGS images: PUSHF, POPF. Which bits an image may change is
 * decided here, by CPL, IOPL and operand size.
 */
#include "cpu/emu_internal.h"
#include "cpu/event.h"
#include "cpu/segment.h"
#include "cpu/task.h"

/* Bits that any privilege may load from an image. */
#define FLAGS_ALWAYS                                                      \
	(EFLAGS_ARITH | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT)
#define FLAGS_WIDE (EFLAGS_AC | EFLAGS_ID) /* with a 32-bit image */

/* Load the bits of mask that an image of this size has. */
static void load_flags(struct vcpu *v, u64 image, u64 mask, unsigned size)
{
	if (size == 2)
		mask &= 0xffff;
	v->rflags = (v->rflags & ~mask) | (image & mask) | EFLAGS_MBS;
}

/* IF by IOPL, IOPL by CPL 0. Real mode has CPL 0. */
static u64 flags_allowed(const struct vcpu *v)
{
	u64 mask = FLAGS_ALWAYS | FLAGS_WIDE;

	if (v->cpl <= vcpu_iopl(v))
		mask |= EFLAGS_IF;
	if (v->cpl == 0)
		mask |= EFLAGS_IOPL;
	return mask;
}

static bool vm86_sensitive(const struct vcpu *v)
{
	return vcpu_vm86(v) && vcpu_iopl(v) != 3;
}

/* --- Software interrupts --- */

static bool soft_event(struct emu *e, unsigned vector, enum event_kind kind)
{
	struct event ev = {
		.vector = vector,
		.kind = kind,
		.insn_len = e->insn.len,
	};

	return event_deliver_once(e, &ev, e->rip_next);
}

bool op_int(struct emu *e)
{
	if (vm86_sensitive(e->v))
		return emu_gp(e, 0);
	return soft_event(e, (u8)e->insn.imm, EV_SOFT_INT);
}

bool op_int3(struct emu *e)
{
	return soft_event(e, VEC_BP, EV_SOFT_EXC);
}

bool op_into(struct emu *e)
{
	if (!(e->v->rflags & EFLAGS_OF))
		return true;
	return soft_event(e, VEC_OF, EV_SOFT_EXC);
}

bool op_int1(struct emu *e)
{
	return soft_event(e, VEC_DB, EV_PRIV_SOFT_EXC);
}

/* --- PUSHF, POPF --- */

bool op_pushf(struct emu *e)
{
	u64 image = e->v->rflags & ~(EFLAGS_VM | EFLAGS_RF);

	if (vm86_sensitive(e->v))
		return emu_gp(e, 0);
	return emu_push(e, image & emu_size_mask(e->insn.op_size),
			e->insn.op_size);
}

bool op_popf(struct emu *e)
{
	u64 image;

	if (vm86_sensitive(e->v))
		return emu_gp(e, 0);
	if (!emu_pop(e, e->insn.op_size, &image))
		return false;
	load_flags(e->v, image, flags_allowed(e->v), e->insn.op_size);
	return true;
}

/* --- IRET --- */

/* What IRET finds on the stack. */
struct iret_frame {
	struct emu_stack stack; /* past what was popped */
	u64 rip, cs, flags;
};

/* The common cases in one read; if that faults, item by item tells where. */
static bool pop64_at_once(struct emu *e, struct iret_frame *f)
{
	u64 image[3];
	gva_t at;

	if (emu_debug_on(e) ||
	    !emu_linear64(e, f->stack.sp, sizeof(image), f->stack.acc, &at,
			  VEC_SS, 0) ||
	    !emu_read_lin(e, at, image, sizeof(image), f->stack.acc))
		return false;
	f->rip = image[0];
	f->cs = image[1];
	f->flags = image[2];
	emu_stack_adjust(&f->stack, sizeof(image));
	return true;
}

static bool pop_at_once(struct emu *e, struct iret_frame *f)
{
	u32 image[3];

	if (!event_stack_is_flat(e, &f->stack) ||
	    f->stack.sp > ~0u - sizeof(image) ||
	    !emu_read_lin(e, GVA(f->stack.sp), image, sizeof(image), 0))
		return false;
	f->rip = image[0];
	f->cs = image[1];
	f->flags = image[2];
	emu_stack_adjust(&f->stack, sizeof(image));
	return true;
}

static bool pop_frame(struct emu *e, struct iret_frame *f)
{
	unsigned size = e->insn.op_size;

	emu_stack_current(e, &f->stack);
	if (size == 4 && pop_at_once(e, f))
		return true;
	if (size == 8 && f->stack.sp_size == 8 && pop64_at_once(e, f))
		return true;
	return emu_stack_pop(e, &f->stack, size, &f->rip) &&
	       emu_stack_pop(e, &f->stack, size, &f->cs) &&
	       emu_stack_pop(e, &f->stack, size, &f->flags);
}

/* RF comes back from a 32-bit image; it covers the next instruction. */
static u64 flags_of_iret(const struct vcpu *v)
{
	return flags_allowed(v) | EFLAGS_RF;
}

/* Real mode, and VM86 with IOPL 3 (where IOPL itself stays). */
static bool iret_real(struct emu *e)
{
	struct vcpu *v = e->v;
	struct iret_frame f;

	if (!pop_frame(e, &f))
		return false;
	if (f.rip > v->seg[SEG_CS].limit)
		return emu_gp(e, 0);
	emu_stack_commit(e, &f.stack);
	seg_make_real(v, &v->seg[SEG_CS], f.cs);
	load_flags(v, f.flags, flags_of_iret(v), e->insn.op_size);
	e->rip_next = f.rip;
	return true;
}

static bool iret_task(struct emu *e)
{
	struct vcpu *v = e->v;
	gva_t link_at = GVA((u32)v->seg[SEG_TR].base);
	struct desc tss;
	u16 link;

	if (!emu_read_lin(e, link_at, &link, 2, ACC_IMPLICIT) ||
	    !task_find(e, link, TASK_IRET, 0, &tss))
		return false;
	return task_switch(e, link, &tss, TASK_IRET, e->rip_next, v->rflags,
			   0);
}

static bool iret_to_vm86(struct emu *e, struct iret_frame *f)
{
	static const u8 order[] = { SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS };
	struct vcpu *v = e->v;
	u64 esp, sel[ARRAY_SIZE(order)];
	unsigned i;

	if (!emu_stack_pop(e, &f->stack, 4, &esp))
		return false;
	for (i = 0; i < ARRAY_SIZE(order); i++)
		if (!emu_stack_pop(e, &f->stack, 4, &sel[i]))
			return false;
	load_flags(v, f->flags,
		   flags_of_iret(v) | EFLAGS_VM | EFLAGS_VIF | EFLAGS_VIP, 4);
	seg_make_real(v, &v->seg[SEG_CS], f->cs);
	for (i = 0; i < ARRAY_SIZE(order); i++)
		seg_make_real(v, &v->seg[order[i]], sel[i]);
	emu_gpr_write(v, R_SP, 4, esp);
	v->cpl = 3;
	e->rip_next = (u16)f->rip;
	return true;
}

/* SS:RSP are on the stack too: an outer privilege's, or from 64-bit mode. */
static bool iret_stack(struct emu *e, struct iret_frame *f,
		       const struct segment *cs, unsigned cpl)
{
	unsigned size = e->insn.op_size;
	u64 sp, ss;

	if (!emu_stack_pop(e, &f->stack, size, &sp) ||
	    !emu_stack_pop(e, &f->stack, size, &ss) ||
	    !seg_stack_or_null(e, ss, cpl, seg_is_code64(e->v, cs),
			       &f->stack.seg))
		return false;
	f->stack.sp_size = (u8)seg_stack_width(e->v, cs, &f->stack.seg);
	f->stack.sp = sp & emu_size_mask(f->stack.sp_size);
	return true;
}

static bool iret_protected(struct emu *e)
{
	struct vcpu *v = e->v;
	struct iret_frame f;
	struct segment cs;
	struct desc d;
	unsigned cpl;
	bool outward;
	u64 mask;

	if (!pop_frame(e, &f))
		return false;
	if (e->insn.op_size == 4 && (f.flags & EFLAGS_VM) && v->cpl == 0 &&
	    !vcpu_long_mode(v))
		return iret_to_vm86(e, &f);
	if (sel_is_null(f.cs))
		return emu_gp(e, 0);
	if (!seg_desc_read(e, f.cs, VEC_GP, 0, &d) ||
	    !seg_check_code_return(e, f.cs, &d))
		return false;
	cpl = sel_rpl(f.cs);
	seg_from_desc(&cs, f.cs, &d);
	if ((cpl > v->cpl || vcpu_64bit(v)) && !iret_stack(e, &f, &cs, cpl))
		return false;
	if (!seg_check_target(e, &cs, &f.rip, 0) || !seg_desc_touch(e, &d))
		return false;

	cs.ar |= AR_ACCESSED;
	mask = flags_of_iret(v);
	if (v->cpl == 0)
		mask |= EFLAGS_VIF | EFLAGS_VIP;
	load_flags(v, f.flags, mask, e->insn.op_size);
	v->seg[SEG_SS] = f.stack.seg;
	emu_stack_commit(e, &f.stack);
	outward = cpl > v->cpl;
	seg_commit_cs(v, &cs, cpl);
	if (outward)
		seg_drop_privileged(v);
	e->rip_next = f.rip;
	return true;
}

bool op_iret(struct emu *e)
{
	struct vcpu *v = e->v;

	v->nmi_blocked = 0; /* even if it faults */
	if (vm86_sensitive(v))
		return emu_gp(e, 0);
	if (vcpu_real_addressing(v))
		return iret_real(e);
	if (v->rflags & EFLAGS_NT)
		return vcpu_long_mode(v) ? emu_gp(e, 0) : iret_task(e);
	return iret_protected(e);
}
