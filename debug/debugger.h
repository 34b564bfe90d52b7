/* SPDX-License-Identifier: MIT */
/* The debugger of a guest: gdb on a serial port, the monitor console on COM1. */
#ifndef DEBUG_DEBUGGER_H
#define DEBUG_DEBUGGER_H

#include "vm/vm.h"

enum debug_port { DEBUG_PORT_NONE, DEBUG_PORT_COM1, DEBUG_PORT_COM2 };

struct debug_config {
	enum debug_port port;
	bool must;  /* the port was asked for: its absence is an error */
	bool wait;  /* the guest does not start before somebody lets it */
};

/* NULL, or in words why not. Before vm_run(). */
const char *debugger_start(struct vm *vm, const struct debug_config *config);

#endif
