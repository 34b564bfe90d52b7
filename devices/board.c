/* SPDX-License-Identifier: MIT */
/*
 * All wiring of the guest's PC: which device hears which ports, which line
 * goes to which input, and what the BIOS that is not there would have set up.
 * Devices know neither each other nor the board.
 */
#include "devices/board.h"

#include "devices/bus.h"
#include "devices/dma.h"
#include "devices/kbd.h"
#include "devices/line.h"
#include "devices/misc.h"
#include "devices/pic.h"
#include "devices/pit.h"
#include "devices/rtc.h"
#include "devices/uart.h"
#include "lib/string.h"
#include "log.h"

enum {
	IRQ_TIMER = 0, IRQ_KEYBOARD = 1, IRQ_UART2 = 3, IRQ_UART1 = 4,
	IRQ_RTC = 8, IRQ_MOUSE = 12,
};

struct board {
	struct board_ops ops;
	enum board_stop stop;
	u32 stop_code;
	struct a20_gate a20;
	struct pic pic;
	struct pit pit;
	struct rtc rtc;
	struct uart uart[2];
	struct kbd kbd;
	struct dma dma;
	struct misc misc;
	struct bus bus;
};

u64 board_size(void)
{
	return ALIGN_UP(sizeof(struct board), 64);
}

/* The first reason to stop stays until a reset. */
static void board_stop(void *ctx, enum board_stop why, u32 code)
{
	struct board *b = ctx;

	if (b->stop != BOARD_RUNNING)
		return;
	b->stop = why;
	b->stop_code = code;
}

static void board_intr_changed(void *ctx, unsigned n, bool level)
{
	struct board *b = ctx;

	b->ops.intr(b->ops.ctx, level);
}

static u32 read_mark(void *board, unsigned offset, unsigned size)
{
	return 0xff; /* as if there were no port */
}

static void write_mark(void *board, unsigned offset, unsigned size, u32 value)
{
	struct board *b = board;

	b->ops.mark(b->ops.ctx, (u8)value);
}

