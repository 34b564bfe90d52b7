/* SPDX-License-Identifier: MIT */
/* How the translator puts a block into the cache: reserve, emit, commit. */
#ifndef BT_CACHE_H
#define BT_CACHE_H

#include "bt/block.h"
#include "bt/emit.h"

/* Room for the largest block: *e is set up to emit into it. False: full. */
bool bt_cache_reserve(struct bt_cache *c, struct emit *e);

/* Make a block of what was emitted and mapped; the caller fills its key. */
struct bt_block *bt_cache_commit(struct bt_cache *c, const struct emit *e,
				 const struct bt_map *map, unsigned map_count,
				 const struct bt_exit *exits,
				 unsigned exit_count);

#endif
