/* SPDX-License-Identifier: MIT */
/*
 * The 16550A, after National's PC16550D data sheet. THR and the transmit FIFO
 * are always empty to the guest's eye, since a byte leaves as it is written;
 * each write still makes its THRE event. The interrupt output passes the gate
 * that the PC puts there, OUT2. The other end of the cable is always ready.
 */
#include "devices/uart.h"

#include "lib/string.h"

enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR };

#define IER_RDA  BIT(0)
#define IER_THRE BIT(1)
#define IER_RLS  BIT(2)
#define IER_MS   BIT(3)
#define IER_BITS 0x0f

#define IIR_NONE    0x01
#define IIR_MS      0x00
#define IIR_THRE    0x02
#define IIR_RDA     0x04
#define IIR_RLS     0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFO    0xc0

#define FCR_ENABLE   BIT(0)
#define FCR_CLEAR_RX BIT(1)
#define FCR_KEEP     0xc9 /* the self-clearing bits go */

#define LCR_DLAB BIT(7)

#define MCR_DTR  BIT(0)
#define MCR_RTS  BIT(1)
#define MCR_OUT1 BIT(2)
#define MCR_OUT2 BIT(3)
#define MCR_LOOP BIT(4)
#define MCR_BITS 0x1f

#define LSR_DR   BIT(0)
#define LSR_OE   BIT(1)
#define LSR_ERRORS 0x1e
#define LSR_THRE BIT(5)
#define LSR_TEMT BIT(6)

#define MSR_CTS BIT(4)
#define MSR_DSR BIT(5)
#define MSR_RI  BIT(6)
#define MSR_DCD BIT(7)
#define MSR_TERI BIT(2)
#define MSR_LINES 0xf0
#define MSR_READY (MSR_CTS | MSR_DSR | MSR_DCD)

#define UART_HZ 115200 /* bits a second at divisor 1 */

static bool uart_fifo_on(const struct uart *u)
{
	return u->fcr & FCR_ENABLE;
}

static unsigned uart_capacity(const struct uart *u)
{
	return uart_fifo_on(u) ? UART_FIFO : 1;
}

static unsigned uart_trigger(const struct uart *u)
{
	static const u8 level[4] = { 1, 4, 8, 14 };

	return uart_fifo_on(u) ? level[u->fcr >> 6] : 1;
}

/* The interrupt of highest priority, as IIR names it. */
static u8 uart_pending(const struct uart *u)
{
	if ((u->ier & IER_RLS) && (u->lsr & LSR_ERRORS))
		return IIR_RLS;
	if ((u->ier & IER_RDA) && u->length >= uart_trigger(u))
		return IIR_RDA;
	if ((u->ier & IER_RDA) && u->timeout)
		return IIR_TIMEOUT;
	if ((u->ier & IER_THRE) && u->thr_event)
		return IIR_THRE;
	if ((u->ier & IER_MS) && (u->msr & ~MSR_LINES))
		return IIR_MS;
	return IIR_NONE;
}

static void uart_update(struct uart *u)
{
	line_set(&u->irq, uart_pending(u) != IIR_NONE && (u->mcr & MCR_OUT2));
}

/* Bits of a character: start, data, parity, stop. */
static unsigned uart_char_bits(const struct uart *u)
{
	return 1 + 5 + (u->lcr & 3) + !!(u->lcr & BIT(3)) + 1 +
	       !!(u->lcr & BIT(2));
}

/* The FIFO changed: its timeout starts over, at four characters from now. */
static void uart_rearm(struct uart *u)
{
	u64 bits = 4ull * uart_char_bits(u) * MAX(u->divisor, 1);

	u->timeout = false;
	u->deadline = NEVER;
	if (uart_fifo_on(u) && u->length)
		u->deadline = clock_now(&u->clock) +
			      clock_unscale(&u->clock, bits, UART_HZ);
}

void uart_run(struct uart *u)
{
	if (u->deadline == NEVER || clock_now(&u->clock) < u->deadline)
		return;
	u->deadline = NEVER;
	u->timeout = true;
	uart_update(u);
}

static void uart_clear_rx(struct uart *u)
{
	u->head = u->length = 0;
	u->lsr &= (u8)~LSR_DR;
	uart_rearm(u);
}

/* A character arrives; the newest is lost when there is no room. */
static void uart_push(struct uart *u, u8 byte)
{
	if (u->length == uart_capacity(u)) {
		u->lsr |= LSR_OE;
		return;
	}
	u->fifo[(u->head + u->length++) % UART_FIFO] = byte;
	u->lsr |= LSR_DR;
	uart_rearm(u);
}

bool uart_receive(struct uart *u, u8 byte)
{
	if ((u->mcr & MCR_LOOP) || u->length == uart_capacity(u))
		return false;
	uart_push(u, byte);
	uart_update(u);
	return true;
}

static u8 uart_pop(struct uart *u)
{
	u8 byte = u->fifo[u->head];

	if (!u->length)
		return byte; /* the last one again, as the latch keeps it */
	if (--u->length)
		u->head = (u8)((u->head + 1) % UART_FIFO);
	else
		u->lsr &= (u8)~LSR_DR;
	uart_rearm(u);
	return byte;
}

