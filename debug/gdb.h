/* SPDX-License-Identifier: MIT */
/*
 * The commands of gdb's remote protocol over an abstract target. Pure: what a
 * target is and how the bytes travel are the user's.
 */
#ifndef DEBUG_GDB_H
#define DEBUG_GDB_H

#include "cpu/stops.h"
#include "debug/rsp.h"

/* Signals as gdb numbers them. */
enum { GDB_SIGINT = 2, GDB_SIGTRAP = 5, GDB_SIGABRT = 6, GDB_SIGSEGV = 11 };

/* Why the target stands. */
struct gdb_stop {
	u8 signal;
	u8 kinds; /* enum stop_kind of the stop that was met; 0: none */
	u64 at;   /* STOP_READ, STOP_WRITE: address of the data */
};

enum gdb_resume { GDB_CONTINUE, GDB_STEP, GDB_STEP_RANGE };

/* Every register takes at most so many bytes. */
#define GDB_REG_MAX 16

struct gdb_ops {
	bool (*running)(void *ctx);
	void (*pause)(void *ctx); /* it stands at return */
	/* It runs until ops.pause() or gdb_stopped(). */
	void (*resume)(void *ctx, enum gdb_resume how, u64 start, u64 end);
	void (*why)(void *ctx, struct gdb_stop *stop);
	unsigned reg_count;
	unsigned (*reg_size)(void *ctx, unsigned reg);
	void (*reg_read)(void *ctx, unsigned reg, u8 *buf);
	bool (*reg_write)(void *ctx, unsigned reg, const u8 *buf);
	unsigned reg_pc;
	/* Told with every stop: what gdb looks at after a step, so that it need
	 * not ask for all. */
	const unsigned *told;
	unsigned told_count;
	/* Bytes moved: short where there is nothing. */
	u64 (*read)(void *ctx, bool phys, u64 addr, void *buf, u64 size);
	u64 (*write)(void *ctx, bool phys, u64 addr, const void *buf, u64 size);
	u64 ram_bytes;
	bool (*stop_add)(void *ctx, const struct stop *stop);
	bool (*stop_remove)(void *ctx, const struct stop *stop);
	void (*stops_clear)(void *ctx);
	/* Both end it: by the reset line, or at once. */
	void (*reset)(void *ctx);
	void (*kill)(void *ctx);
	const char *(*describe)(void *ctx); /* the CPU's state in a few words */
	/* A `monitor` command; says what it has to by gdb_say(). */
	void (*monitor)(void *ctx, const char *line);
	/* ^C in the middle of long work? */
	bool (*interrupted)(void *ctx);
	const char *target_xml;
	u64 target_xml_size;
};

struct gdb {
	struct rsp rsp;
	const struct gdb_ops *ops;
	void *ctx;
	bool phys;     /* addresses of m, M, X, Z are physical */
	bool attached; /* somebody is there */
	bool waiting;  /* for the reply to a resume */
	bool in_monitor;
};

void gdb_init(struct gdb *g, const struct gdb_ops *ops, void *ctx,
	      void (*put)(void *ctx, u8 byte));
/* A byte from the line; commands are carried out before it returns. */
void gdb_take(struct gdb *g, u8 byte);
/* The target stands: answer the resume that is open. */
void gdb_stopped(struct gdb *g);
/* The target is gone, with this status. */
void gdb_exited(struct gdb *g, u8 status);
/* What was going on will not end: answer it, so that gdb can go on. */
void gdb_abandon(struct gdb *g);
/* Text for gdb's console; nothing where none is attached and listening. */
void gdb_say(struct gdb *g, const char *text, u64 size);

#endif
