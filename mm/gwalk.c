/* SPDX-License-Identifier: MIT */
/*
 * The guest page walk. One radix walker; each format is a row of constants.
 * Rights are checked once, at the end, over all levels; accessed and dirty
 * flags are set only by a walk that succeeds, so a fault leaves memory as it
 * was ("Access Rights", "Page-Fault Exceptions", "Accessed and Dirty Flags").
 */
#include "mm/gwalk.h"
#include "cpu/cpuid.h"
#include "mm/internal.h"
#include "lib/string.h"

struct format {
	u8 levels;     /* tables in memory; PAE's PDPTEs are registers */
	u8 entry_size; /* bytes */
	u8 index_bits;
	u8 large_shift; /* of a level 2 leaf */
};

static const struct format formats[] = {
	[WALK_32BIT]  = { 2, 4, 10, 22 },
	[WALK_PAE]    = { 2, 8,  9, 21 },
	[WALK_4LEVEL] = { 4, 8,  9, 21 },
};

void walk_mode_of(const struct vcpu *v, struct walk_mode *m)
{
	m->wp = v->cr0 & CR0_WP;
	m->pse = v->cr4 & CR4_PSE;
	m->pge = v->cr4 & CR4_PGE;
	m->smep = v->cr4 & CR4_SMEP;
	m->smap = v->cr4 & CR4_SMAP;
	m->nxe = v->efer & EFER_NXE;
	m->ac = v->rflags & EFLAGS_AC;
	m->maxphyaddr = (u8)cpuid_maxphyaddr();
	m->cr3 = v->cr3;
	memcpy(m->pdpte, v->pdpte, sizeof(m->pdpte));
	if (!(v->cr0 & CR0_PG))
		m->format = WALK_UNPAGED;
	else if (!(v->cr4 & CR4_PAE))
		m->format = WALK_32BIT;
	else
		m->format = v->efer & EFER_LMA ? WALK_4LEVEL : WALK_PAE;
}

/* Unbacked tables read as ones; a table is never device memory. */
static u64 entry_read(const struct gpm *g, gpa_t gpa, unsigned size)
{
	const u8 *p = gpm_ptr(g, gpa);
	u32 narrow;
	u64 wide;

	if (size == 4) {
		if (unlikely(!p))
			return 0xffffffffu;
		memcpy(&narrow, p, 4);
		return narrow;
	}
	if (unlikely(!p))
		return ~0ull;
	memcpy(&wide, p, 8);
	return wide;
}

/*
 * Reserved bits of a present entry. 32-bit entries have them only in a 4 MiB
 * page: bits 21 down to the first above the PSE-36 address bits.
 */
u64 gwalk_reserved(const struct walk_mode *m, unsigned level, bool leaf)
{
	u64 bits;

	if (m->format == WALK_32BIT)
		return level == 2 && leaf ? BITS(21, m->maxphyaddr - 19) : 0;
	bits = BITS(m->format == WALK_PAE ? 62 : 51, m->maxphyaddr);
	if (!m->nxe)
		bits |= PTE_NX;
	if (level == 2 && leaf)
		bits |= BITS(20, 13);
	if (level > 2)
		bits |= PTE_PS;
	return bits;
}

static bool entry_is_leaf(const struct walk_mode *m, unsigned level, u64 entry)
{
	if (level == 1)
		return true;
	return level == 2 && (entry & PTE_PS) &&
	       (m->format != WALK_32BIT || m->pse);
}

static u64 leaf_base(const struct walk_mode *m, const struct walk *w)
{
	u64 e = w->entry[w->level - 1];

	if (w->level == 1)
		return e & PTE_ADDR;
	if (m->format == WALK_32BIT)
		return (e & BITS(31, 22)) | bits_get(e, 20, 13) << 32;
	return e & BITS(51, 21);
}

/* The manual's sections on access rights, for one translated address. */
static bool access_allowed(const struct walk_mode *m, const struct walk *w,
			   unsigned acc)
{
	if (acc & ACC_USER) {
		if (!w->user)
			return false;
		if ((acc & ACC_WRITE) && !w->writable)
			return false;
		return !(acc & ACC_FETCH) || !w->nx;
	}
	if (acc & ACC_FETCH)
		return !w->nx && !(m->smep && w->user);
	if (m->smap && w->user && (!m->ac || (acc & ACC_IMPLICIT)))
		return false;
	return !(acc & ACC_WRITE) || w->writable || !m->wp;
}

