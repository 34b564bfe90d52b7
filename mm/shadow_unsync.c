/* SPDX-License-Identifier: MIT */
/*
 * Leaf tables out of sync. The guest writes such a table freely; what its
 * shadow pages show of it may be old, as a TLB may be, until the guest flushes:
 * INVLPG brings one entry up to date, a CR3 load the tables that the new root
 * reaches, a new link the table that it links.
 *
 * Invariants: `seen` holds of every guest entry the value that the made entries
 * of all the table's pages come from; every entry that is not made traps, since
 * the guest may make its own present with no flush; upper tables never get here.
 */
#include "lib/string.h"
#include "mm/internal.h"

#define WORDS (PAGE_SIZE / 8)
#define QUIET_MAX 3u /* flushes without a change, then it is traced again */
#define FAULTS_MAX 4u /* absent entries met with no change, likewise */

static struct unsync *unsync_of(struct shadow *s, const struct spage *p)
{
	return &s->unsync[p->unsync - 1];
}

static const u64 *guest_words(const struct shadow *s, const struct unsync *u)
{
	return (const u64 *)(s->gpm->base + (u->gfn << PAGE_SHIFT));
}

/* The first word from `from` on that differs; WORDS: none. */
static unsigned differs(const u64 *a, const u64 *b, unsigned from)
{
	u64 left = WORDS - from;
	bool equal = true;

	a += from;
	b += from;
	if (from < WORDS)
		__asm__ volatile("repe cmpsq"
				 : "=@ccz"(equal), "+S"(a), "+D"(b), "+c"(left)
				 :
				 : "memory");
	return equal ? WORDS : WORDS - 1 - (unsigned)left;
}

/* One word of the guest's table: one entry, or two of 4 bytes. */
static void sync_word(struct shadow *s, struct unsync *u, unsigned word)
{
	u64 now = guest_words(s, u)[word];

	shadow_resync(s, u->gfn, word, u->seen[word], now);
	u->seen[word] = now;
	count(CNT_UNSYNC_ENTRIES);
}

static bool sync_table(struct shadow *s, struct unsync *u)
{
	const u64 *now = guest_words(s, u);
	bool changed = false;

	for (unsigned i = 0; (i = differs(u->seen, now, i)) < WORDS; i++) {
		sync_word(s, u, i);
		changed = true;
	}
	return changed;
}

void unsync_entry(struct shadow *s, const struct spage *p, unsigned slot)
{
	struct unsync *u = unsync_of(s, p);
	unsigned word = role_guest_index(p->role, slot) *
			role_entry_size(p->role) / 8;

	if (u->seen[word] != guest_words(s, u)[word])
		sync_word(s, u, word);
}

/* P = 0 in the guest's table: traced, it may be shown to the hardware. */
static void show_absent(struct shadow *s, const struct spage *p)
{
	const u8 *guest = s->gpm->base + (p->gfn << PAGE_SHIFT);
	const u32 *narrow = (const u32 *)guest + role_guest_index(p->role, 0);
	const u64 *wide = (const u64 *)guest;
	bool is_wide = role_entry_size(p->role) == 8;
	u64 *table = spage_table(s, p), empty = s->empty;

	for (unsigned i = 0; i < SLOTS; i++)
		if (table[i] == empty &&
		    !((is_wide ? wide[i] : narrow[i]) & PTE_P))
			*(volatile u64 *)&table[i] = 0;
}

static void hide_absent(struct shadow *s, const struct spage *p)
{
	u64 *table = spage_table(s, p), empty = s->empty;

	for (unsigned i = 0; i < SLOTS; i += 4) {
		bool all = likely(!four_of(table + i));

		for (unsigned n = i; n < i + 4; n++)
			if (all || !table[n])
				*(volatile u64 *)&table[n] = empty;
	}
}

