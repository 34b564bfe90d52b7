/* SPDX-License-Identifier: MIT */
/* The counters' storage and their names, both from counters.inc. */
#include "lib/counters.h"

u64 counters[CNT_COUNT];

static const struct {
	const char *name, *text;
} info[CNT_COUNT] = {
#define C(name, json, text) [CNT_##name] = { json, text },
#include "lib/counters.inc"
#undef C
};

const char *counter_name(enum counter c)
{
	return info[c].name;
}

const char *counter_text(enum counter c)
{
	return info[c].text;
}
