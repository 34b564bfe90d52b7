/* SPDX-License-Identifier: MIT */
/*
 * Packets: $data#checksum, where } escapes and * repeats ("Overview" in gdb's
 * appendix on the remote protocol). One packet in, one reply out.
 */
#include "debug/rsp.h"

#include "lib/string.h"

enum state { IDLE, DATA, ESCAPED, SUM_HIGH, SUM_LOW };

#define BREAK       0x03
#define ESCAPE      '}'
#define ESCAPE_FLIP 0x20
#define RUN_BIAS    29 /* '*' and this plus the count of further copies */
#define RUN_MAX     (126 - RUN_BIAS)
#define RUN_MIN     3

void rsp_init(struct rsp *r, void (*put)(void *ctx, u8 byte), void *ctx)
{
	memset(r, 0, sizeof(*r));
	r->put = put;
	r->ctx = ctx;
}

void rsp_restart(struct rsp *r)
{
	r->no_ack = false;
	r->sent = false;
}

int rsp_digit(u8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static u8 digit(unsigned n)
{
	return (u8)"0123456789abcdef"[n & 15];
}

/* --- In --------------------------------------------------------------- */

static void start(struct rsp *r)
{
	r->state = DATA;
	r->length = 0;
	r->sum = 0;
	r->too_long = false;
}

static void store(struct rsp *r, u8 byte)
{
	if (r->length == RSP_PACKET_MAX)
		r->too_long = true;
	else
		r->packet[r->length++] = byte;
}

static void repeat_reply(struct rsp *r);

static enum rsp_event take_idle(struct rsp *r, u8 byte)
{
	if (byte == '$')
		start(r);
	else if (byte == BREAK)
		return RSP_BREAK;
	else if (byte == '-' && r->sent && !r->no_ack)
		repeat_reply(r);
	return RSP_NONE;
}

/* A '$' within a packet is a new one: the end of the last was lost. */
static void take_data(struct rsp *r, u8 byte)
{
	if (byte == '$') {
		start(r);
		return;
	}
	if (byte == '#') {
		r->state = SUM_HIGH;
		return;
	}
	r->sum += byte;
	if (byte == ESCAPE)
		r->state = ESCAPED;
	else
		store(r, byte);
}

static void take_escaped(struct rsp *r, u8 byte)
{
	r->sum += byte;
	store(r, byte ^ ESCAPE_FLIP);
	r->state = DATA;
}

static enum rsp_event finish(struct rsp *r, u8 byte)
{
	int low = rsp_digit(byte);
	bool right = low >= 0 && (u8)(r->wanted | low) == r->sum;

	r->state = IDLE;
	if (!r->no_ack)
		r->put(r->ctx, right ? '+' : '-');
	if (!right)
		return RSP_NONE;
	if (r->too_long)
		r->length = 0; /* an unknown packet: answered as such */
	r->packet[r->length] = 0;
	return RSP_PACKET;
}

enum rsp_event rsp_take(struct rsp *r, u8 byte)
{
	int high;

	switch (r->state) {
	case IDLE:
		return take_idle(r, byte);
	case DATA:
		take_data(r, byte);
		return RSP_NONE;
	case ESCAPED:
		take_escaped(r, byte);
		return RSP_NONE;
	case SUM_HIGH:
		high = rsp_digit(byte);
		r->wanted = (u8)((unsigned)high << 4);
		r->state = high < 0 ? IDLE : SUM_LOW;
		if (high < 0 && !r->no_ack)
			r->put(r->ctx, '-');
		return RSP_NONE;
	default:
		return finish(r, byte);
	}
}

/* --- Out -------------------------------------------------------------- */

void rsp_begin(struct rsp *r)
{
	r->reply_length = 0;
	r->overflow = false;
}

void rsp_char(struct rsp *r, u8 c)
{
	if (r->reply_length == RSP_REPLY_MAX)
		r->overflow = true;
	else
		r->reply[r->reply_length++] = c;
}

void rsp_text(struct rsp *r, const char *text)
{
	while (*text)
		rsp_char(r, (u8)*text++);
}

void rsp_hex(struct rsp *r, u64 value)
{
	unsigned shift = 60;

	while (shift && !(value >> shift & 15))
		shift -= 4;
	for (;; shift -= 4) {
		rsp_char(r, digit(value >> shift & 15));
		if (!shift)
			return;
	}
}

void rsp_bytes(struct rsp *r, const void *data, u64 size)
{
	const u8 *p = data;

	for (; size; size--, p++) {
		rsp_char(r, digit(*p >> 4));
		rsp_char(r, digit(*p));
	}
}

static bool must_escape(u8 c)
{
	return c == '$' || c == '#' || c == ESCAPE || c == '*';
}

void rsp_binary(struct rsp *r, const void *data, u64 size)
{
	const u8 *p = data;

	for (; size; size--, p++) {
		if (must_escape(*p)) {
			rsp_char(r, ESCAPE);
			rsp_char(r, *p ^ ESCAPE_FLIP);
		} else {
			rsp_char(r, *p);
		}
	}
}

static void put_summed(struct rsp *r, u8 c, u8 *sum)
{
	*sum += c;
	r->put(r->ctx, c);
}

/* Counts that would look like packet marks are made shorter. */
static u32 run_length(const struct rsp *r, u32 at)
{
	u32 n = 1;

	while (at + n < r->reply_length && n <= RUN_MAX &&
	       r->reply[at + n] == r->reply[at])
		n++;
	while (n > RUN_MIN && (n - 1 + RUN_BIAS == '$' ||
			       n - 1 + RUN_BIAS == '#' ||
			       n - 1 + RUN_BIAS == '+' ||
			       n - 1 + RUN_BIAS == '-'))
		n--;
	return n;
}

static void put_run(struct rsp *r, u8 c, u32 n, u8 *sum)
{
	put_summed(r, c, sum);
	if (n > RUN_MIN) {
		put_summed(r, '*', sum);
		put_summed(r, (u8)(n - 1 + RUN_BIAS), sum);
		return;
	}
	while (--n)
		put_summed(r, c, sum);
}

static void repeat_reply(struct rsp *r)
{
	u8 sum = 0;

	r->put(r->ctx, '$');
	for (u32 i = 0, n; i < r->reply_length; i += n) {
		n = run_length(r, i);
		put_run(r, r->reply[i], n, &sum);
	}
	r->put(r->ctx, '#');
	r->put(r->ctx, digit(sum >> 4));
	r->put(r->ctx, digit(sum));
}

void rsp_send(struct rsp *r)
{
	if (r->overflow) {
		rsp_begin(r);
		rsp_text(r, "E22");
	}
	r->sent = true;
	repeat_reply(r);
}
