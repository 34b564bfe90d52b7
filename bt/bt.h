/* SPDX-License-Identifier: MIT */
/* The binary-translation engine, for those who choose an engine. */
#ifndef BT_BT_H
#define BT_BT_H

#include "cpu/engine.h"

extern const struct engine bt_engine;

#endif
