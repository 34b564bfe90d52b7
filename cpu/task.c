/* SPDX-License-Identifier: MIT */
/*
 * The hardware task switch ("Task Management"). Up to the commit point a fault
 * leaves the old task as it was; after it the new task's registers are loaded
 * and a bad selector is the new task's fault, with the segment left unusable.
 */
#include "cpu/task.h"

#include "cpu/control.h"
#include "cpu/emu_internal.h"

#define EFLAGS_IN_TSS                                                     \
	(EFLAGS_ARITH | EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL | \
	 EFLAGS_NT | EFLAGS_RF | EFLAGS_VM | EFLAGS_AC | EFLAGS_VIF |     \
	 EFLAGS_VIP | EFLAGS_ID)
#define DR7_LOCAL (BIT(0) | BIT(2) | BIT(4) | BIT(6) | BIT(8))

/* The two layouts of a TSS, by byte offset. */
struct tss_layout {
	u8 width;       /* of EIP, EFLAGS and the general registers */
	u8 size;        /* bytes that a new task must have */
	u8 dynamic_end; /* the old task's limit must reach here */
	u8 eip, eflags, gpr, seg, ldt;
	u8 seg_step;
	u8 segs; /* ES CS SS DS, and FS GS in the 32-bit one */
};

#define TSS_CR3  0x1c
#define TSS_TRAP 0x64
#define TSS_MAX  0x68

static const struct tss_layout layouts[] = {
	[0] = { 2, 0x2c, 0x2a, 0x0e, 0x10, 0x12, 0x22, 0x2a, 2, 4 },
	[1] = { 4, 0x68, 0x60, 0x20, 0x24, 0x28, 0x48, 0x60, 4, 6 },
};

static const struct tss_layout *layout_of(unsigned type)
{
	return &layouts[type >> 3 & 1];
}

/* A task's state as its TSS holds it. */
struct task_image {
	u32 eip, eflags, cr3;
	u32 gpr[8];
	u16 sel[6]; /* ES CS SS DS FS GS */
	u16 ldt;
	bool trap;
};

static bool is_available(const struct desc *d)
{
	return desc_is_system(d) && (desc_type(d) == SYS_TSS16_AVAIL ||
				     desc_type(d) == SYS_TSS32_AVAIL);
}

static bool is_busy(const struct desc *d)
{
	return desc_is_system(d) && (desc_type(d) == SYS_TSS16_BUSY ||
				     desc_type(d) == SYS_TSS32_BUSY);
}

bool task_find(struct emu *e, u16 sel, enum task_source source, u32 ext,
	       struct desc *tss)
{
	unsigned vector = source == TASK_IRET ? VEC_TS : VEC_GP;
	bool good;

	if (sel & ERR_TI || sel_is_null(sel))
		return seg_fault(e, vector, sel, ext);
	if (!seg_desc_read(e, sel, vector, ext, tss))
		return false;
	good = source == TASK_IRET ? is_busy(tss) : is_available(tss);
	if (!good)
		return seg_fault(e, vector, sel, ext);
	return desc_present(tss) || seg_fault(e, VEC_NP, sel, ext);
}

/* There are no tasks in IA-32e mode. */
static gva_t tss_at(const struct segment *tss, unsigned offset)
{
	return GVA((u32)(tss->base + offset));
}

bool task_inner_stack(struct emu *e, unsigned pl, u32 ext, u16 *ss, u32 *esp)
{
	const struct segment *tr = &e->v->seg[SEG_TR];
	unsigned width = layout_of(tr->ar & AR_TYPE)->width;
	unsigned offset = width + pl * 2 * width;
	u32 both[2] = { 0, 0 };

	if ((tr->ar & AR_UNUSABLE) || offset + 2 * width - 1 > tr->limit)
		return seg_fault(e, VEC_TS, tr->sel, ext);
	if (!emu_read_lin(e, tss_at(tr, offset), both, 2 * width,
			  ACC_IMPLICIT))
		return false;
	*esp = width == 4 ? both[0] : both[0] & 0xffff;
	*ss = width == 4 ? both[1] : both[0] >> 16;
	return true;
}

/* --- Before the commit point --- */

static bool limits_ok(struct emu *e, const struct segment *new,
		      const struct tss_layout *layout, u32 ext)
{
	const struct segment *old = &e->v->seg[SEG_TR];

	if (new->limit < layout->size - 1u)
		return seg_fault(e, VEC_TS, new->sel, ext);
	if ((old->ar & AR_UNUSABLE) ||
	    old->limit < layout_of(old->ar & AR_TYPE)->dynamic_end - 1u)
		return seg_fault(e, VEC_TS, old->sel, ext);
	return true;
}

