/* SPDX-License-Identifier: MIT */
/*
 * Which instructions fault so often that they shall call out, and which frames
 * of code are written so often that their blocks shall check themselves.
 * `now` is the count of guest instructions.
 */
#ifndef BT_ADAPT_H
#define BT_ADAPT_H

#include "bits.h"

/* Shall the instruction at eip call out? */
bool adapt_faults(u32 eip);
/* It has faulted; true: with this it shall. */
bool adapt_count_fault(u32 eip);
/* It shall not, any more. */
void adapt_forgive(u32 eip);

/* Shall the blocks of frame gfn check themselves, instead of being tracked? */
bool adapt_rewritten(u64 gfn);
/* Tracked code was written, over a block or beside all; true: now they shall. */
bool adapt_count_write(u64 gfn, bool hit, u64 now);
/* Now and then: calls track() for each frame whose blocks no longer shall. */
void adapt_look_around(u64 now, void (*track)(u64 gfn));

#endif
