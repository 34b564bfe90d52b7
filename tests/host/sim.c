/* SPDX-License-Identifier: MIT */
/*
 * Penumbra's guest, board and interpreter in an ordinary process: the fastest
 * way to run a real guest under the interpreter, and to debug it with gdb.
 * Time is the instruction count, so every run is the same.
 *   sim [-m MIB] [-a CMDLINE] [-i INITRD] [-t OPTION]... [-p PLANT] IMAGE
 * An OPTION is one of the monitor's own: trace-from=, trace-to=, trace-every=,
 * trace-memory=on or pages, long-mode=off. PLANT is an engine's mistake for
 * tests: ebx:COUNT or memory:COUNT flips a bit after COUNT instructions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/host.h"
#include "lib/counters.h"
#include "loader/loader.h"
#include "vm/vm.h"

static u8 *read_file(const char *name, u64 *size)
{
	FILE *f = fopen(name, "rb");
	u8 *data;

	if (!f) {
		perror(name);
		exit(2);
	}
	fseek(f, 0, SEEK_END);
	*size = (u64)ftell(f);
	rewind(f);
	data = malloc(*size);
	if (fread(data, 1, *size, f) != *size)
		exit(2);
	fclose(f);
	return data;
}

/* --- an interpreter that makes one mistake ------------------------------ */

static struct {
	u64 at; /* instruction count; ~0: never, or it is done */
	bool in_memory;
	struct vm *vm;
} plant = { .at = ~0ull };

static bool plant_option(const char *text)
{
	plant.in_memory = !strncmp(text, "memory:", 7);
	if (!plant.in_memory && strncmp(text, "ebx:", 4))
		return false;
	plant.at = strtoull(strchr(text, ':') + 1, NULL, 0);
	return true;
}

static void plant_run(struct vcpu *v, struct vcpu_exit *exit)
{
	u64 stop = v->insn_stop;

	v->insn_stop = MIN(stop, plant.at);
	interp_engine.run(v, exit);
	v->insn_stop = stop;
	if (v->insn_count < plant.at)
		return;
	plant.at = ~0ull;
	if (plant.in_memory)
		plant.vm->gpm.base[plant.vm->gpm.size - 1] ^= 0x80;
	else
		v->gpr[R_BX] ^= 1;
}

/* --- command line --------------------------------------------------------- */

static bool monitor_option(struct vm_config *config, const char *text)
{
	const struct {
		const char *name;
		u64 *value;
	} rows[] = {
		{ "trace-from=", &config->trace_from },
		{ "trace-to=", &config->trace_to },
		{ "trace-every=", &config->trace_every },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t length = strlen(rows[i].name);

		if (!strncmp(text, rows[i].name, length)) {
			*rows[i].value = strtoull(text + length, NULL, 0);
			return true;
		}
	}
	if (!strcmp(text, "long-mode=off"))
		config->no_long_mode = true;
	else if (!strcmp(text, "trace-memory=on"))
		config->trace_memory = DIGEST_MEMORY;
	else if (!strcmp(text, "trace-memory=pages"))
		config->trace_memory = DIGEST_PAGES;
	else if (strcmp(text, "trace-memory=off"))
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct engine engine = interp_engine;
	struct vm_config config = {
		.mem_bytes = MIB(256),
		.engine = &engine,
		.fallback = &interp_engine,
		.icount = true,
	};
	struct guest_image image = { .cmdline = "" };
	const char *why;
	enum vm_end end;
	struct vm *vm;
	u32 status;
	int c;

	while ((c = getopt(argc, argv, "m:a:i:t:p:")) != -1) {
		if (c == 'm')
			config.mem_bytes = MIB(atoi(optarg));
		else if (c == 'a')
			image.cmdline = optarg;
		else if (c == 'i')
			image.initrd = read_file(optarg, &image.initrd_size);
		else if (c == 'p' && plant_option(optarg))
			engine.run = plant_run;
		else if (c != 't' || !monitor_option(&config, optarg))
			return 2;
	}
	if (optind >= argc)
		return 2;
	image.image = read_file(argv[optind], &image.size);
	vm = plant.vm = vm_create(&config, &why);
	if (vm)
		why = loader_load(&vm->gpm, vm->v, &image);
	if (why) {
		fprintf(stderr, "sim: %s\n", why);
		return 2;
	}
	end = vm_run(vm, &status);
	vm_stats_print(vm, end, status);
	return (int)status;
}
