/* SPDX-License-Identifier: MIT */
/*
 * Guest-physical memory: one contiguous, 2 MiB-aligned block of host RAM at
 * gpa 0, with the hole A0000h-BFFFFh (VGA) unbacked and C0000h-FFFFFh a ROM
 * that is backed and write-protected. Everything else is unbacked: reads give
 * all ones, writes vanish.
 */
#ifndef MM_GPM_H
#define MM_GPM_H

#include "types.h"

/* In memory, not RAM: VGA and ROM. */
#define GPM_HOLE     0xa0000u
#define GPM_HOLE_END 0x100000u

enum gpm_kind { GPM_NONE, GPM_RAM, GPM_ROM };

struct gpm {
	u8 *base;  /* host address of gpa 0 */
	hpa_t hpa; /* host-physical address of gpa 0 */
	u64 size;  /* bytes of RAM, a multiple of 2 MiB */
	struct track *track; /* write tracking, one byte a frame (track.h) */
	struct gtlb *tlb;    /* kept translations (gtlb.h); NULL: none */
	/* Accesses to unbacked addresses; NULL handlers: ones, ignored. */
	u64 (*mmio_read)(void *ctx, gpa_t gpa, unsigned size);
	void (*mmio_write)(void *ctx, gpa_t gpa, unsigned size, u64 value);
	void *mmio_ctx;
};

/* base must have gpm_frames() * 4 KiB behind it. The ROM area is filled FFh. */
void gpm_init(struct gpm *g, void *base, hpa_t hpa, u64 size);

static inline u64 gpm_frames(const struct gpm *g)
{
	return g->size >> PAGE_SHIFT;
}

enum gpm_kind gpm_kind(const struct gpm *g, gpa_t gpa);

/* gpm_kind() is GPM_RAM. */
static inline bool gpm_is_ram(const struct gpm *g, gpa_t gpa)
{
	return (gpa.a < g->size) &
	       (gpa.a - GPM_HOLE >= GPM_HOLE_END - GPM_HOLE);
}

/* Host pointer to a backed byte, good to the end of its page; else NULL. */
u8 *gpm_ptr(const struct gpm *g, gpa_t gpa);

/*
 * Copies that skip tracking and protection (loader, debugger). False: a part
 * is unbacked.
 */
bool gpm_peek(const struct gpm *g, gpa_t gpa, void *buf, u64 size);
bool gpm_poke(struct gpm *g, gpa_t gpa, const void *buf, u64 size);

/*
 * As the guest's processor would: MMIO for unbacked parts, ROM ignores writes,
 * subscribers of tracked frames are told. An access may cross pages.
 */
void gpm_read(struct gpm *g, gpa_t gpa, void *buf, unsigned size);
void gpm_write(struct gpm *g, gpa_t gpa, const void *buf, unsigned size);
/* The same for four bytes in one page of RAM. */
void gpm_write32(struct gpm *g, gpa_t gpa, u32 value);

#endif
