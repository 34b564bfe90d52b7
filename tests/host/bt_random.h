/* SPDX-License-Identifier: MIT */
/*
 * Random guest code for the sandbox (bt_sandbox.h): written instruction by
 * instruction while the interpreter executes it, so that most operands hit
 * the data pages whatever the registers hold by then.
 */
#ifndef TESTS_HOST_BT_RANDOM_H
#define TESTS_HOST_BT_RANDOM_H

#include "types.h"

extern u64 rnd_state;

u32 rnd(u32 below);

/* Random registers, flags and data in both sides of a reset sandbox. */
void random_state(void);

/*
 * Write and interpret `count` instructions from SB_CODE on; sets sb.end. Ends
 * early at a fault. Returns the bytes written.
 */
u32 random_code(unsigned count, u8 *code);

#endif
