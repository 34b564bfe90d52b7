/* SPDX-License-Identifier: MIT */
/*
 * bt in an ordinary 64-bit process: its translator, verifier, cache, target
 * table and stubs as they are, on the real CPU; this program plays what is
 * left of the monitor. The guest is 32-bit code at its own addresses in this
 * process, linear = physical, never written over, so nothing is ever dropped.
 */
#ifndef TRANSLATOR_H
#define TRANSLATOR_H

#include "bt/block.h"
#include "cpu/emu.h"

#define GUEST_BASE  0x10000000u
#define GUEST_SIZE  0x04000000u
#define GUEST_STACK (GUEST_BASE + GUEST_SIZE - 4096)

/* What the translator did, for the report. Cycles are of the TSC. */
struct work {
	u64 blocks, insns, guest_bytes, host_bytes;
	u64 translate_cycles, verify_cycles;
	u64 callouts, links;
};

struct process {
	struct vcpu *v;
	struct emu emu;
	struct bt_cache cache;
	struct work work;
	bool verify;
	bool ended;
	int status;
	u64 steps; /* host instructions in the cache, while single-stepped */
};

extern struct process process;

/* Guest memory mapped, an empty cache made. */
void process_init(void);
/* Forget every translation; registers flat at `entry` with a fresh stack. */
void process_reset(u32 entry);
/* Run until the guest exits or comes to a HLT. single_step: count steps. */
void process_run(bool single_step);
/* An ELF program into guest memory; its entry. Exits with a message if it is
 * not one. */
u32 process_load(const char *path);

/* Samples of what a run does between the two, by kind, printed as JSON. */
void profile_start(void);
void profile_stop(void);
void profile_print(void);

/* Host instructions per guest operation, printed as JSON. */
void steps_print(void);

#endif
