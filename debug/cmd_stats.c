/* SPDX-License-Identifier: MIT */
/* Commands that count: statistics, exits and their cost, samples, events. */
#include "debug/monitor.h"

#include "kernel/console.h"
#include "kernel/host.h"
#include "lib/cost.h"
#include "lib/counters.h"
#include "lib/ring.h"
#include "lib/string.h"

typedef unsigned long long ull;

/* --- stats ------------------------------------------------------------ */

void cmd_stats(const struct args *a)
{
	static u64 last[CNT_COUNT];
	bool since = a->count > 1 && !strcmp(a->word[1], "new");

	vm_stats_update(dbg.vm);
	for (int i = 0; i < CNT_COUNT; i++) {
		u64 n = counters[i] - (since ? last[i] : 0);

		if (n || !since)
			console_printf("%-64s %14llu\n",
				       counter_text((enum counter)i), (ull)n);
	}
	memcpy(last, counters, sizeof(last));
}

/* --- exits ------------------------------------------------------------ */

static void print_row(const char *reason, u64 times, u64 ticks)
{
	console_printf("%-44s %12llu", reason, (ull)times);
	if (ticks)
		console_printf(" %16llu %10llu", (ull)ticks,
			       (ull)(ticks / times));
	console_printf("\n");
}

static void print_costs(void)
{
	for (unsigned i = 0; i < COST_COUNT; i++)
		if (costs[i].count)
			print_row(cost_text((enum cost)i), costs[i].count,
				  costs[i].ticks);
}

/* Turned on it starts anew, so that counts and ticks belong together. */
static void measure(bool on)
{
	if (on)
		memset(costs, 0, sizeof(costs));
	cost_timed = on;
	console_printf("costs are %smeasured\n", on ? "" : "not ");
}

void cmd_exits(const struct args *a)
{
	const struct engine *engine = dbg.vm->config.engine;

	if (a->count > 1) {
		measure(!strcmp(a->word[1], "on"));
		return;
	}
	console_printf("%-44s %12s %16s %10s\n", "reason", "times",
		       "TSC ticks", "each");
	for (int i = CNT_EXIT_ATTENTION; i <= CNT_EXIT_ERROR; i++)
		if (counters[i])
			print_row(counter_text((enum counter)i), counters[i],
				  0);
	print_costs();
	if (engine->each_exit)
		engine->each_exit(print_row);
}

/* --- hot -------------------------------------------------------------- */

#define HOT_HZ    1000
#define HOT_SLOTS 4096
#define HOT_SHOWN 20

static struct {
	bool on;
	u64 next;
	u32 samples, lost;
	struct {
		u64 pc;
		u32 count;
		u8 cpl;
		bool halted;
	} slot[HOT_SLOTS];
} hot;

static void note_sample(const struct vcpu *v)
{
	bool halted = v->activity == ACT_HALTED;
	u64 pc = stops_pc(v);
	u32 i = (u32)((pc ^ pc >> 12) % HOT_SLOTS);

	hot.samples++;
	for (unsigned tries = 0; tries < 16; tries++) {
		if (!hot.slot[i].count) {
			hot.slot[i].pc = pc;
			hot.slot[i].cpl = v->cpl;
			hot.slot[i].halted = halted;
		}
		if (hot.slot[i].pc == pc && hot.slot[i].halted == halted) {
			hot.slot[i].count++;
			return;
		}
		i = (i + 1) % HOT_SLOTS;
	}
	hot.lost++;
}

void hot_sample(void)
{
	u64 now;

	if (likely(!hot.on))
		return;
	now = host_tsc();
	if (now < hot.next)
		return;
	note_sample(dbg.vm->v);
	hot.next = now + host_tsc_hz() / HOT_HZ;
	dbg.vm->wake_at = hot.next;
}

static void hot_switch(bool on)
{
	if (on)
		memset(&hot, 0, sizeof(hot));
	hot.on = on;
	if (!on)
		dbg.vm->wake_at = ~0ull;
	console_printf("sampling is %s\n", on ? "on, 1000 a second" : "off");
}

/* The most counted of those with fewer than `below`, or at index > after. */
static u32 next_hot(u32 below, u32 after)
{
	u32 best = HOT_SLOTS, most = 0;

	for (u32 i = 0; i < HOT_SLOTS; i++) {
		u32 n = hot.slot[i].count;

		if ((n < below && n > most) || (n == below && i > after)) {
			if (n == below)
				return i;
			best = i;
			most = n;
		}
	}
	return best;
}

void cmd_hot(const struct args *a)
{
	u32 i = HOT_SLOTS, below = ~0u;
	u64 shown;

	if (a->count > 1 && a->word[1][0] == 'o') {
		hot_switch(!strcmp(a->word[1], "on"));
		return;
	}
	if (!args_count(a, 1, HOT_SHOWN, &shown))
		return;
	console_printf("%u samples%s\n", hot.samples,
		       hot.on ? "" : ", sampling is off");
	while (shown-- && (i = next_hot(below, i)) < HOT_SLOTS) {
		below = hot.slot[i].count;
		console_printf("%3u.%u%%  %8u  %08llx  %s\n",
			       below * 100 / hot.samples,
			       (u32)(below * 1000ull / hot.samples % 10), below,
			       (ull)hot.slot[i].pc,
			       hot.slot[i].halted ? "halted" :
			       hot.slot[i].cpl == 3 ? "user" : "kernel");
	}
}

/* --- trace ------------------------------------------------------------ */

static void print_classes(void)
{
	for (unsigned i = 0; i < RING_EVENT_COUNT; i++)
		console_printf("%s%s", ring_event_name((enum ring_event)i),
			       ring_classes >> i & 1 ? " on\n" : " off\n");
}

/* No names mean all classes. */
static u32 classes_named(const struct args *a)
{
	u32 set = 0;

	if (a->count == 2)
		return ~0u;
	for (unsigned w = 2; w < a->count; w++) {
		unsigned i = 0;

		while (i < RING_EVENT_COUNT &&
		       strcmp(ring_event_name((enum ring_event)i), a->word[w]))
			i++;
		if (i == RING_EVENT_COUNT)
			console_printf("no class %s\n", a->word[w]);
		else
			set |= 1u << i;
	}
	return set;
}

/* Newest last, with the time in microseconds before now. What happens while
 * they are printed is not noted, or the ring would move under us. */
static void print_events(u64 count)
{
	u64 now = host_tsc(), hz = host_tsc_hz();
	u32 classes = ring_classes;
	const struct ring_entry *e;

	ring_classes = 0;
	for (u64 i = MIN(count, RING_SIZE); i--;) {
		e = ring_last((unsigned)i);
		if (e)
			console_printf("%8u  -%llu us  %-12s %llx %llx\n",
				       e->seq, (ull)((now - e->tsc) * 1000 /
						     (hz / 1000)),
				       ring_event_name(e->event), (ull)e->a,
				       (ull)e->b);
	}
	ring_classes = classes;
}

void cmd_trace(const struct args *a)
{
	bool on = a->count > 1 && !strcmp(a->word[1], "on");
	u64 count;

	if (on || (a->count > 1 && !strcmp(a->word[1], "off"))) {
		if (on)
			ring_classes |= classes_named(a);
		else
			ring_classes &= ~classes_named(a);
		print_classes();
		return;
	}
	if (args_count(a, 1, 32, &count))
		print_events(count);
}