static void uart_send(struct uart *u, u8 byte)
{
	u->thr_event = false;
	uart_update(u);
	if (u->mcr & MCR_LOOP)
		uart_push(u, byte);
	else if (u->transmit)
		u->transmit(u->ctx, byte);
	u->thr_event = true;
}

/* The modem lines move to `lines`; each one leaves its delta bit. */
static void uart_set_modem(struct uart *u, u8 lines)
{
	u8 changed = u->msr ^ lines;
	u8 deltas = changed >> 4 & 0x0b;

	if (changed & u->msr & MSR_RI)
		deltas |= MSR_TERI; /* RI tells only its end */
	u->msr = lines | deltas | (u->msr & (u8)~MSR_LINES);
}

static void uart_set_mcr(struct uart *u, u8 value)
{
	u8 lines = MSR_READY;

	u->mcr = value & MCR_BITS;
	if (u->mcr & MCR_LOOP)
		lines = (u->mcr & MCR_RTS ? MSR_CTS : 0) |
			(u->mcr & MCR_DTR ? MSR_DSR : 0) |
			(u->mcr & MCR_OUT1 ? MSR_RI : 0) |
			(u->mcr & MCR_OUT2 ? MSR_DCD : 0);
	uart_set_modem(u, lines);
}

static void uart_set_fcr(struct uart *u, u8 value)
{
	bool toggled = (u->fcr ^ value) & FCR_ENABLE;

	/* Bit 0 must be set for the others to be written. */
	u->fcr = value & FCR_ENABLE ? value & FCR_KEEP : 0;
	if (toggled || (value & FCR_CLEAR_RX))
		uart_clear_rx(u);
}

/* THR is empty, so enabling its interrupt is an event of its own. */
static void uart_set_ier(struct uart *u, u8 value)
{
	if (value & ~u->ier & IER_THRE)
		u->thr_event = true;
	u->ier = value & IER_BITS;
}

static u8 uart_read_iir(struct uart *u)
{
	u8 iir = uart_pending(u);

	if (iir == IIR_THRE)
		u->thr_event = false;
	return uart_fifo_on(u) ? iir | IIR_FIFO : iir;
}

static u8 uart_read_lsr(struct uart *u)
{
	u8 lsr = u->lsr;

	u->lsr &= (u8)~LSR_ERRORS;
	return lsr;
}

static u8 uart_read_msr(struct uart *u)
{
	u8 msr = u->msr;

	u->msr &= MSR_LINES;
	return msr;
}

static u8 uart_read_reg(struct uart *u, unsigned reg)
{
	bool dlab = u->lcr & LCR_DLAB;

	switch (reg) {
	case RBR: return dlab ? (u8)u->divisor : uart_pop(u);
	case IER: return dlab ? (u8)(u->divisor >> 8) : u->ier;
	case IIR: return uart_read_iir(u);
	case LCR: return u->lcr;
	case MCR: return u->mcr;
	case LSR: return uart_read_lsr(u);
	case MSR: return uart_read_msr(u);
	default:  return u->scratch;
	}
}

static void uart_write_divisor(struct uart *u, unsigned reg, u8 value)
{
	if (reg == RBR)
		u->divisor = (u->divisor & 0xff00) | value;
	else
		u->divisor = (u16)((u->divisor & 0xff) | value << 8);
}

static void uart_write_reg(struct uart *u, unsigned reg, u8 value)
{
	switch (reg) {
	case RBR: uart_send(u, value); break;
	case IER: uart_set_ier(u, value); break;
	case IIR: uart_set_fcr(u, value); break;
	case LCR: u->lcr = value; break;
	case MCR: uart_set_mcr(u, value); break;
	case SCR: u->scratch = value; break;
	default:  break; /* LSR and MSR are read-only */
	}
}

u32 uart_read(void *uart, unsigned offset, unsigned size)
{
	struct uart *u = uart;
	u8 value;

	uart_run(u);
	value = uart_read_reg(u, offset);
	uart_update(u);
	return value;
}

void uart_write(void *uart, unsigned offset, unsigned size, u32 value)
{
	struct uart *u = uart;

	if ((u->lcr & LCR_DLAB) && offset <= IER)
		uart_write_divisor(u, offset, (u8)value);
	else
		uart_write_reg(u, offset, (u8)value);
	uart_update(u);
}

void uart_reset(struct uart *u)
{
	u->ier = u->fcr = u->lcr = u->mcr = u->scratch = 0;
	u->divisor = 12; /* 9600 */
	u->lsr = LSR_THRE | LSR_TEMT;
	u->msr = MSR_READY;
	u->thr_event = false;
	uart_clear_rx(u);
	uart_update(u);
}

void uart_init(struct uart *u, const struct clock *clock,
	       const struct line *irq,
	       void (*transmit)(void *ctx, u8 byte), void *ctx)
{
	memset(u, 0, sizeof(*u));
	u->clock = *clock;
	u->irq = *irq;
	u->transmit = transmit;
	u->ctx = ctx;
	uart_reset(u);
}
