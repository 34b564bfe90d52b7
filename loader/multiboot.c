/* SPDX-License-Identifier: MIT */
/*
 * Multiboot 1 images ("Multiboot Specification version 0.6.96"): the header's
 * address fields or the ELF program headers say where the bytes go; the
 * information structure carries memory sizes, command line and memory map.
 */
#include "lib/string.h"
#include "loader/internal.h"
#include "log.h"

#define MB_MAGIC        0x1badb002u
#define MB_LOADER_MAGIC 0x2badb002u
#define MB_SEARCH       8192u

/* Header flags: 0 page alignment and 1 memory info are always given. */
#define MB_HEADER_ADDRESSES BIT(16)
#define MB_HEADER_KNOWN     (BIT(0) | BIT(1) | MB_HEADER_ADDRESSES)
#define MB_HEADER_REQUIRED  0xffffull

/* Information flags. */
#define MB_INFO_MEMORY  BIT(0)
#define MB_INFO_CMDLINE BIT(2)
#define MB_INFO_MODS    BIT(3)
#define MB_INFO_MMAP    BIT(6)
#define MB_INFO_NAME    BIT(9)

/* Layout of the page at LOW_INFO. */
#define INFO_MMAP  0x100u
#define INFO_NAME  0x200u
#define INFO_SIZE  0x240u

s64 multiboot_header_find(const u8 *image, u64 size)
{
	u64 end = MIN(size, MB_SEARCH);

	for (u64 at = 0; at + 12 <= end; at += 4)
		if (get32(image + at) == MB_MAGIC &&
		    get32(image + at) + get32(image + at + 4) +
				    get32(image + at + 8) ==
			    0)
			return (s64)at;
	return -1;
}

static bool clear(struct gpm *g, u64 from, u64 to)
{
	static const u8 zero[PAGE_SIZE];

	for (; from < to; from += MIN(to - from, PAGE_SIZE))
		if (!gpm_poke(g, GPA(from), zero, MIN(to - from, PAGE_SIZE)))
			return false;
	return true;
}

/* Copies one piece; the rest up to mem_size is zero. */
static const char *load_piece(struct gpm *g, const struct guest_image *image,
			      u64 offset, u64 file_size, u64 to, u64 mem_size)
{
	if (offset > image->size || file_size > image->size - offset ||
	    mem_size < file_size)
		return "the Multiboot image is cut short or broken";
	if (to > g->size || mem_size > g->size - to)
		return loader_error("the Multiboot image reaches up to %#llx; "
				    "the guest has %llu MiB (mem=)",
				    (unsigned long long)(to + mem_size),
				    (unsigned long long)(g->size >> 20));
	if (mem_size && to < LOW_USED_END && to + mem_size > LOW_GDT)
		return loader_error("the Multiboot image loads over %#x to %#x, "
				    "where its information goes", LOW_GDT,
				    LOW_USED_END);
	if (!gpm_poke(g, GPA(to), image->image + offset, file_size) ||
	    !clear(g, to + file_size, to + mem_size))
		return "the Multiboot image loads where there is no memory";
	return NULL;
}

static const char *load_by_addresses(struct gpm *g,
				     const struct guest_image *image, u64 at,
				     u64 *entry)
{
	const u8 *h = image->image + at;
	u64 header_addr = get32(h + 12), load = get32(h + 16);
	u64 load_end = get32(h + 20), bss_end = get32(h + 24);
	u64 offset = at - (header_addr - load), size;

	if (header_addr < load || at < header_addr - load)
		return "the Multiboot header's addresses make no sense";
	size = load_end ? load_end - load : image->size - offset;
	if (load_end && load_end < load)
		return "the Multiboot header's addresses make no sense";
	*entry = get32(h + 28);
	return load_piece(g, image, offset, size, load,
			  MAX(size, bss_end > load ? bss_end - load : 0));
}

/* Where ELF32 and ELF64 keep the fields that we read. */
struct elf_layout {
	u8 wide;
	u8 entry, phoff, phentsize, phnum;
	u8 p_offset, p_paddr, p_filesz, p_memsz, ph_size;
};

static const struct elf_layout elf_layouts[] = {
	{ 0, 24, 28, 42, 44, 4, 12, 16, 20, 32 },
	{ 1, 24, 32, 54, 56, 8, 24, 32, 40, 56 },
};

static u64 elf_field(const struct elf_layout *l, const u8 *p)
{
	return l->wide ? get64(p) : get32(p);
}

static const char *load_segment(struct gpm *g, const struct guest_image *image,
				const struct elf_layout *l, const u8 *ph)
{
	enum { PT_LOAD = 1 };

	if (get32(ph) != PT_LOAD || !elf_field(l, ph + l->p_memsz))
		return NULL;
	return load_piece(g, image, elf_field(l, ph + l->p_offset),
			  elf_field(l, ph + l->p_filesz),
			  elf_field(l, ph + l->p_paddr),
			  elf_field(l, ph + l->p_memsz));
}

