/* SPDX-License-Identifier: MIT */
/*
 * Short ways for the commonest callouts and events. Each does one instruction
 * or event wholly, or returns false and has done nothing: then the interpreter
 * does it. Segment loads leave EIP and the count to their caller.
 */
#ifndef BT_FAST_H
#define BT_FAST_H

#include "bt/block.h"
#include "cpu/emu.h"

/* MOV and POP to DS, ES, FS, GS. */
bool fast_is_segment_load(const struct insn *i, u32 mode);
/* *steady: bt_mode_of() is what it was. */
bool fast_load_segment(struct vcpu *v, const struct insn *i, bool *steady);
/* The interpreter has just done such a load. */
void fast_note_segment(struct vcpu *v, const struct insn *i);

/*
 * An event, as emu_deliver() would have it (fast_trap.c). False: nothing has
 * been done.
 */
bool fast_deliver(struct vcpu *v, const struct event *ev);
/* The instruction at EIP, if it is INT n or SYSENTER; if it is IRETD or SYSEXIT,
 * at CPL 0. */
bool fast_entry(struct vcpu *v);
bool fast_return(struct vcpu *v);

#endif
