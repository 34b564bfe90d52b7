/* SPDX-License-Identifier: MIT */
/*
 * The linear pages that translated code was found at, with the frame that each
 * was mapped to. Code pages need not be in the shadow tables, so their guest
 * entries may be untracked: what was linked is checked again whenever the
 * guest flushes translations, as real TLBs would be.
 */
#ifndef BT_CODEMAP_H
#define BT_CODEMAP_H

#include "types.h"

/* Record eip's page. `global`: no CR3 load changes it. False: the map is full. */
bool codemap_add(u32 eip, gpa_t gpa, bool global);
bool codemap_global(u32 eip);

/* Do the recorded pages in gva's 4 MiB (all pages) still map what they did? */
bool codemap_check_region(gva_t gva);
bool codemap_check_all(void);

/* Forget pages that are not global; true when there were any. */
bool codemap_forget_local(void);
void codemap_clear(void);

#endif
