/* SPDX-License-Identifier: MIT */
/*
 * What the interpreter's files share: raising faults, checked memory access,
 * stacks, operands, and the handlers.
 *
 * A handler executes e->insn. It returns true when the instruction is done
 * (emu_step() then moves RIP to e->rip_next), or false with e->fault set; then
 * emu_step() restores the general registers, RIP and RFLAGS as they were.
 * All else that a handler changes (segments, control registers, memory) it
 * changes only after its last check: memory is written last.
 */
#ifndef CPU_EMU_INTERNAL_H
#define CPU_EMU_INTERNAL_H

#include "cpu/emu.h"
#include "lib/counters.h"
#include "lib/string.h"
#include "log.h"

/* --- Faults ---------------------------------------------------------- */

/*
 * Record the fault and return false. `has_error` is as in protected mode;
 * delivery in real mode drops the code.
 */
bool emu_raise(struct emu *e, unsigned vector, bool has_error, u32 error);
bool emu_raise_pf(struct emu *e, const struct pagefault *pf);

static inline bool emu_ud(struct emu *e)
{
	return emu_raise(e, VEC_UD, false, 0);
}

static inline bool emu_gp(struct emu *e, u32 error)
{
	return emu_raise(e, VEC_GP, true, error);
}

/* #UD for what we do not implement: counted, and logged with its bytes. */
bool emu_unimplemented(struct emu *e);

/*
 * Make the registers as they are now the ones that a later fault in this step
 * rolls back to (REP iterations, past the commit point of a task switch).
 */
void emu_snapshot(struct emu *e);

/* --- Linear accesses (emu_access.c) --------------------------------- */

/* ACC_USER at CPL 3, else 0: for explicit accesses. */
static inline unsigned emu_acc(const struct emu *e)
{
	return e->v->cpl == 3 ? ACC_USER : 0;
}

/*
 * Any size; all or nothing; outside 64-bit mode a range that passes 4 GiB wraps
 * to 0. acc says
 * who asks: emu_acc(e), or ACC_IMPLICIT for descriptor tables and the TSS.
 * #PF on failure.
 */
bool emu_read_lin(struct emu *e, gva_t gva, void *buf, unsigned size,
		  unsigned acc);
bool emu_write_lin(struct emu *e, gva_t gva, const void *buf, unsigned size,
		   unsigned acc);
bool emu_probe_lin(struct emu *e, gva_t gva, unsigned size, unsigned acc);

/* --- Segmented accesses (emu_access.c) ------------------------------ */

/*
 * Segment checks of an access of `size` bytes at seg:offset: usable, type,
 * limit (expand-down too), alignment (#AC, only when acc has ACC_USER).
 * #GP(0), or #SS(0) through SS. In 64-bit mode: canonical and aligned, of the
 * segments only FS and GS and these as a base. Offset must already be cut to the
 * address size. `acc`: ACC_READ or ACC_WRITE, plus emu_acc(e).
 */
bool emu_linear(struct emu *e, enum sreg seg, u64 offset, unsigned size,
		unsigned acc, gva_t *out);

/* emu_linear() for a segment that is not (yet) in a register; not 64-bit. */
bool emu_linear_in(struct emu *e, const struct segment *s, u64 offset,
		   unsigned size, unsigned acc, gva_t *out, unsigned vector,
		   u32 error);

/* 64-bit mode, segment base added: canonical and aligned, or the fault. */
bool emu_linear64(struct emu *e, u64 linear, unsigned size, unsigned acc,
		  gva_t *out, unsigned vector, u32 error);

bool emu_read_mem(struct emu *e, enum sreg seg, u64 offset, void *buf,
		  unsigned size);
bool emu_write_mem(struct emu *e, enum sreg seg, u64 offset, const void *buf,
		   unsigned size);
/* Would emu_write_mem() succeed? Raises its fault if not. */
bool emu_probe_mem(struct emu *e, enum sreg seg, u64 offset, unsigned size);

/* --- Stacks (emu_stack.c) -------------------------------------------- */

/*
 * A stack apart from SS:ESP, so that far transfers and event delivery can
 * fill a new one before they commit. `size` of an item: 2, 4 or 8.
 */
struct emu_stack {
	struct segment seg;
	u64 sp;
	u8 sp_size;   /* 2, 4, 8: SP wraps at this width */
	unsigned acc; /* ACC_USER or 0 */
	u32 error;    /* error code of its #SS */
};

/* The current SS:ESP at the current CPL. */
void emu_stack_current(const struct emu *e, struct emu_stack *s);
bool emu_stack_push(struct emu *e, struct emu_stack *s, u64 value,
		    unsigned size);
bool emu_stack_pop(struct emu *e, struct emu_stack *s, unsigned size,
		   u64 *value);
