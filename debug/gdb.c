/* SPDX-License-Identifier: MIT */
/*
 * The session: which packet is which command, running and standing, coming and
 * going. What a command does to data is in gdb_data.c, questions are answered in
 * gdb_query.c. A command is one row: its first characters, and whether the
 * target has to stand for it.
 */
#include "debug/gdb.h"

#include "debug/gdb_internal.h"
#include "lib/string.h"

#define CHUNK 1024 /* bytes of text in a packet */

/* --- Reading a command ------------------------------------------------ */

bool gdb_number(struct cursor *c, u64 *value)
{
	unsigned digits = 0;

	*value = 0;
	for (; c->at < c->end && rsp_digit(*c->at) >= 0; c->at++, digits++) {
		if (*value >> 60)
			return false;
		*value = *value << 4 | (u64)rsp_digit(*c->at);
	}
	return digits;
}

bool gdb_mark(struct cursor *c, char mark)
{
	if (c->at == c->end || *c->at != (u8)mark)
		return false;
	c->at++;
	return true;
}

/* "address,length" */
bool gdb_span(struct cursor *c, u64 *addr, u64 *size)
{
	return gdb_number(c, addr) && gdb_mark(c, ',') && gdb_number(c, size);
}

void gdb_reply(struct gdb *g, const char *text)
{
	rsp_begin(&g->rsp);
	rsp_text(&g->rsp, text);
	rsp_send(&g->rsp);
}

void gdb_answer(struct gdb *g, bool ok, const char *error)
{
	gdb_reply(g, ok ? "OK" : error);
}

/* --- Stop replies ----------------------------------------------------- */

static void tell_register(struct gdb *g, unsigned reg)
{
	u8 value[GDB_REG_MAX] = { 0 };

	rsp_hex(&g->rsp, reg);
	rsp_char(&g->rsp, ':');
	g->ops->reg_read(g->ctx, reg, value);
	rsp_bytes(&g->rsp, value, g->ops->reg_size(g->ctx, reg));
	rsp_char(&g->rsp, ';');
}

/* Not "swbreak": gdb would then ask for the pc to be the breakpoint's. */
static void tell_reason(struct gdb *g, const struct gdb_stop *stop)
{
	if (stop->kinds & STOP_EXEC || !stop->kinds)
		return;
	rsp_text(&g->rsp, stop->kinds == STOP_WRITE ? "watch:" :
			  stop->kinds == STOP_READ ? "rwatch:" : "awatch:");
	rsp_hex(&g->rsp, stop->at);
	rsp_char(&g->rsp, ';');
}

static void tell_stop(struct gdb *g)
{
	struct gdb_stop stop = { 0 };
	struct rsp *r = &g->rsp;

	g->ops->why(g->ctx, &stop);
	rsp_begin(r);
	rsp_char(r, 'T');
	rsp_bytes(r, &stop.signal, 1);
	tell_reason(g, &stop);
	rsp_text(r, "thread:1;");
	for (unsigned i = 0; i < g->ops->told_count; i++)
		tell_register(g, g->ops->told[i]);
	rsp_send(r);
}

void gdb_stopped(struct gdb *g)
{
	if (!g->waiting)
		return;
	g->waiting = false;
	tell_stop(g);
}

void gdb_exited(struct gdb *g, u8 status)
{
	if (!g->attached)
		return;
	g->waiting = g->attached = false;
	rsp_begin(&g->rsp);
	rsp_char(&g->rsp, 'W');
	rsp_bytes(&g->rsp, &status, 1);
	rsp_send(&g->rsp);
}

static void say_some(struct gdb *g, const char *text, u64 size)
{
	rsp_begin(&g->rsp);
	rsp_char(&g->rsp, 'O');
	rsp_bytes(&g->rsp, text, size);
	rsp_send(&g->rsp);
}

/* Only a gdb that waits for the end of a command listens. */
void gdb_say(struct gdb *g, const char *text, u64 size)
{
	if (!g->waiting && !g->in_monitor)
		return;
	for (; size; size -= MIN(size, CHUNK), text += CHUNK)
		say_some(g, text, MIN(size, CHUNK));
}

