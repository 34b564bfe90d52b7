/* SPDX-License-Identifier: MIT */
/*
 * Marks: a guest that measures itself says where a measurement begins and ends
 * (port E8h, with marks=on), and the monitor tells what happened in between:
 * one line "penumbra-marks: {...}" of the counters that moved. Several
 * measurements may add up to one line. On a machine without a monitor nothing
 * hears the port.
 */
#include "kernel/host.h"
#include "lib/counters.h"
#include "lib/string.h"
#include "vm/vm.h"

enum { MARK_BEGIN = 1, MARK_END = 2, MARK_TELL = 3 };

static u64 begun[CNT_COUNT], sum[CNT_COUNT];
static bool open;

static void take(const struct vm *vm, u64 *to)
{
	vm_stats_update(vm);
	memcpy(to, counters, sizeof(counters));
}

/* A block counts at its entry what it will have done at its end: at the first
 * mark that may be more than at the second. */
static void end(const struct vm *vm)
{
	u64 now[CNT_COUNT];

	take(vm, now);
	for (int i = 0; open && i < CNT_COUNT; i++)
		if (now[i] > begun[i])
			sum[i] += now[i] - begun[i];
	open = false;
}

static void tell(void)
{
	const char *gap = "";

	console_printf("penumbra-marks: {");
	for (int i = 0; i < CNT_COUNT; i++) {
		if (!sum[i])
			continue;
		console_printf("%s\"%s\": %llu", gap,
			       counter_name((enum counter)i),
			       (unsigned long long)sum[i]);
		gap = ", ";
	}
	console_printf("}\n");
	memset(sum, 0, sizeof(sum));
}

void vm_mark(struct vm *vm, u8 what)
{
	if (what == MARK_BEGIN) {
		take(vm, begun);
		open = true;
	} else if (what == MARK_END) {
		end(vm);
	} else if (what == MARK_TELL) {
		tell();
	}
}
