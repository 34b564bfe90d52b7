/* SPDX-License-Identifier: MIT */
/*
 * The guest page walk against a second, straightforward reading of the manual
 * written here: every combination of entry bits at both levels, mode and
 * access, in each format. LINKS: lib kernel cpu mm
 */
#include <string.h>

#include "mm/gwalk.h"
#include "kernel/host.h"
#include "mm/track.h"
#include "tests/host/test.h"

#define RAM    MIB(4)
#define DIR_AT 0x200000u
#define TAB_AT 0x201000u
#define PML4_AT 0x202000u
#define PDPT_AT 0x203000u
#define PAGE   0x280000u
#define LARGE  0x200000u /* in 4 MiB pages: 0 */
#define LINEAR 0x40a03123u /* the same bits are tested at any address */

static struct gpm g;
static struct track track;
static unsigned notified;

/* An entry as a list of bits to vary. */
enum { V_P, V_W, V_U, V_A, V_D, V_PS, V_NX, V_RSVD, V_COUNT };

struct entry {
	bool p, w, u, a, d, ps, nx, rsvd;
};

struct outcome {
	bool ok;
	u32 error;
	u64 gpa;
	bool a2, a1, d2, d1; /* flags in memory afterwards */
};

static struct entry entry_of(unsigned bits)
{
	return (struct entry){
		bits >> V_P & 1, bits >> V_W & 1, bits >> V_U & 1,
		bits >> V_A & 1, bits >> V_D & 1, bits >> V_PS & 1,
		bits >> V_NX & 1, bits >> V_RSVD & 1,
	};
}

static bool wide(const struct walk_mode *m)
{
	return m->format != WALK_32BIT;
}

static bool is_large(const struct walk_mode *m, const struct entry *pde)
{
	return pde->ps && (wide(m) || m->pse);
}

/* Bits as the guest would store them. */
static u64 encode(const struct walk_mode *m, const struct entry *e,
		  unsigned level)
{
	bool large = level == 2 && is_large(m, e);
	u64 v = level == 1 ? PAGE : large ? (wide(m) ? LARGE : 0) : TAB_AT;

	v |= e->p * PTE_P | e->w * PTE_W | e->u * PTE_U | e->a * PTE_A |
	     e->d * PTE_D;
	if (e->ps)
		v |= PTE_PS; /* PAT in a 4 KiB leaf */
	if (wide(m) && e->nx)
		v |= PTE_NX;
	if (e->rsvd && wide(m))
		v |= large ? BIT(13) : BIT(40);
	else if (e->rsvd && large)
		v |= BIT(17);
	return v;
}

/* Is a bit set that the manual reserves in this entry? */
static bool reserved(const struct walk_mode *m, const struct entry *e,
		     unsigned level)
{
	if (wide(m))
		return e->rsvd || (e->nx && !m->nxe);
	return e->rsvd && level == 2 && is_large(m, e);
}

/* The tables of "Determination of Access Rights", one rule a line. */
static bool allowed(const struct walk_mode *m, bool w, bool u, bool nx,
		    unsigned acc)
{
	bool explicit_ac = m->ac && !(acc & ACC_IMPLICIT);
	bool smap_ok = !u || !m->smap || explicit_ac;

	if (!(acc & ACC_USER)) {
		if (acc & ACC_FETCH)
			return u ? !m->smep && !nx : !nx;
		if (!(acc & ACC_WRITE))
			return smap_ok;
		return smap_ok && (!m->wp || w);
	}
	if (!u)
		return false;
	if (acc & ACC_FETCH)
		return !nx;
	return !(acc & ACC_WRITE) || w;
}

static struct outcome fault(const struct walk_mode *m, unsigned acc, u32 base,
			    const struct entry *pde, const struct entry *pte)
{
	u32 e = base;

	if (acc & ACC_WRITE)
		e |= 2;
	if (acc & ACC_USER)
		e |= 4;
	if ((acc & ACC_FETCH) && (m->smep || (wide(m) && m->nxe)))
		e |= 16;
	return (struct outcome){ false, e, 0, pde->a, pte->a, pde->d, pte->d };
}

