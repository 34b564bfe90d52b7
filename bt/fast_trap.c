/* SPDX-License-Identifier: MIT */
/*
 * Events and IRET without the interpreter, where all is as kernels have it: an
 * interrupt or trap gate to flat code at CPL 0, a 32-bit TSS, present and
 * accessed descriptors, a frame within one page of RAM that nobody tracks.
 * Every table is read as the interpreter would, in its order. Whatever is
 * unusual is left to the interpreter, with nothing done.
 */
#include "bt/fast.h"

#include "bt/segments.h"
#include "cpu/event.h"
#include "lib/switches.h"
#include "mm/track.h"

#define IRETD    0xcf
#define INT_IMM8 0xcd
#define SYSENTER 0x340f /* as a word */
#define SYSEXIT  0x350f

#define UNUSUAL_FLAGS (EFLAGS_VM | EFLAGS_TF | EFLAGS_NT)

/* IRETD at CPL 0 loads these; a TF or NT in the image is the interpreter's. */
#define IRET_FLAGS                                                        \
	(EFLAGS_ARITH | EFLAGS_DF | EFLAGS_TF | EFLAGS_NT | EFLAGS_AC |   \
	 EFLAGS_ID | EFLAGS_IF | EFLAGS_IOPL | EFLAGS_RF | EFLAGS_VIF |   \
	 EFLAGS_VIP)

static inline bool usual(const struct vcpu *v)
{
	return (v->cr0 & CR0_PE) && !(v->rflags & UNUSUAL_FLAGS) &&
	       !(v->dr[7] & DR7_ENABLED) && !v->db_pending && !v->shadow &&
	       !bt.env.stops->count && switch_on(SWITCH_traps);
}

/* To be written: nobody has to be told of it. */
static u8 *bytes_to_write(u32 at, unsigned size)
{
	const struct gpm *g = bt.env.gpm;
	u8 *p = fast_bytes(at, size, ACC_WRITE);

	return p && !track_any(g->track, (u64)(p - g->base) >> PAGE_SHIFT) ?
		       p : NULL;
}

static u32 get16(const u8 *p)
{
	return p[0] | (u32)p[1] << 8;
}

static bool is_flat(const struct segment *s)
{
	return s->base == 0 && s->limit == 0xffffffff;
}

static void set_segment(struct segment *to, const struct segment *from,
			u16 sel)
{
	*to = *from;
	to->sel = sel;
}

/* --- Delivery ------------------------------------------------------------ */

/* Where a handler starts and on which stack: all that is looked up. */
struct entry {
	u32 eip;
	bool trap; /* a trap gate: IF stays */
	u16 cs_sel, ss_sel;
	const struct meaning *cs, *ss; /* ss NULL: the stack stays */
	u32 esp;
};

static bool find_gate(const struct vcpu *v, const struct event *ev,
		      struct desc *gate)
{
	u32 offset = ev->vector * 8u;
	const u32 *p = table_bytes(TABLE_IDT, v->idtr.base, v->idtr.limit,
				   offset, offset + 7);
	unsigned type;

	if (!p)
		return false;
	gate->lo = p[0];
	gate->hi = p[1];
	type = desc_type(gate);
	return desc_is_system(gate) && desc_present(gate) &&
	       (type == SYS_INT32 || type == SYS_TRAP32) &&
	       (!event_is_soft(ev) || desc_dpl(gate) >= v->cpl);
}

static bool find_code(const struct vcpu *v, const struct desc *gate,
		      struct entry *en)
{
	en->cs_sel = gate_selector(gate) & ~3;
	en->eip = gate_offset(gate);
	en->trap = desc_type(gate) == SYS_TRAP32;
	en->cs = fast_meaning(v, en->cs_sel);
	return en->cs && en->cs->code32 && en->cs->dpl == 0;
}

