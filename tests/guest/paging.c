/* SPDX-License-Identifier: MIT */
/*
 * Two-level paging: every P/W/U combination of both levels against every kind
 * of access from both rings with and without CR0.WP; A and D bits; 4 MiB
 * pages; aliases; remaps with and without a flush.
 */
#include "paging.h"

static u8 frames[4][4096] ALIGNED(4096);
static u32 target;
static bool with_rmw; /* `rmw` on the command line: not for QEMU */

static void do_read(void *arg) { *(volatile u32 *)target; }
static void do_write(void *arg) { *(volatile u32 *)target = 1; }
static void do_rmw(void *arg)
{
	__asm__ volatile("addl $0, (%0)" : : "r"(target) : "memory");
}
static void do_exec(void *arg)
{
	((void (*)(void))target)();
}

/* INT 80h all over: what an allowed jump there ends with. */
static void fill_code(u8 *frame)
{
	for (u32 i = 0; i < 64; i += 2) {
		frame[i] = 0xcd;
		frame[i + 1] = 0x80;
	}
}

/* Ring 3 code lives in a page of its own, copied there. */
__asm__(".pushsection .text\n"
	"user_read: movl (%ebx), %eax; int $0x80\n"
	"user_write: movl %eax, (%ebx); int $0x80\n"
	"user_exec: jmp *%ebx\n"
	"user_end: .popsection");
extern const u8 user_read[], user_write[], user_exec[], user_end[];

#define USER_VA (TEST_VA + 0x100000)

struct user_state { u32 eip, ebx; };

static void go_user(void *arg)
{
	struct user_state *s = arg;

	__asm__ volatile("pushl %0; pushl %1; pushl $2; pushl %2; pushl %3;"
			 "movw %w0, %%ds; movw %w0, %%es; iretl"
			 : : "r"(SEL_UDATA), "i"(USER_VA + 0x1ff0),
			   "i"(SEL_UCODE), "r"(s->eip), "b"(s->ebx)
			 : "memory");
}

static u32 user_access(const u8 *code, u32 va)
{
	struct user_state s = { USER_VA + (u32)(code - user_read), va };

	return catch(go_user, &s);
}

/* One access: 100h for success, else vector and error code. */
static u32 outcome(u32 caught)
{
	if (!caught || last.vector == 0x80)
		return 0x100;
	if (last.vector == 14)
		check(READ_CR(2) == target, "CR2");
	return last.vector << 4 | last.error;
}

static void one_case(u32 pde, u32 pte, u32 wp, u32 *h)
{
	static void (*const kernel[])(void *) = {
		do_read, do_write, do_rmw, do_exec,
	};
	const u8 *user[] = { user_read, user_write, user_exec };

	for (u32 i = 0; i < 7; i++) {
		u32 r;

		if (i == 2 && !with_rmw)
			continue;
		dir[TEST_VA >> 22] = (u32)test_table | P | W | U;
		dir[(TEST_VA >> 22) + 1] = (u32)test_table | pde;
		test_table[0] = (u32)frames[0] | pte;
		fill_code(frames[0]);
		flush();
		target = TEST_VA + 0x400000;
		r = outcome(i < 4 ? catch(kernel[i], 0) :
			    user_access(user[i - 4], target));
		*h = hash(*h, r);
		*h = hash(*h, test_table[0] & 0xfff);
		*h = hash(*h, dir[(TEST_VA >> 22) + 1] & 0xfff);
		if (wp && pde == (P | W | U))
			print("pte %x access %u: %x pte after %x\n", pte, i,
			      r, test_table[0] & 0xfff);
	}
}

static void matrix(void)
{
	for (u32 wp = 0; wp < 2; wp++) {
		u32 h = 0;

		WRITE_CR(0, (READ_CR(0) & ~0x10000u) | wp << 16);
		for (u32 i = 0; i < 64; i++)
			one_case(i & 7, i >> 3, wp, &h);
		print("matrix wp %u: %08x\n", wp, h);
	}
}

static void accessed_dirty(void)
{
	volatile u32 *va = (u32 *)(TEST_VA + 0x3000);

	test_table[3] = (u32)frames[1] | P | W;
	flush();
	print("fresh %x", test_table[3] & 0xfff);
	*va;
	print(" read %x", test_table[3] & 0xfff);
	*va = 5;
	print(" written %x\n", test_table[3] & 0xfff);
	test_table[3] &= ~(u32)D;
	flush();
	*va = 6;
	print("cleaned and written %x\n", test_table[3] & 0xfff);
	test_table[3] &= ~(u32)A;
	invlpg((u32)va);
	*va;
	print("aged and read %x\n", test_table[3] & 0xfff);
	print("dir %x\n", dir[TEST_VA >> 22] & 0xfff);
}