static struct outcome model(const struct walk_mode *m, const struct entry *pde,
			    const struct entry *pte, unsigned acc)
{
	bool large = is_large(m, pde), nxe = wide(m) && m->nxe;
	bool w = pde->w, u = pde->u, nx = nxe && pde->nx;
	struct outcome o = { true, 0, 0, true, pte->a, pde->d, pte->d };

	if (!pde->p)
		return fault(m, acc, 0, pde, pte);
	if (reserved(m, pde, 2))
		return fault(m, acc, 9, pde, pte);
	if (!large) {
		if (!pte->p)
			return fault(m, acc, 0, pde, pte);
		if (reserved(m, pte, 1))
			return fault(m, acc, 9, pde, pte);
		w &= pte->w;
		u &= pte->u;
		nx |= nxe && pte->nx;
	}
	if (!allowed(m, w, u, nx, acc))
		return fault(m, acc, 1, pde, pte);
	if (large) {
		o.d2 |= !!(acc & ACC_WRITE);
		o.gpa = wide(m) ? LARGE + (LINEAR & 0x1fffff)
				: LINEAR & 0x3fffff;
	} else {
		o.a1 = true;
		o.d1 |= !!(acc & ACC_WRITE);
		o.gpa = PAGE + (LINEAR & 0xfff);
	}
	return o;
}

static u64 dir_at(const struct walk_mode *m)
{
	return DIR_AT + (wide(m) ? 8 * (LINEAR >> 21 & 511)
				 : 4 * (LINEAR >> 22));
}

static u64 tab_at(const struct walk_mode *m)
{
	return TAB_AT + (wide(m) ? 8 * (LINEAR >> 12 & 511)
				 : 4 * (LINEAR >> 12 & 1023));
}

static u64 load(const struct walk_mode *m, u64 at)
{
	u64 v = 0;

	gpm_peek(&g, GPA(at), &v, wide(m) ? 8 : 4);
	return v;
}

static void store(const struct walk_mode *m, u64 at, u64 v)
{
	gpm_poke(&g, GPA(at), &v, wide(m) ? 8 : 4);
}

static void one(const struct walk_mode *m, unsigned pde_bits,
		unsigned pte_bits, unsigned acc)
{
	struct entry pde = entry_of(pde_bits), pte = entry_of(pte_bits);
	struct outcome want = model(m, &pde, &pte, acc), got;
	u64 pde_was = encode(m, &pde, 2), pte_was = encode(m, &pte, 1);
	struct pagefault pf = { GVA(0), 0 };
	struct walk w;
	u64 e2, e1;

	store(m, dir_at(m), pde_was);
	store(m, tab_at(m), pte_was);
	notified = 0;
	got.ok = gwalk(&g, m, GVA(LINEAR), acc, true, &w, &pf);
	e2 = load(m, dir_at(m));
	e1 = load(m, tab_at(m));
	CHECK(got.ok == want.ok &&
	      (got.ok ? w.gpa.a == want.gpa
		      : pf.error == want.error && pf.gva.a == LINEAR) &&
	      !!(e2 & PTE_A) == want.a2 && !!(e1 & PTE_A) == want.a1 &&
	      !!(e2 & PTE_D) == want.d2 && !!(e1 & PTE_D) == want.d1 &&
	      !((e2 ^ pde_was) & ~(PTE_A | PTE_D)) &&
	      !((e1 ^ pte_was) & ~(PTE_A | PTE_D)) &&
	      notified == (unsigned)(e2 != pde_was) + (e1 != pte_was),
	      "format %u pde %x pte %x acc %x wp %d smep %d smap %d ac %d "
	      "nxe %d pse %d: ok %d error %x want %d %x", m->format, pde_bits,
	      pte_bits, acc, m->wp, m->smep, m->smap, m->ac, m->nxe, m->pse,
	      got.ok, pf.error, want.ok, want.error);
}

static const unsigned accesses[] = {
	ACC_READ, ACC_WRITE, ACC_FETCH, ACC_READ | ACC_IMPLICIT,
	ACC_WRITE | ACC_IMPLICIT, ACC_USER, ACC_USER | ACC_WRITE,
	ACC_USER | ACC_FETCH,
};

