/* SPDX-License-Identifier: MIT */
/* How the translator puts a block into the cache: reserve, emit, commit. */
#ifndef BT_CACHE_H
#define BT_CACHE_H

#include "bt/block.h"
#include "bt/emit.h"

/* Room for the largest block: *e is set up to emit into it. False: full. */
bool bt_cache_reserve(struct bt_cache *c, struct emit *e);

/* Make a block of what was emitted and mapped. The caller has filled `key`: all
 * that is the same wherever the code lies. */
struct bt_block *bt_cache_commit(struct bt_cache *c, const struct emit *e,
				 const struct bt_block *key,
				 const struct bt_map *map,
				 const struct bt_exit *exits, u64 tail_gfn);

#endif