static void put(u8 *tss, unsigned offset, u32 value, unsigned width)
{
	memcpy(tss + offset, &value, width);
}

static u32 get(const u8 *tss, unsigned offset, unsigned width)
{
	u32 value = 0;

	memcpy(&value, tss + offset, width);
	return value;
}

/* Only the dynamic fields are written; selectors as 2 bytes. */
static bool save_old(struct emu *e, u64 rip, u64 rflags)
{
	const struct vcpu *v = e->v;
	const struct segment *tr = &v->seg[SEG_TR];
	const struct tss_layout *l = layout_of(tr->ar & AR_TYPE);
	unsigned size = l->dynamic_end - l->eip, i;
	u8 image[TSS_MAX];

	if (!emu_read_lin(e, tss_at(tr, l->eip), image + l->eip, size,
			  ACC_IMPLICIT))
		return false;
	put(image, l->eip, rip, l->width);
	put(image, l->eflags, rflags, l->width);
	for (i = 0; i < 8; i++)
		put(image, l->gpr + i * l->width, v->gpr[i], l->width);
	for (i = 0; i < l->segs; i++)
		put(image, l->seg + i * l->seg_step, v->seg[i].sel, 2);
	return emu_write_lin(e, tss_at(tr, l->eip), image + l->eip, size,
			     ACC_IMPLICIT);
}

static bool read_new(struct emu *e, const struct segment *new,
		     const struct tss_layout *l, struct task_image *t)
{
	u32 upper = l->width == 2 ? 0xffff0000 : 0;
	u8 image[TSS_MAX];
	unsigned i;

	memset(t, 0, sizeof(*t));
	if (!emu_read_lin(e, tss_at(new, 0), image, l->size, ACC_IMPLICIT))
		return false;
	t->eip = get(image, l->eip, l->width);
	t->eflags = get(image, l->eflags, l->width);
	/* A 16-bit task starts with ones in the upper halves. */
	for (i = 0; i < 8; i++)
		t->gpr[i] = upper | get(image, l->gpr + i * l->width, l->width);
	for (i = 0; i < l->segs; i++)
		t->sel[i] = get(image, l->seg + i * l->seg_step, 2);
	t->ldt = get(image, l->ldt, 2);
	if (l->width == 4) {
		t->cr3 = get(image, TSS_CR3, 4);
		t->trap = image[TSS_TRAP] & 1;
	}
	return true;
}

/* The descriptor of the task that is left, to clear its busy bit. */
static bool release_old(struct emu *e)
{
	struct vcpu *v = e->v;
	struct desc d = { 0 };
	u32 words[2];

	d.at = GVA((u32)(v->gdtr.base + (v->seg[SEG_TR].sel & ~7u)));
	if (!emu_read_lin(e, d.at, words, sizeof(words), ACC_IMPLICIT))
		return false;
	d.hi = words[1];
	return seg_desc_set_busy(e, &d, false);
}

static bool nests(enum task_source source)
{
	return source == TASK_CALL || source == TASK_EVENT;
}

/* Everything in memory that the switch changes; all faults are the old task's. */
static bool change_memory(struct emu *e, const struct segment *new,
			  struct desc *tss, enum task_source source, u64 rip,
			  u64 rflags)
{
	u16 link = e->v->seg[SEG_TR].sel;

	if (nests(source) &&
	    !emu_probe_lin(e, tss_at(new, 0), 2, ACC_IMPLICIT))
		return false;
	if (!nests(source) && !release_old(e))
		return false;
	if (!save_old(e, rip, rflags))
		return false;
	if (nests(source) &&
	    !emu_write_lin(e, tss_at(new, 0), &link, 2, ACC_IMPLICIT))
		return false;
	return source == TASK_IRET || seg_desc_set_busy(e, tss, true);
}

/* --- After the commit point --- */

static void commit_registers(struct emu *e, const struct task_image *t)
{
	struct vcpu *v = e->v;
	unsigned i;

	v->cr0 |= CR0_TS;
	v->dr[7] &= ~DR7_LOCAL;
	v->rip = t->eip;
	e->rip_next = t->eip;
	v->rflags = (t->eflags & EFLAGS_IN_TSS) | EFLAGS_MBS;
	for (i = 0; i < 8; i++)
		v->gpr[i] = t->gpr[i];
	for (i = 0; i < ARRAY_SIZE(t->sel); i++)
		seg_make_null(&v->seg[i], t->sel[i]);
	seg_make_null(&v->seg[SEG_LDTR], t->ldt);
	/* Until SS is good a fault must switch stacks. */
	v->cpl = 3;
	emu_snapshot(e);
	e->single_step = false;
	e->saved_db_pending = 0;
	e->saved_db_dr6 = 0;
	e->ops->mode_changed(e->ctx, MODE_OTHER | MODE_DR);
}

