/* SPDX-License-Identifier: MIT */
/*
 * A second opinion on finished blocks, by Zydis: what the verifier accepts,
 * this must call safe. It knows nothing of the verifier's tables.
 */
#ifndef TESTS_HOST_VERIFY_JUDGE_H
#define TESTS_HOST_VERIFY_JUDGE_H

#include "bt/block.h"

/* NULL: safe. Else what is wrong, with the offset and text of the instruction
 * (static buffer). */
const char *judge_block(const struct bt_cache *c, const struct bt_block *b);

/* Instructions of the block, by Zydis; 0 if it cannot be decoded. */
unsigned judge_count(const struct bt_block *b);

#endif
