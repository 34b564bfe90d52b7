/* SPDX-License-Identifier: MIT */
/*
 * String instructions: both directions, all sizes, over page boundaries, cut
 * short by a fault with the registers as far as they got, overlapping.
 */
#include "paging.h"

static u8 frames[4][4096] ALIGNED(4096);

struct regs { u32 eax, ecx, esi, edi, flags; };
static struct regs regs;

#define STRING_FN(name, text)                                             \
	static void name(void *arg)                                       \
	{                                                                 \
		struct regs *r = arg;                                     \
		u32 a = r->eax, c = r->ecx, s = r->esi, d = r->edi, f;    \
		__asm__ volatile("pushl %8; popfl\n" text                 \
				 "\npushfl; cld; popl %4"                 \
				 : "=a"(a), "=c"(c), "=S"(s), "=D"(d),    \
				   "=r"(f)                                \
				 : "0"(a), "1"(c), "2"(s), "g"(r->flags), \
				   "3"(d)                                 \
				 : "memory", "cc");                       \
		*r = (struct regs){ a, c, s, d, f };                      \
	}

STRING_FN(movsb_, "rep movsb")
STRING_FN(movsw_, "rep movsw")
STRING_FN(movsl_, "rep movsl")
STRING_FN(stosb_, "rep stosb")
STRING_FN(stosw_, "rep stosw")
STRING_FN(stosl_, "rep stosl")
STRING_FN(lodsb_, "rep lodsb")
STRING_FN(lodsl_, "rep lodsl")
STRING_FN(cmpsb_, "repe cmpsb")
STRING_FN(cmpsl_, "repe cmpsl")
STRING_FN(cmpsn_, "repne cmpsb")
STRING_FN(scasb_, "repne scasb")
STRING_FN(scasw_, "repe scasw")
STRING_FN(scasl_, "repne scasl")
STRING_FN(movs1_, "movsl")
STRING_FN(cmps1_, "cmpsw")

struct row { const char *name; void (*fn)(void *); u32 size; };
#define ROW(n, size) { #n, n##_, size }

static const struct row rows[] = {
	ROW(movsb, 1), ROW(movsw, 2), ROW(movsl, 4), ROW(stosb, 1),
	ROW(stosw, 2), ROW(stosl, 4), ROW(lodsb, 1), ROW(lodsl, 4),
	ROW(cmpsb, 1), ROW(cmpsl, 4), ROW(cmpsn, 1), ROW(scasb, 1),
	ROW(scasw, 2), ROW(scasl, 4), ROW(movs1, 4), ROW(cmps1, 2),
};

static u8 master[sizeof(frames)] ALIGNED(4);

static void copy_words(void *to, const void *from, u32 count)
{
	__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count)
			 : : "memory");
}

static void make_master(void)
{
	u32 *words = (u32 *)master;

	for (u32 i = 0, x = 0x0b070300; i < sizeof(master) / 4; i++)
		words[i] = x += 0x1c1d1c1c;
	/* Two equal stretches, for the compares. */
	copy(master + 0x2f00, master + 0xf00, 0x100);
	copy(master + 0x3000, master + 0x1000, 0x80);
}

static void reset(void)
{
	copy_words(frames, master, sizeof(frames) / 4);
}

/* Every fourth word, each time others. */
static u32 memory_hash(void)
{
	static u32 turn;
	const u32 *words = (const u32 *)frames;
	u32 h = 0;

	for (u32 i = turn++ & 3; i < sizeof(frames) / 4; i += 4)
		h = h * 31 + words[i];
	return h;
}

static void one(const struct row *row, u32 count, u32 src, u32 dst, bool down)
{
	u32 caught;

	reset();
	regs = (struct regs){ 0x41424344, count, TEST_VA + src, TEST_VA + dst,
			      down ? 0x402 : 2 };
	caught = catch(row->fn, &regs);
	if (caught) {
		print("%s%s %u: fault %x cr2 %x ecx %u esi %x edi %x %x\n",
		      row->name, down ? " down" : "", count, last.error,
		      READ_CR(2) - TEST_VA, last.ecx, last.esi - TEST_VA,
		      last.edi - TEST_VA, memory_hash());
		return;
	}
	print("%s%s %u: eax %x ecx %u esi %x edi %x flags %x %x\n", row->name,
	      down ? " down" : "", count, regs.eax, regs.ecx,
	      regs.esi - TEST_VA, regs.edi - TEST_VA, regs.flags & 0xcd5,
	      memory_hash());
}

static void plain(void)
{
	static const u32 counts[] = { 0, 1, 3, 300 };

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		for (u32 j = 0; j < ARRAY_SIZE(counts); j++) {
			one(&rows[i], counts[j], 0, 0x2000, 0);
			one(&rows[i], counts[j], 0x1003, 0x3ff1 - 16, 1);
		}
}

/* Page 2 (of the destination) or 1 (of the source) goes away. */
static void faulting(u32 page, u32 entry)
{
	u32 old = test_table[page];

	test_table[page] = entry;
	flush();
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		one(&rows[i], 64, 0xff5 - 64, 0x2ff5 - 64, 0);
		one(&rows[i], 64, 0x1031, 0x3035, 1);
	}
	test_table[page] = old;
	flush();
}

int main(void);
int main(void)
{
	make_master();
	paging_on(0);
	for (u32 i = 0; i < 4; i++)
		test_table[i] = (u32)frames[i] | P | W;
	flush();
	plain();
	print("source page missing\n");
	faulting(1, 0);
	print("destination page missing\n");
	faulting(3, 0);
	print("destination page read-only\n");
	WRITE_CR(0, READ_CR(0) | 0x10000);
	faulting(3, (u32)frames[3] | P);
	print("overlapping\n");
	one(&rows[0], 300, 0x100, 0x101, 0);
	one(&rows[0], 300, 0x300, 0x301, 1);
	one(&rows[2], 300, 0x100, 0x102, 0);
	return failures != 0;
}
