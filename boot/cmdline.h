/* SPDX-License-Identifier: MIT */
/* The monitor's command line: `options` holds what it says, or the defaults. */
#ifndef BOOT_CMDLINE_H
#define BOOT_CMDLINE_H

#include "bits.h"

enum option_engine { ENGINE_AUTO, ENGINE_VMX, ENGINE_BT, ENGINE_INTERP };
enum option_time { TIME_TSC, TIME_ICOUNT };
/* GDB_AUTO: COM2 where there is one. */
enum option_gdb { GDB_AUTO, GDB_OFF, GDB_COM1, GDB_COM2 };

struct options {
	u32 engine; /* enum option_engine */
	u32 time;   /* enum option_time */
	u32 gdb;    /* enum option_gdb */
	u32 no_long_mode; /* CPUID is to offer none */
	u32 audit;    /* the shadow tables are checked when the guest ends */
	u32 gdb_wait; /* the guest waits for gdb */
	u64 mem;    /* bytes of guest RAM; 0: as much as is sensible */
	u64 cache;  /* bytes of translation cache; 0: default */
	u64 trace_from, trace_to, trace_every; /* digests: vm/digest.c */
	u32 trace_memory, trace_blocks;
	u32 marks;
};

extern struct options options;

/*
 * Reads the line and applies what concerns kernel/ (console, log level, exit
 * mode). Fatal, naming it, on an unknown option or a bad value.
 */
void cmdline_apply(const char *line);

#endif
