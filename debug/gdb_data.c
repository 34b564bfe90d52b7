/* SPDX-License-Identifier: MIT */
/* Commands that read and write registers and memory, and set and take stops. */
#include "debug/gdb_internal.h"
#include "lib/string.h"

#define REGS_MAX 256
#define CHUNK    1024 /* bytes of memory moved at once */

/* Pairs of digits to bytes; exactly `size` of them. */
static bool hex_bytes(struct cursor *c, u8 *to, u64 size)
{
	for (; size; size--, c->at += 2) {
		if (c->end - c->at < 2 || rsp_digit(c->at[0]) < 0 ||
		    rsp_digit(c->at[1]) < 0)
			return false;
		*to++ = (u8)(rsp_digit(c->at[0]) << 4 | rsp_digit(c->at[1]));
	}
	return true;
}

/* --- Registers -------------------------------------------------------- */

void gdb_read_registers(struct gdb *g, struct cursor *c)
{
	rsp_begin(&g->rsp);
	for (unsigned n = 0; n < g->ops->reg_count; n++) {
		u8 value[GDB_REG_MAX] = { 0 };

		g->ops->reg_read(g->ctx, n, value);
		rsp_bytes(&g->rsp, value, g->ops->reg_size(g->ctx, n));
	}
	rsp_send(&g->rsp);
}

/*
 * What is as it was is not written: not all may be, and some have two names,
 * of which gdb has changed one.
 */
void gdb_write_registers(struct gdb *g, struct cursor *c)
{
	static u8 before[REGS_MAX][GDB_REG_MAX];
	unsigned count = MIN(g->ops->reg_count, REGS_MAX);
	bool ok = true;

	for (unsigned n = 0; n < count; n++)
		g->ops->reg_read(g->ctx, n, before[n]);
	for (unsigned n = 0; ok && n < count && c->at < c->end; n++) {
		unsigned size = g->ops->reg_size(g->ctx, n);
		u8 value[GDB_REG_MAX] = { 0 };

		ok = hex_bytes(c, value, size) &&
		     (!memcmp(value, before[n], size) ||
		      g->ops->reg_write(g->ctx, n, value));
	}
	gdb_answer(g, ok, "E01");
}

void gdb_read_register(struct gdb *g, struct cursor *c)
{
	u8 value[GDB_REG_MAX] = { 0 };
	u64 n;

	if (!gdb_number(c, &n) || n >= g->ops->reg_count) {
		gdb_reply(g, "E01");
		return;
	}
	g->ops->reg_read(g->ctx, (unsigned)n, value);
	rsp_begin(&g->rsp);
	rsp_bytes(&g->rsp, value, g->ops->reg_size(g->ctx, (unsigned)n));
	rsp_send(&g->rsp);
}

void gdb_write_register(struct gdb *g, struct cursor *c)
{
	u8 value[GDB_REG_MAX] = { 0 };
	u64 n;

	if (!gdb_number(c, &n) || n >= g->ops->reg_count || !gdb_mark(c, '=') ||
	    !hex_bytes(c, value, g->ops->reg_size(g->ctx, (unsigned)n)))
		gdb_reply(g, "E01");
	else
		gdb_answer(g, g->ops->reg_write(g->ctx, (unsigned)n, value), "E02");
}

/* --- Memory ----------------------------------------------------------- */

void gdb_read_memory(struct gdb *g, struct cursor *c)
{
	u64 addr, size, got = 0, n;
	u8 data[CHUNK];

	if (!gdb_span(c, &addr, &size)) {
		gdb_reply(g, "E01");
		return;
	}
	rsp_begin(&g->rsp);
	size = MIN(size, (RSP_PACKET_MAX - 8) / 2);
	do {
		n = g->ops->read(g->ctx, g->phys, addr + got, data,
				 MIN(size - got, CHUNK));
		rsp_bytes(&g->rsp, data, n);
		got += n;
	} while (n == CHUNK && got < size);
	if (size && !got)
		gdb_reply(g, "E0e");
	else
		rsp_send(&g->rsp);
}

static void write_memory(struct gdb *g, u64 addr, const u8 *data, u64 size)
{
	gdb_answer(g, g->ops->write(g->ctx, g->phys, addr, data, size) == size,
	       "E0e");
}

/* The digits are read into the packet itself, which is longer. */
void gdb_write_memory(struct gdb *g, struct cursor *c)
{
	u8 *data = g->rsp.packet;
	u64 addr, size;

	if (!gdb_span(c, &addr, &size) || !gdb_mark(c, ':') ||
	    size > (u64)(c->end - c->at) / 2 || !hex_bytes(c, data, size))
		gdb_reply(g, "E01");
	else
		write_memory(g, addr, data, size);
}

void gdb_write_binary(struct gdb *g, struct cursor *c)
{
	u64 addr, size;

	if (!gdb_span(c, &addr, &size) || !gdb_mark(c, ':') ||
	    size > (u64)(c->end - c->at))
		gdb_reply(g, "E01");
	else
		write_memory(g, addr, c->at, size);
}

/* --- Stops ------------------------------------------------------------ */

static const u8 kinds_of[] = {
	STOP_EXEC, STOP_EXEC, STOP_WRITE, STOP_READ, STOP_READ | STOP_WRITE,
};

/* "type,address,kind" */
static bool parse_stop(struct gdb *g, struct cursor *c, struct stop *stop)
{
	u64 type, addr, len;

	if (!gdb_number(c, &type) || type >= ARRAY_SIZE(kinds_of) ||
	    !gdb_mark(c, ',') || !gdb_span(c, &addr, &len))
		return false;
	*stop = (struct stop){ .addr = addr, .kinds = kinds_of[type],
			       .len = type < 2 ? 1 : len, .phys = g->phys };
	return stop->len && addr + stop->len - 1 >= addr;
}

void gdb_insert_stop(struct gdb *g, struct cursor *c)
{
	struct stop stop;

	if (!parse_stop(g, c, &stop))
		gdb_reply(g, "E01");
	else /* a packet sent twice is one stop */
		gdb_answer(g, (g->ops->stop_remove(g->ctx, &stop), true) &&
			  g->ops->stop_add(g->ctx, &stop), "E0c");
}

void gdb_remove_stop(struct gdb *g, struct cursor *c)
{
	struct stop stop;

	if (!parse_stop(g, c, &stop)) {
		gdb_reply(g, "E01");
		return;
	}
	g->ops->stop_remove(g->ctx, &stop);
	gdb_reply(g, "OK");
}
