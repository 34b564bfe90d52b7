/* SPDX-License-Identifier: MIT */
/*
 * Stores to page tables, by far the commonest callouts: MOV of a register or a
 * constant to four bytes. Where each such place in the cache stores is worked
 * out once; what is then left has as few branches as may be, since each is an
 * end of a block to an emulator. Invariant: a place that is noted under the
 * cache's count of flushes may be done here, as stops come and go only with a
 * flush.
 */
#include "bt/fast.h"

#include "lib/counters.h"
#include "lib/switches.h"
#include "mm/shadow.h"
#include "mm/track.h"

/* After so many stores beside all traced frames the place is forgiven. */
#define FORGIVE_AFTER 500

/* Where and what: masks of 0 stand for an absent register. */
struct store_site {
	const u8 *ret; /* what the callout returns to; NULL: unused */
	u32 flushes;   /* of the cache, when this was noted */
	u32 disp, imm;
	u32 base_mask, index_mask, value_mask;
	u8 base, index, shift, value, seg, len;
	u16 missed;    /* stores in a row that met no traced frame */
};

#define SITES 256u

static struct store_site sites[SITES];

static struct store_site *site_of(const u8 *ret)
{
	u64 h = (u64)(uintptr_t)ret;

	return &sites[(h ^ h >> 8) % SITES];
}

bool fast_note_store(const u8 *ret, u32 mode, const struct insn *i)
{
	bool by_reg = i->opnd[1].kind == OPK_REG;

	if (!bt_is_store(i) || bt_mode_seg(mode, i->seg) == BT_SEG_OTHER ||
	    bt.env.stops->count ||
	    !switch_on(SWITCH_fast) || !switch_on(SWITCH_sites))
		return false;
	*site_of(ret) = (struct store_site){
		.ret = ret, .flushes = bt.cache->flushes,
		.disp = (u32)i->disp, .seg = i->seg, .len = i->len,
		.imm = by_reg ? 0 : (u32)i->imm,
		.base = i->base < 0 ? 0 : (u8)i->base,
		.base_mask = i->base < 0 ? 0 : ~0u,
		.index = i->index < 0 ? 0 : (u8)i->index,
		.index_mask = i->index < 0 ? 0 : ~0u,
		.shift = (u8)__builtin_ctz(i->index < 0 ? 1 : i->scale),
		.value = by_reg ? i->opnd[1].reg : 0,
		.value_mask = by_reg ? ~0u : 0,
	};
	return true;
}

static u32 address(const struct store_site *s, const struct vcpu *v)
{
	return s->disp + (u32)v->seg[s->seg].base +
	       ((u32)v->gpr[s->base] & s->base_mask) +
	       (((u32)v->gpr[s->index] & s->index_mask) << s->shift);
}

/* Kernels write all their tables through one linear map: its linear less its
 * physical addresses, as the last store that met a table had them. A guess, as
 * filters are. */
static u32 linear_map;

void fast_expect_stores(u64 gfn)
{
	*bt_filter(bt_target_table, (u32)(gfn << PAGE_SHIFT) + linear_map) = 1;
}

/* The place has long met no traced frame: it stores by itself again. */
static __attribute__((noinline, cold)) void forgive(const struct vcpu *v)
{
	if (switch_on(SWITCH_forgive))
		blocks_forgive((u32)v->rip);
}

/* In RAM, within one page. */
static void store(struct store_site *s, const struct vcpu *v, u32 at, gpa_t gpa)
{
	struct gpm *g = bt.env.gpm;
	u32 value = ((u32)v->gpr[s->value] & s->value_mask) | s->imm;
	unsigned who = track_who(g->track, gpa.a >> PAGE_SHIFT);

	if (!who) {
		*bt_filter(bt_target_table, at) = 0;
		*(volatile u32 *)(void *)(g->base + gpa.a) = value;
		if (unlikely(++s->missed == FORGIVE_AFTER))
			forgive(v);
		return;
	}
	s->missed = 0;
	linear_map = at - (u32)gpa.a;
	if (who != BIT(TRACK_SHADOW) ||
	    !shadow_store32(bt.env.shadow, gpa, value))
		gpm_write32(g, gpa, value);
}

bool fast_store(struct vcpu *v, const u8 *ret)
{
	struct store_site *s = site_of(ret);
	struct gpm *g = bt.env.gpm;
	struct pagefault pf;
	gpa_t gpa;
	u32 at;

	if (s->ret != ret || s->flushes != bt.cache->flushes)
		return false;
	at = address(s, v);
	if ((at & ~PAGE_MASK) > PAGE_SIZE - sizeof(u32) ||
	    !(gtlb_find(g->tlb, &bt.mode, GVA(at), ACC_WRITE, &gpa) ||
	      gmem_translate(g, &bt.mode, GVA(at), ACC_WRITE, &gpa, &pf)) ||
	    gpm_kind(g, gpa) != GPM_RAM)
		return false;
	store(s, v, at, gpa);
	v->rip = (u32)(v->rip + s->len);
	v->insn_count++;
	count(CNT_FAST_CALLOUTS);
	return true;
}