void gdb_abandon(struct gdb *g)
{
	if (g->in_monitor)
		gdb_reply(g, "OK");
	g->in_monitor = false;
	gdb_stopped(g);
}

static void cmd_why(struct gdb *g, struct cursor *c)
{
	tell_stop(g);
}

/* --- Running ---------------------------------------------------------- */

static void resume(struct gdb *g, enum gdb_resume how, u64 start, u64 end)
{
	g->waiting = true;
	g->ops->resume(g->ctx, how, start, end);
}

/* An address to go on at is the pc's new value. */
static bool go_to(struct gdb *g, struct cursor *c)
{
	u8 value[GDB_REG_MAX] = { 0 };
	u64 addr;

	if (c->at == c->end)
		return true;
	if (!gdb_number(c, &addr))
		return false;
	memcpy(value, &addr, sizeof(addr));
	return g->ops->reg_write(g->ctx, g->ops->reg_pc, value);
}

static void run(struct gdb *g, struct cursor *c, enum gdb_resume how)
{
	if (go_to(g, c))
		resume(g, how, 0, 0);
	else
		gdb_reply(g, "E01");
}

static void cmd_continue(struct gdb *g, struct cursor *c)
{
	run(g, c, GDB_CONTINUE);
}

static void cmd_step(struct gdb *g, struct cursor *c)
{
	run(g, c, GDB_STEP);
}

/* The signal is not the guest's business. */
static void skip_signal(struct cursor *c)
{
	u64 ignored;

	gdb_number(c, &ignored);
	gdb_mark(c, ';');
}

static void cmd_continue_signal(struct gdb *g, struct cursor *c)
{
	skip_signal(c);
	run(g, c, GDB_CONTINUE);
}

static void cmd_step_signal(struct gdb *g, struct cursor *c)
{
	skip_signal(c);
	run(g, c, GDB_STEP);
}

static void cmd_vcont_query(struct gdb *g, struct cursor *c)
{
	gdb_reply(g, "vCont;c;C;s;S;t;r");
}

/* With one processor the first action is the one that counts. */
static void cmd_vcont(struct gdb *g, struct cursor *c)
{
	u64 start, end;

	switch (c->at < c->end ? *c->at++ : 0) {
	case 'c':
	case 'C':
		resume(g, GDB_CONTINUE, 0, 0);
		break;
	case 's':
	case 'S':
		resume(g, GDB_STEP, 0, 0);
		break;
	case 'r':
		if (gdb_span(c, &start, &end))
			resume(g, GDB_STEP_RANGE, start, end);
		else
			gdb_reply(g, "E01");
		break;
	case 't':
		tell_stop(g);
		break;
	default:
		gdb_reply(g, "E01");
	}
}

static void interrupt(struct gdb *g)
{
	if (!g->ops->running(g->ctx))
		return;
	g->ops->pause(g->ctx);
	gdb_stopped(g);
}

static void cmd_interrupt(struct gdb *g, struct cursor *c)
{
	gdb_reply(g, "OK");
	interrupt(g);
}

/* --- The session ------------------------------------------------------ */

static void cmd_detach(struct gdb *g, struct cursor *c)
{
	gdb_reply(g, "OK");
	g->ops->stops_clear(g->ctx);
	g->phys = false;
	g->waiting = g->attached = false;
	if (!g->ops->running(g->ctx))
		g->ops->resume(g->ctx, GDB_CONTINUE, 0, 0);
}

static void cmd_kill(struct gdb *g, struct cursor *c)
{
	g->waiting = g->attached = false;
	g->ops->stops_clear(g->ctx);
	g->ops->kill(g->ctx);
}

static void cmd_vkill(struct gdb *g, struct cursor *c)
{
	gdb_reply(g, "OK");
	cmd_kill(g, c);
}

static void cmd_restart(struct gdb *g, struct cursor *c)
{
	g->ops->reset(g->ctx);
}

/* There is one thread; 0 means any, -1 all. */
static bool thread_known(struct cursor *c)
{
	u64 n;

	if (gdb_mark(c, '-'))
		return gdb_number(c, &n) && n == 1 && c->at == c->end;
	return gdb_number(c, &n) && n <= 1 && c->at == c->end;
}

