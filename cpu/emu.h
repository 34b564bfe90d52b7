/* SPDX-License-Identifier: MIT */
/*
 * The interpreter: executes any one guest instruction against a vcpu. It
 * reaches memory, ports and time only through emu_ops, so it is the same code
 * in the monitor and in host tests.
 *
 * A step either commits a whole instruction (or some iterations of a REP, with
 * RIP left on it), or commits nothing of it and delivers its fault: in both
 * cases the vcpu stands at an instruction boundary afterwards.
 */
#ifndef CPU_EMU_H
#define CPU_EMU_H

#include "cpu/insn.h"
#include "cpu/stops.h"
#include "cpu/vcpu.h"

/* Intent of a linear access. */
#define ACC_READ  0
#define ACC_WRITE BIT(0)
#define ACC_FETCH BIT(1)
#define ACC_USER  BIT(2) /* checked as CPL 3; absent: supervisor */
#define ACC_IMPLICIT BIT(3) /* descriptor table, TSS: AC does not matter (SMAP) */

/* A page fault as the guest will see it: CR2 and error code. */
struct pagefault {
	gva_t gva;
	u32 error; /* PFEC_* */
};

enum mode_change {
	MODE_CR3 = BIT(0),     /* CR3 written: non-global translations go */
	MODE_PAGING = BIT(1),  /* CR0.PG/WP, CR4.PSE/PAE/PGE/SMEP/SMAP, EFER.NXE */
	MODE_OTHER = BIT(2),   /* any other control bit that an engine mirrors */
	MODE_TSC = BIT(3),     /* v->tsc_offset written */
	MODE_DR = BIT(4),      /* a debug register written */
};

/* Ports and time report nothing; memory ops return false and fill *pf. */
struct emu_ops {
	/* Linear accesses; size 1..64 bytes, may cross pages; all or nothing. */
	bool (*read)(void *ctx, gva_t gva, void *buf, unsigned size,
		     unsigned acc, struct pagefault *pf);
	bool (*write)(void *ctx, gva_t gva, const void *buf, unsigned size,
		      unsigned acc, struct pagefault *pf);
	/* As write, but checks only: RMW and multi-part stores probe first. */
	bool (*probe)(void *ctx, gva_t gva, unsigned size, unsigned acc,
		      struct pagefault *pf);
	/* Reads up to size instruction bytes from one page; *got tells. */
	bool (*fetch)(void *ctx, gva_t gva, void *buf, unsigned size,
		      unsigned acc, unsigned *got, struct pagefault *pf);
	/* Guest-physical read (PDPTEs); unbacked memory reads all ones. */
	void (*read_phys)(void *ctx, gpa_t gpa, void *buf, unsigned size);
	u32 (*in)(void *ctx, u16 port, unsigned size);
	void (*out)(void *ctx, u16 port, unsigned size, u32 value);
	void (*invlpg)(void *ctx, gva_t gva);
	void (*mode_changed)(void *ctx, unsigned what); /* enum mode_change */
	u64 (*host_tsc)(void *ctx);
	/* Interrupt acknowledge cycle: the vector. Called only when v->intr. */
	u8 (*intr_ack)(void *ctx);
	/*
	 * Where a linear address lies, with no access and no A bit: for stops
	 * at physical addresses. May be NULL where there are none.
	 */
	bool (*translate)(void *ctx, gva_t gva, gpa_t *gpa);
};

enum event_kind { EV_INTR, EV_NMI, EV_EXCEPTION, EV_SOFT_INT, EV_SOFT_EXC,
		  EV_PRIV_SOFT_EXC };

/* EV_SOFT_INT: INT n. EV_SOFT_EXC: INT3, INTO. EV_PRIV_SOFT_EXC: INT1. */
struct event {
	u8 vector;
	u8 kind; /* enum event_kind */
	u8 insn_len; /* soft kinds: the saved RIP is past the instruction */
	bool has_error;
	u32 error;
	u64 cr2; /* #PF: CR2 is written when the event is delivered */
};

/* The interpreter's context. One per vcpu; plain bookkeeping, no guest state. */
struct emu {
	struct vcpu *v;
	const struct emu_ops *ops;
	void *ctx;

	struct insn insn;   /* the instruction in hand */
	struct event fault; /* set by whoever returns false */
	bool fault_set;
	u64 rip_next;       /* RIP after this instruction unless it branches */
	/* Registers at the start of the step, for rollback on a fault. */
	u64 saved_gpr[GPR_COUNT];
	u64 saved_rip, saved_rflags;
	u8 saved_db_pending;
	u64 saved_db_dr6;
	bool single_step; /* TF was set before the instruction */
	bool repeat;   /* set by a REP that is left on its own RIP: not retired */
	gva_t rmw_gva; /* of the read-modify-write in progress */
	struct stops *stops; /* the debugger's (cpu/stops.h); NULL: none set */
	bool one_iteration;  /* a debugger steps: of a REP as well */
	bool one_piece;      /* the engine would rather go on with a REP itself */
	bool no_deliver; /* tests: leave the fault in `fault`, do not deliver */
};

enum emu_result {
	EMU_OK,       /* one instruction done, or its fault was delivered */
	EMU_HALTED,   /* HLT executed; v->activity says so; RIP is past it */
	EMU_SHUTDOWN, /* triple fault; v->activity says so */
};

/*
 * Execute the instruction at CS:RIP. Delivers the exceptions that it raises
 * (with double and triple fault rules) and the debug traps due after it. Does
 * not look at external interrupts: see emu_poll_events().
 */
enum emu_result emu_step(struct emu *e);

/* The same for a caller who knows what stands there: nothing is fetched. */
enum emu_result emu_step_as(struct emu *e, const struct insn *insn);

/*
 * Deliver the pending event of highest priority that the state allows (debug
 * trap, NMI, external interrupt). Wakes a halted vcpu. Returns true when an
 * event was delivered. "Priority Among Concurrent Events".
 */
bool emu_poll_events(struct emu *e);

/* The same but for the delivery: *ev is taken from where it was pending. */
bool emu_take_event(struct emu *e, struct event *ev);

/* Would emu_poll_events() deliver something now? */
bool emu_event_due(const struct vcpu *v);

/* The same; that none is even pending, as nearly always, costs one branch. */
static inline bool emu_event_ready(const struct vcpu *v)
{
	return unlikely((v->intr | v->nmi_pending | v->db_pending) != 0) &&
	       emu_event_due(v);
}

/*
 * Deliver one event through the guest's IVT, IDT or task gate. A fault during
 * delivery follows the double-fault table; EMU_SHUTDOWN on a triple fault.
 * The state is exact at return: CS:RIP is the handler's first instruction.
 */
enum emu_result emu_deliver(struct emu *e, const struct event *ev);

#endif
