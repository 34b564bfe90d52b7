/* SPDX-License-Identifier: MIT */
/* main() as a table of contents. */
#include "boot/main.h"

#include "boot/guest.h"
#include "boot/multiboot.h"
#include "boot/cmdline.h"
#include "kernel/blackbox.h"
#include "kernel/caps.h"
#include "kernel/console.h"
#include "kernel/exit.h"
#include "kernel/gdt.h"
#include "kernel/idt.h"
#include "kernel/instr.h"
#include "kernel/irq.h"
#include "kernel/memory.h"
#include "kernel/native.h"
#include "kernel/paging.h"
#include "kernel/timer.h"
#include "kernel/uart.h"

/* The host machine, in the order in which each part needs the last. */
static void machine_init(u32 magic, u32 info)
{
	console_init();                   /* from here on we can say so */
	gdt_init();                       /* descriptors and stacks */
	idt_init();                       /* from here on a fault is a panic */
	multiboot_read(magic, info);      /* into boot_info, by copy */
	cmdline_apply(boot_info.cmdline); /* into options, console, exit mode */
	blackbox_place(&boot_info.memory); /* before RAM is given out */
	palloc_init(&boot_info.memory);   /* RAM below 4 GiB */
	paging_init(&boot_info.memory);   /* final tables: upper half only */
	palloc_init_high();               /* all RAM */
	blackbox_open();                  /* what the last run has left */
	irq_init();                       /* 8259 and APIC, masked */
	timer_init();                     /* TSC rate, alarm */
	uart_receive_start(&uart_com1);   /* typed bytes */
	native_init();                    /* code area for the interpreter */
	sti();
	caps_init();
}

void boot_main(u32 magic, u32 info)
{
	machine_init(magic, info);
	caps_print();
	blackbox_report();
	machine_exit(guest_run());
}
