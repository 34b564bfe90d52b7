/* SPDX-License-Identifier: MIT */
/*
 * Links: a block's exit that jumps straight to the next block. Invariant: a
 * link stays within one linear page, or both its ends lie at addresses that no
 * CR3 load moves.
 */
#include "bt/blocks.h"
#include "bt/codemap.h"
#include "bt/machine.h"
#include "lib/counters.h"
#include "lib/switches.h"
#include "log.h"

bool links_global(const struct bt_block *b)
{
	return codemap_global(b->eip) &&
	       (!b->tail_len || codemap_global(next_page_of(b->eip)));
}

/* May it be allowed? The target's block is not known yet. */
static bool link_thinkable(const struct bt_block *from, u32 eip)
{
	return switch_on(SWITCH_chain) &&
	       ((from->eip ^ eip) < PAGE_SIZE ||
		(codemap_global(from->eip) && codemap_global(eip)));
}

/* Is `to` in one page, that of `from`, or are both at addresses that no CR3
 * load moves? */
static bool link_allowed(const struct bt_block *from, const struct bt_block *to)
{
	gpa_t tail;

	if (!link_thinkable(from, to->eip))
		return false;
	if (!to->tail_len && (from->eip ^ to->eip) < PAGE_SIZE)
		return true;
	if (to->tail_len && (!codemap_gpa(next_page_of(to->eip), &tail) ||
			     tail.a != bt_block_tail_gpa(to).a))
		return false;
	return codemap_global(from->eip) && links_global(to);
}

void links_early(struct bt_block *b)
{
	for (unsigned i = 0; i < b->exit_count; i++) {
		struct bt_exit *exit = &b->exits[i];
		struct bt_block *to;
		gpa_t gpa;

		if (!codemap_gpa(exit->target, &gpa))
			continue;
		to = bt_cache_find(bt.cache, gpa, exit->target, b->mode);
		if (!to || !link_allowed(b, to))
			continue;
		bt_cache_link(bt.cache, exit, to);
		count(CNT_CHAINED);
	}
	blocks_serialise();
}

const u8 *bt_on_link(struct vcpu *v, const u8 *ret)
{
	struct bt_exit *exit = bt_cache_exit_at(bt.cache, ret);
	u64 before = blocks_generation();
	const struct bt_block *from;
	struct bt_block *to;
	const u8 *exec;

	assert(exit);
	from = bt_at(bt.cache, exit->from);
	v->rip = exit->target;
	bt.leave = LEAVE_NONE;
	if (bt_wanted_elsewhere(v))
		return NULL;
	exec = blocks_find_in(v, from->mode);
	if (!exec || bt.env.icount || bt.count_runs ||
	    blocks_generation() != before ||
	    !link_thinkable(from, exit->target))
		return exec;
	to = bt_cache_at(bt.cache, exec);
	if (link_allowed(from, to)) {
		bt_cache_link(bt.cache, exit, to);
		count(CNT_CHAINED);
		blocks_serialise();
	}
	return exec;
}
