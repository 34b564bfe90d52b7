/* SPDX-License-Identifier: MIT */
/*
 * The translator's inside: the block in the making, the rule of each
 * instruction, and the generators.
 *
 * A generator emits the code of x->insn and returns true, or returns false to
 * make it a callout (what it had emitted is taken back). It keeps to this
 * order: first all steps that may fault, which change nothing but scratch
 * registers; then the commits to guest state. Guest arithmetic flags change
 * only by the guest's own instruction.
 *
 * Scratch: r8 and r9 belong to guest_mem(), r10 to generators.
 */
#ifndef BT_XLATE_H
#define BT_XLATE_H

#include "bt/cache.h"
#include "cpu/insn.h"

struct xlate {
	struct emit e;
	const struct bt_xlate_req *req;
	struct insn insn;
	u32 eip;      /* of insn */
	u32 next_eip; /* of the one after it */
	bool done;    /* the block has ended: no fall-through */
	gpa_t tail_gpa;    /* of a straddling instruction: where its second */
	unsigned tail_len; /* part lies, and how long that is */
	unsigned insns, counted;
	unsigned map_count, exit_count;
	bool looks_up; /* and it ends in a look-up in the target table */
	u32 count_at; /* offset of the number that counts; 0: none */
	u32 prefix;   /* length of the code before the first instruction */
	struct bt_map map[BT_BLOCK_INSNS + 1];
	unsigned branches; /* Jcc that the block has run on behind */
	unsigned segment;  /* instructions counted since the last of them */
	struct bt_exit exits[BT_BLOCK_EXITS];
};

struct rule {
	bool (*gen)(struct xlate *x); /* NULL: callout */
	bool ends; /* a callout of it ends the block */
};

const struct rule *rule_of(enum op op);

/* ---- helpers (bt/xlate.c) ---- */

/* The host register that holds guest register r. */
static inline u8 host_reg(unsigned r)
{
	return r == R_SP ? H_12 : (u8)r;
}

static inline struct mem vcpu_mem(u32 offset)
{
	return mem_at(H_15, (s32)offset);
}

#define VCPU_MEM(field)  vcpu_mem(offsetof(struct vcpu, field))
#define PLAIN_MEM(field) \
	vcpu_mem(offsetof(struct vcpu, engine) + \
		 offsetof(struct bt_plain, field))

/* [esp + disp], as host address. */
static inline struct mem stack_mem(s32 disp)
{
	struct mem m = mem_at(H_12, disp);

	m.narrow = true;
	return m;
}

/*
 * The guest's memory operand as a host one; may emit code to compute it, which
 * touches r8 and r9. False: needs a callout.
 */
bool guest_mem(struct xlate *x, struct mem *m);
/* Are plain accesses through this segment free of checks and of a base? */
bool seg_flat(const struct xlate *x, enum sreg seg);
/* Can pushes and pops be done in place, with 32-bit operands? */
bool stack_ok(const struct xlate *x);
/* The E operand, 32 bits, in a register: the guest's own, or `scratch` after a
 * load. H_NONE: needs a callout. */
int load_rm32(struct xlate *x, u8 scratch);

/* A direct exit to the guest's target; jcc: offset of the Jcc's rel32 or 0. */
void gen_exit(struct xlate *x, u32 target, u32 jcc);
/* The same for a Jcc that the block runs on behind: its code comes last. */
void gen_late_exit(struct xlate *x, u32 target, u32 jcc);
void finish_late_exits(struct xlate *x);
/* To the guest's EIP in r8d, by the target table: ends the block. */
void gen_look_up(struct xlate *x);
/* Callout of x->insn that returns behind itself, or leaves. */
void gen_callout(struct xlate *x);
/* The call of that stub, or of the store's, with the EIP that it wants. */
void gen_call_stub(struct xlate *x, enum bt_stub stub);
/* The same for a store, perhaps only where its page is filtered (gen_store.c);
 * false: it is none, nothing is done. */
bool gen_called_store(struct xlate *x);
/* The same for a port at CPL 0 (gen_system.c). */
bool gen_called_port(struct xlate *x);
/* Interpret x->insn and go wherever it leads: ends the block. */
void gen_interp(struct xlate *x);
/* The self-check of a block of `len` source bytes; emitted before it. */
void gen_self_check(struct xlate *x, unsigned len);
/* r13 += the segment's counts, which are known only in its end. */
void gen_count(struct xlate *x);
void finish_count(struct xlate *x);

/* ---- generators ---- */

#define GENERATORS(X)                                                     \
	X(ident) X(cmpxchg8b) X(string) X(xlat) X(nop) X(pause)           \
	X(incdec) X(x87) X(simd)                                          \
	X(push) X(pop) X(leave) X(push_sreg)                              \
	X(jmp) X(jcc) X(loop) X(call) X(call_ind) X(jmp_ind) X(ret)       \
	X(cli) X(sti) X(pushf) X(popf) X(cld) X(std) X(mov_cr)            \
	X(mov_sreg) X(load_sreg) X(pop_sreg) X(rdtsc)

#define X(name) bool gen_##name(struct xlate *x);
GENERATORS(X)
#undef X

#endif