/* Item at s->sp + offset, nothing popped. */
bool emu_stack_peek(struct emu *e, const struct emu_stack *s, u64 offset,
		    unsigned size, u64 *value);
/* Could `count` items of `size` bytes be pushed? */
bool emu_stack_probe(struct emu *e, const struct emu_stack *s, unsigned count,
		     unsigned size);
/* Move s->sp, wrapping at its width (negative: RET n releases +n). */
void emu_stack_adjust(struct emu_stack *s, s64 bytes);
/* Put s->sp into SP or ESP, at the width of the stack. SS is not touched. */
void emu_stack_commit(struct emu *e, const struct emu_stack *s);

/* One item on the current stack; ESP is updated (and rolled back on a fault). */
bool emu_push(struct emu *e, u64 value, unsigned size);
bool emu_pop(struct emu *e, unsigned size, u64 *value);

/* --- Registers and operands (emu_operand.c) -------------------------- */

static inline u64 emu_size_mask(unsigned size)
{
	return ~0ull >> (64 - 8 * size);
}

/* General register by number; size 1 means the low byte. */
u64 emu_gpr_read(const struct vcpu *v, unsigned reg, unsigned size);
/* 4 bytes clear the upper half; 1 and 2 leave the rest. */
void emu_gpr_write(struct vcpu *v, unsigned reg, unsigned size, u64 value);

/* OPK_REG with its size and high-byte rule. */
u64 emu_reg_read(const struct emu *e, const struct operand *o);
void emu_reg_write(struct emu *e, const struct operand *o, u64 value);

/* Offset of the memory operand, cut to the address size. */
u64 emu_ea(const struct emu *e);

/*
 * OPK_REG, OPK_MEM and OPK_IMM of 1, 2, 4 or 8 bytes. Values come and go
 * zero-extended from the operand's size.
 */
bool emu_read_opnd(struct emu *e, const struct operand *o, u64 *value);
bool emu_write_opnd(struct emu *e, const struct operand *o, u64 value);
/*
 * As emu_read_opnd() for an operand that will be written: its faults are
 * those of a write. Finish with emu_write_rmw().
 */
bool emu_read_rmw(struct emu *e, const struct operand *o, u64 *value);
bool emu_write_rmw(struct emu *e, const struct operand *o, u64 value);
/* The same at an address of one's own; e->rmw_gva links the two. */
bool emu_read_rmw_mem(struct emu *e, enum sreg seg, u64 offset, unsigned size,
		      u64 *value);
bool emu_write_rmw_mem(struct emu *e, unsigned size, u64 value);
bool emu_write_rmw_bytes(struct emu *e, const void *bytes, unsigned size);

/*
 * Branch within CS: cuts the target to op_size bytes, checks it against the
 * CS limit, or in 64-bit mode to be canonical (#GP(0)), and sets e->rip_next.
 */
bool emu_set_rip(struct emu *e, u64 target, unsigned op_size);

/* --- Provided by emu_system.c and event.c ---------------------------- */

/* I/O permission (IOPL, TSS bitmap); raises #GP(0) or the bitmap's #PF. */
bool emu_io_allowed(struct emu *e, u16 port, unsigned size);

/* Instruction breakpoint at CS:RIP? Raises #DB. Called when DR7 enables any. */
bool emu_debug_fetch(struct emu *e);
/* Data breakpoint: notes a trap in v->db_pending. Same condition. */
void emu_debug_data(struct emu *e, gva_t gva, unsigned size, unsigned acc);
/* I/O breakpoint, as emu_debug_data(). */
void emu_debug_io(struct emu *e, u16 port, unsigned size);
/*
 * After an instruction (or an iteration of a REP) that started with TF set
 * (e->single_step) or that left v->db_pending: delivers the #DB unless MOV SS
 * holds it off. RIP is past the instruction, v->shadow is what it left.
 */
enum emu_result emu_debug_retire(struct emu *e);

static inline bool emu_debug_on(const struct emu *e)
{
	return unlikely(e->v->dr[7] & DR7_ENABLED);
}

/* --- Stops of the debugger (emu_stops.c); called when e->stops is set --- */

/* Must the guest stop before the instruction at CS:RIP? Then says so. */
bool emu_stops_fetch(struct emu *e);
/* Note a stop on data; the instruction goes on. kind: STOP_READ or _WRITE. */
void emu_stops_data(struct emu *e, gva_t gva, u64 size, u8 kind);
/* The instruction did not happen: nor did its stop on data. */
void emu_stops_forget(struct emu *e);

static inline bool emu_stops_on(const struct emu *e)
{
	return unlikely(e->stops != NULL);
}

/* --- Handlers: one for each mnemonic --------------------------------- */

#define H(name, fn) bool op_##fn(struct emu *e);
#include "cpu/emu_ops.inc"
#undef H

#endif
