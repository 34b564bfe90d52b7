/* SPDX-License-Identifier: MIT */
/*
 * Coherence: the subscriber to writes of shadowed guest tables. An entry that
 * changed is dropped, and made again at once where no walk would fault on it,
 * so that a guest which sets an entry pays no second fault. A page that no
 * longer looks like a page table is dropped whole, so that memory which the
 * guest has put to other use is not traced for ever.
 */
#include "lib/string.h"
#include "lib/switches.h"
#include "mm/internal.h"

/* Writes without a fault through the page between them, by level. */
#define WRITES_MAX_LEVEL1 64u
#define WRITES_MAX_UPPER  16u
#define ZEROES_MAX        3u

/* What the processor ignores in an entry: a kernel's own bits. */
#define PTE_IGNORED (BITS(11, 9))

/* One write to a guest table. */
struct traced {
	gpa_t gpa;
	const u8 *old;
	unsigned size;
};

/* The value that the entry at gpa had before the write. */
static u64 entry_before(const struct traced *t, u64 at, unsigned esize, u64 now)
{
	u64 start = MAX(at, t->gpa.a);
	u64 end = MIN(at + esize, t->gpa.a + t->size);

	if (likely(t->size == 4 && esize == 4 && t->gpa.a == at))
		return *(const u32 *)t->old;
	memcpy((u8 *)&now + (start - at), t->old + (start - t->gpa.a),
	       end - start);
	return now;
}

/* Only flags that the processor sets by itself were added. */
static bool only_flags_set(u64 before, u64 now)
{
	return !((before ^ now) & ~(PTE_A | PTE_D)) && (now & before) == before;
}

static u64 everything(const struct spage *p)
{
	return p->role.format == WALK_4LEVEL ? ~0ull : GIB(4);
}

/* Tell the engine that what it knows of the slot's address is out of date. */
static void unmapped(struct shadow *s, const struct spage *p, unsigned i,
		     unsigned n)
{
	if (p->several)
		shadow_unmapped(s, 0, everything(p));
	else
		shadow_unmapped(s, spage_gva(p, i),
				(u64)n << level_shift(p->role.level));
}

/*
 * Will the guest need the entry at once? Where a leaf table may go out of sync
 * each write that comes here is dear, and so is the fault that it may spare.
 * Where all are traced, kernels write many entries around a fault for each that
 * is used: the one that it faulted on is worth making.
 */
static inline bool awaited(const struct shadow *s, const struct spage *p,
			   unsigned i)
{
	return s->cfg.unsync || p->several || spage_gva(p, i) == s->faulted.a;
}

static void __attribute__((noinline)) remake_leaf(struct shadow *s,
						  struct spage *p, unsigned i,
						  u64 now)
{
	u32 slot = spage_slot(s, p, i);
	u64 was = s->tables[slot], e = 0, gfn;
	bool made = entry_made(s, was), wanted = made || awaited(s, p, i);
	struct rights r;

	if (switch_on(SWITCH_prefill) && wanted &&
	    leaf_decode(p, now, &r, &gfn))
		e = leaf_entry(s, leaf_flags(s, p->role, r, false), gfn);
	if (e && e == was)
		return;
	if (e && made && !((was ^ e) & PTE_ADDR) && !guard_on(s)) {
		*(volatile u64 *)slot_entry(s, slot) = e; /* its list stays */
		stale_note(s, 1, was);
		return;
	}
	if (made)
		spage_drop_entry(s, slot);
	if (e)
		rmap_set(s, slot, e);
	else
		rmap_unmake(s, slot, now);
}

/* By far the most stay as they are: not made, and not waited for. */
static inline void leaf_changed(struct shadow *s, struct spage *p, unsigned i,
				u64 now)
{
	if (spage_table(s, p)[i] || s->empty || awaited(s, p, i))
		remake_leaf(s, p, i, now);
}

/* The one or two slots of a changed upper entry go. */
static void directory_changed(struct shadow *s, struct spage *p, unsigned i,
			      unsigned n, u64 now)
{
	for (; n; n--, i++) {
		u32 slot = spage_slot(s, p, i);

		if (entry_made(s, *slot_entry(s, slot)))
			spage_drop_entry(s, slot);
		rmap_unmake(s, slot, now);
	}
	if (!now)
		model_zeroed(s, p);
}

/* Slots that guest entry `index` stands for in page p; 0: none here. */
static unsigned slots_of(const struct spage *p, unsigned index, unsigned *first)
{
	unsigned per = 512, n = 1;

	if (p->role.format != WALK_32BIT) {
		*first = index;
		return 1;
	}
	if (p->role.level == 2) {
		per = 256;
		n = 2;
	}
	if (index / per != p->role.quadrant)
		return 0;
	*first = index % per * n;
	return n;
}