/* The table is traced again. */
static void end(struct shadow *s, struct unsync *u)
{
	struct spage *p;

	sync_table(s, u);
	for (p = spage_first(s, u->gfn); p; p = spage_next(s, p)) {
		p->unsync = 0;
		p->writes = p->zeroes = 0;
		if (s->empty)
			show_absent(s, p);
	}
	u->used = false;
	s->unsync_count--;
	track_add(s->track, TRACK_SHADOW, u->gfn);
}

void unsync_end(struct shadow *s, const struct spage *p)
{
	end(s, unsync_of(s, p));
}

/* A free record; where there is none, the next in turn gives way. */
static struct unsync *take_record(struct shadow *s)
{
	struct unsync *u;

	for (unsigned i = 0; i < UNSYNC_MAX; i++)
		if (!s->unsync[i].used)
			return &s->unsync[i];
	u = &s->unsync[s->unsync_next++ % UNSYNC_MAX];
	end(s, u);
	return u;
}

static bool only_leaf_tables(const struct shadow *s, u64 gfn)
{
	const struct spage *p;

	for (p = spage_first(s, gfn); p; p = spage_next(s, p))
		if (p->role.level != 1)
			return false;
	return true;
}

bool unsync_begin(struct shadow *s, u64 gfn)
{
	struct unsync *u;
	struct spage *p;

	if (!s->cfg.unsync || s->track->bits[gfn] != BIT(TRACK_SHADOW) ||
	    !only_leaf_tables(s, gfn))
		return false;
	u = take_record(s);
	u->used = true;
	u->quiet = u->faults = 0;
	u->gfn = gfn;
	s->unsync_count++;
	memcpy(u->seen, guest_words(s, u), PAGE_SIZE);
	for (p = spage_first(s, gfn); p; p = spage_next(s, p)) {
		p->unsync = (u8)(u - s->unsync + 1);
		if (s->empty)
			hide_absent(s, p);
	}
	track_remove(s->track, TRACK_SHADOW, gfn);
	gtlb_drop_all(&s->tlb);
	count(CNT_UNSYNC_TABLES);
	return true;
}

/* Absent entries of a table that is not traced trap: one that the guest leaves
 * alone but faults on is better traced. */
void unsync_faulted(struct shadow *s, const struct spage *p)
{
	struct unsync *u = unsync_of(s, p);

	if (++u->faults < FAULTS_MAX)
		return;
	u->faults = 0;
	if (!sync_table(s, u))
		end(s, u);
}

void unsync_forget(struct shadow *s, const struct spage *p)
{
	unsync_of(s, p)->used = false;
	s->unsync_count--;
}

/* Does the current root lead to the page? All roots have it at one address. */
static bool reachable(const struct shadow *s, const struct spage *p)
{
	const struct spage *directory;
	u64 e;

	if (p->several)
		return true;
	directory = spage_directory(s, GVA(spage_gva(p, 0)));
	if (!directory)
		return false;
	e = spage_table(s, directory)[level_index(2, p->gva)];
	return entry_made(s, e) && entry_is_table(2, e) &&
	       entry_child(s, e) == p;
}

static bool table_reachable(const struct shadow *s, const struct unsync *u)
{
	const struct spage *p;

	for (p = spage_first(s, u->gfn); p; p = spage_next(s, p))
		if (reachable(s, p))
			return true;
	return false;
}

void unsync_flush(struct shadow *s, bool all)
{
	for (unsigned i = 0; s->unsync_count && i < UNSYNC_MAX; i++) {
		struct unsync *u = &s->unsync[i];

		if (!u->used || (!all && !table_reachable(s, u)))
			continue;
		u->quiet = sync_table(s, u) ? 0 : (u8)(u->quiet + 1);
		if (u->quiet == QUIET_MAX)
			end(s, u);
	}
}

void unsync_linked(struct shadow *s, const struct spage *child)
{
	if (child->unsync)
		sync_table(s, unsync_of(s, child));
	else if (child->role.level > 1 && child->live)
		for (unsigned i = 0; i < UNSYNC_MAX; i++)
			if (s->unsync[i].used)
				sync_table(s, &s->unsync[i]);
}
