/* SPDX-License-Identifier: MIT */
/* Picks the loader by magic; little-endian access and the flat GDT for both. */
#include "loader/loader.h"

#include <stdarg.h>

#include "lib/format.h"
#include "lib/string.h"
#include "loader/internal.h"

#define LINUX_MAGIC_OFFSET 0x202

const char *loader_error(const char *fmt, ...)
{
	static char line[160];
	va_list ap;

	va_start(ap, fmt);
	fmt_vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	return line;
}

u16 get16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}

u32 get32(const u8 *p)
{
	return get16(p) | (u32)get16(p + 2) << 16;
}

u64 get64(const u8 *p)
{
	return get32(p) | (u64)get32(p + 4) << 32;
}

void put32(u8 *p, u32 v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (u8)(v >> (8 * i));
}

void put64(u8 *p, u64 v)
{
	put32(p, (u32)v);
	put32(p + 4, (u32)(v >> 32));
}

void loader_flat_gdt(struct gpm *g, struct vcpu *v, u16 code_sel)
{
	static const u64 flat[2] = { 0x00cf9b000000ffffull,
				     0x00cf93000000ffffull };
	u8 entries[16];

	put64(entries, flat[0]);
	put64(entries + 8, flat[1]);
	gpm_poke(g, GPA(LOW_GDT + code_sel), entries, sizeof(entries));
	v->gdtr.base = LOW_GDT;
	v->gdtr.limit = (u16)(code_sel + 16 - 1);
}

enum image_kind loader_kind(const u8 *image, u64 size)
{
	if (size > LINUX_MAGIC_OFFSET + 4 &&
	    !memcmp(image + LINUX_MAGIC_OFFSET, "HdrS", 4))
		return IMAGE_LINUX;
	if (multiboot_header_find(image, size) >= 0)
		return IMAGE_MULTIBOOT;
	return IMAGE_UNKNOWN;
}

const char *loader_load(struct gpm *g, struct vcpu *v,
			const struct guest_image *image)
{
	switch (loader_kind(image->image, image->size)) {
	case IMAGE_LINUX:
		return loader_linux(g, v, image);
	case IMAGE_MULTIBOOT:
		return loader_multiboot(g, v, image);
	default:
		return "the guest image is of no known kind (neither a Linux "
		       "bzImage nor a Multiboot 1 image)";
	}
}
