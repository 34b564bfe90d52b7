/* SPDX-License-Identifier: MIT */
/*
 * Short ways for the commonest callouts and events. Each does one instruction
 * or event wholly, or returns false and has done nothing: then the interpreter
 * does it. Segment loads and ports leave EIP and the count to their caller.
 */
#ifndef BT_FAST_H
#define BT_FAST_H

#include "bt/tables.h"
#include "cpu/emu.h"
#include "mm/gtlb.h"

/* The bytes at a linear address; NULL: odd (words), in more than one page, no
 * RAM, or a fault. */
static inline u8 *fast_bytes(u32 at, unsigned size, unsigned acc)
{
	struct gpm *g = bt.env.gpm;
	struct pagefault pf;
	gpa_t gpa;

	if ((at & ~PAGE_MASK) > PAGE_SIZE - size || (size >= 4 && (at & 3)))
		return NULL;
	if (!(g->tlb && gtlb_find(g->tlb, &bt.mode, GVA(at), acc, &gpa)) &&
	    !gmem_translate(g, &bt.mode, GVA(at), acc, &gpa, &pf))
		return NULL;
	return gpm_is_ram(g, gpa) ? g->base + gpa.a : NULL;
}

/* What a descriptor means that is present, accessed, and code or data. */
struct meaning {
	u64 raw; /* 0: unused */
	u16 sel; /* RPL clear */
	u8 dpl;
	bool code;  /* not conforming */
	bool code32; /* that, flat and 32 bits wide */
	bool stack; /* writable, upwards, 32 bits wide */
	bool data;  /* readable, not conforming */
	struct segment seg;
};

/* By the selector's index: fast_desc.c. */
#define MEANINGS 32u

extern struct meaning meanings[MEANINGS];
const struct meaning *fast_learn(const struct vcpu *v, u16 sel);

/* What the guest's table says of a selector now, good until another one's is
 * asked for whose is kept in the same place; NULL: ask the interpreter. */
static inline const struct meaning *fast_meaning(const struct vcpu *v, u16 sel)
{
	const struct meaning *m = &meanings[(sel >> 3) % MEANINGS];
	const u64 *raw = table_bytes(TABLE_GDT, v->gdtr.base, v->gdtr.limit,
				     sel & ~7u, sel | 7u);

	if (likely(raw && !((*raw ^ m->raw) | (m->sel ^ (sel & ~3u)) |
			   (sel & ERR_TI))))
		return m;
	return fast_learn(v, sel);
}

/* Stores to this frame are about to need callouts. */
void fast_expect_stores(u64 gfn);

/* MOV and POP to DS, ES, FS, GS. */
bool fast_is_segment_load(const struct insn *i, u32 mode);
/* *steady: bt_mode_of() is what it was. */
bool fast_load_segment(struct vcpu *v, const struct insn *i, bool *steady);

/* IN and OUT of a block of this mode (fast_port.c). */
bool fast_is_port(const struct insn *i, u32 mode);
void fast_port(struct vcpu *v, const struct insn *i);

/*
 * An event, as emu_deliver() would have it (fast_trap.c). False: nothing has
 * been done.
 */
bool fast_deliver(struct vcpu *v, const struct event *ev);
/* The instruction at EIP, if it is INT n or SYSENTER; if it is IRETD or SYSEXIT,
 * at CPL 0. */
bool fast_entry(struct vcpu *v);
bool fast_return(struct vcpu *v);

#endif
