/* SPDX-License-Identifier: MIT */
/*
 * Guest-physical memory: which addresses are backed, and how bytes get there.
 * Invariant: every guest-visible write to RAM passes gpm_write(), a shadow
 * entry (never of a tracked frame) or gpm_poke() before the guest runs.
 */
#include "mm/gpm.h"
#include "bits.h"
#include "lib/string.h"
#include "mm/track.h"

#define ROM_START 0xc0000u

/* Bytes that a subscriber is shown at a time. */
#define OLD_MAX 64u

void gpm_init(struct gpm *g, void *base, hpa_t hpa, u64 size)
{
	memset(g, 0, sizeof(*g));
	g->base = base;
	g->hpa = hpa;
	g->size = size;
	memset(g->base + ROM_START, 0xff, GPM_HOLE_END - ROM_START);
}

enum gpm_kind gpm_kind(const struct gpm *g, gpa_t gpa)
{
	if (likely(gpm_is_ram(g, gpa)))
		return GPM_RAM;
	return gpa.a >= g->size || gpa.a < ROM_START ? GPM_NONE : GPM_ROM;
}

u8 *gpm_ptr(const struct gpm *g, gpa_t gpa)
{
	if (unlikely(gpm_kind(g, gpa) == GPM_NONE))
		return NULL;
	return g->base + gpa.a;
}

/* Of size bytes at gpa, those in the first page. */
static unsigned in_page(gpa_t gpa, u64 size)
{
	u64 rest = PAGE_SIZE - (gpa.a & ~PAGE_MASK);

	return (unsigned)MIN(rest, size);
}

static bool copy_raw(const struct gpm *g, gpa_t gpa, void *to, const void *from,
		     u64 size)
{
	while (size) {
		unsigned n = in_page(gpa, size);
		u8 *p = gpm_ptr(g, gpa);

		if (!p)
			return false;
		if (to) {
			memcpy(to, p, n);
			to = (u8 *)to + n;
		} else {
			memcpy(p, from, n);
			from = (const u8 *)from + n;
		}
		gpa.a += n;
		size -= n;
	}
	return true;
}

bool gpm_peek(const struct gpm *g, gpa_t gpa, void *buf, u64 size)
{
	return copy_raw(g, gpa, buf, NULL, size);
}

bool gpm_poke(struct gpm *g, gpa_t gpa, const void *buf, u64 size)
{
	return copy_raw(g, gpa, NULL, buf, size);
}

/* The bus moves naturally aligned pieces of at most 8 bytes. */
static unsigned mmio_piece(gpa_t gpa, unsigned size)
{
	unsigned n = 8;

	while (n > size || (gpa.a & (n - 1)))
		n /= 2;
	return n;
}

static void mmio_read(struct gpm *g, gpa_t gpa, u8 *buf, unsigned size)
{
	while (size) {
		unsigned n = mmio_piece(gpa, size);
		u64 value = ~0ull;

		if (g->mmio_read)
			value = g->mmio_read(g->mmio_ctx, gpa, n);
		memcpy(buf, &value, n);
		gpa.a += n;
		buf += n;
		size -= n;
	}
}

static void mmio_write(struct gpm *g, gpa_t gpa, const u8 *buf, unsigned size)
{
	while (size) {
		unsigned n = mmio_piece(gpa, size);
		u64 value = 0;

		memcpy(&value, buf, n);
		if (g->mmio_write)
			g->mmio_write(g->mmio_ctx, gpa, n, value);
		gpa.a += n;
		buf += n;
		size -= n;
	}
}

void gpm_read(struct gpm *g, gpa_t gpa, void *buf, unsigned size)
{
	while (size) {
		unsigned n = in_page(gpa, size);
		const u8 *p = gpm_ptr(g, gpa);

		if (likely(p))
			memcpy(buf, p, n);
		else
			mmio_read(g, gpa, buf, n);
		gpa.a += n;
		buf = (u8 *)buf + n;
		size -= n;
	}
}

static void tracked_write(struct gpm *g, gpa_t gpa, const u8 *buf,
			  unsigned size)
{
	u8 old[OLD_MAX];

	while (size) {
		unsigned n = MIN(size, OLD_MAX);

		memcpy(old, g->base + gpa.a, n);
		memcpy(g->base + gpa.a, buf, n);
		track_notify(g->track, gpa, old, n);
		gpa.a += n;
		buf += n;
		size -= n;
	}
}

/* Within one page. */
static void write_piece(struct gpm *g, gpa_t gpa, const u8 *buf, unsigned size)
{
	switch (gpm_kind(g, gpa)) {
	case GPM_NONE:
		mmio_write(g, gpa, buf, size);
		break;
	case GPM_ROM:
		break;
	case GPM_RAM:
		if (g->track && track_any(g->track, gpa.a >> PAGE_SHIFT))
			tracked_write(g, gpa, buf, size);
		else
			memcpy(g->base + gpa.a, buf, size);
		break;
	}
}

void gpm_write(struct gpm *g, gpa_t gpa, const void *buf, unsigned size)
{
	while (size) {
		unsigned n = in_page(gpa, size);

		write_piece(g, gpa, buf, n);
		gpa.a += n;
		buf = (const u8 *)buf + n;
		size -= n;
	}
}

void gpm_write32(struct gpm *g, gpa_t gpa, u32 value)
{
	volatile u32 *p = (volatile u32 *)(g->base + gpa.a);
	u32 old = *p;

	*p = value;
	if (g->track && track_any(g->track, gpa.a >> PAGE_SHIFT))
		track_notify(g->track, gpa, &old, sizeof(old));
}
