/* SPDX-License-Identifier: MIT */
/*
 * The CPUID policy as tables: a row per leaf says how the host's value becomes
 * the guest's. Invariant: a feature bit is only ever removed, never added, and
 * what is removed is what the monitor does not virtualise.
 */
#include "cpu/cpuid.h"

#include "x86.h"

#define MAX_BASIC    4u
#define STRUCTURED   7u /* structured extended features: SMEP and SMAP */
#define MAX_EXTENDED 0x80000008u
#define EXTENDED     0x80000000u

/* Leaf 1 EDX: no VME, MCE, APIC, MTRR, MCA, PSE36, ACPI, HTT. */
#define OFFER_1_EDX                                                       \
	(BIT(0) /* FPU */ | BIT(2) /* DE */ | BIT(3) /* PSE */ |          \
	 BIT(4) /* TSC */ | BIT(5) /* MSR */ | BIT(6) /* PAE */ |         \
	 BIT(8) /* CX8 */ | BIT(11) /* SEP */ | BIT(13) /* PGE */ |       \
	 BIT(15) /* CMOV */ | BIT(16) /* PAT */ | BIT(19) /* CLFSH */ |   \
	 BIT(23) /* MMX */ | BIT(24) /* FXSR */ | BIT(25) /* SSE */ |     \
	 BIT(26) /* SSE2 */)
#define OFFER_1_ECX                                                       \
	(BIT(0) /* SSE3 */ | BIT(9) /* SSSE3 */ | BIT(19) /* SSE4.1 */ |  \
	 BIT(20) /* SSE4.2 */ | BIT(23) /* POPCNT */)
#define OFFER_1_ECX_64 (BIT(13) /* CMPXCHG16B */)
#define OFFER_7_EBX (BIT(7) /* SMEP */ | BIT(20) /* SMAP */)
#define OFFER_EXT_EDX (BIT(20) /* NX */)
#define OFFER_EXT_EDX_64 (BIT(11) /* SYSCALL */ | BIT(29) /* LM */)
#define OFFER_EXT_ECX_64 (BIT(0) /* LAHF in 64-bit mode */)
/* AMD repeats these bits of leaf 1 EDX in the extended leaf. */
#define AMD_REPEATED (OFFER_1_EDX & (BITS(17, 0) | BITS(24, 23)) & ~BIT(11))

static struct {
	const struct cpuid_host *host;
	unsigned policy; /* enum cpuid_policy */
	bool amd; /* out-of-range leaves read zero; repeated feature bits */
	bool features_known;
	u32 feature[CPUID_REGISTERS]; /* by CPUID_1_EDX ... */
	u8 maxphyaddr;
} offered;

/*
 * The stand-in: "GenuineIntel", family 6. It has what every x86-64 processor
 * has, and what the interpreter does by itself: code that believes it may end
 * up on the real CPU, whichever that is. So no SSE3 or later, no POPCNT.
 */
static void reference_leaf(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	static const struct { u32 leaf; struct cpuid_regs r; } rows[] = {
		{ 0, { 2, 0x756e6547, 0x6c65746e, 0x49656e69 } },
		{ 1, { 0x6b1, 8 << 8, OFFER_1_ECX_64, OFFER_1_EDX } },
		{ 2, { 0x03020101, 0, 0, 0x0c040841 } },
		{ EXTENDED, { MAX_EXTENDED, 0, 0, 0 } },
		{ EXTENDED + 1, { 0, 0, OFFER_EXT_ECX_64,
				  OFFER_EXT_EDX | OFFER_EXT_EDX_64 } },
		{ EXTENDED + 8, { 0x3024, 0, 0, 0 } },
	};
	unsigned i;

	*r = (struct cpuid_regs){ 0 };
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].leaf == leaf)
			*r = rows[i].r;
}

static const struct cpuid_host reference_host = { reference_leaf };

static bool is_64(void)
{
	return offered.policy & CPUID_POLICY_64;
}

static void host_leaf(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	const struct cpuid_host *h = offered.host;

	(h ? h : &reference_host)->leaf(leaf, subleaf, r);
}

/* Filters: the host's leaf in, the guest's leaf out. */

static void leaf_vendor(struct cpuid_regs *r)
{
	r->eax = MIN(r->eax, offered.policy & CPUID_POLICY_GUARDS ?
				     STRUCTURED : MAX_BASIC);
}

static void leaf_features(struct cpuid_regs *r)
{
	r->ebx &= 0xff00; /* CLFLUSH line size; APIC ID 0, one processor */
	r->ecx &= OFFER_1_ECX | (is_64() ? OFFER_1_ECX_64 : 0);
	r->edx &= OFFER_1_EDX;
}

static void leaf_same(struct cpuid_regs *r)
{
}

static void leaf_zero(struct cpuid_regs *r)
{
	*r = (struct cpuid_regs){ 0 };
}

/* Deterministic cache parameters: every cache belongs to the one core. */
static void leaf_caches(struct cpuid_regs *r)
{
	r->eax &= 0x3fff;
}

/* No subleaf but 0; of its features only what guards the supervisor. */
static void leaf_structured(struct cpuid_regs *r)
{
	*r = (struct cpuid_regs){ .ebx = r->ebx & OFFER_7_EBX };
}

static void leaf_extended(struct cpuid_regs *r)
{
	r->eax = MIN(r->eax, MAX_EXTENDED);
	if (r->eax < EXTENDED)
		leaf_zero(r); /* the host has no extended leaves */
}

static void leaf_extended_features(struct cpuid_regs *r)
{
	u32 edx = OFFER_EXT_EDX | (is_64() ? OFFER_EXT_EDX_64 : 0);

	r->eax = offered.amd ? r->eax : 0;
	r->ebx = 0;
	r->ecx &= is_64() ? OFFER_EXT_ECX_64 : 0;
	r->edx &= edx | (offered.amd ? AMD_REPEATED : 0);
}

