/* SPDX-License-Identifier: MIT */
/*
 * Counters that every module may bump. The same rows for every engine; the
 * list is counters.inc. Printed as a table and as one JSON line by vm/stats.c.
 */
#ifndef LIB_COUNTERS_H
#define LIB_COUNTERS_H

#include "types.h"

enum counter {
#define C(name, json, text) CNT_##name,
#include "lib/counters.inc"
#undef C
	CNT_COUNT
};

extern u64 counters[CNT_COUNT];

static inline void count(enum counter c)
{
	counters[c]++;
}

static inline void count_add(enum counter c, u64 n)
{
	counters[c] += n;
}

const char *counter_name(enum counter c); /* the JSON key */
const char *counter_text(enum counter c); /* the description */

#endif