static bool fault_at(const struct walk_mode *m, gva_t gva, unsigned acc,
		     u32 cause, struct pagefault *pf)
{
	pf->gva = gva;
	pf->error = cause;
	if (acc & ACC_WRITE)
		pf->error |= PFEC_W;
	if (acc & ACC_USER)
		pf->error |= PFEC_U;
	if ((acc & ACC_FETCH) &&
	    (m->smep || (m->nxe && m->format >= WALK_PAE)))
		pf->error |= PFEC_I;
	return false;
}

static void entry_update(struct gpm *g, const struct format *f, struct walk *w,
			 unsigned i, u64 set)
{
	if ((w->entry[i] & set) == set)
		return;
	w->entry[i] |= set;
	gpm_write(g, w->entry_gpa[i], &w->entry[i], f->entry_size);
}

static void set_flags(struct gpm *g, const struct format *f, struct walk *w,
		      unsigned acc)
{
	unsigned leaf = w->level - 1;

	for (unsigned i = f->levels - 1; i > leaf; i--)
		entry_update(g, f, w, i, PTE_A);
	entry_update(g, f, w, leaf,
		     acc & ACC_WRITE ? PTE_A | PTE_D : PTE_A);
}

static bool walk_unpaged(gva_t gva, struct walk *w)
{
	w->gpa = GPA(gva.a);
	w->level = 1;
	w->page_shift = 12;
	w->levels = 0;
	w->writable = w->user = w->dirty = true;
	w->nx = w->global = false;
	return true;
}

/* Where the first table in memory is; false: the PDPTE is not present. */
static bool first_table(const struct walk_mode *m, gva_t gva, u64 *table)
{
	if (m->format == WALK_PAE) {
		u64 pdpte = m->pdpte[gva.a >> 30];

		*table = pdpte & BITS(m->maxphyaddr - 1, 12);
		return pdpte & PTE_P;
	}
	*table = m->cr3 & BITS(m->format == WALK_32BIT ?
			       31 : m->maxphyaddr - 1, 12);
	return true;
}

/* Down to the leaf: fills level, arrays and rights. False: *cause is why. */
static bool descend(const struct gpm *g, const struct walk_mode *m,
		    const struct format *f, gva_t gva, u64 table,
		    struct walk *w, u32 *cause)
{
	u64 both = PTE_W | PTE_U, any = 0;
	/* A cheap test first: without one of these nothing is reserved. */
	u64 suspect = PTE_PS | BITS(62, m->maxphyaddr) |
		      (m->nxe ? 0 : PTE_NX);

	for (unsigned level = f->levels;; level--) {
		unsigned shift = PAGE_SHIFT + f->index_bits * (level - 1);
		u64 index = (gva.a >> shift) & (BIT(f->index_bits) - 1);
		gpa_t at = GPA(table + index * f->entry_size);
		u64 e = entry_read(g, at, f->entry_size);
		bool leaf = entry_is_leaf(m, level, e);

		*cause = 0;
		if (!(e & PTE_P))
			return false;
		*cause = PFEC_P | PFEC_RSVD;
		if (unlikely(e & suspect) &&
		    (e & gwalk_reserved(m, level, leaf)))
			return false;
		w->table[level - 1] = GPA(table);
		w->entry_gpa[level - 1] = at;
		w->entry[level - 1] = e;
		both &= e;
		any |= e;
		if (leaf) {
			w->level = (u8)level;
			break;
		}
		table = e & (f->entry_size == 4 ? BITS(31, 12) : PTE_ADDR);
	}
	w->writable = both & PTE_W;
	w->user = both & PTE_U;
	w->nx = m->nxe && f->entry_size == 8 && (any & PTE_NX);
	return true;
}

bool gwalk(struct gpm *g, const struct walk_mode *m, gva_t gva, unsigned acc,
	   bool set_ad, struct walk *w, struct pagefault *pf)
{
	const struct format *f = &formats[m->format];
	u64 table, leaf;
	u32 cause;

	if (m->format != WALK_4LEVEL)
		gva.a = (u32)gva.a;
	if (m->format == WALK_UNPAGED)
		return walk_unpaged(gva, w);
	if (!first_table(m, gva, &table))
		return fault_at(m, gva, acc, 0, pf);
	if (!descend(g, m, f, gva, table, w, &cause))
		return fault_at(m, gva, acc, cause, pf);
	if (!access_allowed(m, w, acc))
		return fault_at(m, gva, acc, PFEC_P, pf);
	w->levels = f->levels;
	if (set_ad)
		set_flags(g, f, w, acc);
	leaf = w->entry[w->level - 1];
	w->page_shift = w->level == 1 ? PAGE_SHIFT : f->large_shift;
	w->dirty = leaf & PTE_D;
	w->global = m->pge && (leaf & PTE_G);
	w->gpa = GPA(leaf_base(m, w) | (gva.a & (BIT(w->page_shift) - 1)));
	return true;
}
