/* SPDX-License-Identifier: MIT */
/* Control-register loads that more than one instruction performs. */
#ifndef CPU_CONTROL_H
#define CPU_CONTROL_H

#include "cpu/emu.h"

/*
 * Load CR3, and the PDPTEs with PAE paging on. False: a PDPTE has reserved
 * bits set; nothing has changed and no fault is raised.
 */
bool control_load_cr3(struct emu *e, u64 cr3);

#endif
