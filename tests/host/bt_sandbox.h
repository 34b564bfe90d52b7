/* SPDX-License-Identifier: MIT */
/*
 * A guest without a machine, twice: translated code runs natively on one image
 * of a few pages, mapped at the guest's own addresses, and the interpreter
 * runs on another. Linear = physical. What translated code does to the first
 * must be what the interpreter does to the second.
 *
 * The native image is reached by test code through an alias only: the low
 * addresses' ASan shadow is unmapped, so that stray guest accesses fault.
 */
#ifndef TESTS_HOST_BT_SANDBOX_H
#define TESTS_HOST_BT_SANDBOX_H

#include "bt/block.h"
#include "cpu/emu.h"

#define SB_BASE  0x10000000u
#define SB_SIZE  0x40000u
#define SB_CODE  SB_BASE               /* two pages and more */
#define SB_DATA  (SB_BASE + 0x10000u)
#define SB_DATA_SIZE 0x8000u
#define SB_STACK (SB_BASE + 0x30000u)  /* its middle */

enum sb_perm { SB_NONE, SB_READ, SB_WRITE };

struct sb_fault {
	bool set;
	u8 vector;
	u32 error; /* #PF: PFEC_P and PFEC_W only */
	u64 cr2;
};

struct sandbox {
	struct vcpu *native, *ref; /* ref: the interpreter's */
	u8 *native_mem, *ref_mem;
	struct emu native_emu, ref_emu;
	struct sb_fault native_fault, ref_fault;
	u8 perm[SB_SIZE / PAGE_SIZE];
	struct bt_cache cache;
	u32 end;          /* EIP at which a run ends */
	unsigned budget;  /* dispatches until a run ends anyway */
	bool linking, self_check, count;
	/* These are callouts; NULL: none but must be. Of them, are stores the
	 * stub's for stores, and only where their page is filtered? */
	bool (*want_callout)(void *ctx, u32 eip);
	bool stores, filter;
	u8 branches; /* Jcc that blocks run on behind */
	unsigned callouts, stored, refused, ports, stales, straddles;
	/* Single-step: leave at the first boundary after this many host
	 * instructions; 0: never. */
	unsigned event_at, steps;
	bool event_taken;
};

extern struct sandbox sb;

void sb_init(void);
void sb_protect(unsigned page, enum sb_perm perm);

/* Both vcpus flat at SB_CODE with the stack in place; empty cache. */
void sb_reset(void);
/* Bytes into both images. */
void sb_poke(u32 address, const void *bytes, u32 size);

/* One instruction, REP to its end. False: it faulted (sb.ref_fault). */
bool sb_ref_step(void);
/* Run the native side to sb.end, a fault or sb.budget dispatches. */
void sb_native_run(void);

/* Describe the first difference of the two sides; NULL: none. */
const char *sb_difference(void);

#endif
