/* SPDX-License-Identifier: MIT */
/*
 * The loaders: what a good image leaves in memory and in the registers, one
 * row for each way to be broken, and mutations of good images, which must
 * neither touch memory that is not theirs nor pass for loaded when they
 * are not.
 *
 * LINKS: lib kernel cpu mm
 * SRCS: loader/loader.c loader/linux.c loader/multiboot.c
 */
#include <stdlib.h>
#include <string.h>

#include "cpu/cpuid.h"
#include "loader/internal.h"
#include "tests/host/test.h"

#define IMAGE_MAX 8192u
#define SETUP_BYTES (5 * 512u)
#define PAYLOAD 512u
#define MB_AT 64u /* offset of the Multiboot header */

static struct gpm gpm;
static struct vcpu vcpu;

/* --- good images ----------------------------------------------------------- */

struct image {
	u8 bytes[IMAGE_MAX];
	u64 size;
};

static void put16(u8 *p, u16 v)
{
	p[0] = (u8)v;
	p[1] = (u8)(v >> 8);
}

static void make_linux(struct image *i)
{
	u8 *h = i->bytes;

	memset(i, 0, sizeof(*i));
	h[0x1f1] = 4;
	h[0x201] = 0x66; /* the header ends at 268h */
	memcpy(h + 0x202, "HdrS", 4);
	put16(h + 0x206, 0x020f);
	h[0x211] = 1;               /* LOADED_HIGH */
	put32(h + 0x22c, 0x7fffffff); /* initrd_addr_max */
	put32(h + 0x238, 2047);       /* cmdline_size */
	put64(h + 0x258, MIB(1));     /* pref_address */
	put32(h + 0x260, 0x2000);     /* init_size */
	memset(h + SETUP_BYTES, 0xa5, PAYLOAD);
	i->size = SETUP_BYTES + PAYLOAD;
}

static void put_header(u8 *h, u32 flags)
{
	put32(h, 0x1badb002);
	put32(h + 4, flags);
	put32(h + 8, -(0x1badb002 + flags));
}

/* By address fields: the whole file from the header on, and 4 KiB of bss. */
static void make_kludge(struct image *i)
{
	u8 *h = i->bytes + MB_AT;

	memset(i, 0, sizeof(*i));
	i->size = 1024;
	memset(i->bytes, 0xa5, i->size);
	put_header(h, BIT(16) | 3);
	put32(h + 12, MIB(1) + MB_AT);
	put32(h + 16, MIB(1));
	put32(h + 20, MIB(1) + 1024);
	put32(h + 24, MIB(1) + 5120);
	put32(h + 28, MIB(1) + 96);
}

/* ELF32: one piece of 512 bytes at 1 MiB, 2 KiB in memory. */
static void make_elf32(struct image *i)
{
	u8 *e = i->bytes, *p = e + 52;

	memset(i, 0, sizeof(*i));
	i->size = 1024;
	memcpy(e, "\177ELF\1\1\1", 7);
	put16(e + 16, 2);
	put16(e + 18, 3);
	put32(e + 24, MIB(1) + 16);
	put32(e + 28, 52);
	put16(e + 42, 32);
	put16(e + 44, 1);
	put32(p, 1);
	put32(p + 4, 512);
	put32(p + 12, MIB(1));
	put32(p + 16, 512);
	put32(p + 20, 2048);
	put_header(e + 128, 3);
	memset(e + 512, 0xa5, 512);
}

static void make_elf64(struct image *i)
{
	u8 *e = i->bytes, *p = e + 64;

	memset(i, 0, sizeof(*i));
	i->size = 1024;
	memcpy(e, "\177ELF\2\1\1", 7);
	put16(e + 16, 2);
	put16(e + 18, 62);
	put64(e + 24, MIB(1) + 16);
	put64(e + 32, 64);
	put16(e + 54, 56);
	put16(e + 56, 1);
	put32(p, 1);
	put64(p + 8, 512);
	put64(p + 24, MIB(1));
	put64(p + 32, 512);
	put64(p + 40, 2048);
	put_header(e + 128, 3);
	memset(e + 512, 0xa5, 512);
}

