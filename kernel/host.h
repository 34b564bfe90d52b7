/* SPDX-License-Identifier: MIT */
/*
 * The host services that modules above may use: pages, addresses, time. On
 * the machine kernel/ provides them; host tests link tests/host/fake.c.
 */
#ifndef KERNEL_HOST_H
#define KERNEL_HOST_H

#include "bits.h"

/*
 * Zeroed, page-aligned, physically contiguous pages seen through the direct
 * map; NULL when memory is out. `align` in bytes, a power of two, 4 KiB or more.
 */
void *palloc(u64 pages, u64 align);
void *palloc_low(u64 pages); /* below 4 GiB */
void palloc_free(void *p, u64 pages); /* poisons */
u64 palloc_free_bytes(void);
u64 palloc_total_bytes(void); /* all that there was to give */

hpa_t host_phys(const void *p); /* of a direct-map or image address */
void *host_virt(hpa_t pa);      /* direct-map address */

u64 host_tsc(void);
u64 host_wall_seconds(void); /* the machine's clock, seconds since 1970 */
u64 host_tsc_hz(void);

/*
 * One host timer: raises a host interrupt (which sets v->attention through
 * the registered hook) at or soon after this TSC. ~0: none.
 */
void host_timer_set(u64 deadline_tsc);

/* Idle the real CPU until the next host interrupt; returns at once if *wake. */
void host_idle(const volatile u8 *wake);

/* The byte that host interrupts set to 1; NULL: none. */
void host_attention_hook(volatile u8 *flag);

/*
 * Executable scratch for instructions that are run on the real CPU (x87, MMX,
 * SSE under the interpreter): the same bytes through a writable mapping and an
 * executable one. Fixed size, never freed.
 */
struct host_code {
	u8 *write;
	const u8 *exec;
	u64 size;
};
struct host_code host_code_area(void);

/*
 * Call code in that area with rdi = mem, rax = *rax (stored back afterwards),
 * arithmetic flags = *flags (stored back). The guest's x87/SSE registers are
 * the live ones. Returns 0, or 1 + the vector of the exception that it raised
 * (#MF, #XM, #UD, #NM), in which case nothing is stored back.
 */
u32 host_native_call(const void *code, void *mem, u64 *rax, u64 *flags);

/* Text for people on every console, at any log level. */
void console_printf(const char *fmt, ...) PRINTF(1, 2);

/* Raw bytes to and from the console that the guest's serial port uses. */
void host_console_put(u8 byte);
int host_console_get(void); /* -1: nothing there */

#endif