static void leaf_invariant_tsc(struct cpuid_regs *r)
{
	*r = (struct cpuid_regs){ .edx = r->edx & BIT(8) };
}

static void leaf_address_sizes(struct cpuid_regs *r)
{
	u32 phys = is_64() ? r->eax & 0xff : 36;
	u32 linear = is_64() ? r->eax & 0xff00 : 32 << 8;

	*r = (struct cpuid_regs){ .eax = phys | linear };
}

static const struct leaf_row {
	u32 leaf;
	void (*filter)(struct cpuid_regs *r);
} leaf_rows[] = {
	{ 0, leaf_vendor },
	{ 1, leaf_features },
	{ 2, leaf_same }, /* cache and TLB descriptors */
	{ 3, leaf_zero }, /* no serial number */
	{ 4, leaf_caches },
	{ 5, leaf_zero }, /* no MONITOR */
	{ 6, leaf_zero }, /* no power management */
	{ STRUCTURED, leaf_structured },
	{ EXTENDED, leaf_extended },
	{ EXTENDED + 1, leaf_extended_features },
	{ EXTENDED + 2, leaf_same }, /* brand string */
	{ EXTENDED + 3, leaf_same },
	{ EXTENDED + 4, leaf_same },
	{ EXTENDED + 5, leaf_same }, /* caches, TLBs */
	{ EXTENDED + 6, leaf_same },
	{ EXTENDED + 7, leaf_invariant_tsc },
	{ EXTENDED + 8, leaf_address_sizes },
};

static bool read_row(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(leaf_rows); i++) {
		if (leaf_rows[i].leaf != leaf)
			continue;
		host_leaf(leaf, subleaf, r);
		leaf_rows[i].filter(r);
		return true;
	}
	return false;
}

static bool in_range(u32 leaf)
{
	struct cpuid_regs top;

	read_row(leaf & EXTENDED, 0, &top);
	return leaf <= top.eax;
}

void cpuid_query(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	struct cpuid_regs top;

	if (in_range(leaf) && read_row(leaf, subleaf, r))
		return;
	leaf_zero(r);
	if (offered.amd)
		return;
	/* Intel: a leaf out of range reads as the highest basic leaf. */
	read_row(0, 0, &top);
	read_row(top.eax, subleaf, r);
}

static unsigned read_maxphyaddr(void)
{
	struct cpuid_regs r;

	if (!in_range(EXTENDED + 8))
		return 36;
	cpuid_query(EXTENDED + 8, 0, &r);
	return r.eax & 0xff;
}

/* What is asked for often is kept: CPUID itself may be slow on the host. */
static void read_features(void)
{
	struct cpuid_regs r;

	offered.maxphyaddr = (u8)read_maxphyaddr();
	offered.features_known = true;
	cpuid_query(1, 0, &r);
	offered.feature[CPUID_1_EDX] = r.edx;
	offered.feature[CPUID_1_ECX] = r.ecx;
	leaf_zero(&r);
	if (in_range(STRUCTURED))
		cpuid_query(STRUCTURED, 0, &r);
	offered.feature[CPUID_7_EBX] = r.ebx;
	if (!in_range(EXTENDED + 1))
		leaf_zero(&r);
	else
		cpuid_query(EXTENDED + 1, 0, &r);
	offered.feature[CPUID_EXT_EDX] = r.edx;
	offered.feature[CPUID_EXT_ECX] = r.ecx;
}

void cpuid_policy_init(const struct cpuid_host *host, unsigned policy)
{
	struct cpuid_regs r;

	offered.host = host;
	offered.policy = policy;
	host_leaf(0, 0, &r);
	offered.amd = r.ebx == 0x68747541; /* "Auth" */
	read_features();
}

bool cpuid_has(enum cpuid_feature feature)
{
	if (!offered.features_known)
		read_features();
	return offered.feature[feature / 32] >> feature % 32 & 1;
}

bool cpuid_is_amd(void)
{
	return offered.amd;
}

unsigned cpuid_maxphyaddr(void)
{
	if (!offered.features_known)
		read_features();
	return offered.maxphyaddr;
}

struct feature_bits {
	enum cpuid_feature feature;
	u64 bits;
};

static u64 bits_offered(const struct feature_bits *rows, unsigned n)
{
	u64 bits = 0;
	unsigned i;

	for (i = 0; i < n; i++)
		if (cpuid_has(rows[i].feature))
			bits |= rows[i].bits;
	return bits;
}

u64 cpuid_cr4_allowed(void)
{
	static const struct feature_bits rows[] = {
		{ FEAT_TSC, CR4_TSD },     { FEAT_DE, CR4_DE },
		{ FEAT_PSE, CR4_PSE },     { FEAT_PAE, CR4_PAE },
		{ FEAT_PGE, CR4_PGE },     { FEAT_FXSR, CR4_OSFXSR },
		{ FEAT_SSE, CR4_OSXMMEXCPT },
		{ FEAT_MMX, CR4_PCE }, /* RDPMC came with MMX */
		{ FEAT_SMEP, CR4_SMEP },   { FEAT_SMAP, CR4_SMAP },
	};

	return bits_offered(rows, ARRAY_SIZE(rows));
}

u64 cpuid_efer_allowed(void)
{
	static const struct feature_bits rows[] = {
		{ FEAT_NX, EFER_NXE },
		{ FEAT_SYSCALL, EFER_SCE },
		{ FEAT_LM, EFER_LME },
	};

	return bits_offered(rows, ARRAY_SIZE(rows));
}
