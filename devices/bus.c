/* SPDX-License-Identifier: MIT */
/*
 * Port look-up. An access wider than a byte goes to a range that says `wide`
 * as it is; all other ports are byte registers, and the access becomes one
 * cycle a byte at ascending ports, as the ISA bridge makes it.
 */
#include "devices/bus.h"

#include "lib/counters.h"
#include "lib/string.h"
#include "log.h"

void bus_init(struct bus *bus)
{
	memset(bus, 0, sizeof(*bus));
}

void bus_add(struct bus *bus, const struct port_range *range)
{
	assert(bus->range_count < BUS_RANGES);
	bus->range[bus->range_count++] = *range;
	for (u32 i = 0; i < range->count; i++) {
		assert(!bus->index[range->base + i]);
		bus->index[range->base + i] = (u8)bus->range_count;
	}
}

static const struct port_range *bus_find(const struct bus *bus, u16 port)
{
	u8 i = bus->index[port];

	return i ? &bus->range[i - 1] : NULL;
}

static void bus_unclaimed(struct bus *bus, u16 port, const char *what)
{
	u8 bit = (u8)(1 << (port & 7));

	count(CNT_PORT_UNCLAIMED);
	if (bus->seen[port / 8] & bit)
		return;
	bus->seen[port / 8] |= bit;
	log_debug("devices: %s of port %04x, which no device claims", what,
		  port);
}

static u8 bus_read_byte(struct bus *bus, u16 port)
{
	const struct port_range *r = bus_find(bus, port);

	if (likely(r))
		return (u8)r->read(r->dev, (unsigned)(port - r->base), 1);
	bus_unclaimed(bus, port, "read");
	return 0xff;
}

static void bus_write_byte(struct bus *bus, u16 port, u8 value)
{
	const struct port_range *r = bus_find(bus, port);

	if (likely(r))
		r->write(r->dev, (unsigned)(port - r->base), 1, value);
	else
		bus_unclaimed(bus, port, "write");
}

u32 bus_read(struct bus *bus, u16 port, unsigned size)
{
	const struct port_range *r;
	u32 value = 0;

	if (likely(size == 1))
		return bus_read_byte(bus, port);
	r = bus_find(bus, port);
	if (r && r->wide)
		return r->read(r->dev, (unsigned)(port - r->base), size);
	for (unsigned i = 0; i < size; i++)
		value |= (u32)bus_read_byte(bus, (u16)(port + i)) << 8 * i;
	return value;
}

void bus_write(struct bus *bus, u16 port, unsigned size, u32 value)
{
	const struct port_range *r;

	if (likely(size == 1)) {
		bus_write_byte(bus, port, (u8)value);
		return;
	}
	r = bus_find(bus, port);
	if (r && r->wide) {
		r->write(r->dev, (unsigned)(port - r->base), size, value);
		return;
	}
	for (unsigned i = 0; i < size; i++)
		bus_write_byte(bus, (u16)(port + i), (u8)(value >> 8 * i));
}