static void (*const makers[])(struct image *i) = {
	make_linux, make_kludge, make_elf32, make_elf64,
};

/* --- running the loader ------------------------------------------------------ */

/* Fresh memory of exactly this size: ASan sees each byte beyond it. */
static void fresh_memory(u64 size)
{
	free(gpm.base);
	gpm_init(&gpm, aligned_alloc(PAGE_SIZE, size), HPA(0), size);
	memset(gpm.base, 0, 0xa0000);
	memset(gpm.base + MIB(1), 0, size - MIB(1));
}

static const char *load(const struct image *i, const char *cmdline,
			const u8 *initrd, u64 initrd_size)
{
	/* Of exactly its size, for the same reason. */
	u8 *exact = malloc(i->size ? i->size : 1);
	struct guest_image image = { exact, i->size, cmdline, initrd,
				     initrd_size };
	const char *why;

	memcpy(exact, i->bytes, i->size);
	memset(&vcpu, 0, sizeof(vcpu));
	why = loader_load(&gpm, &vcpu, &image);
	free(exact);
	return why;
}

/* --- what a good image leaves -------------------------------------------------- */

static bool all_bytes(u64 from, u64 to, u8 value)
{
	for (; from < to; from++)
		if (gpm.base[from] != value)
			return false;
	return true;
}

static void check_segment(enum sreg seg, u16 sel)
{
	const u8 *d = gpm.base + vcpu.gdtr.base + sel;

	CHECK(vcpu.seg[seg].sel == sel, "selector %#x", vcpu.seg[seg].sel);
	CHECK(vcpu.seg[seg].base == 0 && vcpu.seg[seg].limit == 0xffffffff);
	CHECK(sel + 7 <= vcpu.gdtr.limit);
	/* the table says the same: present, base 0, limit FFFFF, G and D */
	CHECK(get32(d) == 0xffff && (d[5] & 0x90) == 0x90 && d[6] == 0xcf &&
	      !d[7], "descriptor %#llx", (unsigned long long)get64(d));
}

static void check_reset_state(u32 entry, u16 code)
{
	CHECK(vcpu.rip == entry, "rip %#llx", (unsigned long long)vcpu.rip);
	CHECK((vcpu.cr0 & (CR0_PE | CR0_PG)) == CR0_PE);
	CHECK(!(vcpu.rflags & (EFLAGS_IF | EFLAGS_VM | EFLAGS_TF)));
	CHECK(vcpu.cpl == 0);
	check_segment(SEG_CS, code);
	check_segment(SEG_DS, (u16)(code + 8));
	check_segment(SEG_ES, (u16)(code + 8));
	check_segment(SEG_SS, (u16)(code + 8));
}

struct range {
	u64 base, size;
	u32 type;
};

/* What both kinds of map must say of a guest with this much memory. */
static void check_map(const struct range *r, unsigned count, u64 memory)
{
	const struct range want[] = {
		{ 0, 0x9fc00, 1 }, { 0x9fc00, 0x400, 2 },
		{ 0xf0000, 0x10000, 2 }, { MIB(1), memory - MIB(1), 1 },
	};

	CHECK(count == ARRAY_SIZE(want), "%u entries", count);
	for (unsigned n = 0; n < MIN(count, ARRAY_SIZE(want)); n++)
		CHECK(r[n].base == want[n].base && r[n].size == want[n].size &&
		      r[n].type == want[n].type, "entry %u: %#llx + %#llx, %u",
		      n, (unsigned long long)r[n].base,
		      (unsigned long long)r[n].size, r[n].type);
}