/* All pairs of entries for a mode and an access. */
static void entries(const struct walk_mode *m, unsigned acc)
{
	for (unsigned pde = 0; pde < BIT(V_COUNT); pde++) {
		struct entry e = entry_of(pde);

		if (!e.p || is_large(m, &e)) {
			one(m, pde, 0xff & ~BIT(V_RSVD), acc);
			continue;
		}
		if (e.d || (e.rsvd && e.a))
			continue; /* D is ignored here: large pages vary it */
		for (unsigned pte = 0; pte < BIT(V_COUNT); pte++)
			if ((pte & BIT(V_P)) || (pte & 0xf) == 0xe)
				one(m, pde, pte, acc);
	}
}

static void all_modes(unsigned format)
{
	struct walk_mode m = { .format = (u8)format, .maxphyaddr = 36,
			       .cr3 = format == WALK_4LEVEL ? PML4_AT : DIR_AT };
	u64 top = PDPT_AT | PTE_P | PTE_W | PTE_U | PTE_A;

	m.pdpte[LINEAR >> 30] = DIR_AT | PTE_P;
	gpm_poke(&g, GPA(PML4_AT), &top, 8);
	top = DIR_AT | PTE_P | PTE_W | PTE_U | PTE_A;
	gpm_poke(&g, GPA(PDPT_AT + 8 * (LINEAR >> 30)), &top, 8);
	for (unsigned bits = 0; bits < 64; bits++) {
		m.wp = bits & 1;
		m.smep = bits & 2;
		m.smap = bits & 4;
		m.ac = bits & 8;
		m.nxe = bits & 16;
		m.pse = bits & 32;
		if ((m.ac && !m.smap) || (m.nxe && !wide(&m)) ||
		    (m.pse && wide(&m)))
			continue;
		for (unsigned i = 0; i < ARRAY_SIZE(accesses); i++)
			entries(&m, accesses[i]);
	}
}

/* Unpaged; wrap of linear addresses; PDPTEs; PSE-36; accesses over pages. */
static void special(void)
{
	struct walk_mode m = { .format = WALK_UNPAGED, .maxphyaddr = 36,
			       .wp = true, .cr3 = DIR_AT };
	struct pagefault pf;
	struct walk w;
	u32 value = 0x12345678, back = 0, e;

	CHECK(gwalk(&g, &m, GVA(0x123456789), ACC_USER | ACC_WRITE, true, &w,
		    &pf) && w.gpa.a == 0x23456789 && !w.levels);

	m.format = WALK_PAE;
	CHECK(!gwalk(&g, &m, GVA(LINEAR), ACC_WRITE, true, &w, &pf) &&
	      pf.error == PFEC_W && pf.gva.a == LINEAR);

	m.format = WALK_32BIT;
	m.pse = true;
	e = 0x0001e083 | 3u << 22; /* bits 35:32 = Fh */
	gpm_poke(&g, GPA(DIR_AT + 4), &e, 4);
	CHECK(gwalk(&g, &m, GVA(0x7fffff), ACC_READ, true, &w, &pf) &&
	      w.gpa.a == 0xf00ffffffull && w.page_shift == 22 && w.level == 2);

	/* The last page and, wrapped, the first. */
	memset(g.base + DIR_AT, 0, 8192);
	e = TAB_AT | PTE_P | PTE_W;
	gpm_poke(&g, GPA(DIR_AT), &e, 4);
	gpm_poke(&g, GPA(DIR_AT + 0xffc), &e, 4);
	e = PAGE | PTE_P | PTE_W;
	gpm_poke(&g, GPA(TAB_AT + 0xffc), &e, 4);
	CHECK(!gmem_write(&g, &m, GVA(0xfffffffe), &value, 4, 0, &pf) &&
	      pf.gva.a == 0 && pf.error == PFEC_W);
	gpm_peek(&g, GPA(TAB_AT + 0xffc), &e, 4);
	CHECK(!(e & (PTE_A | PTE_D)), "all or nothing");
	CHECK(gpm_peek(&g, GPA(PAGE + 0xffe), &back, 2) && !back);
	e = (PAGE + 0x1000) | PTE_P | PTE_W;
	gpm_poke(&g, GPA(TAB_AT), &e, 4);
	CHECK(gmem_probe(&g, &m, GVA(0xfffffffe), 4, ACC_WRITE, &pf));
	CHECK(gmem_write(&g, &m, GVA(0xfffffffe), &value, 4, 0, &pf));
	CHECK(gmem_read(&g, &m, GVA(0xfffffffe), &back, 4, 0, &pf) &&
	      back == value);
	gpm_peek(&g, GPA(TAB_AT), &e, 4);
	CHECK((e & (PTE_A | PTE_D)) == (PTE_A | PTE_D));
}

