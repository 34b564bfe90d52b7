/* SPDX-License-Identifier: MIT */
/* gdb's questions: features, transfers of text, threads, searches, `monitor`. */
#include "debug/gdb_internal.h"

#include "lib/format.h"
#include "lib/string.h"

/*
 * A new session: gdb expects acknowledgements whatever its predecessor has
 * agreed on, and the packet that says so was not acknowledged under that.
 */
void gdb_query_supported(struct gdb *g, struct cursor *c)
{
	char text[200];

	if (g->rsp.no_ack)
		g->rsp.put(g->rsp.ctx, '+');
	rsp_restart(&g->rsp);
	g->phys = false;
	fmt_snprintf(text, sizeof(text), "PacketSize=%x;QStartNoAckMode+;"
		     "qXfer:features:read+;qXfer:memory-map:read+;"
		     "qXfer:threads:read+;vContSupported+;swbreak-;hwbreak-",
		     RSP_PACKET_MAX);
	gdb_reply(g, text);
}

/* --- qXfer ------------------------------------------------------------ */

/* The part of a text that "offset,length" asks for. */
static void transfer(struct gdb *g, struct cursor *c, const char *text,
		     u64 size)
{
	u64 offset, length;

	if (!gdb_number(c, &offset) || !gdb_mark(c, ',') ||
	    !gdb_number(c, &length)) {
		gdb_reply(g, "E01");
		return;
	}
	offset = MIN(offset, size);
	length = MIN(length, RSP_PACKET_MAX / 2);
	length = MIN(length, size - offset);
	rsp_begin(&g->rsp);
	rsp_char(&g->rsp, offset + length == size ? 'l' : 'm');
	rsp_binary(&g->rsp, text + offset, length);
	rsp_send(&g->rsp);
}

/*
 * Linear addresses may all be mapped; gdb refuses to touch what is not in the
 * map, and keeps it for the session.
 */
static void memory_map(struct gdb *g, struct cursor *c)
{
	static const char all[] =
		"<?xml version=\"1.0\"?><memory-map><memory type=\"ram\" "
		"start=\"0x0\" length=\"0xffffffffffffffff\"/></memory-map>";
	static const char physical[] =
		"<?xml version=\"1.0\"?><memory-map><memory type=\"ram\" "
		"start=\"0x0\" length=\"0xa0000\"/><memory type=\"rom\" "
		"start=\"0xc0000\" length=\"0x40000\"/><memory type=\"ram\" "
		"start=\"0x100000\" length=\"%#llx\"/></memory-map>";
	char text[sizeof(physical) + 20];

	if (!g->phys) {
		transfer(g, c, all, sizeof(all) - 1);
		return;
	}
	fmt_snprintf(text, sizeof(text), physical,
		     (unsigned long long)(g->ops->ram_bytes - MIB(1)));
	transfer(g, c, text, strlen(text));
}

static void threads(struct gdb *g, struct cursor *c)
{
	char text[160];

	fmt_snprintf(text, sizeof(text), "<?xml version=\"1.0\"?><threads>"
		     "<thread id=\"1\" core=\"0\" name=\"cpu0\">%s</thread>"
		     "</threads>", g->ops->describe(g->ctx));
	transfer(g, c, text, strlen(text));
}

static bool skip(struct cursor *c, const char *text)
{
	u64 n = strlen(text);

	if ((u64)(c->end - c->at) < n || memcmp(c->at, text, n))
		return false;
	c->at += n;
	return true;
}

void gdb_query_xfer(struct gdb *g, struct cursor *c)
{
	if (skip(c, "features:read:target.xml:"))
		transfer(g, c, g->ops->target_xml, g->ops->target_xml_size);
	else if (skip(c, "memory-map:read::"))
		memory_map(g, c);
	else if (skip(c, "threads:read::"))
		threads(g, c);
	else if (skip(c, "features:read:"))
		gdb_reply(g, "E00");
	else
		gdb_reply(g, "");
}

/* --- Threads ---------------------------------------------------------- */

void gdb_query_attached(struct gdb *g, struct cursor *c)
{
	gdb_reply(g, "1");
}

