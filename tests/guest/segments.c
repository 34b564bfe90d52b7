/* SPDX-License-Identifier: MIT */
/*
 * Segmentation: limits of every kind of data and code segment, bases that
 * wrap, loads with every type, DPL and RPL, accessed bits, LAR, LSL, VERR and
 * VERW over all descriptor types, far pointers.
 */
#include "guest.h"

static u32 target;
static u8 area[256] ALIGNED(16);

static void fs_read1(void *a)
{
	__asm__ volatile("movb %%fs:(%0), %%al" : : "r"(target) : "eax");
}
static void fs_read4(void *a)
{
	__asm__ volatile("movl %%fs:(%0), %%eax" : : "r"(target) : "eax");
}
static void fs_write4(void *a)
{
	__asm__ volatile("movl %%eax, %%fs:(%0)" : : "r"(target) : "memory");
}
static void fs_rmw2(void *a)
{
	__asm__ volatile("orw $0, %%fs:(%0)" : : "r"(target) : "memory");
}

static void load_fs(void *sel)
{
	__asm__ volatile("movw %w0, %%fs" : : "r"(sel));
}
static void load_ss(void *sel)
{
	__asm__ volatile("movw %%ss, %%cx; movw %w0, %%ss; movw %%cx, %%ss"
			 : : "r"(sel) : "ecx");
}

static u32 code(u32 caught)
{
	return caught ? last.vector << 16 | last.error : 0;
}

static void limits(const char *name, u32 limit, u32 access, u32 flags)
{
	static void (*const kinds[])(void *) = {
		fs_read1, fs_read4, fs_write4, fs_rmw2,
	};
	u32 edge = flags & 8 ? limit << 12 | 0xfff : limit;

	set_desc(SEL_TEST, (u32)area, limit, access, flags);
	print("%s:", name);
	if (catch(load_fs, (void *)SEL_TEST)) {
		print(" load %x\n", code(1));
		return;
	}
	for (u32 k = 0; k < 4; k++)
		for (int d = -4; d <= 1; d++) {
			u32 caught;

			target = edge + (u32)d;
			caught = catch(kinds[k], 0);
			print(" %x", caught ? last.vector : 0);
		}
	print("\n");
}

static void all_limits(void)
{
	limits("data", 99, 0x93, 4);
	limits("data read-only", 99, 0x91, 4);
	limits("data 16-bit", 99, 0x93, 0);
	limits("zero limit", 0, 0x93, 4);
	limits("code readable", 99, 0x9b, 4);
	limits("code execute-only", 99, 0x99, 4);
	limits("expand-down", 15, 0x97, 4);
	limits("expand-down 16", 15, 0x97, 0);
}

/* The whole descriptor space: what a load says and what gets marked. */
static void all_loads(void)
{
	for (u32 access = 0; access < 256; access++) {
		u32 h = 0;

		for (u32 rpl = 0; rpl < 4; rpl++) {
			u32 sel = SEL_TEST | rpl;

			set_desc(SEL_TEST, 0, 0xfffff, access, 0xc);
			h = hash(h, code(catch(load_fs, (void *)sel)));
			h = hash(h, (u32)(gdt[SEL_TEST >> 3] >> 40) & 0xff);
			set_desc(SEL_TEST, 0, 0xfffff, access, 0xc);
			h = hash(h, code(catch(load_ss, (void *)sel)));
			h = hash(h, (u32)(gdt[SEL_TEST >> 3] >> 40) & 0xff);
		}
		print("%x:%x%c", access, h & 0xffff,
		      (access & 7) == 7 ? '\n' : ' ');
	}
	load_fs(0);
}

static u32 queries(u32 sel)
{
	u32 lar = 0xdead, lsl = 0xdead, f = 0;

	__asm__("lar %3, %0; setz %b2; lsl %3, %1; setz %h2"
		: "+r"(lar), "+r"(lsl), "+Q"(f) : "r"(sel));
	f = hash(hash(hash(0, lar), lsl), f);
	__asm__("xorl %%eax, %%eax; verr %w1; setz %%al; verw %w1; setz %%ah;"
		"xorl %%eax, %0" : "+r"(f) : "r"(sel) : "eax");
	return f;
}

static void all_queries(void)
{
	for (u32 access = 0; access < 256; access++) {
		u32 h = 0;

		set_desc(SEL_TEST, 0x12345678, 0xabcde, access, 0xd);
		for (u32 rpl = 0; rpl < 4; rpl++)
			h = hash(h, queries(SEL_TEST | rpl));
		print("%x:%x%c", access, h & 0xffff,
		      (access & 7) == 7 ? '\n' : ' ');
	}
	print("null %x out %x ldt %x\n", queries(0), queries(0x7ff8),
	      queries(4));
}

static void based(void)
{
	u32 got;

	for (u32 i = 0; i < sizeof(area); i++)
		area[i] = (u8)i;
	set_desc(SEL_TEST, (u32)area + 0x20, 0xfffff, 0x93, 0xc);
	load_fs((void *)SEL_TEST);
	__asm__("movl %%fs:4, %0" : "=r"(got));
	print("base %x", got);
	__asm__("movl %%fs:(%1), %0" : "=r"(got) : "r"(-0x10));
	print(" below %x", got);
	set_desc(SEL_TEST, 0xffffff00, 0xfffff, 0x93, 0xc);
	load_fs((void *)SEL_TEST);
	__asm__("movl %%fs:(%1), %0" : "=r"(got) : "r"((u32)area + 0x108));
	print(" wrap %x", got);
	__asm__("movl %%fs:(%1,%2,4), %0" : "=r"(got)
		: "r"((u32)area + 0x100), "r"(4));
	print(" indexed %x\n", got);
	load_fs(0);
}

static void far_pointers(void)
{
	struct { u32 offset; u16 sel; } PACKED p = { 0x1234, SEL_UDATA };
	u32 offset, sel;

	__asm__("lfs %2, %0; movw %%fs, %w1" : "=r"(offset), "=r"(sel)
		: "m"(p));
	print("lfs %x:%x", sel & 0xffff, offset);
	__asm__("lgs %2, %0; movw %%gs, %w1" : "=r"(offset), "=r"(sel)
		: "m"(p));
	print(" lgs %x:%x\n", sel & 0xffff, offset);
}

int main(void);
int main(void)
{
	all_limits();
	all_loads();
	all_queries();
	based();
	far_pointers();
	return failures != 0;
}
