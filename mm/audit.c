/* SPDX-License-Identifier: MIT */
/*
 * The audit: says of every present entry whether the guest's tables allow it,
 * by rules written down a second time and not by making the entry again.
 */
#include "mm/internal.h"

struct audit {
	struct shadow *s;
	unsigned wrong;
};

static void expect(struct audit *a, bool ok, const struct spage *p,
		   unsigned i, const char *what)
{
	if (ok)
		return;
	a->wrong++;
	log_error("shadow audit: gfn %llx role %x entry %u = %llx: %s",
		  (unsigned long long)p->gfn, p->role.word, i,
		  (unsigned long long)spage_table(a->s, p)[i], what);
}

/* Rights in a hardware leaf against those of the guest's. */
static void check_leaf(struct audit *a, const struct spage *p, unsigned i,
		       struct rights r, u64 gfn)
{
	struct shadow *s = a->s;
	u64 e = spage_table(s, p)[i];
	bool user = e & PTE_U, large = p->role.level == 2;

	expect(a, entry_gfn(s, e) == gfn, p, i, "another frame");
	expect(a, !user || r.u, p, i, "user may not");
	expect(a, !s->cfg.nx || !r.nx || (e & PTE_NX), p, i, "NX is missing");
	expect(a, !s->cfg.nx || !s->cfg.kernel_nx || user || (e & PTE_NX),
	       p, i, "supervisor page without NX");
	expect(a, gpm_kind(s->gpm, GPA(gfn << PAGE_SHIFT)) != GPM_NONE, p, i,
	       "no memory there");
	for (u64 n = 0; large && n < SLOTS; n++)
		expect(a, !track_any(s->track, gfn + n), p, i,
		       "large page over a tracked frame");
	if (!(e & PTE_W))
		return;
	expect(a, r.d, p, i, "writable but clean");
	expect(a, r.w || (p->role.wp0 && !user), p, i, "may not be written");
	expect(a, !track_any(s->track, gfn), p, i, "tracked but writable");
	expect(a, gpm_kind(s->gpm, GPA(gfn << PAGE_SHIFT)) == GPM_RAM, p, i,
	       "ROM but writable");
}

static void check_level1(struct audit *a, const struct spage *p, unsigned i)
{
	union role role = p->role;
	struct rights r = { role.w, role.u, role.nx, role.d };
	u64 gfn = p->gfn + i;

	if (!role.direct &&
	    !leaf_decode(p, table_entry_read(a->s, p, i), &r, &gfn)) {
		expect(a, false, p, i, "the guest's entry is not ready");
		return;
	}
	check_leaf(a, p, i, r, gfn);
}

/*
 * Rights of an upper guest entry, with those above it, and the frame that it
 * has as a large leaf; or those of unpaged memory.
 */
static void upper_entry(const struct spage *p, unsigned i, u64 pde,
			struct rights *r, u64 *gfn)
{
	union role role = p->role;

	if (role.direct) {
		*r = (struct rights){ true, true, false, true };
		*gfn = p->gfn + i * SLOTS;
		return;
	}
	*r = (struct rights){ role.w && (pde & PTE_W), role.u && (pde & PTE_U),
			      role.nx || (role.nxe && (pde & PTE_NX)),
			      pde & PTE_D };
	if (role.format != WALK_32BIT)
		*gfn = bits_get(pde, 51, 21) << 9;
	else
		*gfn = bits_get(pde, 31, 22) << 10 |
		       bits_get(pde, 20, 13) << 20 | (i & 1) * SLOTS;
}

static bool is_large(const struct spage *p, u64 pde)
{
	if (p->role.direct)
		return true;
	return p->role.level == 2 && (pde & PTE_PS) &&
	       (p->role.format != WALK_32BIT || p->role.pse);
}

static void check_link(struct audit *a, const struct spage *p, unsigned i,
		       u64 pde, struct rights r, u64 gfn)
{
	const struct spage *c = entry_child(a->s, spage_table(a->s, p)[i]);
	bool large = is_large(p, pde);

	expect(a, c->used, p, i, "points to a free page");
	expect(a, c->role.direct == large, p, i, "another kind of table");
	if (!large)
		gfn = bits_get(pde, p->role.format == WALK_32BIT ? 31 : 51, 12);
	expect(a, c->gfn == gfn, p, i, "another table");
	expect(a, c->role.level == p->role.level - 1u, p, i, "another level");
	expect(a, c->role.w <= r.w && c->role.u <= r.u && c->role.nx >= r.nx,
	       p, i, "the table grants too much");
	expect(a, !large || c->role.d <= r.d, p, i, "writable but clean");
}

