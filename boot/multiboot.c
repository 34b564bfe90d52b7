/* SPDX-License-Identifier: MIT */
/*
 * Multiboot 1 and 2 information -> boot_info. Everything is copied, since
 * the loader's structures lie in RAM that will be given out.
 */
#include "boot/multiboot.h"

#include "kernel/host.h"
#include "lib/string.h"
#include "log.h"

#define MB1_LOADER_MAGIC 0x2badb002
#define MB2_LOADER_MAGIC 0x36d76289
#define MEMORY_AVAILABLE 1

/* Multiboot 1 information, "Boot information format" */
#define MB1_HAS_MEMORY  BIT(0)
#define MB1_HAS_CMDLINE BIT(2)
#define MB1_HAS_MODULES BIT(3)
#define MB1_HAS_MAP     BIT(6)
#define MB1_HAS_LOADER  BIT(9)

struct mb1_info {
	u32 flags;
	u32 mem_lower, mem_upper; /* KiB, below 1 MiB and from there on */
	u32 boot_device;
	u32 cmdline;
	u32 mods_count, mods_addr;
	u32 syms[4];
	u32 mmap_length, mmap_addr;
	u32 drives_length, drives_addr;
	u32 config_table;
	u32 boot_loader_name;
};

struct mb1_module {
	u32 start, end;
	u32 string;
	u32 reserved;
};

/* `size` is what follows it; entries may be longer than we know. */
struct mb1_map_entry {
	u32 size;
	u64 base, length;
	u32 type;
} PACKED;

/* Multiboot 2 information, tags */
enum { MB2_END = 0, MB2_CMDLINE = 1, MB2_LOADER = 2, MB2_MODULE = 3, MB2_MAP = 6 };

struct mb2_info {
	u32 total_size, reserved;
};

struct mb2_tag {
	u32 type, size;
};

struct mb2_module {
	struct mb2_tag tag;
	u32 start, end;
	char string[];
};

struct mb2_map {
	struct mb2_tag tag;
	u32 entry_size, entry_version;
	u8 entries[];
};

struct mb2_map_entry {
	u64 base, length;
	u32 type, reserved;
};

extern const u8 image_phys_start[], image_phys_end[];

struct boot_info boot_info;

static char strings[8192];
static size_t strings_used;

static const void *at(u64 pa)
{
	return host_virt(HPA(pa));
}

static const char *copy_string(const char *s)
{
	size_t bytes = strlen(s) + 1;
	char *to = strings + strings_used;

	if (bytes > sizeof(strings) - strings_used)
		fatal("the command lines of monitor and modules exceed %zu bytes", sizeof(strings));
	strings_used += bytes;
	return memcpy(to, s, bytes);
}

static const char *skip_word(const char *s)
{
	while (*s && *s != ' ')
		s++;
	while (*s == ' ')
		s++;
	return s;
}

static bool first_word_has(const char *s, char c)
{
	for (; *s && *s != ' '; s++)
		if (*s == c)
			return true;
	return false;
}

/* Some loaders pass the image's name first; an option always has a '='. */
static void set_cmdline(const char *s)
{
	if (!first_word_has(s, '='))
		s = skip_word(s);
	boot_info.cmdline = copy_string(s);
}

static void set_loader(const char *s)
{
	boot_info.loader = copy_string(s);
}

static void add_ram(u64 base, u64 length, u32 type)
{
	struct host_memory *m = &boot_info.memory;

	if (type != MEMORY_AVAILABLE || !length)
		return;
	if (m->ram_count == MEMORY_RAM_MAX) {
		log_warn("memory map too long: RAM at %lx is not used", base);
		return;
	}
	m->ram[m->ram_count++] = (struct memory_range){ base, base + length };
}

static void add_keep(u64 start, u64 end)
{
	struct host_memory *m = &boot_info.memory;

	m->keep[m->keep_count++] = (struct memory_range){ start, end };
}

