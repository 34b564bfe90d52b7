/* SPDX-License-Identifier: MIT */
/*
 * Every combination of present, write, user, page size, accessed, dirty and NX
 * in both levels, with each kind of access from both rings, CR0.WP and
 * EFER.NXE, in the two-level and the PAE format. With the word `guards` on the
 * command line: with SMEP and SMAP instead, and with EFLAGS.AC.
 */
#include "paging.h"

#include "matrix.h"

#define FRAME     0x1000000u /* 4 MiB aligned, beyond the image */
#define TARGET    (TEST_VA + 0x400000)
#define WRITTEN   64 /* the code at the start stays */
#define USER_VA   (TEST_VA + 0x100000)
#define USER_SLOT 0x100

static u64 pdpt[4] ALIGNED(32);
static u64 pdirs[4][512] ALIGNED(4096);
static u64 pae_user[512] ALIGNED(4096), pae_lower[512] ALIGNED(4096);
static u32 lower[1024] ALIGNED(4096);
static u8 user_page[2][4096] ALIGNED(4096);

/* --- The entries under test -------------------------------------------- */

static void put(u64 up, u64 low)
{
	u32 table = mode.wide ? (u32)pae_lower : (u32)lower;

	up |= up & PS ? FRAME : table;
	low |= FRAME;
	if (mode.wide) {
		pdirs[1][2] = up;
		pae_lower[0] = low;
	} else {
		dir[TARGET >> 22] = (u32)up;
		lower[0] = (u32)low;
	}
	flush();
}

static u64 upper_now(void)
{
	return (mode.wide ? pdirs[1][2] : dir[TARGET >> 22]) & FLAGS;
}

static u64 lower_now(void)
{
	return (mode.wide ? pae_lower[0] : lower[0]) & FLAGS;
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
	__asm__ volatile("pushl %0; popfl" : : "r"(mode.ac ? FLAG_AC | 2 : 2));
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
	"user_read: movl (%ebx), %eax; int $0x80\n"
	"user_write: movl %eax, (%ebx); int $0x80\n"
	"user_exec: jmp *%ebx\n"
	"user_end: .popsection");
extern const u8 user_read[], user_write[], user_exec[], user_end[];

static void go_user(void *arg)
{
	const u8 *code = arg;
	u32 eip = USER_VA + (u32)(code - user_read);
	u32 ebx = TARGET + (code == user_exec ? 0 : WRITTEN);

	__asm__ volatile("pushl %0; pushl %1; pushl $2; pushl %2; pushl %3;"
			 "movw %w0, %%ds; movw %w0, %%es; iretl"
			 : : "r"(SEL_UDATA), "i"(USER_VA + 0x1ff0),
			   "i"(SEL_UCODE), "r"(eip), "b"(ebx) : "memory");
}

static u32 access(enum kind kind, bool user)
{
	static void (*const kernel[])(void *) = { kernel_read, kernel_write,
						  kernel_exec };
	const u8 *const code[] = { user_read, user_write, user_exec };
	u32 caught = user ? catch(go_user, (void *)code[kind]) :
			    catch(kernel[kind], 0);

	if (mode.smap)
		clac();
	check(!(read_flags() & FLAG_AC), "AC afterwards");
	if (!caught || last.vector == 0x80)
		return NO_FAULT;
	check(last.vector == 14, "another vector");
	check(!(last.eflags & FLAG_AC) == !mode.ac, "AC in the frame");
	check(READ_CR(2) == TARGET + (kind == EXEC ? 0 : WRITTEN), "CR2");
	return last.error;
}

/* --- The modes --------------------------------------------------------------- */

static void set_mode(void)
{
	u32 cr4 = mode.wide ? 0x20 : 0x10; /* PAE; PSE */

	WRITE_CR(0, (READ_CR(0) & ~0x10000u) | (u32)mode.wp << 16);
	WRITE_CR(4, cr4 | (mode.smep ? CR4_SMEP : 0) |
			    (mode.smap ? CR4_SMAP : 0));
}

static void set_nxe(bool on)
{
	__asm__ volatile("wrmsr" : : "c"(0xc0000080), "a"(on << 11), "d"(0));
	mode.nxe = on;
}

static void to_pae(void)
{
	WRITE_CR(0, READ_CR(0) & ~0x80000000u);
	for (u32 i = 0; i < 4; i++)
		pdpt[i] = (u32)pdirs[i] | P;
	for (u32 i = 0; i < IDENTITY_MIB / 2; i++)
		pdirs[0][i] = i << 21 | P | W | PS;
	pdirs[1][0] = (u32)pae_user | P | W | U;
	for (u32 i = 0; i < 2; i++)
		pae_user[USER_SLOT + i] = (u32)user_page[i] | P | W | U;
	WRITE_CR(4, 0x20);
	WRITE_CR(3, pdpt);
	WRITE_CR(0, READ_CR(0) | 0x80000000u);
	mode.wide = 1;
}

int main(void);
int main(void)
{
	bool guards = command_line()[0] == 'g';

	for (u32 i = 0; i < 64; i += 2) {
		((u8 *)FRAME)[i] = 0xcd;
		((u8 *)FRAME)[i + 1] = 0x80;
	}
	copy(user_page[0], user_read, (u32)(user_end - user_read));
	check(!guards || has_guards(), "SMEP and SMAP are not offered");
	mode.large = 1;
	paging_on(0x10);
	for (u32 i = 0; i < 2; i++)
		test_table[USER_SLOT + i] = (u32)user_page[i] | P | W | U;
	each_mode("32-bit", guards);
	to_pae();
	if (!guards)
		each_mode("PAE", 0);
	if (has_nx()) {
		set_nxe(1);
		each_mode("PAE", guards);
	}
	return failures != 0;
}
