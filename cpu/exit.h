/* SPDX-License-Identifier: MIT */
/*
 * Why an engine returned to the run loop. Neutral: the same reasons mean the
 * same for every engine. One row is one reason: name and description.
 */
#ifndef CPU_EXIT_H
#define CPU_EXIT_H

#include "types.h"

#define EXIT_REASONS(X)                                                   \
	X(ATTENTION, "host event: the run loop is wanted")                \
	X(HALT, "guest is halted and waits for an interrupt")             \
	X(SHUTDOWN, "triple fault")                                       \
	X(STOP, "a device asked for the guest to stop or reset")          \
	X(CANNOT_RUN, "guest state that this engine does not run")        \
	X(ERROR, "the engine gave up; the message says why")

enum exit_reason {
#define X(name, text) EXIT_##name,
	EXIT_REASONS(X)
#undef X
	EXIT_COUNT
};

struct vcpu_exit {
	enum exit_reason reason;
	const char *message; /* EXIT_ERROR: static text, else NULL */
};

#endif