/* From the TSS, or the one in use. */
static bool find_stack(const struct vcpu *v, struct entry *en)
{
	const struct segment *tr = &v->seg[SEG_TR], *ss = &v->seg[SEG_SS];
	const u32 *p;

	en->ss = NULL;
	en->ss_sel = 0;
	en->esp = (u32)v->gpr[R_SP];
	if (v->cpl == 0)
		return is_flat(ss) && (ss->ar & AR_DB) &&
		       !(ss->ar & (AR_DOWN | AR_UNUSABLE));
	p = table_bytes(TABLE_TSS, tr->base, tr->limit, 4, 11);
	if (!p || (tr->ar & (AR_UNUSABLE | AR_TYPE)) != SYS_TSS32_BUSY)
		return false;
	en->esp = p[0];
	en->ss_sel = (u16)p[1];
	en->ss = fast_meaning(v, en->ss_sel);
	return en->ss && en->ss != en->cs && en->ss->stack &&
	       en->ss->dpl == 0 && sel_rpl(en->ss_sel) == 0 &&
	       is_flat(&en->ss->seg);
}

static bool push_frame(const struct vcpu *v, const struct event *ev,
		       u32 eip, struct entry *en)
{
	unsigned size = (en->ss ? 20 : 12) + (ev->has_error ? 4 : 0);
	volatile u32 *p;

	if (en->esp < size)
		return false;
	en->esp -= size;
	p = (volatile u32 *)(void *)bytes_to_write(en->esp, size);
	if (!p)
		return false;
	if (ev->has_error)
		*p++ = ev->error;
	*p++ = eip;
	*p++ = v->seg[SEG_CS].sel;
	*p++ = (u32)event_flags_image(v, ev);
	if (en->ss) {
		*p++ = (u32)v->gpr[R_SP];
		*p = v->seg[SEG_SS].sel;
	}
	return true;
}

static void enter_handler(struct vcpu *v, const struct entry *en)
{
	set_segment(&v->seg[SEG_CS], &en->cs->seg, en->cs_sel);
	if (en->ss)
		set_segment(&v->seg[SEG_SS], &en->ss->seg, en->ss_sel);
	v->gpr[R_SP] = en->esp;
	v->cpl = 0;
	v->rflags &= ~(u64)(EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM |
			    (en->trap ? 0 : EFLAGS_IF));
	v->rip = en->eip;
	v->db_dr6 = 0;
	v->activity = ACT_ACTIVE;
}

bool fast_deliver(struct vcpu *v, const struct event *ev)
{
	u32 eip = (u32)v->rip + (event_is_soft(ev) ? ev->insn_len : 0);
	struct entry en;
	struct desc gate;

	if (!usual(v) || ev->kind == EV_NMI || ev->kind == EV_PRIV_SOFT_EXC ||
	    (ev->kind == EV_EXCEPTION &&
	     (ev->vector == VEC_DB || ev->vector == VEC_MC)) ||
	    !find_gate(v, ev, &gate) || !find_code(v, &gate, &en) ||
	    !find_stack(v, &en) || !push_frame(v, ev, eip, &en))
		return false;
	if (ev->kind == EV_EXCEPTION && ev->vector == VEC_PF)
		v->cr2 = ev->cr2;
	enter_handler(v, &en);
	event_note(ev);
	return true;
}

/* --- Instructions ---------------------------------------------------------- */

/* The code bytes at EIP, in a code segment that has no limit. */
static const u8 *code_at(const struct vcpu *v, unsigned size)
{
	if (!is_flat(&v->seg[SEG_CS]) || !(v->seg[SEG_CS].ar & AR_DB))
		return NULL;
	return fast_bytes((u32)v->rip, size,
			  ACC_FETCH | (v->cpl == 3 ? ACC_USER : 0));
}

static void retired(struct vcpu *v)
{
	v->insn_count++;
	count(CNT_FAST_CALLOUTS);
}

/* SYSENTER or SYSEXIT, which read nothing and check first. */
static bool fast_enter_or_exit(struct vcpu *v, bool (*op)(struct emu *e))
{
	struct emu *e = bt.env.emu;

	if (!op(e))
		return false;
	v->rip = e->rip_next;
	return true;
}

