/* SPDX-License-Identifier: MIT */
/*
 * Direct execution of the guest's CPL 3 code in compatibility mode: which
 * states qualify, and what an exception out of it means. What the hardware
 * reports for the guest's own reasons is delivered; what it reports because of
 * our shadow tables is interpreted.
 */
#include "bt/desc.h"
#include "bt/machine.h"
#include "bt/segments.h"
#include "cpu/emu_fpu.h"
#include "kernel/gdt.h"
#include "kernel/instr.h"
#include "lib/cost.h"
#include "lib/counters.h"
#include "lib/ring.h"

/* Flags with which CPL 3 code cannot run directly (design, D4). RF, which the
 * IRET of each page fault loads, may stay: the processor clears it. */
#define USER_BAD_FLAGS (EFLAGS_VM | EFLAGS_TF)

bool user_direct(const struct vcpu *v)
{
	return v->cpl == 3 && !(v->rflags & USER_BAD_FLAGS) &&
	       !stops_bar(bt.env.stops, v) &&
	       (v->rflags & EFLAGS_IF) && vcpu_iopl(v) < 3 &&
	       (v->cr0 & (CR0_PE | CR0_PG)) == (CR0_PE | CR0_PG) &&
	       (v->seg[SEG_SS].ar & AR_DB) && !(v->dr[7] & DR7_ENABLED) &&
	       !v->shadow && !v->db_pending;
}

static void save_segments(const struct host_frame *f)
{
	struct vcpu *v = bt.env.v;
	const u16 now[] = {
		[SEG_ES] = read_es(), [SEG_CS] = (u16)f->cs,
		[SEG_SS] = (u16)f->ss, [SEG_DS] = read_ds(),
		[SEG_FS] = read_fs(), [SEG_GS] = read_gs(),
	};

	for (int seg = SEG_ES; seg <= SEG_GS; seg++)
		if (unlikely(now[seg] != v->seg[seg].sel)) {
			desc_reload((enum sreg)seg, now[seg]);
			segments_check(v);
		}
}

static u64 entered; /* user code, by cost_start() */

static void user_save(const struct host_frame *f)
{
	struct vcpu *v = bt.env.v;

	cost_end(COST_USER, entered);
	v->gpr[R_AX] = (u32)f->rax;
	v->gpr[R_CX] = (u32)f->rcx;
	v->gpr[R_DX] = (u32)f->rdx;
	v->gpr[R_BX] = (u32)f->rbx;
	v->gpr[R_SP] = (u32)f->rsp;
	v->gpr[R_BP] = (u32)f->rbp;
	v->gpr[R_SI] = (u32)f->rsi;
	v->gpr[R_DI] = (u32)f->rdi;
	v->rip = (u32)f->rip;
	v->rflags = f->rflags | EFLAGS_MBS;
	save_segments(f);
}

static void leave_event(u8 vector, bool has_error, u32 error)
{
	bt.leave = LEAVE_EVENT;
	bt.event = (struct event){ .vector = vector, .kind = EV_EXCEPTION,
				   .has_error = has_error, .error = error };
}

/* The guest's TF, set by its own POPF, or INT1, which has no DR6 bit. */
static void debug_exception(void)
{
	u64 dr6 = read_dr6();

	write_dr6(DR6_RESET);
	leave_event(VEC_DB, false, 0);
	if (!(dr6 & DR6_BS))
		return;
	bt.env.v->db_pending = 1;
	bt.env.v->db_dr6 = DR6_BS;
	bt.leave = LEAVE_NONE;
}

static void load_ldt(void)
{
	static u16 loaded; /* in the LDTR, which nobody else loads */
	u16 wanted = desc_ldt_selector();

	if (wanted != loaded)
		lldt(wanted);
	loaded = wanted;
}

/* User code is not to see where in the monitor x87 instructions ran. */
static void hide_fpu_pc(struct vcpu *v)
{
	if (v->x87_ours && !(v->cr0 & (CR0_TS | CR0_EM)))
		emu_fpu_hide_pc(bt.env.emu);
}

bool user_ready(struct vcpu *v)
{
	if (!desc_sync())
		return false;
	load_ldt();
	hide_fpu_pc(v);
	count(CNT_USER_ENTRIES);
	ring_add(RING_USER, v->rip, v->gpr[R_SP]);
	bt.leave = LEAVE_NONE;
	entered = cost_start();
	return true;
}

bool user_run(struct vcpu *v)
{
	if (!user_ready(v))
		return false;
	bt_user_enter(v);
	return true;
}

void user_interrupt(struct host_frame *f)
{
	if (!bt.env.v->attention)
		return;
	bt.leave = LEAVE_NONE;
	user_save(f);
	bt_unwind();
}

void user_exception(struct host_frame *f)
{
	bt.leave = LEAVE_STEP;
	switch (f->vector) {
	case VEC_PF:
		if (bt_page_fault(GVA(read_cr2()), (u32)f->error))
			return;
		break;
	case VEC_DB:
		debug_exception();
		break;
	case VEC_NM:
	case VEC_MF:
	case VEC_XM:
		leave_event((u8)f->vector, false, 0);
		break;
	case VEC_AC:
		leave_event(VEC_AC, true, 0);
		break;
	}
	user_save(f);
	bt.env.v->rflags &= ~EFLAGS_RF; /* every fault's frame has it set */
	if (!cross_into_cache(f, bt.env.v))
		bt_unwind();
}