static u64 mmio_seen[8];
static unsigned mmio_count;

static u64 on_read(void *ctx, gpa_t gpa, unsigned size)
{
	mmio_seen[mmio_count++ & 7] = gpa.a << 8 | size;
	return 0x1122334455667788ull;
}

static void on_write(void *ctx, gpa_t gpa, unsigned size, u64 value)
{
	mmio_seen[mmio_count++ & 7] = gpa.a << 8 | size;
}

static void memory(void)
{
	u8 buf[16] = { 1, 2, 3, 4 };

	CHECK(gpm_kind(&g, GPA(0x9ffff)) == GPM_RAM &&
	      gpm_kind(&g, GPA(0xa0000)) == GPM_NONE &&
	      gpm_kind(&g, GPA(0xbffff)) == GPM_NONE &&
	      gpm_kind(&g, GPA(0xc0000)) == GPM_ROM &&
	      gpm_kind(&g, GPA(0xfffff)) == GPM_ROM &&
	      gpm_kind(&g, GPA(0x100000)) == GPM_RAM &&
	      gpm_kind(&g, GPA(RAM - 1)) == GPM_RAM &&
	      gpm_kind(&g, GPA(RAM)) == GPM_NONE);
	gpm_write(&g, GPA(0xc0000), buf, 4);
	gpm_read(&g, GPA(0xc0000), buf + 4, 4);
	CHECK(buf[4] == 0xff, "ROM is read-only");
	gpm_read(&g, GPA(RAM), buf, 8);
	CHECK(buf[0] == 0xff && buf[7] == 0xff, "unbacked reads ones");
	CHECK(!gpm_peek(&g, GPA(RAM - 4), buf, 8));
	g.mmio_read = on_read;
	g.mmio_write = on_write;
	gpm_read(&g, GPA(0x9fffe), buf, 5);
	CHECK(mmio_count == 2 && mmio_seen[0] == (0xa0000ull << 8 | 2) &&
	      mmio_seen[1] == (0xa0002ull << 8 | 1) && buf[2] == 0x88);
	gpm_write(&g, GPA(0xa0001), buf, 7);
	CHECK(mmio_count == 5 && mmio_seen[4] == (0xa0004ull << 8 | 4));
}

static void on_notify(void *ctx, gpa_t gpa, const void *old, unsigned size)
{
	notified++;
}

int main(void)
{
	void *ram = palloc(RAM >> PAGE_SHIFT, MIB(2));
	u8 *bits = palloc(1, PAGE_SIZE);

	gpm_init(&g, ram, host_phys(ram), RAM);
	track_init(&track, bits, RAM >> PAGE_SHIFT);
	track_subscriber(&track, TRACK_SHADOW, on_notify, NULL);
	track_add(&track, TRACK_SHADOW, DIR_AT >> PAGE_SHIFT);
	track_add(&track, TRACK_SHADOW, TAB_AT >> PAGE_SHIFT);
	g.track = &track;
	memory();
	all_modes(WALK_32BIT);
	all_modes(WALK_PAE);
	all_modes(WALK_4LEVEL);
	special();
	palloc_free(ram, RAM >> PAGE_SHIFT);
	palloc_free(bits, 1);
	return test_end("gwalk");
}
