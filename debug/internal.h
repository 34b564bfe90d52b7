/* SPDX-License-Identifier: MIT */
/*
 * Inside of the debugger: whether the guest runs, and who is talking to us.
 * There is one guest and one debugger.
 */
#ifndef DEBUG_INTERNAL_H
#define DEBUG_INTERNAL_H

#include "debug/debugger.h"
#include "debug/gdb.h"
#include "debug/regs.h"
#include "vm/debug.h"

enum debug_state {
	DEBUG_RUNNING,
	DEBUG_STANDING,
	DEBUG_STEPPING, /* one instruction, or on while in the range */
};

struct debugger {
	struct vm *vm;
	struct debug_config config;
	struct gdb gdb;
	struct regs regs;
	enum debug_state state;
	struct gdb_stop why;       /* STANDING: why */
	u64 range_start, range_end; /* STEPPING: on while the pc is within */
	bool stops_changed;        /* the engine has not been told yet */
	bool fx_valid, fx_changed; /* `fx` holds the registers; it was written */
	bool end;                  /* the guest is to end, */
	enum vm_end how;           /* and how */
	u8 fx[REGS_FX_BYTES] ALIGNED(16);
};

extern struct debugger dbg;

/* --- target.c: struct gdb_ops over the guest -------------------------- */

void target_init(void);
extern struct gdb_ops target_ops;
/* The registers that are not in the vcpu, read once while the guest stands. */
void target_load_fx(void);
void target_store_fx(void);
bool target_stop_add(void *ctx, const struct stop *stop);
bool target_stop_remove(void *ctx, const struct stop *stop);

/* --- port.c: bytes from and to gdb ------------------------------------ */

/* NULL, or why not. */
const char *port_open(const struct debug_config *config);
int port_get(void); /* -1: nothing there */
void port_put(void *ctx, u8 byte);
/* A byte typed at COM1; true: it is gdb's. */
bool port_typed(u8 byte);
/* Lend COM1 to gdb (gdb=com1), or give it back. */
void port_take_com1(bool take);
bool port_has_com1(void);

/* gdb's port with interrupts off; false: there is none to wait at. */
bool port_poll(void);

/* --- autopsy.c: gdb at the monitor itself, after a panic -------------- */

void autopsy_init(void);

/* --- debugger.c ------------------------------------------------------- */

void debugger_pause(u8 signal);
void debugger_end(enum vm_end how);
void debugger_resume(enum gdb_resume how, u64 start, u64 end);

/* --- console.c: the monitor at COM1 ----------------------------------- */

/* A byte typed at COM1; true: it is the monitor's. */
bool monitor_typed(u8 byte);
/* Carry out a command line; what it says goes to gdb. */
void monitor_for_gdb(const char *line);
/* The guest has come to stand by itself: say so at the prompt. */
void monitor_stopped(void);

#endif
