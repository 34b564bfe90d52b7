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

/*
 * Make the real tables hold every segment that v's registers hold, exactly.
 * False when one cannot be (stale hidden part, selector of ours, DPL below 3):
 * the code must then be interpreted.
 */
bool desc_sync(void);

/* An entry that a segment register may have been loaded from is new or gone:
 * whoever has emptied those registers since clears it (bt_user_enter()). */
extern bool bt_user_reload;

/*
 * User code may have loaded other selectors: bring v->seg[seg] up to date.
 */
void desc_reload(enum sreg seg, u16 sel);

/* The LDT selector to load for user code: ours, or 0 when the guest has none. */
u16 desc_ldt_selector(void);

#endif
