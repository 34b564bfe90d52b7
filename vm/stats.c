/* SPDX-License-Identifier: MIT */
/*
 * What a guest's run cost: the counters as a table for people and as one JSON
 * line for programs. Same rows for every engine.
 */
#include "kernel/host.h"
#include "lib/counters.h"
#include "log.h"
#include "vm/vm.h"

static void table_exit(const char *reason, u64 times, u64 ticks)
{
	console_printf("  hardware exits: %-40s %14llu\n", reason,
		       (unsigned long long)times);
}

static void json_exit(const char *reason, u64 times, u64 ticks)
{
	console_printf(", \"%s\": %llu", reason, (unsigned long long)times);
}

static void each_exit(const struct vm *vm,
		      void (*row)(const char *reason, u64 times, u64 ticks))
{
	if (vm->config.engine->each_exit)
		vm->config.engine->each_exit(row);
}

static u64 exits;

static void add_exit(const char *reason, u64 times, u64 ticks)
{
	exits += times;
}

static u64 exits_total(const struct vm *vm)
{
	exits = 0;
	each_exit(vm, add_exit);
	return exits;
}

static void print_table(const struct vm *vm)
{
	for (int i = 0; i < CNT_COUNT; i++)
		console_printf("  %-56s %14llu\n",
			       counter_text((enum counter)i),
			       (unsigned long long)counters[i]);
	table_exit("all", exits_total(vm), 0);
	each_exit(vm, table_exit);
}

/* Differences are logged before, a line each. */
static unsigned audit(const struct vm *vm)
{
	struct walk_mode mode;

	walk_mode_of(vm->v, &mode);
	return shadow_audit(vm->shadow, &mode);
}

/* Memory that is in use but not the guest's: image, boot data and the first
 * MiB included. */
static u64 monitor_bytes(const struct vm *vm)
{
	u64 used = palloc_total_bytes() - palloc_free_bytes();

	return used - MIN(used, vm->config.mem_bytes);
}

static void print_json(const struct vm *vm, enum vm_end end, u32 status)
{
	bool audited = vm->config.audit && vm->shadow;
	unsigned wrong = audited ? audit(vm) : 0;

	console_printf("penumbra-json: {\"end\": \"%s\", \"status\": %u, "
		       "\"engine\": \"%s\", \"mem\": %llu, \"tsc_hz\": %llu, "
		       "\"insn_count\": %llu, \"monitor_bytes\": %llu",
		       vm_end_text(end), status, vm->config.engine->name,
		       (unsigned long long)vm->config.mem_bytes,
		       (unsigned long long)host_tsc_hz(),
		       (unsigned long long)vm->v->insn_count,
		       (unsigned long long)monitor_bytes(vm));
	for (int i = 0; i < CNT_COUNT; i++)
		console_printf(", \"%s\": %llu", counter_name((enum counter)i),
			       (unsigned long long)counters[i]);
	console_printf(", \"hardware_exits\": {\"all\": %llu",
		       (unsigned long long)exits_total(vm));
	each_exit(vm, json_exit);
	console_printf("}");
	if (audited)
		console_printf(", \"audit\": %u", wrong);
	console_printf("}\n");
}

/* Blocks count what they run, the interpreter what it does. */
void vm_stats_update(const struct vm *vm)
{
	const struct engine *engine = vm->config.engine;
	u64 total;

	if (engine->update_counters)
		engine->update_counters(vm->v);
	if (vm->config.icount) {
		total = host_tsc() - vm->tsc_start;
	} else {
		total = vm_now(vm) - vm->guest_start; /* not while held */
		counters[CNT_KERNEL_INSNS] =
			vm->v->insn_count - counters[CNT_INTERPRETED];
	}
	counters[CNT_TSC_MONITOR] = total - counters[CNT_TSC_GUEST] -
				    counters[CNT_TSC_IDLE];
}

void vm_stats_print(const struct vm *vm, enum vm_end end, u32 status)
{
	vm_stats_update(vm);
	console_printf("\npenumbra: end: %s status %u\n", vm_end_text(end),
		       status);
	if (end == VM_END_ERROR)
		console_printf("penumbra: stopped: %s\n", vm->error);
	print_table(vm);
	print_json(vm, end, status);
}