static void test_linux_good(u64 memory)
{
	static u8 initrd[5000];
	struct range map[8];
	struct image i;
	const u8 *p;
	u64 at;

	make_linux(&i);
	fresh_memory(memory);
	memset(initrd, 0x5a, sizeof(initrd));
	CHECK(!load(&i, "console=ttyS0", initrd, sizeof(initrd)));
	p = gpm.base + vcpu.gpr[R_SI];
	check_reset_state(MIB(1), 0x10);
	CHECK(all_bytes(MIB(1), MIB(1) + PAYLOAD, 0xa5));
	CHECK(!memcmp(p + 0x202, "HdrS", 4) && p[0x210] == 0xff);
	CHECK(get32(p + 0x214) == MIB(1));
	CHECK(!strcmp((char *)gpm.base + get32(p + 0x228), "console=ttyS0"));
	at = get32(p + 0x218);
	CHECK(at == ALIGN_DOWN(memory - sizeof(initrd), PAGE_SIZE));
	CHECK(get32(p + 0x21c) == sizeof(initrd));
	CHECK(all_bytes(at, at + sizeof(initrd), 0x5a));
	for (unsigned n = 0; n < MIN(p[0x1e8], 8u); n++)
		map[n] = (struct range){ get64(p + 0x2d0 + 20 * n),
					 get64(p + 0x2d8 + 20 * n),
					 get32(p + 0x2e0 + 20 * n) };
	check_map(map, p[0x1e8], memory);
}

static void check_multiboot_map(const u8 *info, u64 memory)
{
	u32 at = get32(info + 48), end = at + get32(info + 44);
	struct range map[8];
	unsigned n = 0;

	for (; at < end && n < 8; n++, at += get32(gpm.base + at) + 4)
		map[n] = (struct range){ get64(gpm.base + at + 4),
					 get64(gpm.base + at + 12),
					 get32(gpm.base + at + 20) };
	CHECK(at == end);
	check_map(map, n, memory);
}

static void test_multiboot_good(void (*make)(struct image *), u32 entry,
				u64 filled, u64 end)
{
	u64 memory = MIB(6);
	struct image i;
	const u8 *info;

	make(&i);
	fresh_memory(memory);
	memset(gpm.base + MIB(1), 0xee, 8192);
	CHECK(!load(&i, "a b=c", NULL, 0));
	info = gpm.base + vcpu.gpr[R_BX];
	check_reset_state(entry, 8);
	CHECK(vcpu.gpr[R_AX] == 0x2badb002);
	CHECK(get32(info) == (BIT(0) | BIT(2) | BIT(3) | BIT(6) | BIT(9)));
	CHECK(get32(info + 4) == 639 && get32(info + 8) == 5 * 1024);
	CHECK(!strcmp((char *)gpm.base + get32(info + 16), "a b=c"));
	CHECK(get32(info + 20) == 0);
	CHECK(!strcmp((char *)gpm.base + get32(info + 64), "Penumbra"));
	check_multiboot_map(info, memory);
	CHECK(gpm.base[MIB(1) + filled - 1] == 0xa5);
	CHECK(all_bytes(MIB(1) + filled, MIB(1) + end, 0));
	CHECK(gpm.base[MIB(1) + end] == 0xee);
}

/* --- rows ------------------------------------------------------------------------ */

enum base { LINUX, KLUDGE, ELF32, ELF64 };

struct patch {
	u16 at;
	u8 size;
	u64 value;
};

struct row {
	const char *what;
	enum base base;
	u64 size;          /* of the image; 0: as it is */
	struct patch patch[3];
	u64 memory;        /* 0: 4 MiB */
	const char *error; /* NULL: loads */
};

static const struct row rows[] = {
#include "tests/host/loader_rows.inc"
};

static void apply(struct image *i, const struct patch *p)
{
	for (unsigned n = 0; n < p->size; n++)
		i->bytes[p->at + n] = (u8)(p->value >> (8 * n));
}

