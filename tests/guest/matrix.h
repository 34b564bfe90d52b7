/* SPDX-License-Identifier: MIT */
/*
 * Page entries in every combination, as the images matrix and long-matrix have
 * them: an upper entry and a lower one, tried by each kind of access from both
 * rings. What happens is held against what the manual's rules predict, here,
 * and against the bare machine, by hashes in the output.
 *
 * An image includes its library first, names the flags of entries (P, W, U, A,
 * D, PS, NX), gives what is declared under "the image's", and calls each_mode().
 */
#ifndef MATRIX_H
#define MATRIX_H

enum kind { READ, WRITE, EXEC, KINDS };
enum { ERR_P = 1, ERR_W = 2, ERR_U = 4, ERR_RSVD = 8, ERR_I = 16 };

#define FLAGS    (NX | 0xfff)
#define NO_FAULT 0x100
#define FLAG_AC  0x40000u
#define CR4_SMEP 0x100000u
#define CR4_SMAP 0x200000u

/* The mode that an access is made in. */
struct mode {
	bool wide; /* entries have NX */
	bool nxe, wp, smep, smap;
	bool ac;
	bool large; /* the upper entry may be a large page */
	bool thin;  /* lower entries have A and D both or none */
};
static struct mode mode;

/* --- The image's -------------------------------------------------------- */

/* Make these the entries, with the addresses that they need. */
static void put(u64 up, u64 low);
/* Their flags as they are now. */
static u64 upper_now(void);
static u64 lower_now(void);
/* Error code of the fault that the access ends in, or NO_FAULT. */
static u32 access(enum kind kind, bool user);
/* Bring the processor into `mode`, but for AC. */
static void set_mode(void);

/* --- What the manual says ------------------------------------------------- */

static bool allowed(u64 both, u64 any, enum kind kind, bool user)
{
	if (kind == EXEC && (any & NX))
		return 0;
	if (user)
		return (both & U) && (kind != WRITE || (both & W));
	if (kind == EXEC)
		return !(mode.smep && (both & U));
	if (mode.smap && (both & U) && !mode.ac)
		return 0;
	return kind != WRITE || (both & W) || !mode.wp;
}

/* Error code of the fault, or NO_FAULT. A and D are set by success only. */
static u32 predict(u64 *up, u64 *low, enum kind kind, bool user)
{
	u64 *leaf = *up & PS ? up : low;
	u32 error = (kind == WRITE ? ERR_W : 0) | (user ? ERR_U : 0) |
		    (kind == EXEC && (mode.nxe || mode.smep) ? ERR_I : 0);

	if (!(*up & P))
		return error;
	if ((*up & NX) && !mode.nxe)
		return error | ERR_P | ERR_RSVD;
	if (!(*leaf & P))
		return error;
	if ((*leaf & NX) && !mode.nxe)
		return error | ERR_P | ERR_RSVD;
	if (!allowed(*up & *leaf, *up | *leaf, kind, user))
		return error | ERR_P;
	*up |= A;
	*leaf |= A | (kind == WRITE ? D : 0);
	return NO_FAULT;
}

/* --- One access ------------------------------------------------------------ */

static inline void stac(void)
{
	__asm__ volatile(".byte 0x0f, 0x01, 0xcb" : : : "memory");
}

static inline void clac(void)
{
	__asm__ volatile(".byte 0x0f, 0x01, 0xca" : : : "memory");
}

static u32 narrow(u64 entry)
{
	return (u32)(entry >> 63 << 12 | (entry & 0xfff));
}

static void differs(u64 up, u64 low, enum kind kind, bool user, u32 got,
		    u32 expected)
{
	if (failures++ < 20)
		print("upper %x lower %x kind %u user %u wp %u nxe %u smep %u "
		      "smap %u ac %u: %x, predicted %x\n", narrow(up),
		      narrow(low), kind, user, mode.wp, mode.nxe, mode.smep,
		      mode.smap, mode.ac, got, expected);
}

static u32 one(u64 up, u64 low, enum kind kind, bool user, u32 h)
{
	u64 up_after = up, low_after = low;
	u32 expected = predict(&up_after, &low_after, kind, user), got;

	put(up, low);
	got = access(kind, user);
	if (got != expected || upper_now() != up_after ||
	    lower_now() != low_after)
		differs(up, low, kind, user, got, expected);
	h = hash(h, got);
	return hash(h, narrow(upper_now()) << 16 | narrow(lower_now()));
}

/* AC means nothing to user accesses, and nothing at all without SMAP. */
static u32 kinds(u64 up, u64 low, u32 h)
{
	for (u32 kind = 0; kind < KINDS; kind++) {
		for (u32 user = 0; user < 2; user++)
			h = one(up, low, kind, user, h);
		mode.ac = mode.smap;
		if (mode.ac)
			h = one(up, low, kind, 0, h);
		mode.ac = 0;
	}
	return h;
}

/* --- All of them ------------------------------------------------------------ */

/*
 * Entry number n, its flags from the lowest bit up; 0: there is none. Of those
 * that are not present two stand for all.
 */
static bool entry(u32 n, bool leaf, u64 *e)
{
	static const u64 flags[] = { P, W, U, A, D, NX };
	u32 bits = 0;

	*e = 0;
	for (u32 i = 0; i < ARRAY_SIZE(flags); i++) {
		if ((flags[i] == D && !leaf) ||
		    (flags[i] == NX && !mode.wide))
			continue;
		if (n >> bits++ & 1)
			*e |= flags[i];
	}
	if (n >> bits || (leaf && mode.thin && !(*e & A) != !(*e & D)))
		return 0;
	return (*e & P) || !*e || n == (1u << bits) - 2;
}

static void matrix(const char *name)
{
	u32 h = 0, pairs = 0;
	u64 up, low;

	set_mode();
	for (u32 i = 0; i < 64; i++) {
		if (mode.large && entry(i, 1, &up) && (up & P)) {
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
	print("%s wp %u nxe %u smep %u smap %u: %u pairs, %08x\n", name,
	      mode.wp, mode.nxe, mode.smep, mode.smap, pairs, h);
}

/* WP, and with `guards` SMEP, SMAP and both. */
static void each_mode(const char *name, bool guards)
{
	for (u32 i = guards; i < (guards ? 4 : 1); i++)
		for (u32 wp = 0; wp < 2; wp++) {
			mode.smep = i & 1;
			mode.smap = i >> 1;
			mode.wp = wp;
			matrix(name);
		}
	mode.smep = mode.smap = 0;
	set_mode();
}

static void cpuid(u32 leaf, u32 *b, u32 *d)
{
	u32 a = leaf, c = 0;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(*b), "+c"(c), "=d"(*d));
}

static bool has_nx(void)
{
	u32 b, d;

	cpuid(0x80000001, &b, &d);
	return d >> 20 & 1;
}

/* Both, or the image cannot say what it is asked. */
static bool has_guards(void)
{
	u32 b, d;

	cpuid(7, &b, &d);
	return (b >> 7 & 1) && (b >> 20 & 1);
}

#endif
