/* SPDX-License-Identifier: MIT */
/*
 * A target for tests of gdb's protocol: a vcpu, 64 KiB of memory at 0 and
 * again at F0000000h, a list of stops, and the line's bytes in a buffer.
 */
#ifndef TESTS_HOST_GDB_TARGET_H
#define TESTS_HOST_GDB_TARGET_H

#include <stdlib.h>
#include <string.h>

#include "cpu/emu.h"
#include "debug/gdb.h"
#include "debug/regs.h"
#include "tests/host/test.h"

#define RAM 0x10000u
#define HIGH 0xf0000000u
#define PHYS_HOLE 0x8000u /* from here on nothing is physical */

static struct target {
	struct vcpu v;
	u8 fx[REGS_FX_BYTES];
	struct regs regs;
	u8 ram[RAM];
	bool running, ended, reset;
	struct gdb_stop why;
	enum gdb_resume how;
	u64 start, end;
	unsigned changed;
	bool fx_changed, interrupted;
	struct stop list[64];
	struct stops stops;
	char said[128];
	struct gdb gdb;
	u8 line[1 << 17]; /* what the stub sent */
	size_t sent;
} t;

static bool t_running(void *ctx)
{
	return t.running;
}

static void t_pause(void *ctx)
{
	t.running = false;
	t.why = (struct gdb_stop){ GDB_SIGINT, 0, 0 };
}

static void t_resume(void *ctx, enum gdb_resume how, u64 start, u64 end)
{
	t.running = true;
	t.how = how;
	t.start = start;
	t.end = end;
}

static void t_why(void *ctx, struct gdb_stop *stop)
{
	*stop = t.why;
}

static unsigned t_reg_size(void *ctx, unsigned reg)
{
	return regs_size(reg);
}

static void t_reg_read(void *ctx, unsigned reg, u8 *buf)
{
	regs_read(&t.regs, reg, buf);
}

static bool t_reg_write(void *ctx, unsigned reg, const u8 *buf)
{
	return regs_write(&t.regs, reg, buf);
}

/* Bytes at addr up to the end of what is there. */
static u64 t_reach(bool phys, u64 addr, u64 size, u64 *at)
{
	u64 end = phys ? PHYS_HOLE : RAM;

	*at = !phys && addr >= HIGH ? addr - HIGH : addr;
	return *at < end ? MIN(size, end - *at) : 0;
}

static u64 t_read(void *ctx, bool phys, u64 addr, void *buf, u64 size)
{
	u64 at, n = t_reach(phys, addr, size, &at);

	memcpy(buf, t.ram + (n ? at : 0), n);
	return n;
}

static u64 t_write(void *ctx, bool phys, u64 addr, const void *buf, u64 size)
{
	u64 at, n = t_reach(phys, addr, size, &at);

	memcpy(t.ram + (n ? at : 0), buf, n);
	return n;
}

static bool t_stop_add(void *ctx, const struct stop *stop)
{
	return stops_add(&t.stops, stop);
}

static bool t_stop_remove(void *ctx, const struct stop *stop)
{
	return stops_remove(&t.stops, stop);
}

static void t_stops_clear(void *ctx)
{
	stops_clear(&t.stops);
}

static void t_reset(void *ctx)
{
	t.reset = true;
}

static void t_kill(void *ctx)
{
	t.ended = true;
}

static const char *t_describe(void *ctx)
{
	return "a test";
}

static void t_monitor(void *ctx, const char *line)
{
	snprintf(t.said, sizeof(t.said), "%s", line);
	gdb_say(&t.gdb, "said ", 5);
	gdb_say(&t.gdb, line, strlen(line));
}

static bool t_interrupted(void *ctx)
{
	return t.interrupted;
}

static bool t_load_segment(void *ctx, enum sreg seg, u16 sel)
{
	t.v.seg[seg].sel = sel;
	return sel != 0xbad;
}

static bool t_load_cr3(void *ctx, u64 cr3)
{
	t.v.cr3 = cr3;
	return cr3 != 0xbad;
}

static void t_changed(void *ctx, unsigned what, bool fx)
{
	t.changed |= what;
	t.fx_changed |= fx;
}

static void t_put(void *ctx, u8 byte)
{
	if (t.sent < sizeof(t.line))
		t.line[t.sent++] = byte;
}

static struct gdb_ops t_ops = {
	t_running, t_pause, t_resume, t_why, 0, t_reg_size, t_reg_read,
	t_reg_write, 0, NULL, 0, t_read, t_write, MIB(2), t_stop_add, t_stop_remove,
	t_stops_clear, t_reset, t_kill, t_describe, t_monitor, t_interrupted,
	NULL, 0,
};

static void target_reset(void)
{
	memset(&t, 0, sizeof(t));
	vcpu_reset_flat32(&t.v, 0x1000, 8, 16);
	t.fx[28] = 0xff; /* MXCSR_MASK */
	t.fx[29] = 0xff;
	for (unsigned i = 0; i < RAM; i++)
		t.ram[i] = (u8)(i * 7 + (i >> 8));
	t.stops.list = t.list;
	t.stops.room = ARRAY_SIZE(t.list);
	t.regs = (struct regs){ &t.v, t.fx, CR4_TSD | CR4_OSFXSR,
				t_load_segment, t_load_cr3, t_changed, NULL };
	t.why = (struct gdb_stop){ GDB_SIGTRAP, 0, 0 };
	t_ops.reg_count = regs_count();
	t_ops.reg_pc = regs_find("rip");
	t_ops.told = regs_told(&t_ops.told_count);
	t_ops.target_xml = regs_xml(&t_ops.target_xml_size);
	gdb_init(&t.gdb, &t_ops, NULL, t_put);
}

static void type(const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		gdb_take(&t.gdb, ((const u8 *)bytes)[i]);
}

/* A packet with its right checksum. */
static void type_packet(const void *text, size_t n)
{
	const u8 *p = text;
	char sum[4];
	u8 s = 0;

	for (size_t i = 0; i < n; i++)
		s += p[i];
	type("$", 1);
	type(p, n);
	snprintf(sum, sizeof(sum), "#%02x", s);
	type(sum, 3);
}

#endif
