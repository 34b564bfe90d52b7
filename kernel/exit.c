/* SPDX-License-Identifier: MIT */
/* The last thing that the monitor does. Takes no locks, allocates nothing. */
#include "kernel/exit.h"

#include "kernel/instr.h"
#include "kernel/uart.h"

#define QEMU_DEBUG_EXIT 0xf4
#define BOCHS_SHUTDOWN  0x8900
#define RESET_CONTROL   0xcf9
#define KBC_COMMAND     0x64
#define KBC_PULSE_RESET 0xfe

static enum machine_exit_mode exit_mode = MACHINE_HALT;

void machine_exit_mode_set(enum machine_exit_mode mode)
{
	exit_mode = mode;
}

enum machine_exit_mode machine_exit_mode_get(void)
{
	return exit_mode;
}

static void park(void) NORETURN;
static void park(void)
{
	for (;;) {
		cli();
		hlt();
	}
}

static void emulator_stop(u8 status)
{
	outb(QEMU_DEBUG_EXIT, status);
	for (const char *p = "Shutdown"; *p; p++)
		outb(BOCHS_SHUTDOWN, (u8)*p);
}

/* Chipset reset, keyboard controller reset, then a triple fault. */
static void reboot(void)
{
	static const struct table_pointer no_idt;

	outb(RESET_CONTROL, 0x02);
	outb(RESET_CONTROL, 0x06);
	outb(KBC_COMMAND, KBC_PULSE_RESET);
	for (unsigned i = 0; i < 1000000; i++)
		pause();
	lidt(&no_idt);
	__asm__ volatile("int3");
}

void machine_exit(u8 status)
{
	cli();
	uart_drain(&uart_com1);
	uart_drain(&uart_com2);
	if (exit_mode == MACHINE_QEMU)
		emulator_stop(status);
	if (exit_mode == MACHINE_REBOOT)
		reboot();
	park();
}