static void entry_written(struct shadow *s, struct spage *p,
			  const struct traced *t, unsigned index)
{
	unsigned esize = role_entry_size(p->role);
	unsigned first, n = slots_of(p, index, &first);
	u64 before, now;

	if (!n)
		return;
	now = table_entry_read(s, p, first);
	before = entry_before(t, (p->gfn << PAGE_SHIFT) + index * esize, esize,
			      now);
	p->zeroes = now ? 0 : (u8)(p->zeroes + 1);
	if (before != now && p->role.level == 1)
		leaf_changed(s, p, first, now);
	else if (before != now)
		directory_changed(s, p, first, n, now);
	if (before != now && only_flags_set(before, now))
		return; /* a page walk's */
	p->writes++;
	if (before != now && (before & PTE_P))
		unmapped(s, p, first, n);
}

/*
 * Page-table code writes whole entries, halves of PAE ones, or with a byte
 * operation the flags in an entry's first byte. A table that is copied to or
 * cleared in bulk is not in use.
 */
static bool looks_like_data(const struct spage *p, const struct traced *t)
{
	if (t->size == 1)
		return t->gpa.a & (role_entry_size(p->role) - 1);
	return t->size < 4 || t->size > 8 || (t->gpa.a & 3);
}

static bool written_too_often(const struct spage *p)
{
	unsigned max = p->role.level == 1 ? WRITES_MAX_LEVEL1
					  : WRITES_MAX_UPPER;

	return p->writes >= max || p->zeroes >= ZEROES_MAX;
}

static void page_written(struct shadow *s, struct spage *p,
			 const struct traced *t)
{
	unsigned esize = role_entry_size(p->role);
	unsigned offset = t->gpa.a & ~PAGE_MASK;
	unsigned end = (offset + t->size - 1) / esize;

	for (unsigned i = offset / esize; i <= end; i++)
		entry_written(s, p, t, i);
}

static inline bool must_drop(const struct spage *p, const struct traced *t)
{
	return looks_like_data(p, t) || written_too_often(p);
}

/* entry_written() of a leaf table's entry. */
static inline void leaf_written(struct shadow *s, struct spage *p, unsigned i,
				u64 before, u64 now)
{
	u64 changed = before ^ now;
	bool flags = only_flags_set(before, now); /* a page walk's */

	p->zeroes = (u8)((p->zeroes + 1u) & -(unsigned)!now);
	p->writes = (u8)(p->writes + !flags);
	if (!(changed & ~PTE_IGNORED))
		return;
	leaf_changed(s, p, i, now);
	if ((before & PTE_P) & !flags)
		unmapped(s, p, i, 1);
}

/* Would one more write of this kind make it too many? */
static inline bool nearly_too_often(const struct spage *p, u32 value)
{
	return (p->writes + 1u >= WRITES_MAX_LEVEL1) |
	       (!value & (p->zeroes + 1u >= ZEROES_MAX));
}

/*
 * Whose entry is a word of a leaf table? False: a page of the frame is something
 * else, or would have to be dropped. *hit: one whose it is, or NULL.
 */
static bool find_leaf(const struct shadow *s, struct spage *p, unsigned quadrant,
		      u32 value, struct spage **hit, unsigned *hits)
{
	const union role which = { .level = 7, .format = 3 };
	const union role leaf = { .level = 1, .format = p->role.format };

	for (; p; p = spage_next(s, p)) {
		if ((p->role.word & which.word) ^ leaf.word)
			return false;
		if (p->role.quadrant != quadrant)
			continue;
		if (nearly_too_often(p, value))
			return false;
		*hit = p;
		++*hits;
	}
	return true;
}

/* The word that a store changes, and the entry that it is in. */
struct word {
	gpa_t gpa;
	bool wide; /* the entry has 8 bytes */
};

static inline unsigned slot_of(struct word w)
{
	return w.gpa.a >> (2 + w.wide) & (SLOTS - 1);
}

static inline u64 entry_at(const struct shadow *s, struct word w)
{
	const u8 *at = s->gpm->base + w.gpa.a;

	return w.wide ? *(const volatile u64 *)(at - (w.gpa.a & 4)) :
			*(const volatile u32 *)at;
}

static inline void put_word(const struct shadow *s, struct word w, u32 value)
{
	*(volatile u32 *)(s->gpm->base + w.gpa.a) = value;
}

/* Nothing on these ways asks for a flush, so shadow_enter() is not needed. */
enum shadow_store shadow_store_again(struct shadow *s, gpa_t gpa, u32 value,
				     u32 *before)
{
	const struct leaf_memo *m = leaf_memo(s, gpa);
	u64 slot = gpa.a >> 2 & (SLOTS - 1);
	struct spage *p = m->page;
	unsigned zeroes, writes;
	u32 changed, added;
	volatile u32 *at;
	u64 matters;

	if (!p || (m->half ^ gpa.a >> 11) | (gpa.a & 3))
		return SHADOW_STORE_ELSEWHERE;
	at = (volatile u32 *)(s->gpm->base + gpa.a);
	*before = *at;
	changed = *before ^ value;
	added = (changed & ~(u32)(PTE_A | PTE_D)) | (*before & ~value);
	zeroes = (p->zeroes + 1u) & -(unsigned)!value;
	writes = p->writes + (added != 0);
	if ((zeroes >= ZEROES_MAX) | (writes >= WRITES_MAX_LEVEL1))
		return SHADOW_STORE_ELSEWHERE;
	*at = value;
	p->zeroes = (u8)zeroes;
	p->writes = (u8)writes;
	matters = m->table[slot] | (*before & PTE_P) |
		  (m->gva + (slot << PAGE_SHIFT) == s->faulted.a);
	return (changed & ~(u32)PTE_IGNORED) && matters ?
		       SHADOW_STORE_CHANGED :
		       SHADOW_STORE_DONE;
}