static void cmd_thread(struct gdb *g, struct cursor *c)
{
	bool which = gdb_mark(c, 'g') || gdb_mark(c, 'c');

	gdb_answer(g, which && thread_known(c), "E01");
}

static void cmd_alive(struct gdb *g, struct cursor *c)
{
	gdb_answer(g, thread_known(c), "E01");
}

static void cmd_no_ack(struct gdb *g, struct cursor *c)
{
	gdb_reply(g, "OK");
	g->rsp.no_ack = true;
}

static void cmd_empty(struct gdb *g, struct cursor *c)
{
	gdb_reply(g, "OK");
}

/* --- The rows --------------------------------------------------------- */

/* The first that fits; `stands`: a running target is stopped first. */
/* clang-format off */
static const struct {
	const char *name;
	void (*run)(struct gdb *g, struct cursor *c);
	bool stands;
} rows[] = {
	{ "?",              cmd_why,             true },
	{ "g",              gdb_read_registers,  true },
	{ "G",              gdb_write_registers, true },
	{ "p",              gdb_read_register,   true },
	{ "P",              gdb_write_register,  true },
	{ "m",              gdb_read_memory,     true },
	{ "M",              gdb_write_memory,    true },
	{ "X",              gdb_write_binary,    true },
	{ "c",              cmd_continue,        true },
	{ "C",              cmd_continue_signal, true },
	{ "s",              cmd_step,            true },
	{ "S",              cmd_step_signal,     true },
	{ "vCont?",         cmd_vcont_query,     false },
	{ "vCont;",         cmd_vcont,           true },
	{ "vCtrlC",         cmd_interrupt,       false },
	{ "vKill",          cmd_vkill,           true },
	{ "Z",              gdb_insert_stop,     true },
	{ "z",              gdb_remove_stop,     true },
	{ "D",              cmd_detach,          true },
	{ "k",              cmd_kill,            true },
	{ "R",              cmd_restart,         true },
	{ "!",              cmd_empty,           false },
	{ "T",              cmd_alive,           false },
	{ "H",              cmd_thread,          false },
	{ "QStartNoAckMode", cmd_no_ack,         false },
	{ "qSupported",     gdb_query_supported, false },
	{ "qXfer:",         gdb_query_xfer,      false },
	{ "qRcmd,",         gdb_query_monitor,   false },
	{ "qAttached",      gdb_query_attached,  false },
	{ "qSearch:memory:", gdb_query_search,   true },
	{ "qfThreadInfo",   gdb_query_threads,   false },
	{ "qsThreadInfo",   gdb_query_no_more,   false },
	{ "qThreadExtraInfo,", gdb_query_extra,  false },
	{ "qC",             gdb_query_current,   false },
	{ "qSymbol",        cmd_empty,           false },
	{ "qqemu.PhyMemMode", gdb_query_phys,    false },
	{ "Qqemu.PhyMemMode:", gdb_query_set_phys, false },
};
/* clang-format on */

static bool starts(const struct rsp *r, const char *name, u32 *length)
{
	*length = (u32)strlen(name);
	return r->length >= *length && !memcmp(r->packet, name, *length);
}

static void dispatch(struct gdb *g)
{
	struct cursor c = { g->rsp.packet, g->rsp.packet + g->rsp.length };
	u32 length;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!starts(&g->rsp, rows[i].name, &length))
			continue;
		c.at += length;
		g->attached |= rows[i].stands; /* who only asks comes and goes */
		if (rows[i].stands && g->ops->running(g->ctx))
			g->ops->pause(g->ctx);
		rows[i].run(g, &c);
		return;
	}
	gdb_reply(g, "");
}

void gdb_take(struct gdb *g, u8 byte)
{
	switch (rsp_take(&g->rsp, byte)) {
	case RSP_PACKET:
		dispatch(g);
		break;
	case RSP_BREAK:
		interrupt(g);
		break;
	case RSP_NONE:
		break;
	}
}

void gdb_init(struct gdb *g, const struct gdb_ops *ops, void *ctx,
	      void (*put)(void *ctx, u8 byte))
{
	memset(g, 0, sizeof(*g));
	rsp_init(&g->rsp, put, ctx);
	g->ops = ops;
	g->ctx = ctx;
}
