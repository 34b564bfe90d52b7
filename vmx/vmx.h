/* SPDX-License-Identifier: MIT */
/* The vmx engine's public name. */
#ifndef VMX_VMX_H
#define VMX_VMX_H

#include "cpu/engine.h"

extern const struct engine vmx_engine;

#endif
