/* SPDX-License-Identifier: MIT */
/*
 * The contract between translated code, the stubs, the engine and the
 * verifier. Whoever emits, checks or enters translated code goes by this page.
 *
 * Registers inside translated code
 *   rax rcx rdx rbx rbp rsi rdi  the guest's, in the low 32 bits; the upper
 *              halves are don't-care and nothing may rely on them
 *   r12        the guest's ESP, in the low 32 bits; upper half don't-care
 *   r8-r10     scratch, dead between guest instructions and at every stub
 *   r11        bt_plain.tag_space; never written. Whoever changes that while
 *              translated code is interrupted changes this, too
 *   r13        what was counted since the cache was entered: BT_COUNT_*;
 *              v->insn_count is stale inside
 *   r14        the target table (struct bt_targets); never written
 *   r15        the vcpu page (struct vcpu at 0); never written
 *   rsp        the monitor's stack, 16-byte aligned; never written, except
 *              that `call` of a stub pushes a return address, which the stub
 *              takes off again
 *   RFLAGS     the guest's CF PF AF ZF SF OF; the other bits are the host's.
 *              DF works there, but is never read back from there: its home is
 *              bt_plain.dflag, and whoever interrupts translated code puts it
 *              right before going back, since QEMU 7.2's TCG shows stray
 *              flags, DF among them, after CMPXCHG8B. Guest IF lives in
 *              bt_plain.iflag alone; IOPL, NT, AC, ID and so on in
 *              bt_plain.rest (a copy of v->rflags).
 *
 * Memory operands of translated code
 *   guest memory   always with the 67h prefix
 *   vcpu           [r15 + constant], within the vcpu page
 *   nothing else   but what an indirect branch ends in: the look-up in the
 *                  target table, one fixed sequence (gen_look_up()); the look
 *                  at a filter (gen_store.c), likewise; and STI (gen_sti()),
 *                  whose store has v->intr in its address: 0, or INTR_WAITING
 *                  with which it faults
 *
 * Where the guest is
 *   v->rip is stale inside translated code, except at calls of the callout,
 *   interp and exit stubs, which find the instruction's EIP there.
 *
 * Reach: the executable mapping of the cache must lie within 2 GiB of the
 * stubs, since both call and jmp use rel32.
 */
#ifndef BT_ABI_H
#define BT_ABI_H

#include "cpu/vcpu.h"

/*
 * What a data segment register holds, for gen_segments.c: the complement of
 * its selector (0: nothing is known), where its descriptor is, and the negative
 * of each half of that.
 */
struct bt_held {
	u32 not_sel, at, minus_low, minus_high;
};

/*
 * Plain data of the translator, laid over v->engine[]. Plain: any value here
 * is at worst another guest state or a missed translation.
 */
struct bt_plain {
	/*
	 * Guest EFLAGS.IF: 0 or EFLAGS_IF. Its only home while in the cache.
	 * Translated code stores 0 or 2 into byte 1.
	 */
	u32 iflag;
	u32 dflag; /* DF: 0 or EFLAGS_DF; the real one follows */
	u32 rest;  /* the BT_FLAGS_REST bits of v->rflags, in place */
	u32 image; /* bt_stub_store's: the flags, as LAHF and SETO give them */
	/*
	 * The upper half of valid tags in the target table: a generation and
	 * the mode, bt_tag_space(). Changing it forgets every entry at once.
	 */
	u64 tag_space;
	u64 ind_branches; /* look-ups in the target table */
	u64 ind_misses;   /* of them, those that failed */
	struct bt_held held[SEG_GS + 1]; /* by enum sreg */
};

_Static_assert(sizeof(struct bt_plain) <= sizeof(((struct vcpu *)0)->engine),
	       "bt_plain must fit the engine's scratch");

static inline struct bt_plain *bt_plain(struct vcpu *v)
{
	return (struct bt_plain *)v->engine;
}

/*
 * r13 holds two counts, so that one addition a block does for both:
 * instructions in the low bits, look-ups in the target table above them. Host
 * interrupts empty it long before the low bits are full.
 */
#define BT_COUNT_SHIFT   30
#define BT_COUNT_INSNS   (BT_COUNT_LOOK_UP - 1)
#define BT_COUNT_LOOK_UP (1u << BT_COUNT_SHIFT)

static inline void bt_count(struct vcpu *v, u64 counts)
{
	v->insn_count += counts & BT_COUNT_INSNS;
	bt_plain(v)->ind_branches += counts >> BT_COUNT_SHIFT;
}

/* Take off again what was not due. */
static inline void bt_uncount(struct vcpu *v, u64 counts)
{
	v->insn_count -= counts & BT_COUNT_INSNS;
	bt_plain(v)->ind_branches -= counts >> BT_COUNT_SHIFT;
}

#define BT_FLAGS_REAL (EFLAGS_ARITH | EFLAGS_DF) /* work in RFLAGS */
#define BT_FLAGS_REST                                                     \
	(EFLAGS_IOPL | EFLAGS_NT | EFLAGS_AC | EFLAGS_VIF | EFLAGS_VIP |  \
	 EFLAGS_ID)