static bool load_code(struct emu *e, u16 sel, u32 ext)
{
	unsigned rpl = sel_rpl(sel);
	struct segment s;
	struct desc d;

	if (sel_is_null(sel))
		return seg_fault(e, VEC_TS, sel, ext);
	if (!seg_desc_read(e, sel, VEC_TS, ext, &d))
		return false;
	if (!desc_is_code(&d) ||
	    (desc_is_conforming(&d) ? desc_dpl(&d) > rpl : desc_dpl(&d) != rpl))
		return seg_fault(e, VEC_TS, sel, ext);
	if (!desc_present(&d))
		return seg_fault(e, VEC_NP, sel, ext);
	if (!seg_desc_touch(e, &d))
		return false;
	seg_from_desc(&s, sel, &d);
	seg_commit_cs(e->v, &s, rpl);
	return true;
}

/* Presence comes before privilege here, unlike in other stack switches. */
static bool load_stack(struct emu *e, u16 sel, unsigned cpl, u32 ext)
{
	struct desc d;

	if (!sel_is_null(sel)) {
		if (!seg_desc_read(e, sel, VEC_TS, ext, &d))
			return false;
		if (desc_is_writable_data(&d) && !desc_present(&d))
			return seg_fault(e, VEC_SS, sel, ext);
	}
	return seg_stack_for(e, sel, cpl, VEC_TS, ext, &e->v->seg[SEG_SS]);
}

static bool load_segments(struct emu *e, const struct task_image *t, u32 ext)
{
	static const u8 data[] = { SEG_DS, SEG_ES, SEG_FS, SEG_GS };
	struct vcpu *v = e->v;
	unsigned cpl = sel_rpl(t->sel[SEG_CS]), i;

	if (!load_stack(e, t->sel[SEG_SS], cpl, ext))
		return false;
	v->cpl = cpl;
	for (i = 0; i < ARRAY_SIZE(data); i++)
		if (!seg_data_for(e, t->sel[data[i]], VEC_TS, ext,
				  &v->seg[data[i]]))
			return false;
	if (!load_code(e, t->sel[SEG_CS], ext))
		return false;
	return t->eip <= v->seg[SEG_CS].limit || emu_gp(e, ext);
}

static void load_vm86(struct vcpu *v, const struct task_image *t)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(t->sel); i++)
		seg_make_real(v, &v->seg[i], t->sel[i]);
}

static bool enter_new(struct emu *e, const struct task_image *t,
		      const struct tss_layout *l, u32 ext)
{
	struct vcpu *v = e->v;

	if (l->width == 4 && (v->cr0 & CR0_PG) && t->cr3 != v->cr3 &&
	    !control_load_cr3(e, t->cr3))
		return emu_gp(e, ext);
	if (!seg_ldt_for(e, t->ldt, VEC_TS, ext, &v->seg[SEG_LDTR]))
		return false;
	if (vcpu_vm86(v))
		load_vm86(v, t);
	else if (!load_segments(e, t, ext))
		return false;
	if (t->trap) {
		v->db_pending = 1;
		v->db_dr6 |= DR6_BT;
	}
	return true;
}

bool task_switch(struct emu *e, u16 sel, struct desc *tss,
		 enum task_source source, u64 rip, u64 rflags, u32 ext)
{
	const struct tss_layout *l = layout_of(desc_type(tss));
	struct task_image t;
	struct segment new;

	seg_from_desc(&new, sel, tss);
	if (source == TASK_IRET)
		rflags &= ~EFLAGS_NT;
	if (!limits_ok(e, &new, l, ext) || !read_new(e, &new, l, &t) ||
	    !change_memory(e, &new, tss, source, rip, rflags) ||
	    !read_new(e, &new, l, &t)) /* again: it may be the same TSS */
		return false;
	new.ar |= BIT(1); /* busy */
	e->v->seg[SEG_TR] = new;
	if (nests(source))
		t.eflags |= EFLAGS_NT;
	e->v->db_pending = 0;
	e->v->db_dr6 = 0;
	e->v->shadow = SHADOW_NONE;
	commit_registers(e, &t);
	return enter_new(e, &t, l, ext);
}
