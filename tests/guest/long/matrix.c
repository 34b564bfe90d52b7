/* SPDX-License-Identifier: MIT */
/*
 * Four-level paging: an entry of each upper level with the one that maps the
 * page, or 2 MiB, in every combination of present, write, user, NX, accessed
 * and dirty, with each kind of access from both rings, CR0.WP and EFER.NXE.
 * With the word `guards` on the command line: with SMEP and SMAP instead, and
 * with EFLAGS.AC.
 */
#include "long.h"

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80 };
#define NX (1ull << 63)

#include "../matrix.h"

/*
 * The first slot of the PML4 maps the image for the supervisor alone; the next
 * two lead to the user's code and stack, and to the page under test.
 */
#define USER_VA   (1ull << 39)
#define USER_TOP  (USER_VA + 0x1ff0)
#define TARGET    (2ull << 39 | 3ull << 30 | 4ull << 21 | 5ull << 12)
#define WRITTEN   64 /* the code at the start stays */
#define IMAGE_MIB 32
#define ALL       (P | W | U)
#define LEVELS    4

static u64 root[512] ALIGNED(4096), image_pdpt[512] ALIGNED(4096);
static u64 image_pd[512] ALIGNED(4096);
static u64 user_tables[3][512] ALIGNED(4096);
static u64 target_tables[3][512] ALIGNED(4096); /* by level - 1 */
static u8 user_page[2][4096] ALIGNED(4096);
static u8 frame[2 << 20] ALIGNED(2 << 20);

/* The entry of each level that TARGET is found by, by level - 1. */
static u64 *const at[LEVELS] = {
	&target_tables[0][5], &target_tables[1][4], &target_tables[2][3],
	&root[2],
};
static u32 upper, lower; /* levels under test */

/* --- The entries under test -------------------------------------------- */

static u64 address(u32 level, u64 entry)
{
	if (level == 1)
		return (u64)frame + (5 << 12);
	return entry & PS ? (u64)frame : (u64)target_tables[level - 2];
}

/* The levels between and above grant everything. */
static void put(u64 up, u64 low)
{
	for (u32 level = LEVELS; level >= lower; level--)
		*at[level - 1] = address(level, 0) | ALL | A;
	if (lower == 2 && (low & P))
		low |= PS;
	*at[upper - 1] = up | address(upper, up);
	*at[lower - 1] = low | address(lower, low);
	WRITE_CR(3, root);
}

static u64 upper_now(void)
{
	return *at[upper - 1] & FLAGS;
}

/* PS comes with the level, not with the combination. */
static u64 lower_now(void)
{
	return *at[lower - 1] & FLAGS & (lower == 2 ? ~(u64)PS : ~0ull);
}

/* --- What happens ---------------------------------------------------------- */

static void kernel_read(void *arg)
{
	if (mode.ac)
		stac();
	*(volatile u32 *)(TARGET + WRITTEN);
}

static void kernel_write(void *arg)
{
	__asm__ volatile("pushq %0; popfq"
			 : : "r"((u64)(mode.ac ? FLAG_AC | 2 : 2)));
	*(volatile u32 *)(TARGET + WRITTEN) = 1;
}

static void kernel_exec(void *arg)
{
	if (mode.ac)
		stac();
	((void (*)(void))TARGET)();
}

/* Ring 3 code in a page of its own; INT 80h: there was no fault. */
__asm__(".pushsection .text\n"
	"user_read: movl (%rbx), %eax; int $0x80\n"
	"user_write: movl %eax, (%rbx); int $0x80\n"
	"user_exec: jmp *%rbx\n"
	"user_end: .popsection");
extern const u8 user_read[], user_write[], user_exec[], user_end[];

static void go_user(void *arg)
{
	const u8 *code = arg;
	u64 rip = USER_VA + (u64)(code - user_read);
	u64 rbx = TARGET + (code == user_exec ? 0 : WRITTEN);

	__asm__ volatile("pushq %0; pushq %1; pushq $2; pushq %2; pushq %3;"
			 "iretq"
			 : : "r"((u64)SEL_UDATA), "r"(USER_TOP),
			   "r"((u64)SEL_UCODE), "r"(rip), "b"(rbx) : "memory");
}

static u32 access(enum kind kind, bool user)
{
	static void (*const kernel[])(void *) = { kernel_read, kernel_write,
						  kernel_exec };
	static const u8 *const code[] = { user_read, user_write, user_exec };
	u32 caught = user ? catch(go_user, (void *)code[kind]) :
			    catch(kernel[kind], 0);

	if (mode.smap)
		clac();
	if (!caught || last.vector == 0x80)
		return NO_FAULT;
	check(last.vector == 14, "another vector");
	check(!(last.rflags & FLAG_AC) == !mode.ac, "AC in the frame");
	check(READ_CR(2) == TARGET + (kind == EXEC ? 0 : WRITTEN), "CR2");
	return (u32)last.error;
}

/* --- The modes --------------------------------------------------------------- */

static void set_mode(void)
{
	WRITE_CR(0, (READ_CR(0) & ~0x10000ull) | (u64)mode.wp << 16);
	WRITE_CR(4, 0x20 | (mode.smep ? CR4_SMEP : 0) |
			    (mode.smap ? CR4_SMAP : 0));
}

static void set_nxe(bool on)
{
	wrmsr(MSR_EFER, (rdmsr(MSR_EFER) & ~0x800ull) | (u64)on << 11);
	mode.nxe = on;
}

/* Nothing of the image may be the user's, or SMEP and SMAP would end it. */
static void own_tables(void)
{
	root[0] = (u64)image_pdpt | P | W;
	image_pdpt[0] = (u64)image_pd | P | W;
	for (u64 i = 0; i < IMAGE_MIB / 2; i++)
		image_pd[i] = i << 21 | P | W | PS;
	root[1] = (u64)user_tables[2] | ALL;
	user_tables[2][0] = (u64)user_tables[1] | ALL;
	user_tables[1][0] = (u64)user_tables[0] | ALL;
	for (u32 i = 0; i < 2; i++)
		user_tables[0][i] = (u64)user_page[i] | ALL;
	WRITE_CR(3, root);
}

static void each_level(bool guards)
{
	static const struct {
		const char *name;
		u8 upper, lower;
	} rows[] = {
		{ "levels 2, 1", 2, 1 }, { "levels 3, 1", 3, 1 },
		{ "levels 4, 1", 4, 1 }, { "levels 3, 2 MiB", 3, 2 },
		{ "levels 4, 2 MiB", 4, 2 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		upper = rows[i].upper;
		lower = rows[i].lower;
		mode.large = mode.wide = 1;
		if (i)
			mode.large = !(mode.thin = 1);
		else
			mode.thin = 0;
		each_mode(rows[i].name, guards);
	}
}

/* Code that says that it was reached: INT 80h. */
static void fill_frame(void)
{
	for (u32 i = 0; i < 64; i += 2) {
		frame[i] = frame[(5 << 12) + i] = 0xcd;
		frame[i + 1] = frame[(5 << 12) + i + 1] = 0x80;
	}
	copy(user_page[0], user_read, (u64)(user_end - user_read));
}

int main(void);
int main(void)
{
	bool guards = command_line()[0] == 'g';

	check(!guards || has_guards(), "SMEP and SMAP are not offered");
	check(has_nx(), "NX is not offered");
	fill_frame();
	own_tables();
	if (!guards) {
		set_nxe(0);
		each_level(0);
	}
	set_nxe(1);
	each_level(guards);
	return failures != 0;
}