static const char *load_elf(struct gpm *g, const struct guest_image *image,
			    u64 *entry)
{
	const u8 *elf = image->image;
	const struct elf_layout *l;
	u64 phoff, count, each;
	const char *why = NULL;
	enum { EI_CLASS = 4, EI_DATA = 5, LSB = 1, E_MACHINE = 18 };
	enum { EM_386 = 3, EM_X86_64 = 62 };

	if (image->size < 64 || memcmp(elf, "\177ELF", 4) ||
	    elf[EI_CLASS] < 1 || elf[EI_CLASS] > 2)
		return "the Multiboot image is neither ELF nor has addresses";
	if (elf[EI_DATA] != LSB || (get16(elf + E_MACHINE) != EM_386 &&
				    get16(elf + E_MACHINE) != EM_X86_64))
		return "the Multiboot image is ELF, but not for a PC";
	l = &elf_layouts[elf[4] - 1];
	phoff = elf_field(l, elf + l->phoff);
	count = get16(elf + l->phnum);
	each = get16(elf + l->phentsize);
	if (each < l->ph_size || phoff > image->size ||
	    count * each > image->size - phoff)
		return "the Multiboot image's program headers are broken";
	for (u64 i = 0; i < count && !why; i++)
		why = load_segment(g, image, l, elf + phoff + i * each);
	*entry = elf_field(l, elf + l->entry);
	return why;
}

static u32 mmap_add(u8 *info, u32 at, u64 base, u64 size, u32 type)
{
	put32(info + at, 20);
	put64(info + at + 4, base);
	put64(info + at + 12, size);
	put32(info + at + 20, type);
	return at + 24;
}

static const char *fill_info(struct gpm *g, const char *cmdline)
{
	static const char name[] = "Penumbra";
	u8 info[INFO_SIZE] = { 0 };
	u32 end = INFO_MMAP;

	if (strlen(cmdline) >= LOW_CMDLINE_MAX)
		return "the guest's command line is too long";
	gpm_poke(g, GPA(LOW_CMDLINE), cmdline, strlen(cmdline) + 1);
	end = mmap_add(info, end, 0, LOW_END, 1);
	end = mmap_add(info, end, LOW_END, 0xa0000 - LOW_END, 2);
	end = mmap_add(info, end, 0xf0000, 0x10000, 2);
	end = mmap_add(info, end, HIGH_START, g->size - HIGH_START, 1);
	put32(info, MB_INFO_MEMORY | MB_INFO_CMDLINE | MB_INFO_MODS |
			    MB_INFO_MMAP | MB_INFO_NAME);
	put32(info + 4, LOW_END >> 10);
	put32(info + 8, (u32)((g->size - HIGH_START) >> 10));
	put32(info + 16, LOW_CMDLINE);
	put32(info + 44, end - INFO_MMAP);
	put32(info + 48, LOW_INFO + INFO_MMAP);
	put32(info + 64, LOW_INFO + INFO_NAME);
	memcpy(info + INFO_NAME, name, sizeof(name));
	gpm_poke(g, GPA(LOW_INFO), info, sizeof(info));
	return NULL;
}

const char *loader_multiboot(struct gpm *g, struct vcpu *v,
			     const struct guest_image *image)
{
	s64 at = multiboot_header_find(image->image, image->size);
	u64 entry = 0;
	u32 flags;
	const char *why;

	assert(at >= 0);
	if (image->initrd)
		return "an initrd goes with a Linux kernel only";
	flags = get32(image->image + at + 4);
	if (flags & MB_HEADER_REQUIRED & ~MB_HEADER_KNOWN)
		return loader_error("the Multiboot image requires features "
				    "that are not offered (flags %#x)", flags);
	if (!(flags & MB_HEADER_ADDRESSES))
		why = load_elf(g, image, &entry);
	else if ((u64)at + 32 > image->size)
		why = "the Multiboot image is cut short or broken";
	else
		why = load_by_addresses(g, image, (u64)at, &entry);
	if (!why && gpm_kind(g, GPA(entry)) != GPM_RAM)
		why = "the Multiboot image's entry point is not in memory";
	if (!why)
		why = fill_info(g, image->cmdline);
	if (why)
		return why;
	vcpu_reset_flat32(v, (u32)entry, 8, 16);
	loader_flat_gdt(g, v, 8);
	v->gpr[R_AX] = MB_LOADER_MAGIC;
	v->gpr[R_BX] = LOW_INFO;
	return NULL;
}