/*
 * The table of indirect branch targets, direct-mapped by the low 16 bits of
 * the linear EIP: large and sparse, since a kernel's return addresses spread
 * over megabytes and a miss costs a hundred hits. An entry is live when its
 * tag is -(tag_space | eip); a zero tag is never live since tag_space is not 0.
 * Two arrays: the index of either is the EIP's without another instruction.
 */
#define BT_TARGETS 65536

struct bt_targets {
	u64 tag[BT_TARGETS];
	u64 exec[BT_TARGETS]; /* host addresses */
	u8 filter[BT_TARGETS]; /* bt_filter() */
};

/*
 * Not 0: a store to this page by an instruction whose stores kept faulting is
 * better called out. A hint; pages that are BT_TARGETS pages apart share it.
 * The index is what BSWAP makes of the page's number in few instructions.
 */
static inline u8 *bt_filter(struct bt_targets *t, u32 at)
{
	return &t->filter[(at >> 20 & 0xff) | (at >> 4 & 0xff00)];
}

/* gen: 1 to BT_GEN_MAX. mode: bt/block.h. */
#define BT_GEN_MAX 0x3ffffu

static inline u64 bt_tag_space(u32 gen, u32 mode)
{
	return ((u64)gen << 14 | mode) << 32;
}

/*
 * The stubs (bt/stubs.asm), the only code outside the cache that translated
 * code may reach. CALL stubs are called and find their caller by the return
 * address; JMP stubs are jumped to.
 *   link     a direct exit that is not linked yet: bt_on_link
 *   miss     r8d = EIP to go on at, which was not in the target table:
 *            bt_on_dispatch with v->rip = that EIP
 *   callout  v->rip is set: bt_on_callout interprets one instruction; may
 *            return right behind the call
 *   store    as callout, of a store of r8d to the four bytes at r9d; keeps
 *            all but r8 to r11 without a full exit
 *   port     as callout, of an IN or OUT at CPL 0; keeps likewise
 *   interp   as callout, but never returns: the last thing in a block
 *   exit     v->rip is set: bt_on_dispatch
 *   stale    a self-checking block found other source bytes: bt_on_stale;
 *            the guest stands at the block's first instruction
 */
#define BT_STUBS(X)                                                       \
	X(link, CALL)                                                     \
	X(callout, CALL)                                                  \
	X(store, CALL)                                                    \
	X(port, CALL)                                                     \
	X(stale, CALL)                                                    \
	X(miss, JMP)                                                      \
	X(interp, JMP)                                                    \
	X(exit, JMP)

enum bt_stub {
#define X(name, how) BT_STUB_##name,
	BT_STUBS(X)
#undef X
	BT_STUB_COUNT
};

#define X(name, how) extern const u8 bt_stub_##name[];
BT_STUBS(X)
#undef X
/*
 * An event in a stub may just let it go on: they all end in bt_resume or
 * bt_leave, which test for events.
 */

/* Address and kind of a stub, for the translator and the verifier. */
const u8 *bt_stub_address(enum bt_stub stub);
bool bt_stub_is_call(enum bt_stub stub);

/*
 * What the stubs call, on the monitor's stack with all guest state in v
 * (gpr, rflags; rip as said above, else to be set by the callee). They return
 * the host address to go on at, with the state then in v, or NULL to leave the
 * cache. `ret` is the return address of the call in translated code: the exit
 * is bt_cache_exit_at(ret), the block bt_cache_at(ret - 1).
 */
const u8 *bt_on_link(struct vcpu *v, const u8 *ret);
const u8 *bt_on_callout(struct vcpu *v, const u8 *ret);
const u8 *bt_on_stale(struct vcpu *v, const u8 *ret);
const u8 *bt_on_interp(struct vcpu *v);
const u8 *bt_on_dispatch(struct vcpu *v);

/*
 * Do the store and go on behind it, or refuse it with nothing done: it is called
 * out then. In v are only the registers that C may change and the EIP of the
 * store, which a store that leaves its block has bt_on_stored() move on.
 */
enum bt_store { BT_STORE_DONE, BT_STORE_REFUSED, BT_STORE_LEAVES };
enum bt_store bt_on_store(struct vcpu *v, u32 at, u32 value, const u8 *ret);
const u8 *bt_on_stored(struct vcpu *v, const u8 *ret);
/* The same of a port. EAX and EDX are in v, and what has been counted so far. */
enum bt_store bt_on_port(struct vcpu *v, const u8 *ret);

/* The end of that stub: an event in it has it begin again. */
extern const u8 bt_store_tail[], bt_store_tail_end[];

/*
 * Assembly that the stubs end in; provided with the entry from C. Both find
 * r15 = vcpu, r14 = target table and rsp as in translated code.
 *   bt_resume  rax = host address: loads the guest's state from v
 *              (bt/state.inc) and goes there, unless an event wants the engine
 *   bt_leave   back to the caller of the entry from C
 *   bt_user_go into user code: of bt_on_interp() alone, which may return it
 */

#endif