/* QEMU's strings begin with the file's name; GRUB leaves it out. */
static void add_module(u64 start, u64 end, const char *string)
{
	struct boot_info *b = &boot_info;

	if (b->module_count == BOOT_MODULE_MAX)
		fatal("more than %u modules", BOOT_MODULE_MAX);
	if (b->loader && !strcmp(b->loader, "qemu"))
		string = skip_word(string);
	b->modules[b->module_count++] = (struct boot_module){
		start, end - start, copy_string(string),
	};
	add_keep(start, end);
}

static void read_mb1_map(const struct mb1_info *info)
{
	const u8 *p = at(info->mmap_addr), *end = p + info->mmap_length;

	while (p < end) {
		const struct mb1_map_entry *e = (const void *)p;

		if (e->size < sizeof(*e) - sizeof(e->size))
			fatal("the loader's memory map has an entry of %u bytes", e->size);
		add_ram(e->base, e->length, e->type);
		p += e->size + sizeof(e->size);
	}
}

static void read_mb1_modules(const struct mb1_info *info)
{
	const struct mb1_module *m = at(info->mods_addr);

	for (u32 i = 0; i < info->mods_count; i++)
		add_module(m[i].start, m[i].end, m[i].string ? at(m[i].string) : "");
}

static void read_mb1(const struct mb1_info *info)
{
	if (info->flags & MB1_HAS_LOADER)
		set_loader(at(info->boot_loader_name));
	if (info->flags & MB1_HAS_CMDLINE)
		set_cmdline(at(info->cmdline));
	if (info->flags & MB1_HAS_MAP)
		read_mb1_map(info);
	else if (info->flags & MB1_HAS_MEMORY)
		add_ram(MIB(1), KIB(info->mem_upper), MEMORY_AVAILABLE);
	if (info->flags & MB1_HAS_MODULES)
		read_mb1_modules(info);
}

static void read_mb2_map(const struct mb2_map *map)
{
	const u8 *end = (const u8 *)map + map->tag.size;

	if (map->entry_size < sizeof(struct mb2_map_entry))
		fatal("the loader's memory map has entries of %u bytes", map->entry_size);
	for (const u8 *p = map->entries; p < end; p += map->entry_size) {
		const struct mb2_map_entry *e = (const void *)p;

		add_ram(e->base, e->length, e->type);
	}
}

static void read_mb2_tag(const struct mb2_tag *tag)
{
	const struct mb2_module *m = (const void *)tag;

	switch (tag->type) {
	case MB2_CMDLINE:
		set_cmdline((const char *)(tag + 1));
		break;
	case MB2_LOADER:
		set_loader((const char *)(tag + 1));
		break;
	case MB2_MODULE:
		add_module(m->start, m->end, m->string);
		break;
	case MB2_MAP:
		read_mb2_map((const void *)tag);
		break;
	}
}

static void read_mb2(const struct mb2_info *info)
{
	const u8 *p = (const u8 *)(info + 1);
	const u8 *end = (const u8 *)info + info->total_size;

	while (p < end) {
		const struct mb2_tag *tag = (const void *)p;

		if (tag->type == MB2_END)
			break;
		if (tag->size < sizeof(*tag))
			fatal("the loader gave a tag of %u bytes", tag->size);
		read_mb2_tag(tag);
		p += ALIGN_UP(tag->size, 8);
	}
}

void multiboot_read(u32 magic, u32 info)
{
	boot_info.cmdline = boot_info.loader = "";
	add_keep((uintptr_t)image_phys_start, (uintptr_t)image_phys_end);
	if (magic == MB1_LOADER_MAGIC)
		read_mb1(at(info));
	else if (magic == MB2_LOADER_MAGIC)
		read_mb2(at(info));
	else
		fatal("not started by a Multiboot loader (eax = %x)", magic);
	if (!boot_info.memory.ram_count)
		fatal("the loader gave no memory map");
}
