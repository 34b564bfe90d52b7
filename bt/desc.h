/* SPDX-License-Identifier: MIT */
/*
 * Shadow descriptors: the guest's segments in the real GDT and LDT while its
 * CPL 3 code runs directly. Filled lazily, one entry for each selector that a
 * guest segment register holds; every other entry stays absent, so loading it
 * faults and the interpreter does the load from the guest's own table.
 */
#ifndef BT_DESC_H
#define BT_DESC_H

#include "bt/machine.h"

void desc_init(void);

/* The guest's tables moved or were remapped: look them up again. */
void desc_forget_tables(void);

/* The 8 bytes of a GDT selector's entry, as they stand in the guest's memory;
 * NULL: beyond the limit, or not in the page that the table begins in. */
const void *desc_in_gdt(u16 sel);

/*
 * Make the real tables hold every segment that v's registers hold, exactly.
 * NULL when one cannot be (stale hidden part, selector of ours, DPL below 3):
 * the code must then be interpreted. Else a flag that says that an entry that
 * a segment register may have been loaded from is new or gone: whoever has
 * emptied those registers since clears it.
 */
bool *desc_sync(void);

/*
 * User code may have loaded other selectors: bring v->seg[seg] up to date.
 */
void desc_reload(enum sreg seg, u16 sel);

/* The LDT selector to load for user code: ours, or 0 when the guest has none. */
u16 desc_ldt_selector(void);

#endif
