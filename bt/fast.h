/* SPDX-License-Identifier: MIT */
/*
 * Short ways for the commonest callouts. Each does one instruction wholly, but
 * for EIP and the count, or returns false and has done nothing: then the
 * interpreter does it.
 */
#ifndef BT_FAST_H
#define BT_FAST_H

#include "bt/block.h"

/* MOV and POP to DS, ES, FS, GS. */
bool fast_is_segment_load(const struct insn *i, u32 mode);
/* *steady: bt_mode_of() is what it was. */
bool fast_load_segment(struct vcpu *v, const struct insn *i, bool *steady);
/* The interpreter has just done such a load. */
void fast_note_segment(const struct vcpu *v, const struct insn *i);

#endif