static void check_upper(struct audit *a, const struct spage *p, unsigned i)
{
	u64 e = spage_table(a->s, p)[i];
	u64 pde = p->role.direct ? 0 : table_entry_read(a->s, p, i);
	struct rights r;
	u64 gfn;

	upper_entry(p, i, pde, &r, &gfn);
	expect(a, p->role.direct ||
	       (pde & (PTE_P | PTE_A)) == (PTE_P | PTE_A), p, i,
	       "the guest's entry is not ready");
	if (entry_is_table(p->role.level, e)) {
		check_link(a, p, i, pde, r, gfn);
		return;
	}
	expect(a, is_large(p, pde), p, i, "large leaf for a table");
	check_leaf(a, p, i, r, gfn);
}

/* Not present in hardware means not present for the guest, and that it cannot
 * become present unseen. */
static void check_unmade(struct audit *a, const struct spage *p, unsigned i)
{
	u64 e = spage_table(a->s, p)[i];

	if (!a->s->empty || e == a->s->empty)
		return;
	expect(a, !e && !p->role.direct &&
		  !(table_entry_read(a->s, p, i) & PTE_P), p, i,
	       "not present, but it is for the guest");
	expect(a, !p->unsync, p, i, "not present in a table that is not traced");
}

/* An unsync page's record is the one of its guest table. */
static bool unsync_right(const struct shadow *s, const struct spage *p)
{
	const struct unsync *u = &s->unsync[p->unsync - 1];

	return p->unsync <= UNSYNC_MAX && u->used && u->gfn == p->gfn &&
	       p->role.level == 1;
}

/* Does it point to a table of ours, or to the guest's memory? */
static bool inside(const struct shadow *s, unsigned level, u64 e)
{
	u64 at = e & PTE_ADDR;

	if (entry_is_table(level, e)) {
		u64 page = (at - s->tables_hpa.a) >> PAGE_SHIFT;

		return page && page < s->page_count;
	}
	return at - s->gpm->hpa.a < s->gpm->size;
}

static void check_page(struct audit *a, const struct spage *p)
{
	const u64 *table = spage_table(a->s, p);
	u32 live = 0;

	for (unsigned i = 0; i < SLOTS; i++) {
		if (!entry_made(a->s, table[i])) {
			check_unmade(a, p, i);
			continue;
		}
		live++;
		if (!inside(a->s, p->role.level, table[i])) {
			expect(a, false, p, i, "points nowhere");
			continue;
		}
		expect(a, rmap_holds(a->s, spage_slot(a->s, p, i)), p, i,
		       "not in the reverse map");
		if (p->role.level == 1)
			check_level1(a, p, i);
		else
			check_upper(a, p, i);
	}
	expect(a, live == p->live, p, 0, "wrong count of entries");
	expect(a, p->parents, p, 0, "unreachable");
	expect(a, p->role.direct || p->unsync ||
	       track_has(a->s->track, TRACK_SHADOW, p->gfn), p, 0,
	       "not traced");
	expect(a, !p->unsync || unsync_right(a->s, p), p, 0, "wrongly unsync");
}

/* Do the root's pages belong to the tables that the guest loaded? */
static bool root_right(const struct shadow *s, const struct root *r, unsigned i)
{
	const struct spage *p = entry_child(s, r->pdpt[i]);
	unsigned level = r->mode.format == WALK_4LEVEL ? 4 : 2;
	u64 gfn = (u64)i << 18;

	if (level == 4)
		gfn = r->base[0] >> PAGE_SHIFT;
	else if (r->mode.format == WALK_32BIT)
		gfn = r->base[0] >> PAGE_SHIFT;
	else if (r->mode.format == WALK_PAE)
		gfn = bits_get(r->base[i], r->mode.maxphyaddr - 1, 12);
	return p->used && p->gfn == gfn && p->role.level == level &&
	       p->role.quadrant == (r->mode.format == WALK_32BIT ? i : 0);
}

static void check_root(struct audit *a, const struct root *r)
{
	u32 slot = a->s->root_slots + 4 * (u32)(r - a->s->roots);

	for (unsigned i = 0; i < 4; i++) {
		if (!entry_made(a->s, r->pdpt[i]))
			continue;
		if (inside(a->s, 5, r->pdpt[i]) && root_right(a->s, r, i) &&
		    rmap_holds(a->s, slot + i))
			continue;
		a->wrong++;
		log_error("shadow audit: root %llx entry %u = %llx is wrong",
			  (unsigned long long)r->hpa.a, i,
			  (unsigned long long)r->pdpt[i]);
	}
}

unsigned shadow_audit(struct shadow *s, const struct walk_mode *m)
{
	struct audit a = { s, 0 };

	shadow_enter(s);
	unsync_flush(s, true);
	shadow_leave(s);
	for (u32 i = 1; i < s->page_count; i++)
		if (s->pages[i].used)
			check_page(&a, &s->pages[i]);
	for (u32 i = 0; i < s->root_count; i++)
		check_root(&a, &s->roots[i]);
	return a.wrong;
}