static bool soft_int(struct vcpu *v, u8 vector)
{
	const struct event ev = { .vector = vector, .kind = EV_SOFT_INT,
				  .insn_len = 2 };

	return fast_deliver(v, &ev);
}

bool fast_entry(struct vcpu *v)
{
	const u8 *p;

	if (!usual(v) || (v->rflags & EFLAGS_RF))
		return false;
	p = code_at(v, 2);
	if (!p)
		return false;
	if (p[0] == INT_IMM8 ? !soft_int(v, p[1]) :
	    get16(p) != SYSENTER || !fast_enter_or_exit(v, op_sysenter))
		return false;
	retired(v);
	return true;
}

/* Does CPL 3 keep all data segments? Each is unusable, or its DPL is 3. */
static bool users_data(const struct vcpu *v)
{
	const u32 dpl = 3 << 5;
	u32 all = dpl;

	_Static_assert(AR_UNUSABLE >> 16 == 1, "what follows");
	for (int seg = SEG_ES; seg <= SEG_GS; seg++)
		all &= v->seg[seg].ar | (0 - (v->seg[seg].ar >> 16 & 1));
	return all == dpl;
}

/* EIP, CS, EFLAGS, and for an outer privilege ESP and SS. */
static bool return_outward(struct vcpu *v, const u32 *frame,
			   const struct meaning *cs)
{
	u16 ss_sel = (u16)frame[4];
	const struct meaning *ss = fast_meaning(v, ss_sel);

	if (!ss || ss == cs || !ss->stack || ss->dpl != 3 ||
	    sel_rpl(ss_sel) != 3)
		return false;
	set_segment(&v->seg[SEG_SS], &ss->seg, ss_sel);
	set_segment(&v->seg[SEG_CS], &cs->seg, (u16)frame[1]);
	v->gpr[R_SP] = frame[3];
	v->cpl = 3;
	if (!users_data(v)) {
		seg_drop_privileged(v);
		segments_check(v);
	}
	return true;
}

static bool return_inside(struct vcpu *v, const u32 *frame,
			  const struct meaning *cs)
{
	set_segment(&v->seg[SEG_CS], &cs->seg, (u16)frame[1]);
	v->gpr[R_SP] = (u32)(v->gpr[R_SP] + 12);
	return true;
}

static bool do_iret(struct vcpu *v)
{
	const struct segment *ss = &v->seg[SEG_SS];
	u32 esp = (u32)v->gpr[R_SP], flags;
	const struct meaning *cs;
	const u32 *frame;
	unsigned rpl;

	if (!is_flat(ss) || !(ss->ar & AR_DB) ||
	    (ss->ar & (AR_DOWN | AR_UNUSABLE)))
		return false;
	frame = (const u32 *)(const void *)fast_bytes(esp, 20, 0);
	if (!frame)
		return false;
	flags = frame[2];
	rpl = sel_rpl((u16)frame[1]);
	cs = fast_meaning(v, (u16)frame[1]);
	if ((flags & UNUSUAL_FLAGS) || !cs || !cs->code || cs->dpl != rpl ||
	    frame[0] > cs->seg.limit || (rpl != 0 && rpl != 3))
		return false;
	if (!(rpl ? return_outward : return_inside)(v, frame, cs))
		return false;
	v->rflags = (v->rflags & ~(u64)IRET_FLAGS) | (flags & IRET_FLAGS) |
		    EFLAGS_MBS;
	v->rip = frame[0];
	return true;
}

static bool iret(struct vcpu *v)
{
	if (!do_iret(v))
		return false;
	v->nmi_blocked = 0;
	return true;
}

bool fast_return(struct vcpu *v)
{
	const u8 *p;

	if (!usual(v) || v->cpl || (v->rflags & EFLAGS_RF))
		return false;
	p = code_at(v, 2);
	if (!p)
		return false;
	if (p[0] == IRETD ? !iret(v) :
	    get16(p) != SYSEXIT || !fast_enter_or_exit(v, op_sysexit))
		return false;
	retired(v);
	return true;
}
