/* SPDX-License-Identifier: MIT */
/*
 * Notes for translated code about the segment registers: which selector each
 * holds, and the descriptor that it was loaded from.
 */
#ifndef BT_SEGMENTS_H
#define BT_SEGMENTS_H

#include "bt/abi.h"

/* v's register has just been loaded, at v's privilege, from this descriptor. */
void segments_note(struct vcpu *v, enum sreg seg, u64 raw);

/* Whoever may have changed v's segment registers or GDTR otherwise calls this:
 * notes that are not good any more go. Each way into the interpreter does, each
 * return from user code, and the start of a run. */
void segments_check(struct vcpu *v);

#endif
