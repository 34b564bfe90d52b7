/* SPDX-License-Identifier: MIT */
/* The interpreter's events as VM-entry interruption information, and back. */
#ifndef VMX_EVENTS_H
#define VMX_EVENTS_H

#include "cpu/emu.h"

u32 vmx_event_encode(const struct event *ev);
void vmx_event_decode(u32 info, u32 error, u32 insn_len, struct event *ev);

#endif