static void remap(void)
{
	volatile u32 *va = (u32 *)(TEST_VA + 0x4000);
	u32 sum = 0;

	for (u32 i = 0; i < 4; i++)
		*(u32 *)frames[i] = 0x1111 * i;
	for (u32 i = 0; i < 64; i++) {
		test_table[4] = (u32)frames[i & 3] | P | W;
		invlpg((u32)va);
		sum = hash(sum, *va);
		*va += 1;
	}
	print("remap %08x:", sum);
	for (u32 i = 0; i < 4; i++)
		print(" %x", *(u32 *)frames[i]);
	print("\n");
}

/* Not present -> present needs no flush. */
static void map_on_fault(void)
{
	u32 count = 0;

	for (u32 i = 8; i < 72; i++) {
		test_table[i] = 0;
		flush();
		target = TEST_VA + (i << 12) + 0x123;
		if (catch(do_read, 0))
			count++;
		test_table[i] = (u32)frames[i & 3] | P | W;
		if (catch(do_write, 0))
			print("page %u faults\n", i);
	}
	print("faulted %u of 64\n", count);
}

static void large(void)
{
	u32 pde = (TEST_VA >> 22) + 2;
	u32 base = TEST_VA + 0x800000;

	dir[pde] = P | W | PS;
	flush();
	*(volatile u32 *)(base + (u32)frames[0]) = 0xabcd;
	print("large: alias %x pde %x\n", *(u32 *)frames[0],
	      dir[pde] & 0xfff);
	dir[pde] = P | PS;
	flush();
	target = base + (u32)frames[0];
	print("large read-only: %x", outcome(catch(do_write, 0)));
	print(" pde %x\n", dir[pde] & 0xfff);
	WRITE_CR(4, READ_CR(4) & ~0x10u);
	dir[pde] = (u32)test_table | P | W | PS;
	test_table[0] = (u32)frames[2] | P | W;
	flush();
	target = base;
	print("PS without PSE: %x\n", outcome(catch(do_read, 0)));
	WRITE_CR(4, READ_CR(4) | 0x10);
}

/* An operand over a page boundary, second page missing or read-only. */
static void straddle(void)
{
	test_table[80] = (u32)frames[0] | P | W;
	test_table[81] = 0;
	flush();
	target = TEST_VA + 81 * 4096 - 2;
	fill(frames[0] + 4094, 0x77, 2);
	print("straddle write: %u", catch(do_write, 0));
	print(" error %x cr2 %x kept %x\n", last.error,
	      READ_CR(2) - TEST_VA, *(u16 *)(frames[0] + 4094));
	test_table[81] = (u32)frames[1] | P;
	flush();
	print("straddle read-only: %u", catch(do_write, 0));
	print(" error %x cr2 %x kept %x\n", last.error,
	      READ_CR(2) - TEST_VA, *(u16 *)(frames[0] + 4094));
}

static void global_pages(void)
{
	volatile u32 *va = (u32 *)(TEST_VA + 90 * 4096);

	WRITE_CR(4, READ_CR(4) | 0x80);
	test_table[90] = (u32)frames[0] | P | W | G;
	*(u32 *)frames[0] = 1;
	*(u32 *)frames[1] = 2;
	flush();
	print("global %x", *va);
	test_table[90] = (u32)frames[1] | P | W | G;
	invlpg((u32)va);
	print(" after invlpg %x", *va);
	test_table[90] = (u32)frames[0] | P | W | G;
	WRITE_CR(4, READ_CR(4) & ~0x80u);
	print(" after PGE off %x\n", *va);
}

int main(void);
int main(void)
{
	with_rmw = command_line()[0] == 'r';
	paging_on(0x10);
	test_table[USER_VA >> 12 & 1023] = (u32)frames[2] | P | W | U;
	test_table[(USER_VA >> 12 & 1023) + 1] = (u32)frames[3] | P | W | U;
	copy(frames[2], user_read, (u32)(user_end - user_read));
	matrix();
	accessed_dirty();
	remap();
	map_on_fault();
	large();
	straddle();
	global_pages();
	return failures != 0;
}