void gdb_query_threads(struct gdb *g, struct cursor *c)
{
	gdb_reply(g, "m1");
}

void gdb_query_no_more(struct gdb *g, struct cursor *c)
{
	gdb_reply(g, "l");
}

void gdb_query_current(struct gdb *g, struct cursor *c)
{
	gdb_reply(g, "QC1");
}

void gdb_query_extra(struct gdb *g, struct cursor *c)
{
	const char *text = g->ops->describe(g->ctx);

	rsp_begin(&g->rsp);
	rsp_bytes(&g->rsp, text, strlen(text));
	rsp_send(&g->rsp);
}

/* --- Physical memory (as QEMU calls it) ------------------------------- */

void gdb_query_phys(struct gdb *g, struct cursor *c)
{
	gdb_reply(g, g->phys ? "1" : "0");
}

void gdb_query_set_phys(struct gdb *g, struct cursor *c)
{
	bool on = gdb_mark(c, '1');

	if ((!on && !gdb_mark(c, '0')) || c->at != c->end) {
		gdb_reply(g, "E01");
		return;
	}
	g->phys = on;
	gdb_reply(g, "OK");
}

/* --- monitor ---------------------------------------------------------- */

void gdb_query_monitor(struct gdb *g, struct cursor *c)
{
	char line[128];
	u32 n = 0;

	for (; c->end - c->at >= 2 && n < sizeof(line) - 1; c->at += 2) {
		int high = rsp_digit(c->at[0]), low = rsp_digit(c->at[1]);

		if (high < 0 || low < 0 || !(high | low)) {
			gdb_reply(g, "E01");
			return;
		}
		line[n++] = (char)(high << 4 | low);
	}
	if (c->at != c->end) {
		gdb_reply(g, "E01");
		return;
	}
	line[n] = 0;
	g->in_monitor = true;
	g->ops->monitor(g->ctx, line);
	g->in_monitor = false;
	gdb_reply(g, "OK");
}

/* --- qSearch ---------------------------------------------------------- */

#define WINDOW 4096u /* bytes looked through at once */

/* Where the pattern begins in the bytes; -1: nowhere. */
static s64 find(const u8 *data, u64 size, const u8 *pattern, u64 length)
{
	for (u64 i = 0; i + length <= size; i++)
		if (data[i] == pattern[0] && !memcmp(data + i, pattern, length))
			return (s64)i;
	return -1;
}

/* 1: found at *addr, 0: not there, -1: memory ends or ^C. */
static int search(struct gdb *g, u64 *addr, u64 size, const u8 *pattern,
		  u64 length)
{
	static u8 window[2 * WINDOW];

	while (size >= length) {
		u64 want = MIN(size, WINDOW + length - 1);
		u64 got = g->ops->read(g->ctx, g->phys, *addr, window, want);
		s64 at = find(window, got, pattern, length);

		if (at >= 0) {
			*addr += (u64)at;
			return 1;
		}
		if (got < want || g->ops->interrupted(g->ctx))
			return -1;
		if (size <= WINDOW)
			return 0;
		*addr += WINDOW;
		size -= WINDOW;
	}
	return 0;
}

/* "address;length;pattern" */
void gdb_query_search(struct gdb *g, struct cursor *c)
{
	u64 addr, size, length;
	int found;

	if (!gdb_number(c, &addr) || !gdb_mark(c, ';') ||
	    !gdb_number(c, &size) || !gdb_mark(c, ';') || c->at == c->end) {
		gdb_reply(g, "E01");
		return;
	}
	length = (u64)(c->end - c->at);
	if (length > WINDOW) {
		gdb_reply(g, "E01");
		return;
	}
	found = search(g, &addr, size, c->at, length);
	if (found < 0) {
		gdb_reply(g, "E0e");
		return;
	}
	rsp_begin(&g->rsp);
	rsp_char(&g->rsp, found ? '1' : '0');
	if (found) {
		rsp_char(&g->rsp, ',');
		rsp_hex(&g->rsp, addr);
	}
	rsp_send(&g->rsp);
}
