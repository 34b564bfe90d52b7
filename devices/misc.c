/* SPDX-License-Identifier: MIT */
/*
 * The odd ports. Guests made for QEMU end by F4h or 604h, those made for
 * Bochs by a word spelt at 8900h; both kinds talk at E9h. There is no PCI: its
 * configuration ports read all ones, but the reset register among them works.
 */
#include "devices/misc.h"

#include "lib/string.h"

#define PORT92_RESET BIT(0)
#define PORT92_A20   BIT(1)

#define CF9_OFFSET 1 /* in the range at CF8h */
#define CF9_RESET  BIT(2)
#define CF9_BITS   0x0e

#define PM1_SLP_EN  BIT(13)
#define PM1_SLP_TYP 0x1c00 /* QEMU and Bochs: type 0 is off */

static u32 all_ones(unsigned size)
{
	return (u32)BITS(8 * size - 1, 0);
}

u32 misc_read_debug(void *misc, unsigned offset, unsigned size)
{
	return 0xe9; /* how a guest finds the port */
}

void misc_write_debug(void *misc, unsigned offset, unsigned size, u32 value)
{
	struct misc *m = misc;

	if (m->debug_out)
		m->debug_out(m->ctx, (u8)value);
}

u32 misc_read_exit(void *misc, unsigned offset, unsigned size)
{
	return all_ones(size);
}

void misc_write_exit(void *misc, unsigned offset, unsigned size, u32 value)
{
	struct misc *m = misc;

	stop_now(&m->stop, BOARD_EXIT_PORT, value << 1 | 1);
}

u32 misc_read_page(void *misc, unsigned offset, unsigned size)
{
	return ((struct misc *)misc)->page[offset];
}

void misc_write_page(void *misc, unsigned offset, unsigned size, u32 value)
{
	((struct misc *)misc)->page[offset] = (u8)value;
}

u32 misc_read_port92(void *misc, unsigned offset, unsigned size)
{
	struct misc *m = misc;

	return (m->port92 & (u8)~PORT92_A20) | (m->a20->open ? PORT92_A20 : 0);
}

void misc_write_port92(void *misc, unsigned offset, unsigned size, u32 value)
{
	struct misc *m = misc;
	bool reset = value & ~m->port92 & PORT92_RESET;

	m->port92 = (u8)value;
	a20_set(m->a20, value & PORT92_A20);
	if (reset)
		stop_now(&m->stop, BOARD_RESET, 0);
}

/* CF8h to CFFh. CF9h is there for byte accesses only. */
u32 misc_read_pci(void *misc, unsigned offset, unsigned size)
{
	struct misc *m = misc;

	return offset == CF9_OFFSET && size == 1 ? m->cf9 : all_ones(size);
}

void misc_write_pci(void *misc, unsigned offset, unsigned size, u32 value)
{
	struct misc *m = misc;
	bool reset;

	if (offset != CF9_OFFSET || size != 1)
		return;
	reset = value & ~m->cf9 & CF9_RESET;
	m->cf9 = value & CF9_BITS;
	if (reset)
		stop_now(&m->stop, BOARD_RESET, 0);
}

u32 misc_read_power(void *misc, unsigned offset, unsigned size)
{
	return all_ones(size);
}

void misc_write_power(void *misc, unsigned offset, unsigned size, u32 value)
{
	struct misc *m = misc;

	if (offset == 0 && size == 2 && (value & PM1_SLP_EN) &&
	    !(value & PM1_SLP_TYP))
		stop_now(&m->stop, BOARD_POWER_OFF, 0);
}

u32 misc_read_shutdown(void *misc, unsigned offset, unsigned size)
{
	return all_ones(size);
}

void misc_write_shutdown(void *misc, unsigned offset, unsigned size, u32 value)
{
	static const char word[] = "Shutdown";
	struct misc *m = misc;
	u8 c = (u8)value;

	if (c != (u8)word[m->shutdown_at])
		m->shutdown_at = 0;
	if (c == (u8)word[m->shutdown_at])
		m->shutdown_at++;
	if (word[m->shutdown_at])
		return;
	m->shutdown_at = 0;
	stop_now(&m->stop, BOARD_POWER_OFF, 0);
}

void misc_reset(struct misc *m)
{
	memset(m->page, 0, sizeof(m->page));
	m->port92 = m->cf9 = m->shutdown_at = 0;
}

void misc_init(struct misc *m, const struct stop_line *stop,
	       struct a20_gate *a20,
	       void (*debug_out)(void *ctx, u8 byte), void *ctx)
{
	memset(m, 0, sizeof(*m));
	m->stop = *stop;
	m->a20 = a20;
	m->debug_out = debug_out;
	m->ctx = ctx;
	misc_reset(m);
}
