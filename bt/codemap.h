/* SPDX-License-Identifier: MIT */
/*
 * The guest mappings that translated code was found through. Code pages need
 * not be in the shadow tables, so their guest entries may be untracked: what
 * was linked is checked again whenever the guest flushes translations, as real
 * TLBs would be. Kept by leaf entry: a kernel in large pages is a few checks.
 */
#ifndef BT_CODEMAP_H
#define BT_CODEMAP_H

#include "mm/gwalk.h"

/* Record the leaf that w found for eip. False: the map is full, or holds
 * something else for it. */
bool codemap_add(u32 eip, const struct walk *w);

bool codemap_full(void);

/* Is eip recorded at a mapping that no CR3 load changes? */
bool codemap_global(u32 eip);

/* Where eip's byte lies, if its mapping is recorded. */
bool codemap_gpa(u32 eip, gpa_t *gpa);

/* Do the recorded leaves around gva (all of them) still map what they did? */
bool codemap_check_region(gva_t gva);
bool codemap_check_all(void);

/* Forget leaves that are not global; true when there were any. */
bool codemap_forget_local(void);
void codemap_clear(void);

#endif
