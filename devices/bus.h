/* SPDX-License-Identifier: MIT */
/*
 * The I/O port space. Each range of ports is a row; a byte a port tells the
 * row, so that a look-up is one load. Ports that no row claims read all ones
 * and swallow writes.
 */
#ifndef DEVICES_BUS_H
#define DEVICES_BUS_H

#include "bits.h"

struct port_range {
	const char *name;
	u16 base, count;
	bool wide; /* takes 2- and 4-byte accesses whole; else they split */
	u32 (*read)(void *dev, unsigned offset, unsigned size);
	void (*write)(void *dev, unsigned offset, unsigned size, u32 value);
	void *dev;
};

#define BUS_RANGES 64
#define BUS_PORTS  65536u

struct bus {
	struct port_range range[BUS_RANGES];
	unsigned range_count;
	u8 index[BUS_PORTS]; /* port -> range + 1; 0: unclaimed */
	u8 seen[BUS_PORTS / 8]; /* unclaimed ports already told of */
};

void bus_init(struct bus *bus);
void bus_add(struct bus *bus, const struct port_range *range);
/* Size is 1, 2 or 4. */
u32 bus_read(struct bus *bus, u16 port, unsigned size);
void bus_write(struct bus *bus, u16 port, unsigned size, u32 value);

#endif
