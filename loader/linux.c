/* SPDX-License-Identifier: MIT */
/*
 * Linux by the 32-bit boot protocol (the kernel's own document "The Linux/x86
 * Boot Protocol", section "32-bit Boot Protocol"): boot_params with the setup
 * header copied in, an E820 map, the command line and the initrd, then a jump
 * to the protected-mode part at 1 MiB. A 64-bit kernel switches to long mode by
 * itself, where CPUID offers it.
 */
#include "cpu/cpuid.h"
#include "lib/string.h"
#include "loader/internal.h"

/* Offsets in the setup header, which boot_params has at the same place. */
enum {
	SETUP_SECTS = 0x1f1,
	HEADER_START = 0x1f1,
	SYSSIZE = 0x1f4, /* what follows the setup, in 16 bytes */
	JUMP_LENGTH = 0x201, /* the header ends 202h + this byte */
	VERSION = 0x206,
	TYPE_OF_LOADER = 0x210,
	LOADFLAGS = 0x211,
	CODE32_START = 0x214,
	RAMDISK_IMAGE = 0x218,
	RAMDISK_SIZE = 0x21c,
	CMD_LINE_PTR = 0x228,
	INITRD_ADDR_MAX = 0x22c,
	XLOADFLAGS = 0x236,
	CMDLINE_SIZE = 0x238,
	PREF_ADDRESS = 0x258,
	INIT_SIZE = 0x260,
	HEADER_MAX = 0x268,
};

/* Offsets in boot_params outside the header. */
enum {
	E820_ENTRIES = 0x1e8,
	E820_TABLE = 0x2d0,
};

#define LOADED_HIGH       BIT(0)
#define XLF_KERNEL_64     BIT(0)
#define LOADER_UNDEFINED  0xff
#define E820_RAM          1
#define E820_RESERVED     2
#define BOOT_CS           0x10
#define CMDLINE_SIZE_0205 255 /* before the header said it */

static const char *check_header(const u8 *h, u64 size)
{
	u64 setup = ((h[SETUP_SECTS] ? h[SETUP_SECTS] : 4) + 1) * 512ull;

	if (size < HEADER_MAX || size <= setup)
		return "the Linux image is cut short";
	if (get16(h + VERSION) < 0x0205)
		return loader_error("the Linux image speaks boot protocol "
				    "%u.%02u; 2.05 or later is needed",
				    h[VERSION + 1], h[VERSION]);
	if (size < setup + get32(h + SYSSIZE) * 16ull)
		return "the Linux image is cut short";
	if (!(h[LOADFLAGS] & LOADED_HIGH))
		return "the Linux image is a zImage; a bzImage is needed";
	if (get16(h + VERSION) >= 0x020c && !cpuid_has(FEAT_LM) &&
	    (get16(h + XLOADFLAGS) & XLF_KERNEL_64))
		return "the Linux image is a 64-bit kernel, and this engine "
		       "offers its guest no long mode";
	return NULL;
}

/* First address past what the kernel needs while it unpacks itself. */
static u64 kernel_end(const u8 *h, u64 payload)
{
	u64 end = HIGH_START + payload, at;

	if (get16(h + VERSION) < 0x020a)
		return end;
	at = MAX(get64(h + PREF_ADDRESS), HIGH_START);
	at = MIN(at, ~0ull >> 1); /* nonsense must not wrap */
	return MAX(end, at + get32(h + INIT_SIZE));
}

static void e820_add(u8 *params, u64 base, u64 size, u32 type)
{
	u8 *e = params + E820_TABLE + 20 * params[E820_ENTRIES]++;

	put64(e, base);
	put64(e + 8, size);
	put32(e + 16, type);
}

static void fill_e820(u8 *params, u64 ram)
{
	e820_add(params, 0, LOW_END, E820_RAM);
	e820_add(params, LOW_END, 0xa0000 - LOW_END, E820_RESERVED);
	e820_add(params, 0xf0000, 0x10000, E820_RESERVED);
	e820_add(params, HIGH_START, ram - HIGH_START, E820_RAM);
}

/* With the final zero. */
static u64 cmdline_max(const u8 *params)
{
	u64 size = get16(params + VERSION) >= 0x0206 ?
			   get32(params + CMDLINE_SIZE) :
			   CMDLINE_SIZE_0205;

	return MIN(size + 1, LOW_CMDLINE_MAX);
}

static const char *load_cmdline(struct gpm *g, u8 *params, const char *text)
{
	u64 length = strlen(text) + 1, max = cmdline_max(params);

	if (length > max)
		return loader_error("the guest's command line has %llu "
				    "characters; its kernel takes %llu",
				    (unsigned long long)length - 1,
				    (unsigned long long)max - 1);
	gpm_poke(g, GPA(LOW_CMDLINE), text, length);
	put32(params + CMD_LINE_PTR, LOW_CMDLINE);
	return NULL;
}

/* As high as the kernel allows, page-aligned, clear of the kernel. */
static const char *load_initrd(struct gpm *g, u8 *params, u64 free_from,
			       const struct guest_image *image)
{
	u64 top = MIN(g->size, get32(params + INITRD_ADDR_MAX) + 1ull);
	u64 at;

	if (!image->initrd)
		return NULL;
	if (image->initrd_size > top)
		return "the initrd is too large for the guest's memory (mem=)";
	at = ALIGN_DOWN(top - image->initrd_size, PAGE_SIZE);
	if (at < free_from)
		return "the initrd is too large for the guest's memory (mem=)";
	gpm_poke(g, GPA(at), image->initrd, image->initrd_size);
	put32(params + RAMDISK_IMAGE, (u32)at);
	put32(params + RAMDISK_SIZE, (u32)image->initrd_size);
	return NULL;
}

static const char *fill_params(struct gpm *g, u8 *params,
			       const struct guest_image *image, u64 end)
{
	u64 header_end = MIN(0x202u + image->image[JUMP_LENGTH], HEADER_MAX);
	const char *why;

	memcpy(params + HEADER_START, image->image + HEADER_START,
	       header_end - HEADER_START);
	params[TYPE_OF_LOADER] = LOADER_UNDEFINED;
	put32(params + CODE32_START, HIGH_START);
	fill_e820(params, g->size);
	why = load_cmdline(g, params, image->cmdline);
	return why ? why : load_initrd(g, params, end, image);
}

const char *loader_linux(struct gpm *g, struct vcpu *v,
			 const struct guest_image *image)
{
	static u8 params[PAGE_SIZE];
	const u8 *h = image->image;
	u64 setup, payload, end;
	const char *why = check_header(h, image->size);

	if (why)
		return why;
	setup = ((h[SETUP_SECTS] ? h[SETUP_SECTS] : 4) + 1) * 512ull;
	payload = image->size - setup;
	end = kernel_end(h, payload);
	if (end > g->size)
		return loader_error("the Linux kernel needs %llu MiB to unpack; "
				    "the guest has %llu MiB (mem=)",
				    (unsigned long long)((end + MIB(1) - 1) >> 20),
				    (unsigned long long)(g->size >> 20));
	memset(params, 0, sizeof(params));
	why = fill_params(g, params, image, end);
	if (why)
		return why;
	gpm_poke(g, GPA(LOW_PARAMS), params, sizeof(params));
	gpm_poke(g, GPA(HIGH_START), image->image + setup, payload);
	vcpu_reset_flat32(v, HIGH_START, BOOT_CS, BOOT_CS + 8);
	loader_flat_gdt(g, v, BOOT_CS);
	v->gpr[R_SI] = LOW_PARAMS;
	return NULL;
}