static void board_add_ports(struct board *b)
{
	const struct port_range ports[] = {
	/* clang-format off */
	/* name          base   count wide  read                write                device */
	{ "dma1",        0x000, 16, false, dma_read_low,       dma_write_low,       &b->dma },
	{ "pic1",        0x020,  2, false, pic_read_master,    pic_write_master,    &b->pic },
	{ "pit",         0x040,  4, false, pit_read,           pit_write,           &b->pit },
	{ "i8042-data",  0x060,  1, false, kbd_read_data,      kbd_write_data,      &b->kbd },
	{ "port61",      0x061,  1, false, pit_read_port61,    pit_write_port61,    &b->pit },
	{ "i8042",       0x064,  1, false, kbd_read_status,    kbd_write_command,   &b->kbd },
	{ "rtc",         0x070,  2, false, rtc_read,           rtc_write,           &b->rtc },
	{ "dma-page",    0x080, 16, false, misc_read_page,     misc_write_page,     &b->misc },
	{ "port92",      0x092,  1, false, misc_read_port92,   misc_write_port92,   &b->misc },
	{ "pic2",        0x0a0,  2, false, pic_read_slave,     pic_write_slave,     &b->pic },
	{ "dma2",        0x0c0, 32, false, dma_read_high,      dma_write_high,      &b->dma },
	{ "debug",       0x0e9,  1, false, misc_read_debug,    misc_write_debug,    &b->misc },
	{ "exit",        0x0f4,  4, true,  misc_read_exit,     misc_write_exit,     &b->misc },
	{ "uart1",       0x3f8,  8, false, uart_read,          uart_write,          &b->uart[0] },
	{ "elcr",        0x4d0,  2, false, pic_read_elcr,      pic_write_elcr,      &b->pic },
	{ "power",       0x604,  2, true,  misc_read_power,    misc_write_power,    &b->misc },
	{ "pci",         0xcf8,  8, true,  misc_read_pci,      misc_write_pci,      &b->misc },
	{ "power-bochs", 0x8900, 1, false, misc_read_shutdown, misc_write_shutdown, &b->misc },
	{ "power-old",   0xb004, 2, true,  misc_read_power,    misc_write_power,    &b->misc },
	/* clang-format on */
	};
	const struct port_range uart2 = {
		"uart2", 0x2f8, 8, false, uart_read, uart_write, &b->uart[1],
	};

	const struct port_range mark = {
		"mark", 0xe8, 1, false, read_mark, write_mark, b,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
		bus_add(&b->bus, &ports[i]);
	if (b->ops.uart2)
		bus_add(&b->bus, &uart2);
	if (b->ops.mark)
		bus_add(&b->bus, &mark);
}

/* What a BIOS has done by the time that it starts a system. */
static void board_run_bios(struct board *b)
{
	static const struct { u16 port; u8 value; } row[] = {
		{ 0x43, 0x34 }, { 0x40, 0x00 }, { 0x40, 0x00 },
		{ 0x43, 0x54 }, { 0x41, 18 },
		{ 0x20, 0x11 }, { 0x21, 0x08 }, { 0x21, 0x04 }, { 0x21, 0x01 },
		{ 0xa0, 0x11 }, { 0xa1, 0x70 }, { 0xa1, 0x02 }, { 0xa1, 0x01 },
		{ 0x21, 0xff }, { 0xa1, 0xff },
		{ 0x64, 0xaa }, { 0x64, 0x60 }, { 0x60, 0x45 },
		{ 0xd6, 0xc0 }, { 0xd4, 0x00 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++)
		board_out(b, row[i].port, 1, row[i].value);
	board_in(b, 0x60, 1); /* the i8042's self test */
}

static struct line board_irq(struct board *b, unsigned irq)
{
	return (struct line){ pic_set_irq, &b->pic, irq };
}

static void board_init_devices(struct board *b)
{
	const struct board_ops *ops = &b->ops;
	const struct clock clock = { ops->now, ops->ctx, ops->tsc_hz };
	const struct stop_line stop = { board_stop, b };
	const struct line intr = { board_intr_changed, b, 0 };
	const struct line timer = board_irq(b, IRQ_TIMER);
	const struct line keyboard = board_irq(b, IRQ_KEYBOARD);
	const struct line mouse = board_irq(b, IRQ_MOUSE);
	const struct line uart1 = board_irq(b, IRQ_UART1);
	const struct line uart2 = board_irq(b, IRQ_UART2);
	const struct line rtc = board_irq(b, IRQ_RTC);

	b->a20 = (struct a20_gate){ true, ops->a20, ops->ctx };
	bus_init(&b->bus);
	pic_init(&b->pic, &intr);
	pit_init(&b->pit, &clock, &timer);
	rtc_init(&b->rtc, &clock, &rtc, ops->wall_seconds(ops->ctx),
		 ops->ram_bytes);
	uart_init(&b->uart[0], &clock, &uart1, ops->serial_out, ops->ctx);
	uart_init(&b->uart[1], &clock, &uart2, NULL, NULL);
	kbd_init(&b->kbd, &keyboard, &mouse, &stop, &b->a20);
	dma_init(&b->dma);
	misc_init(&b->misc, &stop, &b->a20, ops->debug_out, ops->ctx);
}

struct board *board_init(void *mem, const struct board_ops *ops)
{
	struct board *b = mem;

	memset(b, 0, sizeof(*b));
	b->ops = *ops;
	board_init_devices(b);
	board_add_ports(b);
	board_run_bios(b);
	return b;
}

void board_reset(struct board *b)
{
	b->stop = BOARD_RUNNING;
	b->stop_code = 0;
	a20_set(&b->a20, true);
	pit_reset(&b->pit);
	rtc_reset(&b->rtc);
	uart_reset(&b->uart[0]);
	uart_reset(&b->uart[1]);
	kbd_reset(&b->kbd);
	dma_init(&b->dma);
	misc_reset(&b->misc);
	pic_reset(&b->pic);
	board_run_bios(b);
}

u32 board_in(struct board *b, u16 port, unsigned size)
{
	return bus_read(&b->bus, port, size);
}

void board_out(struct board *b, u16 port, unsigned size, u32 value)
{
	bus_write(&b->bus, port, size, value);
}

u8 board_intr_ack(struct board *b)
{
	return pic_ack(&b->pic);
}

bool board_intr_level(const struct board *b)
{
	return b->pic.intr;
}

u64 board_deadline(const struct board *b)
{
	u64 timer = MIN(b->pit.deadline, b->rtc.deadline);
	u64 serial = MIN(b->uart[0].deadline, b->uart[1].deadline);

	return MIN(timer, serial);
}

void board_run(struct board *b)
{
	u64 now;

	if (board_deadline(b) == NEVER)
		return;
	now = b->ops.now(b->ops.ctx);
	if (now >= b->pit.deadline)
		pit_run(&b->pit);
	if (now >= b->rtc.deadline)
		rtc_run(&b->rtc);
	if (now >= b->uart[0].deadline)
		uart_run(&b->uart[0]);
	if (now >= b->uart[1].deadline)
		uart_run(&b->uart[1]);
}

bool board_serial_in(struct board *b, u8 byte)
{
	return uart_receive(&b->uart[0], byte);
}

const struct pic *board_pic(const struct board *b)
{
	return &b->pic;
}

const struct pit *board_pit(const struct board *b)
{
	return &b->pit;
}

enum board_stop board_stop_state(const struct board *b)
{
	return b->stop;
}

u32 board_stop_code(const struct board *b)
{
	return b->stop_code;
}
