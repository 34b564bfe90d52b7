/* SPDX-License-Identifier: MIT */
/* The Gregorian calendar as seconds since 1970 and back, UTC. */
#ifndef DEVICES_CALENDAR_H
#define DEVICES_CALENDAR_H

#include "types.h"

struct calendar {
	unsigned year, month, day; /* month and day from 1 */
	unsigned hour, minute, second;
};

struct calendar calendar_from_seconds(u64 seconds);
/* Any field may be out of range and carries over; before 1970 is 1970. */
u64 calendar_to_seconds(const struct calendar *t);

#endif