/* No list but the frame's, and one linear address: see note_leaf(). */
void shadow_store_changed(struct shadow *s, gpa_t gpa, u32 before, u32 now)
{
	const struct leaf_memo *m = leaf_memo(s, gpa);
	unsigned i = gpa.a >> 2 & (SLOTS - 1);
	gva_t gva = GVA(m->gva + ((u64)i << PAGE_SHIFT));

	if (m->table[i] && (now & (PTE_P | PTE_A)) != (PTE_P | PTE_A))
		rmap_clear_leaf(s, m->page, spage_slot(s, m->page, i));
	else
		leaf_changed(s, m->page, i, now);
	if (!(before & PTE_P) || only_flags_set(before, now))
		return;
	gtlb_drop_page(&s->tlb, gva.a);
	if (s->cfg.unmapped)
		s->cfg.unmapped(s->cfg.ctx, gva, PAGE_SIZE);
}

/* May the page that alone has the entry be remembered? Not where there is more
 * to ask. */
static void note_leaf(struct shadow *s, gpa_t gpa, struct spage *p)
{
	if (s->empty || s->cfg.unsync || p->several || !p->linked ||
	    p->role.format != WALK_32BIT)
		return;
	*leaf_memo(s, gpa) = (struct leaf_memo){
		.half = gpa.a >> 11, .page = p, .table = spage_table(s, p),
		.gva = spage_gva(p, 0),
	};
}

bool shadow_store32(struct shadow *s, gpa_t gpa, u32 value)
{
	struct spage *p = spage_first(s, gpa.a >> PAGE_SHIFT), *hit = NULL;
	unsigned quadrant, hits = 0;
	struct word w = { .gpa = gpa };
	u64 before, now;

	if (!p || (gpa.a & 3) || guard_on(s))
		return false;
	w.wide = p->role.format != WALK_32BIT;
	quadrant = w.wide ? 0 : gpa.a >> 11 & 1;
	if (!find_leaf(s, p, quadrant, value, &hit, &hits))
		return false;
	if (hits == 1)
		note_leaf(s, gpa, hit);
	before = entry_at(s, w);
	put_word(s, w, value);
	now = entry_at(s, w);
	for (; p; p = spage_next(s, p))
		if (p->role.quadrant == quadrant)
			leaf_written(s, p, slot_of(w), before, now);
	return true;
}

/* What one page of a leaf table has shown holds for all of them: a table that is
 * torn down in one half would stay traced for the other half's sake. */
static bool drop_one(struct shadow *s, const struct traced *t, bool leaf)
{
	struct spage *p = spage_first(s, t->gpa.a >> PAGE_SHIFT);

	for (; p; p = spage_next(s, p)) {
		if (!must_drop(p, t) && !(leaf && p->role.level == 1))
			continue;
		if (spage_is_top(s, p))
			continue;
		spage_zap(s, p);
		return true;
	}
	return false;
}

/* As entry_written(), but nothing is made of how often it is written. */
static void entry_resync(struct shadow *s, struct spage *p, unsigned index,
			 u64 before, u64 now)
{
	unsigned slot;

	if (before == now || !slots_of(p, index, &slot))
		return;
	leaf_changed(s, p, slot, now);
	if ((before & PTE_P) && !only_flags_set(before, now))
		unmapped(s, p, slot, 1);
}

void shadow_resync(struct shadow *s, u64 gfn, unsigned word, u64 before,
		   u64 now)
{
	struct spage *p;

	for (p = spage_first(s, gfn); p; p = spage_next(s, p)) {
		if (role_entry_size(p->role) == 8) {
			entry_resync(s, p, word, before, now);
			continue;
		}
		entry_resync(s, p, 2 * word, (u32)before, (u32)now);
		entry_resync(s, p, 2 * word + 1, before >> 32, now >> 32);
	}
}

/* TRACK_SHADOW: the bytes have been written. */
void shadow_traced(void *ctx, gpa_t gpa, const void *old, unsigned size)
{
	struct traced t = { gpa, old, size };
	struct shadow *s = ctx;
	bool drop = false, leaf = false;
	struct spage *p;

	shadow_enter(s);
	for (p = spage_first(s, gpa.a >> PAGE_SHIFT); p; p = spage_next(s, p)) {
		page_written(s, p, &t);
		if (must_drop(p, &t)) {
			drop = true;
			leaf |= p->role.level == 1;
		}
	}
	while (drop && drop_one(s, &t, leaf))
		;
	shadow_leave(s);
}
