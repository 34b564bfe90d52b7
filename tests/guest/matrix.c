/* SPDX-License-Identifier: MIT */
/*
 * Every combination of present, write, user, page size, accessed, dirty and NX
 * in both levels, with each kind of access from both rings, CR0.WP and
 * EFER.NXE, in the two-level and the PAE format: what happens against what a
 * walk by the manual's rules says, and against the bare machine by a hash.
 * Of entries that are not present two stand for all.
 */
#include "paging.h"

enum kind { READ, WRITE, EXEC, KINDS };
enum { ERR_P = 1, ERR_W = 2, ERR_U = 4, ERR_RSVD = 8, ERR_I = 16 };

#define FRAME     0x1000000u /* 4 MiB aligned, beyond the image */
#define TARGET    (TEST_VA + 0x400000)
#define WRITTEN   64 /* the code at the start stays */
#define USER_VA   (TEST_VA + 0x100000)
#define USER_SLOT 0x100
#define NO_FAULT  0x100

static u64 pdpt[4] ALIGNED(32);
static u64 pdirs[4][512] ALIGNED(4096);
static u64 pae_user[512] ALIGNED(4096), pae_lower[512] ALIGNED(4096);
static u32 lower[1024] ALIGNED(4096);
static u8 user_page[2][4096] ALIGNED(4096);

static bool pae, nxe, wp;

/* --- The entries under test -------------------------------------------- */

static void put(u64 up, u64 low)
{
	u32 table = pae ? (u32)pae_lower : (u32)lower;

	up |= up & PS ? FRAME : table;
	low |= FRAME;
	if (pae) {
		pdirs[1][2] = up;
		pae_lower[0] = low;
	} else {
		dir[TARGET >> 22] = (u32)up;
		lower[0] = (u32)low;
	}
	flush();
}

#define FLAGS (NX | 0xfff)

static u64 upper_now(void)
{
	return (pae ? pdirs[1][2] : dir[TARGET >> 22]) & FLAGS;
}

static u64 lower_now(void)
{
	return (pae ? pae_lower[0] : lower[0]) & FLAGS;
}

/* --- What the manual says ------------------------------------------------- */

/* Error code of the fault, or NO_FAULT. A and D are set by success only. */
static u32 predict(u64 *up, u64 *low, enum kind kind, bool user)
{
	u64 *leaf = *up & PS ? up : low;
	u64 both = *up & *leaf, any = *up | *leaf;
	u32 error = (kind == WRITE ? ERR_W : 0) | (user ? ERR_U : 0) |
		    (kind == EXEC && nxe ? ERR_I : 0);

	if (!(*up & P))
		return error;
	if ((*up & NX) && !nxe)
		return error | ERR_P | ERR_RSVD;
	if (!(*leaf & P))
		return error;
	if ((*leaf & NX) && !nxe)
		return error | ERR_P | ERR_RSVD;
	if ((user && !(both & U)) || (kind == EXEC && (any & NX)) ||
	    (kind == WRITE && !(both & W) && (user || wp)))
		return error | ERR_P;
	*up |= A;
	*leaf |= A | (kind == WRITE ? D : 0);
	return NO_FAULT;
}

/* --- What happens ---------------------------------------------------------- */

static void kernel_read(void *arg) { *(volatile u32 *)(TARGET + WRITTEN); }
static void kernel_write(void *arg) { *(volatile u32 *)(TARGET + WRITTEN) = 1; }
static void kernel_exec(void *arg) { ((void (*)(void))TARGET)(); }

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

	if (!caught || last.vector == 0x80)
		return NO_FAULT;
	check(last.vector == 14, "another vector");
	check(READ_CR(2) == TARGET + (kind == EXEC ? 0 : WRITTEN), "CR2");
	return last.error;
}

static u32 one(u64 up, u64 low, enum kind kind, bool user, u32 h)
{
	u64 up_after = up, low_after = low;
	u32 expected = predict(&up_after, &low_after, kind, user), got;

	put(up, low);
	got = access(kind, user);
	if (got != expected || upper_now() != up_after ||
	    lower_now() != low_after) {
		failures++;
		if (failures < 20)
			print("upper %x lower %x kind %u user %u wp %u nxe %u: "
			      "%x, predicted %x\n",
			      (u32)(up >> 63 << 12 | up),
			      (u32)(low >> 63 << 12 | low), kind, user, wp,
			      nxe, got, expected);
	}
	h = hash(h, got);
	h = hash(h, (u32)(upper_now() >> 32) ^ (u32)upper_now());
	return hash(h, (u32)(lower_now() >> 32) ^ (u32)lower_now());
}

/* --- All of them ------------------------------------------------------------ */

/* Entry number n, its flags from the lowest bit up; 0: there is none. */
static bool entry(u32 n, bool leaf, u64 *e)
{
	static const u64 flags[] = { P, W, U, A, D, NX };
	u32 bits = 0;

	*e = 0;
	for (u32 i = 0; i < ARRAY_SIZE(flags); i++) {
		if ((flags[i] == D && !leaf) || (flags[i] == NX && !pae))
			continue;
		if (n >> bits++ & 1)
			*e |= flags[i];
	}
	if (n >> bits)
		return 0;
	return (*e & P) || !*e || n == (1u << bits) - 2;
}

static u32 kinds(u64 up, u64 low, u32 h)
{
	for (u32 kind = 0; kind < KINDS; kind++)
		for (u32 user = 0; user < 2; user++)
			h = one(up, low, kind, user, h);
	return h;
}

static void matrix(void)
{
	u32 h = 0, pairs = 0;
	u64 up, low;

	for (u32 i = 0; i < 64; i++) {
		if (entry(i, 1, &up) && (up & P)) {
			h = kinds(up | PS, 0, h);
			pairs++;
		}
		if (!entry(i, 0, &up))
			continue;
		for (u32 j = 0; j < 64; j++) {
			if (!entry(j, 1, &low))
				continue;
			h = kinds(up, low, h);
			pairs++;
		}
	}
	print("%s wp %u nxe %u: %u pairs, %08x\n", pae ? "PAE" : "32-bit", wp,
	      nxe, pairs, h);
}

static void each_wp(void)
{
	for (wp = 0; wp < 2; wp++) {
		WRITE_CR(0, (READ_CR(0) & ~0x10000u) | (u32)wp << 16);
		matrix();
	}
}

static void set_nxe(bool on)
{
	__asm__ volatile("wrmsr" : : "c"(0xc0000080), "a"(on << 11), "d"(0));
	nxe = on;
}

static bool has_nx(void)
{
	u32 a = 0x80000001, b, c, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	return d >> 20 & 1;
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
	pae = 1;
}

int main(void);
int main(void)
{
	for (u32 i = 0; i < 64; i += 2) {
		((u8 *)FRAME)[i] = 0xcd;
		((u8 *)FRAME)[i + 1] = 0x80;
	}
	copy(user_page[0], user_read, (u32)(user_end - user_read));
	paging_on(0x10);
	for (u32 i = 0; i < 2; i++)
		test_table[USER_SLOT + i] = (u32)user_page[i] | P | W | U;
	each_wp();
	to_pae();
	each_wp();
	if (has_nx()) {
		set_nxe(1);
		each_wp();
	}
	return failures != 0;
}
