/* SPDX-License-Identifier: MIT */
/*
 * Host exceptions and interrupts while guest code runs, by the three rules of
 * interruption (DESIGN.md): a hidden fault resumes at the same host
 * instruction, a guest-visible one rolls back to the guest instruction, an
 * asynchronous event steps forward to the next boundary.
 */
#include "bt/machine.h"
#include "kernel/instr.h"
#include "kernel/irq.h"
#include "lib/counters.h"
#include "lib/ring.h"
#include "log.h"

static bool from_user(const struct host_frame *f)
{
	return (f->cs & 3) == 3;
}

/*
 * QEMU 7.2 leaves rubbish in the flags other than ZF after CMPXCHG8B, which
 * then shows in pushed images: only what translated code may have is kept.
 */
static void clean_flags(struct host_frame *f)
{
	f->rflags = (f->rflags & EFLAGS_ARITH) | bt_plain(bt.env.v)->dflag |
		    EFLAGS_MBS | EFLAGS_IF | (bt.stepping ? EFLAGS_TF : 0);
}

static bool in_cache(u64 rip)
{
	const struct bt_cache_config *c = &bt.cache->cfg;

	return rip - (u64)c->exec < c->size;
}

/*
 * Host places that were left for the guest's sake: which guest instruction each
 * is, and what its block has counted of it and those behind. Good until the
 * cache is flushed: kernels fault where they touch user memory, in few places.
 */
struct left {
	u64 rip;
	u32 flushes; /* of the cache, when this was noted */
	u32 eip;
	u64 uncounted;
};

#define LEFT 64u

static struct left lefts[LEFT];

static __attribute__((noinline)) void find_left(struct left *l, u64 rip)
{
	const u8 *at = (const u8 *)rip;
	const struct bt_block *b = bt_cache_at(bt.cache, at);
	const struct bt_map *m = b ? bt_block_map(b, at) : NULL;

	if (!m)
		panic("no guest instruction for host pc %#llx",
		      (unsigned long long)rip);
	*l = (struct left){ rip, bt.cache->flushes, b->eip + m->guest,
			    bt_block_uncounted(b, at) };
}

/* The guest instruction that is left; it and those behind it in the block were
 * counted at the block's entry and are not due. */
static u32 guest_eip(const struct host_frame *f)
{
	struct left *l = &lefts[(f->rip ^ f->rip >> 6) % LEFT];

	if (l->rip != f->rip || l->flushes != bt.cache->flushes)
		find_left(l, f->rip);
	bt_count(bt.env.v, f->r13);
	bt_uncount(bt.env.v, l->uncounted);
	return l->eip;
}

static void save(const struct host_frame *f, u32 eip)
{
	struct vcpu *v = bt.env.v;

	v->gpr[R_AX] = (u32)f->rax;
	v->gpr[R_CX] = (u32)f->rcx;
	v->gpr[R_DX] = (u32)f->rdx;
	v->gpr[R_BX] = (u32)f->rbx;
	v->gpr[R_SP] = (u32)f->r12;
	v->gpr[R_BP] = (u32)f->rbp;
	v->gpr[R_SI] = (u32)f->rsi;
	v->gpr[R_DI] = (u32)f->rdi;
	v->rip = eip;
	v->rflags = (v->rflags & ~(BT_FLAGS_REAL | EFLAGS_IF)) |
		    (f->rflags & EFLAGS_ARITH) | bt_plain(v)->dflag |
		    bt_plain(v)->iflag;
}

static void leave(struct host_frame *f, u32 eip)
{
	bt.stepping = false;
	save(f, eip);
	if (!cross_into_cache(f, bt.env.v))
		bt_unwind();
}

/* Everything but a page fault is the guest instruction's own: interpreting it
 * raises what is right. */
static void cache_fault(struct host_frame *f)
{
	gva_t at = GVA(read_cr2());
	u32 eip;

	clean_flags(f);
	bt.leave = LEAVE_STEP;
	if (f->vector == VEC_PF && bt_page_fault(at, (u32)f->error)) {
		f->r11 = bt_plain(bt.env.v)->tag_space;
		return;
	}
	eip = guest_eip(f);
	if (f->vector == VEC_PF && bt.leave == LEAVE_STEP)
		blocks_note_fault(eip, at);
	leave(f, eip);
}

/*
 * A boundary where events may be delivered: leave there. A stub ends in a test
 * for events, so it may just run.
 */
static void step_forward(struct host_frame *f)
{
	const struct bt_block *b;
	const struct bt_map *m;

	count(CNT_STEPS);
	f->rflags |= EFLAGS_TF;
	bt.stepping = true;
	if (!in_cache(f->rip)) {
		f->rflags &= ~EFLAGS_TF;
		bt.stepping = false;
		return;
	}
	b = bt_cache_at(bt.cache, (const u8 *)f->rip);
	m = b ? bt_block_boundary(b, (const u8 *)f->rip) : NULL;
	if (!m || (m->flags & BT_MAP_INHIBIT))
		return;
	bt.leave = LEAVE_NONE;
	leave(f, guest_eip(f));
}

/* The load of a guest segment or the IRETQ to CPL 3 was refused. */
static bool refused_user_state(const struct host_frame *f)
{
	if (f->rip < (u64)bt_user_loads || f->rip >= (u64)bt_user_loads_end)
		return false;
	bt.leave = LEAVE_STEP;
	return true;
}

/*
 * "IRET": EFLAGS.VM can be set at CPL 0 alone, and never in IA-32e mode. QEMU
 * 7.2 sets it at CPL 3. What such a CPU then did to the guest's registers
 * cannot be undone.
 */
static void refuse_vm86(const struct host_frame *f)
{
	if (!(f->rflags & EFLAGS_VM))
		return;
	bt.broken = "the CPU let user code enter virtual-8086 mode in IA-32e "
		    "mode, as QEMU does: the guest is lost";
	bt_unwind();
}

bool bt_exception(struct host_frame *f)
{
	bool user = from_user(f);

	refuse_vm86(f);
	if (f->vector == VEC_NMI || f->vector == VEC_MC || f->vector == VEC_DF)
		return false;
	if (!user && refused_user_state(f))
		bt_unwind();
	if (f->vector == VEC_DB && bt.stepping && !user) {
		step_forward(f);
		return true;
	}
	if (!user && !in_cache(f->rip))
		return false;
	count(CNT_HOST_FAULTS);
	ring_add(RING_FAULT, f->vector, f->rip);
	if (user)
		user_exception(f);
	else
		cache_fault(f);
	return true;
}

void bt_irq(struct host_frame *f)
{
	refuse_vm86(f);
	if (from_user(f)) {
		user_interrupt(f);
		return;
	}
	if (f->rip - (u64)bt_resume < (u64)(bt_resume_end - bt_resume)) {
		if (bt.env.v->attention)
			f->rip = (u64)bt_leave;
		return;
	}
	if (f->rip - (u64)bt_store_tail <
	    (u64)(bt_store_tail_end - bt_store_tail))
		f->rip = (u64)bt_store_tail;
	if (!in_cache(f->rip))
		return;
	clean_flags(f);
	bt_count(bt.env.v, f->r13);
	f->r13 = 0;
	if (bt.env.v->attention && !bt.stepping)
		step_forward(f);
}
