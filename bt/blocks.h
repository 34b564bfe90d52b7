/* SPDX-License-Identifier: MIT */
/* What blocks.c and links.c have of each other. */
#ifndef BT_BLOCKS_H
#define BT_BLOCKS_H

#include "bt/block.h"
#include "cpu/vcpu.h"

/* --- blocks.c --------------------------------------------------------- */

/* Linear address of the next page; 0: there is none. */
static inline u32 next_page_of(u32 eip)
{
	return (eip | (PAGE_SIZE - 1)) + 1;
}

/* blocks_find() for a mode that the caller knows to be v's. */
const u8 *blocks_find_in(struct vcpu *v, u32 mode);

/* After code was patched, before it runs. */
void blocks_serialise(void);

/* --- links.c ---------------------------------------------------------- */

/* Does the block stay where it is through CR3 loads? */
bool links_global(const struct bt_block *b);

/* Exits whose targets exist are linked before the block first runs: patching
 * code that has run costs more. */
void links_early(struct bt_block *b);

#endif