static void run_row(const struct row *r)
{
	struct image i;
	const char *why;

	makers[r->base](&i);
	for (unsigned n = 0; n < ARRAY_SIZE(r->patch); n++)
		apply(&i, &r->patch[n]);
	if (r->size)
		i.size = r->size;
	fresh_memory(r->memory ? r->memory : MIB(4));
	why = load(&i, "", NULL, 0);
	CHECK(r->error ? why && strstr(why, r->error) : !why, "%s: %s",
	      r->what, why ? why : "loaded");
}

/* A 64-bit kernel depends on what the guest's CPUID offers. */
static void test_long_mode(void)
{
	struct image i;

	makers[LINUX](&i);
	put32(i.bytes + 0x236, 1);
	cpuid_policy_init(NULL, CPUID_POLICY_64);
	fresh_memory(MIB(4));
	CHECK(!load(&i, "", NULL, 0), "refused with LM");
	cpuid_policy_init(NULL, CPUID_POLICY_32);
	fresh_memory(MIB(4));
	CHECK(load(&i, "", NULL, 0), "loaded without LM");
}

/* --- command lines and initrds ------------------------------------------------------ */

static const char *load_line(enum base base, size_t length, u32 kernel_max)
{
	static char line[8192];
	struct image i;

	memset(line, 'x', length);
	line[length] = 0;
	makers[base](&i);
	if (base == LINUX)
		put32(i.bytes + 0x238, kernel_max);
	fresh_memory(MIB(4));
	return load(&i, line, NULL, 0);
}

static void test_cmdlines(void)
{
	CHECK(!load_line(LINUX, 2047, 2047));
	CHECK(strstr(load_line(LINUX, 2048, 2047), "has 2048 characters; its "
						   "kernel takes 2047"));
	CHECK(!load_line(LINUX, 0, 0));
	CHECK(strstr(load_line(LINUX, 1, 0), "takes 0"));
	/* what we have room for, even if the kernel takes more */
	CHECK(!load_line(LINUX, 4095, 0xffffffff));
	CHECK(strstr(load_line(LINUX, 4096, 0xffffffff), "takes 4095"));
	CHECK(!load_line(ELF32, 4095, 0));
	CHECK(strstr(load_line(ELF32, 4096, 0), "too long"));
}

/* Old headers say no size: 255 characters. */
static void test_old_cmdline(void)
{
	static char line[257];
	struct image i;

	memset(line, 'x', 255);
	make_linux(&i);
	put16(i.bytes + 0x206, 0x0205);
	put32(i.bytes + 0x238, 0);
	fresh_memory(MIB(4));
	CHECK(!load(&i, line, NULL, 0));
	line[255] = 'x';
	CHECK(strstr(load(&i, line, NULL, 0), "takes 255"));
}

static const char *load_initrd(u64 size, u64 memory, u32 addr_max, u64 *at)
{
	u8 *initrd = malloc(size);
	struct image i;
	const char *why;

	make_linux(&i);
	put32(i.bytes + 0x22c, addr_max);
	fresh_memory(memory);
	memset(initrd, 0x5a, size);
	why = load(&i, "", initrd, size);
	free(initrd);
	*at = why ? 0 : get32(gpm.base + vcpu.gpr[R_SI] + 0x218);
	if (!why)
		CHECK(all_bytes(*at, *at + size, 0x5a) && *at + size <= memory);
	return why;
}

static void test_initrds(void)
{
	u64 most = MIB(4) - MIB(1) - 0x2000, at;

	CHECK(!load_initrd(most, MIB(4), ~0u, &at) && at == MIB(1) + 0x2000);
	CHECK(strstr(load_initrd(most + 1, MIB(4), ~0u, &at), "too large"));
	CHECK(strstr(load_initrd(MIB(4) + 1, MIB(4), ~0u, &at), "too large"));
	CHECK(!load_initrd(100, MIB(4), ~0u, &at) && at == MIB(4) - 4096);
	CHECK(!load_initrd(4096, MIB(4), ~0u, &at) && at == MIB(4) - 4096);
	CHECK(!load_initrd(4097, MIB(4), ~0u, &at) && at == MIB(4) - 8192);
	/* as low as the kernel wants it */
	CHECK(!load_initrd(100, MIB(4), 0x2fffff, &at) && at == 0x2ff000);
	CHECK(!load_initrd(100, MIB(4), 0x2ffffe, &at) && at == 0x2ff000);
	CHECK(strstr(load_initrd(100, MIB(4), 0x1000, &at), "too large"));
	CHECK(strstr(load_initrd(100, MIB(4), 0, &at), "too large"));
}

