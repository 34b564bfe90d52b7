/* SPDX-License-Identifier: MIT */
/*
 * The verifier: the safety of the monitor against translated guest code rests
 * on it alone (DESIGN.md, "Fault isolation"). It decodes a finished block
 * again, by itself, and refuses it unless every instruction is on its
 * whitelist in a form that can touch nothing but guest registers, guest memory
 * below 4 GiB, and by plain moves the vcpu: all of it for loads, a few listed
 * fields for stores.
 *
 * A translator that learns an instruction or a new use of the vcpu adds a row
 * to verify_tables.h and one to tests/host/verify_rows.inc.
 */
#ifndef BT_VERIFY_H
#define BT_VERIFY_H

#include "bt/block.h"

/*
 * NULL when the block's code obeys every rule, else the rule that it breaks,
 * in words. Trusts nothing of the block but exec and host_len. Branches out of
 * the block must land on a stub (bt_stub_address) or on the first instruction
 * of a live block of the cache.
 */
const char *bt_verify(const struct bt_cache *c, const struct bt_block *b);

#endif
