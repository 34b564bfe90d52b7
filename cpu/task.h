/* SPDX-License-Identifier: MIT */
/* The hardware task switch, and the stacks that a TSS holds. */
#ifndef CPU_TASK_H
#define CPU_TASK_H

#include "cpu/emu.h"
#include "cpu/segment.h"

enum task_source { TASK_JMP, TASK_CALL, TASK_EVENT, TASK_IRET };

/*
 * Find the TSS that a far transfer or a task gate names and check that it may
 * be switched to: GDT, type (busy for TASK_IRET, else available), present.
 * `vector` is #GP, or #TS for TASK_IRET.
 */
bool task_find(struct emu *e, u16 sel, enum task_source source, u32 ext,
	       struct desc *tss);

/*
 * Switch to the checked TSS. `rip` is what the old task resumes at, `rflags`
 * its flags. True: the new task's state is in v, e->rip_next is its EIP.
 * False: the fault belongs to the old task, or, once the switch is committed,
 * to the new one: then the snapshot has been moved there.
 */
bool task_switch(struct emu *e, u16 sel, struct desc *tss,
		 enum task_source source, u64 rip, u64 rflags, u32 ext);

/* SS:ESP for an inner privilege from the current TSS; #TS when outside it. */
bool task_inner_stack(struct emu *e, unsigned pl, u32 ext, u16 *ss, u32 *esp);

#endif
