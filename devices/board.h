/* SPDX-License-Identifier: MIT */
/*
 * The guest's PC: every emulated device and its wiring. Knows no vm and no
 * engine; the outside world is board_ops.
 */
#ifndef DEVICES_BOARD_H
#define DEVICES_BOARD_H

#include "types.h"

enum board_stop {
	BOARD_RUNNING,
	BOARD_EXIT_PORT,  /* F4h written: status in stop_code, (v << 1) | 1 */
	BOARD_RESET,      /* i8042 pulse, port 92h or CF9h */
	BOARD_POWER_OFF,  /* a power-off port */
};

struct board_ops {
	u64 (*now)(void *ctx); /* TSC ticks of guest time */
	u64 tsc_hz;
	void (*serial_out)(void *ctx, u8 byte);
	void (*debug_out)(void *ctx, u8 byte); /* port E9h */
	void (*intr)(void *ctx, bool level);   /* the 8259's INTR output */
	u64 (*wall_seconds)(void *ctx); /* seconds since 1970, for the RTC */
	u64 ram_bytes; /* for the CMOS memory size bytes */
	/* The A20 gate moved; may be NULL. It is open after reset. */
	void (*a20)(void *ctx, bool open);
	void (*mark)(void *ctx, u8 what); /* port E8h; NULL: there is none */
	bool uart2; /* there is a second UART, at 2F8h, wired to nothing */
	void *ctx;
};

struct board;

/* The board lives in memory of its user: board_size() bytes, 64-aligned. */
u64 board_size(void);
struct board *board_init(void *mem, const struct board_ops *ops);
/* The PC's reset line: every device but the CMOS clock starts over. */
void board_reset(struct board *b);

u32 board_in(struct board *b, u16 port, unsigned size);
void board_out(struct board *b, u16 port, unsigned size, u32 value);
/* The INTA cycle: the vector of the interrupt that INTR announced. */
u8 board_intr_ack(struct board *b);
/* The level of INTR, as board_ops.intr last told it. */
bool board_intr_level(const struct board *b);

/* TSC of the next timer event; ~0: none. */
u64 board_deadline(const struct board *b);
/* Run every timer that is due. */
void board_run(struct board *b);
/* A byte for the guest's serial port; false when its FIFO is full. */
bool board_serial_in(struct board *b, u8 byte);

/* For the debugger's eyes. */
struct pic;
struct pit;
const struct pic *board_pic(const struct board *b);
const struct pit *board_pit(const struct board *b);

enum board_stop board_stop_state(const struct board *b);
u32 board_stop_code(const struct board *b);

#endif
