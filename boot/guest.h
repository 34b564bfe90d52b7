/* SPDX-License-Identifier: MIT */
/* From boot modules and options to a running guest. */
#ifndef BOOT_GUEST_H
#define BOOT_GUEST_H

#include "types.h"

/* Make, load and run the guest that the modules describe; print what it cost.
 * Returns the status to exit with. Anything unusable is fatal, in one line. */
u8 guest_run(void);

#endif
