/* SPDX-License-Identifier: MIT */
/*
 * translator [--no-verify] PROGRAM: runs it; what it prints, then one JSON
 * line of what the translator did.
 * translator --profile PROGRAM: the same, and a line of where its time went.
 * translator --steps: host instructions per guest operation, as JSON.
 */
#include "bench/translator/translator.h"

#include <stdio.h>
#include <string.h>

static void print_work(const struct work *w)
{
	printf("{\"blocks\": %llu, \"instructions\": %llu, "
	       "\"guest_bytes\": %llu, \"host_bytes\": %llu, "
	       "\"translate_cycles\": %llu, \"verify_cycles\": %llu, "
	       "\"links\": %llu, \"callouts\": %llu}\n",
	       (unsigned long long)w->blocks, (unsigned long long)w->insns,
	       (unsigned long long)w->guest_bytes,
	       (unsigned long long)w->host_bytes,
	       (unsigned long long)w->translate_cycles,
	       (unsigned long long)w->verify_cycles,
	       (unsigned long long)w->links, (unsigned long long)w->callouts);
}

static int usage(void)
{
	fprintf(stderr, "usage: translator [--no-verify | --profile] PROGRAM "
		"| --steps\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *path = argv[argc - 1];
	bool profile;

	process_init();
	if (argc == 2 && !strcmp(path, "--steps")) {
		steps_print();
		return 0;
	}
	profile = argc == 3 && !strcmp(argv[1], "--profile");
	process.verify = argc == 2 || profile;
	if (argc != 2 && !profile &&
	    (argc != 3 || strcmp(argv[1], "--no-verify")))
		return usage();
	process_reset(process_load(path));
	if (profile)
		profile_start();
	process_run(false);
	profile_stop();
	print_work(&process.work);
	if (profile)
		profile_print();
	return process.status;
}
