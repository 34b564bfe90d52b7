/* SPDX-License-Identifier: MIT */
/* Which engine runs the guest: a pure function, and the line that says why. */
#ifndef BOOT_SELECT_H
#define BOOT_SELECT_H

#include "boot/cmdline.h"

struct engine_choice {
	enum option_engine engine; /* never ENGINE_AUTO */
	bool refused; /* what was asked for cannot run; `reason` says why */
	const char *reason;
};

/*
 * asked: the option. vmx_lacks: why vmx cannot run on this machine; NULL: it
 * can. icount: time counts instructions, which vmx cannot do.
 */
struct engine_choice engine_select(enum option_engine asked,
				   const char *vmx_lacks, bool icount);

const char *engine_option_name(enum option_engine engine);

#endif
