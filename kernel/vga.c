/* SPDX-License-Identifier: MIT */
/*
 * VGA text output. Memory at B8000h is touched only when the graphics
 * controller itself says that it decodes text there: under UEFI it does not.
 */
#include "kernel/vga.h"

#include "kernel/host.h"
#include "kernel/instr.h"

#define COLUMNS 80
#define ROWS    25
#define BLANK   0x0720 /* grey on black */

#define GRAPHICS_INDEX 0x3ce
#define GRAPHICS_DATA  0x3cf
#define GR_MISC        6
#define GR_MISC_MODE   0x0d /* graphics, memory map */
#define GR_MISC_TEXT   0x0c /* no graphics, B8000h */

#define CRTC_INDEX 0x3d4
#define CRTC_DATA  0x3d5
#define CRTC_CURSOR_HIGH 0x0e
#define CRTC_CURSOR_LOW  0x0f

static volatile u16 *cells; /* NULL: no text screen */
static unsigned row, column;

static u8 crtc_read(u8 index)
{
	outb(CRTC_INDEX, index);
	return inb(CRTC_DATA);
}

static void crtc_write(u8 index, u8 value)
{
	outb(CRTC_INDEX, index);
	outb(CRTC_DATA, value);
}

static void move_cursor(void)
{
	unsigned at = row * COLUMNS + column;

	crtc_write(CRTC_CURSOR_HIGH, (u8)(at >> 8));
	crtc_write(CRTC_CURSOR_LOW, (u8)at);
}

/* Go on below what the loader has written. */
bool vga_init(void)
{
	unsigned at;

	outb(GRAPHICS_INDEX, GR_MISC);
	if ((inb(GRAPHICS_DATA) & GR_MISC_MODE) != GR_MISC_TEXT)
		return false;
	cells = host_virt(HPA(0xb8000));
	at = (unsigned)crtc_read(CRTC_CURSOR_HIGH) << 8 | crtc_read(CRTC_CURSOR_LOW);
	row = MIN(at / COLUMNS, ROWS - 1u);
	column = 0;
	return true;
}

static void scroll(void)
{
	for (unsigned i = 0; i < (ROWS - 1) * COLUMNS; i++)
		cells[i] = cells[i + COLUMNS];
	for (unsigned i = (ROWS - 1) * COLUMNS; i < ROWS * COLUMNS; i++)
		cells[i] = BLANK;
}

static void new_line(void)
{
	column = 0;
	if (row < ROWS - 1)
		row++;
	else
		scroll();
}

void vga_put(u8 byte)
{
	if (!cells)
		return;
	if (byte == '\n')
		new_line();
	else if (byte == '\r')
		column = 0;
	else if (byte >= ' ') {
		if (column == COLUMNS)
			new_line();
		cells[row * COLUMNS + column++] = (u16)(BLANK & 0xff00) | byte;
	}
	if (byte == '\n')
		move_cursor();
}
