/* SPDX-License-Identifier: MIT */
/*
 * 16550 driver. An empty transmitter takes a whole FIFO of bytes, so the
 * status register is polled once in 16 bytes, not once a byte; between two
 * looks the CPU sleeps where it may. Received bytes that find the ring full
 * are dropped.
 */
#include "kernel/uart.h"

#include "kernel/host.h"
#include "kernel/instr.h"
#include "kernel/irq.h"
#include "kernel/timer.h"

enum {
	UART_DATA = 0, /* DLAB: divisor low */
	UART_IER = 1,  /* DLAB: divisor high */
	UART_FCR = 2,
	UART_LCR = 3,
	UART_MCR = 4,
	UART_LSR = 5,
	UART_SCR = 7,
};

#define IER_RX       0x01
#define FCR_FIFO_ON  0x07 /* enable, clear both */
#define LCR_8N1      0x03
#define LCR_DLAB     0x80
#define MCR_DTR_RTS  0x03
#define MCR_OUT2     0x08 /* gates the interrupt line on a PC */
#define LSR_DR       0x01
#define LSR_THRE     0x20
#define LSR_TEMT     0x40 /* holding and shift registers empty */
#define FIFO_BYTES   16
#define BAUD         115200
#define NAP_LOOKS    1000 /* looks that would take as long as a nap, or less */
#define POLL_LIMIT   1000000
#define RING_BYTES   16384 /* a whole packet of gdb's, and the next */

struct uart {
	u16 port;
	u8 irq;
	bool present;
	bool receiving;
	unsigned credits; /* bytes that the transmit FIFO surely takes */
	u8 ring[RING_BYTES];
	u16 head, tail; /* count on; the place is modulo the size */
};

struct uart uart_com1 = { .port = 0x3f8, .irq = 4 };
struct uart uart_com2 = { .port = 0x2f8, .irq = 3 };

bool host_uart_init(struct uart *u)
{
	if (u->present)
		return true;
	outb(u->port + UART_SCR, 0x5a);
	if (inb(u->port + UART_SCR) != 0x5a)
		return false;
	outb(u->port + UART_IER, 0);
	outb(u->port + UART_LCR, LCR_DLAB);
	outb(u->port + UART_DATA, 1); /* BAUD */
	outb(u->port + UART_IER, 0);
	outb(u->port + UART_LCR, LCR_8N1);
	outb(u->port + UART_FCR, FCR_FIFO_ON);
	outb(u->port + UART_MCR, MCR_DTR_RTS | MCR_OUT2);
	u->present = true;
	return true;
}

/* The time of a full FIFO, ten bits a byte, where the CPU may sleep, else the
 * shortest. Returns for how many looks it stands. */
static unsigned wait_some(const struct uart *u)
{
	if (u->receiving && (read_rflags() & EFLAGS_IF)) {
		timer_nap(host_tsc_hz() * 10 * FIFO_BYTES / BAUD);
		return NAP_LOOKS;
	}
	pause();
	return 1;
}

void uart_put(struct uart *u, u8 byte)
{
	if (!u->present)
		return;
	for (unsigned i = 0; !u->credits && i < POLL_LIMIT;) {
		if (inb(u->port + UART_LSR) & LSR_THRE)
			u->credits = FIFO_BYTES;
		else
			i += wait_some(u);
	}
	if (!u->credits)
		return; /* stuck: better a lost byte than a hung machine */
	u->credits--;
	outb(u->port + UART_DATA, byte);
}

void uart_drain(struct uart *u)
{
	for (unsigned i = 0; u->present && i < POLL_LIMIT; i++)
		if (inb(u->port + UART_LSR) & LSR_TEMT)
			return;
}

static void uart_receive(struct uart *u)
{
	while (inb(u->port + UART_LSR) & LSR_DR) {
		u8 byte = inb(u->port + UART_DATA);

		if ((u16)(u->head - u->tail) < RING_BYTES)
			u->ring[u->head++ % RING_BYTES] = byte;
	}
	irq_set_attention();
}

void uart_poll(struct uart *u)
{
	if (u->present)
		uart_receive(u);
}

static void com1_irq(struct host_frame *f)
{
	uart_receive(&uart_com1);
}

static void com2_irq(struct host_frame *f)
{
	uart_receive(&uart_com2);
}

void uart_receive_start(struct uart *u)
{
	if (!u->present)
		return;
	irq_set_handler(IRQ_VECTOR(u->irq), u == &uart_com1 ? com1_irq : com2_irq);
	irq_unmask(u->irq);
	outb(u->port + UART_IER, IER_RX);
	u->receiving = true;
}

/* Only this side moves `tail`, only the interrupt moves `head`. */
int uart_get(struct uart *u)
{
	volatile u16 *head = &u->head;

	if (u->tail == *head)
		return -1;
	return u->ring[u->tail++ % RING_BYTES];
}