static void test_initrd_elsewhere(void)
{
	struct image i;

	make_elf32(&i);
	fresh_memory(MIB(4));
	CHECK(strstr(load(&i, "", i.bytes, 4), "Linux kernel only"));
}

/* --- mutations ------------------------------------------------------------------------- */

static u64 rnd_state = 88172645463325252ull;

static u32 rnd(u32 below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (u32)((rnd_state >> 16) % below);
}

/* Where the fields are, mostly; values at the edges, mostly. */
static void mutate(struct image *i, enum base base)
{
	static const u16 from[] = { 0x1f1, MB_AT, 0, 0 };
	static const u16 span[] = { 0x77, 32, 144, 144 };
	static const u32 edges[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff,
				     MIB(1), MIB(2), MIB(2) - 1, 0xa0000,
				     0x100, 0xfffff000, 512, 1024, 8192 };
	u32 at = rnd(8) ? from[base] + rnd(span[base]) : rnd(1024);
	u32 value = rnd(2) ? edges[rnd(ARRAY_SIZE(edges))] : rnd(0x10000) << 16;
	u8 size = (u8)(1 << rnd(3));

	apply(i, &(struct patch){ (u16)at, rnd(2) ? 1 : size, value + rnd(9) });
	if (!rnd(8))
		i->size = rnd((u32)i->size + 1);
}

/* A changed header whose sum still holds is still a header. */
static void mend(struct image *i, enum base base)
{
	u8 *h = i->bytes + (base == KLUDGE ? MB_AT : 128);

	if (base != LINUX && rnd(2))
		put_header(h, get32(h + 4));
}

static void check_loaded(void)
{
	CHECK(gpm_kind(&gpm, GPA(vcpu.rip)) == GPM_RAM, "entry %#llx",
	      (unsigned long long)vcpu.rip);
	CHECK(vcpu.cr0 & CR0_PE);
}

static void test_mutations(unsigned cases)
{
	unsigned long loaded = 0;
	struct image i;

	while (cases--) {
		enum base base = rnd(4);
		u8 initrd[64] = { 0 };
		const char *why;

		if (cases % 4096 == 0)
			fresh_memory(MIB(2));
		makers[base](&i);
		for (unsigned n = 1 + rnd(3); n; n--)
			mutate(&i, base);
		mend(&i, base);
		why = load(&i, "x", base == LINUX && rnd(2) ? initrd : NULL,
			   sizeof(initrd));
		CHECK(!why || (*why && strlen(why) < 160));
		if (!why) {
			check_loaded();
			loaded++;
		}
	}
	printf("loader: %lu of the mutations load\n", loaded);
}

int main(int argc, char **argv)
{
	test_linux_good(MIB(2));
	test_linux_good(MIB(4));
	test_linux_good(MIB(64));
	test_multiboot_good(make_kludge, MIB(1) + 96, 1024, 5120);
	test_multiboot_good(make_elf32, MIB(1) + 16, 512, 2048);
	test_multiboot_good(make_elf64, MIB(1) + 16, 512, 2048);
	for (unsigned n = 0; n < ARRAY_SIZE(rows); n++)
		run_row(&rows[n]);
	test_long_mode();
	test_cmdlines();
	test_old_cmdline();
	test_initrds();
	test_initrd_elsewhere();
	if (argc > 1)
		rnd_state ^= strtoull(argv[1], NULL, 0) * 0x9e3779b97f4a7c15ull;
	test_mutations(250000);
	return test_end("loader");
}
