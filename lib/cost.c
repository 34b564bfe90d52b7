/* SPDX-License-Identifier: MIT */
/* The table of costs. */
#include "lib/cost.h"

struct cost_row costs[COST_COUNT];
bool cost_timed;

const char *cost_text(enum cost c)
{
	static const char *const texts[COST_COUNT] = {
#define X(name, text) [COST_##name] = text,
		COSTS(X)
#undef X
	};

	return texts[c];
}
