/* SPDX-License-Identifier: MIT */
/* The executable scratch area, and what becomes of a fault in it. */
#include "kernel/native.h"

#include "kernel/host.h"
#include "kernel/paging.h"
#include "log.h"

#define AREA_BYTES KIB(16)

/* native.asm: the stack of the call under way (0: none), and its abort. */
extern u64 native_rsp;
extern const u8 native_abort[];

static struct host_code area;

void native_init(void)
{
	void *exec, *p = palloc(AREA_BYTES / PAGE_SIZE, PAGE_SIZE);

	if (!p || !paging_map_exec(p, AREA_BYTES, &exec))
		fatal("out of memory for the native code area");
	area = (struct host_code){ p, exec, AREA_BYTES };
}

struct host_code host_code_area(void)
{
	return area;
}

bool native_fixup(struct host_frame *f)
{
	if (!native_rsp || f->rip - (uintptr_t)area.exec >= area.size)
		return false;
	f->rip = (uintptr_t)native_abort;
	f->rsp = native_rsp;
	f->rax = 1 + f->vector;
	native_rsp = 0;
	return true;
}
