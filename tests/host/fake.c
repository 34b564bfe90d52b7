/* SPDX-License-Identifier: MIT */
/*
 * The machine's services (kernel/host.h, include/log.h) for host tests: an
 * ordinary process stands in for the PC.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "kernel/host.h"
#include "log.h"

enum log_level fake_log_level = LOG_WARN;
extern enum log_level fake_log_level;

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > fake_log_level)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

void fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

void *palloc(u64 pages, u64 align)
{
	void *p = aligned_alloc(align < PAGE_SIZE ? PAGE_SIZE : align,
				pages * PAGE_SIZE);

	return p ? memset(p, 0, pages * PAGE_SIZE) : NULL;
}

void *palloc_low(u64 pages)
{
	return palloc(pages, PAGE_SIZE);
}

void palloc_free(void *p, u64 pages)
{
	memset(p, 0xcc, pages * PAGE_SIZE);
	free(p);
}

u64 palloc_total_bytes(void)
{
	return GIB(1);
}

u64 palloc_free_bytes(void)
{
	return GIB(1);
}

/* On the host a "physical" address is the pointer itself. */
hpa_t host_phys(const void *p)
{
	return HPA((uintptr_t)p);
}

void *host_virt(hpa_t pa)
{
	return (void *)(uintptr_t)pa.a;
}

u64 host_tsc(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000ull + (u64)ts.tv_nsec;
}

u64 host_tsc_hz(void)
{
	return 1000000000ull;
}

u64 host_wall_seconds(void)
{
	return 1700000000; /* a fixed day: tests must not depend on today */
}

void console_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
}

void host_timer_set(u64 deadline_tsc)
{
}

void host_idle(const volatile u8 *wake)
{
}

void host_attention_hook(volatile u8 *flag)
{
}

void host_console_put(u8 byte)
{
	putchar(byte);
	fflush(stdout);
}

int host_console_get(void)
{
	return -1;
}
