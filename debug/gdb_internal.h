/* SPDX-License-Identifier: MIT */
/* What the two files of gdb commands share. */
#ifndef DEBUG_GDB_INTERNAL_H
#define DEBUG_GDB_INTERNAL_H

#include "debug/gdb.h"

/* The rest of a command. */
struct cursor {
	u8 *at, *end;
};

bool gdb_number(struct cursor *c, u64 *value); /* hex; false: none, too long */
bool gdb_mark(struct cursor *c, char mark);    /* take it if it is next */
bool gdb_span(struct cursor *c, u64 *addr, u64 *size); /* "addr,size" */
void gdb_reply(struct gdb *g, const char *text);
void gdb_answer(struct gdb *g, bool ok, const char *error); /* OK, or it */

void gdb_read_registers(struct gdb *g, struct cursor *c);
void gdb_write_registers(struct gdb *g, struct cursor *c);
void gdb_read_register(struct gdb *g, struct cursor *c);
void gdb_write_register(struct gdb *g, struct cursor *c);
void gdb_read_memory(struct gdb *g, struct cursor *c);
void gdb_write_memory(struct gdb *g, struct cursor *c);
void gdb_write_binary(struct gdb *g, struct cursor *c);
void gdb_insert_stop(struct gdb *g, struct cursor *c);
void gdb_remove_stop(struct gdb *g, struct cursor *c);

void gdb_query_supported(struct gdb *g, struct cursor *c);
void gdb_query_xfer(struct gdb *g, struct cursor *c);
void gdb_query_monitor(struct gdb *g, struct cursor *c);
void gdb_query_attached(struct gdb *g, struct cursor *c);
void gdb_query_search(struct gdb *g, struct cursor *c);
void gdb_query_threads(struct gdb *g, struct cursor *c);
void gdb_query_no_more(struct gdb *g, struct cursor *c);
void gdb_query_extra(struct gdb *g, struct cursor *c);
void gdb_query_current(struct gdb *g, struct cursor *c);
void gdb_query_phys(struct gdb *g, struct cursor *c);
void gdb_query_set_phys(struct gdb *g, struct cursor *c);

#endif
