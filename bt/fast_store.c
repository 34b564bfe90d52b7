/* SPDX-License-Identifier: MIT */
/*
 * Stores to page tables, by far the commonest callouts: MOV of a register or a
 * constant to four bytes, of which translated code says where and what. As few
 * branches as may be, since each is an end of a block to an emulator. Blocks
 * have such stores only while the debugger has no stops.
 */
#include "bt/fast.h"

#include "lib/cost.h"
#include "lib/counters.h"
#include "lib/switches.h"
#include "mm/shadow.h"
#include "mm/track.h"

/* Kernels write all their tables through one linear map: its linear less its
 * physical addresses, as the last store that met a table had them. A guess, as
 * filters are. */
static u32 linear_map;

void fast_expect_stores(u64 gfn)
{
	*bt_filter(bt_target_table, (u32)(gfn << PAGE_SHIFT) + linear_map) = 1;
}

/* After so many stores beside all traced frames the place is forgiven: it
 * stores by itself again. */
#define FORGIVE_AFTER 500
#define PLACES        256u

/* A filter keeps such stores in the block. */
static void note_missed(const struct vcpu *v, u32 at, const u8 *ret)
{
	static u16 missed[PLACES];
	u64 h = (u64)(uintptr_t)ret;
	u16 *n = &missed[(h ^ h >> 8) % PLACES];

	*bt_filter(bt_target_table, at) = 0;
	if (switch_on(SWITCH_filter) || ++*n < FORGIVE_AFTER)
		return;
	*n = 0;
	if (switch_on(SWITCH_forgive))
		blocks_forgive((u32)v->rip);
}

static inline void note_store(struct vcpu *v, u64 start)
{
	v->insn_count++;
	count(CNT_CALLOUTS);
	count(CNT_FAST_CALLOUTS);
	cost_end(COST_CALLOUT, start);
}

static enum bt_store __attribute__((noinline)) store_anywhere(struct vcpu *v,
		u32 at, u32 value, const u8 *ret)
{
	struct gpm *g = bt.env.gpm;
	u64 start = cost_start(), generation = blocks_generation();
	struct pagefault pf;
	unsigned who;
	gpa_t gpa;

	if ((at & ~PAGE_MASK) > PAGE_SIZE - sizeof(u32) ||
	    !(gtlb_find(g->tlb, &bt.mode, GVA(at), ACC_WRITE, &gpa) ||
	      gmem_translate(g, &bt.mode, GVA(at), ACC_WRITE, &gpa, &pf)) ||
	    gpm_kind(g, gpa) != GPM_RAM)
		return BT_STORE_REFUSED;
	who = track_who(g->track, gpa.a >> PAGE_SHIFT);
	if (!who) {
		*(volatile u32 *)(void *)(g->base + gpa.a) = value;
		note_missed(v, at, ret);
	} else {
		linear_map = at - (u32)gpa.a;
		if (who != BIT(TRACK_SHADOW) ||
		    !shadow_store32(bt.env.shadow, gpa, value))
			gpm_write32(g, gpa, value);
	}
	note_store(v, start);
	return blocks_generation() == generation ? BT_STORE_DONE :
						   BT_STORE_LEAVES;
}

static enum bt_store __attribute__((noinline)) entry_changed(gpa_t gpa,
		u32 before, u32 now)
{
	shadow_store_changed(bt.env.shadow, gpa, before, now);
	return BT_STORE_DONE;
}

/* A table that such a store has met before, by a translation that is kept. No
 * block can be lost by that. */
enum bt_store bt_on_store(struct vcpu *v, u32 at, u32 value, const u8 *ret)
{
	struct gpm *g = bt.env.gpm;
	enum shadow_store done;
	u32 before;
	gpa_t gpa;

	if (unlikely(cost_timed) ||
	    !gtlb_find(g->tlb, &bt.mode, GVA(at), ACC_WRITE, &gpa) ||
	    track_who(g->track, gpa.a >> PAGE_SHIFT) != BIT(TRACK_SHADOW))
		return store_anywhere(v, at, value, ret);
	done = shadow_store_again(bt.env.shadow, gpa, value, &before);
	if (done == SHADOW_STORE_ELSEWHERE)
		return store_anywhere(v, at, value, ret);
	linear_map = at - (u32)gpa.a;
	note_store(v, 0);
	if (done == SHADOW_STORE_CHANGED)
		return entry_changed(gpa, before, value);
	return BT_STORE_DONE;
}

/* What follows in the block was counted and is not due. */
const u8 *bt_on_stored(struct vcpu *v, const u8 *ret)
{
	const struct bt_block *b = bt_cache_at(bt.cache, ret - 1);

	v->rip = b->eip + bt_block_map(b, ret - 1)[1].guest;
	bt_uncount(v, bt_block_uncounted(b, ret - 1));
	return bt_on_dispatch(v);
}
