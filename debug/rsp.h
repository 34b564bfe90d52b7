/* SPDX-License-Identifier: MIT */
/*
 * The packet layer of gdb's remote serial protocol: bytes to packets and back,
 * with checksums, acknowledgements, escapes and run lengths. Knows no command.
 * Invariant: whatever bytes come, nothing is written outside struct rsp.
 */
#ifndef DEBUG_RSP_H
#define DEBUG_RSP_H

#include "bits.h"

#define RSP_PACKET_MAX 8192 /* as told in qSupported */
#define RSP_REPLY_MAX  16384

enum rsp_event {
	RSP_NONE,
	RSP_PACKET, /* `packet` is whole: answer it */
	RSP_BREAK,  /* ^C */
};

struct rsp {
	void (*put)(void *ctx, u8 byte);
	void *ctx;

	u8 packet[RSP_PACKET_MAX + 1]; /* unescaped, with a 0 behind it */
	u32 length;
	u8 state; /* private */
	u8 sum, wanted;
	bool too_long;
	bool no_ack;

	u8 reply[RSP_REPLY_MAX];
	u32 reply_length;
	bool overflow; /* the reply did not fit */
	bool sent;     /* there is a reply to repeat on a NAK */
};

void rsp_init(struct rsp *r, void (*put)(void *ctx, u8 byte), void *ctx);

/* A byte from the line. */
enum rsp_event rsp_take(struct rsp *r, u8 byte);
/* The next gdb: acknowledgements are on again. */
void rsp_restart(struct rsp *r);

/* Building a reply: begin, add, send. What does not fit is sent as an error. */
void rsp_begin(struct rsp *r);
void rsp_char(struct rsp *r, u8 c);
void rsp_text(struct rsp *r, const char *text);
void rsp_hex(struct rsp *r, u64 value); /* shortest form */
void rsp_bytes(struct rsp *r, const void *data, u64 size); /* as hex digits */
void rsp_binary(struct rsp *r, const void *data, u64 size); /* escaped */
void rsp_send(struct rsp *r);

int rsp_digit(u8 c); /* of a hex digit; -1: none */

#endif
