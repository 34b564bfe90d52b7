/* SPDX-License-Identifier: MIT */
/*
 * Inside of the shadow MMU.
 *
 *   root (PML4 -> PDPT, or 4 PDPTEs) -> level 2 page -> level 1 page -> frame
 *   root of a 4-level guest -> level 4 page -> 3 -> 2 -> 1 -> frame
 *
 * Tables come from one pool; each is found by its key: the guest frame that it
 * shadows and the role that says how the frame is read. Every present entry is
 * a "slot" on one list: leaves on their frame's, links to tables on the table's
 * `parents`. So any table and any frame can be taken out of the hardware's
 * sight in time proportional to its uses.
 *
 * A guest of four levels has its PML4 shadowed like any other table: the
 * hardware's root is that page. Our own root then has one slot in use, the
 * first, which no hardware reads: it holds on to the page.
 *
 * Upper entries grant everything; leaves carry the rights of all levels.
 *
 * An entry that is not made is `empty`: 0, or with shadow_config.trap_bit a
 * present entry that faults. Then 0 says that the guest's own entry is not
 * present, which is kept exact, since guest tables are traced.
 */
#ifndef MM_INTERNAL_H
#define MM_INTERNAL_H

#include "lib/counters.h"
#include "log.h"
#include "mm/gtlb.h"
#include "mm/shadow.h"
#include "mm/track.h"

#define SLOTS 512u

/* What shapes a shadow page besides the frame. */
union role {
	struct {
		u32 level : 3;    /* 1 to 4 */
		u32 quadrant : 2; /* 32-bit: which part of the guest's table */
		u32 direct : 1;   /* no guest table: gfn is where it maps to */
		u32 w : 1;        /* rights of the levels above (direct: of */
		u32 u : 1;        /* the guest's large leaf) */
		u32 nx : 1;
		u32 d : 1;        /* direct: the large leaf is dirty */
		/* The mode; the same in every page under one root. */
		u32 format : 2;
		u32 pse : 1;
		u32 nxe : 1;
		u32 wp0 : 1;      /* CR0.WP = 0; the next two only then */
		u32 smep : 1;
		u32 smap : 1;
		u32 maxphyaddr : 6;
	};
	u32 word;
};

struct spage {
	u64 gfn;
	union role role;
	u32 hash_next; /* also the free list */
	u32 parents;   /* list of slots that point here */
	u32 live;      /* present entries */
	u32 retired;   /* the epoch in which it was last freed */
	u64 gva;       /* linear address of entry 0, unless `several` */
	bool several;  /* linked at more than one linear address */
	bool linked;   /* was ever linked: gva is good */
	bool used;
	bool recent;   /* for the clock */
	bool kernel;   /* a directory: an entry was the supervisor's alone */
	u8 writes;     /* guest writes since the last fault through it */
	u8 zeroes;     /* zero writes in a row */
	u8 unsync;     /* 0: traced; else 1 + the index of its record */
};

/* A guest table that is not traced: shadow_unsync.c. */
struct unsync {
	u64 gfn;
	u64 *seen; /* its content when it was last brought up to date */
	bool used;
	u8 quiet;
	u8 faults; /* see unsync_faulted() */
};

#define UNSYNC_MAX 32u

struct root {
	union role mode; /* only the mode's fields */
	bool used;
	u64 base[4]; /* PAE: PDPTEs; other paging: CR3 in [0] */
	u64 *pdpt;   /* 4 entries in use */
	hpa_t hpa;   /* for the hardware's CR3 */
	u64 stamp;   /* last use */
	bool emptied; /* an entry of a directory, or the top, became 0 */
};

struct link {
	u32 next, prev; /* slots; 0: none */
};

/*
 * Half a frame, that is 512 entries of 4 bytes, which a store has met as those
 * of one leaf page alone, at one linear address. Forgotten when that ends: a
 * page of the frame is made or freed, or is linked once more.
 */
struct leaf_memo {
	u64 half; /* its address / 2048 */
	struct spage *page; /* NULL: unused */
	const u64 *table; /* the page's */
	u64 gva; /* likewise, of entry 0 */
};

#define LEAF_MEMOS 64u

#define PENDING_MAX 8u
#define STALE_MAX   64u

struct shadow {
	struct shadow_config cfg;
	struct gpm *gpm;
	struct track *track;

	u64 empty;      /* an entry that is not made */
	u64 empty_root; /* the same of a root: its table is page 0 */

	/* Page 0 is never used, so 0 means "none" for pages and slots. */
	u64 *tables;
	hpa_t tables_hpa;
	struct spage *pages;
	u32 page_count; /* with page 0 */
	u32 free_head, free_tail, free_count; /* first freed, first used */
	u32 clock;
	u32 *hash;
	u32 hash_mask;

	/* Slot n is entry n % 512 of page n / 512; then 4 for each root. */
	struct link *links;
	u32 root_slots; /* the first of them */
	u32 *frame_slots; /* list head of each frame: 4 KiB leaves */
	u32 *large_slots; /* of each 2 MiB: large leaves */

	struct root *roots;
	u32 root_count;
	struct root *current;
	u64 stamp;

	struct unsync unsync[UNSYNC_MAX];
	u64 *seen; /* a page for each of them */
	unsigned unsync_count, unsync_next;

	/*
	 * What the TLB may still hold though the tables do not: nothing has to
	 * be flushed until the guest must flush it too, a frame becomes
	 * tracked that was writable there, or a table page is used again that
	 * was freed in the same epoch, which a flush of everything ends.
	 */
	u32 epoch;
	bool stale_large; /* a part of a large page of the guest's is gone */
	bool stale_table; /* a table is gone: a large page may be in its place */
	unsigned stale_count; /* more than STALE_MAX: any frame */
	u64 stale_gfn[STALE_MAX];
	unsigned depth;   /* nested entries into the shadow MMU */
	unsigned pending; /* flushes due at the outermost exit */
	gva_t pending_gva[PENDING_MAX];

	gva_t faulted; /* the page of the guest's last own fault */

	struct leaf_memo memos[LEAF_MEMOS];

	struct gtlb tlb; /* told here whatever changes a translation */
};

/* Rights of a guest leaf, all levels combined. */
struct rights {
	bool w, u, nx, d;
};

/* gwalk.c: reserved bits of a present entry. */
u64 gwalk_reserved(const struct walk_mode *m, unsigned level, bool leaf);

/* shadow.c */
/* The level 2 page for gva under the current root, or NULL. */
const struct spage *spage_directory(const struct shadow *s, gva_t gva);
void shadow_enter(struct shadow *s);
void shadow_leave(struct shadow *s); /* does the flushes that are due */
void shadow_flush_one(struct shadow *s, gva_t gva);
void shadow_flush_slot(struct shadow *s, u32 slot);
void shadow_flush_all(struct shadow *s);
void shadow_unmapped(struct shadow *s, u64 gva, u64 size);

/* shadow_leaf.c: what the hardware may be shown of a guest leaf. */
u64 leaf_flags(const struct shadow *s, union role role, struct rights r,
	       bool kernel_write);
u64 leaf_entry(const struct shadow *s, u64 flags, u64 gfn);
bool leaf_large_ok(const struct shadow *s, u64 gfn);
u64 table_entry_read(const struct shadow *s, const struct spage *p,
		     unsigned slot);
bool leaf_decode(const struct spage *p, u64 entry, struct rights *r, u64 *gfn);
void leaf_prefetch(struct shadow *s, struct spage *p, unsigned slot,
		   unsigned n);

/* shadow_fill.c: false if the entry was there already, just so. */
bool shadow_fill(struct shadow *s, const struct walk_mode *m, gva_t gva,
		 const struct walk *w, bool kernel_write);

/* What the unmade slot of a page says, its guest entry being `guest`. */
static inline u64 entry_unmade(const struct shadow *s, u64 guest)
{
	return guest & PTE_P ? s->empty : 0;
}

/* shadow_guard.c: pages with stops of the debugger on them. */
static inline bool guard_on(const struct shadow *s)
{
	return s->cfg.stops && s->cfg.stops->count;
}
/* Take from a slot's new entry what must not pass; false: all of it. */
bool guard_entry(const struct shadow *s, u32 slot, u64 *entry);
/* May an access of this kind meet a stop? */
bool guard_access(const struct shadow *s, gva_t gva, gpa_t gpa, unsigned acc);
/* Is the entry just made guarded for another address's sake? */
bool guard_blocks(const struct shadow *s, gva_t gva, unsigned acc);
/* Is there any in the 2 MiB around? */
bool guard_large(const struct shadow *s, gva_t gva, u64 gfn);
/* The page is now at several linear addresses: its leaves are made anew. */
void guard_several(struct shadow *s, struct spage *p);

/* shadow_pool.c */
struct spage *spage_get(struct shadow *s, u64 gfn, union role role);
void spage_link(struct shadow *s, u32 slot, struct spage *child, u64 gva);
void spage_drop_entry(struct shadow *s, u32 slot);
void spage_zap(struct shadow *s, struct spage *p);
void spage_reserve(struct shadow *s);
/* Is it the hardware's root? Then it has to stay. */
bool spage_is_top(const struct shadow *s, const struct spage *p);

/* shadow_root.c */
struct root *root_get(struct shadow *s, const struct walk_mode *m);
hpa_t root_hpa(const struct shadow *s, const struct root *r);
u32 root_count_for(u32 pool_pages);
bool root_init(struct shadow *s);
void root_free(struct shadow *s);

/* shadow_model.c */
/* The new root r, with its top table if there is one, starts as the model. */
void model_root(struct shadow *s, struct root *r, const struct root *model);
/* An entry of an upper table has become 0. */
void model_zeroed(struct shadow *s, const struct spage *p);
/* Has the guest emptied the root's part for users? */
bool model_is_over(struct shadow *s, struct root *r);

/* shadow_write.c */
void shadow_traced(void *ctx, gpa_t gpa, const void *old, unsigned size);

/* Eight bytes of a leaf table are not what they were. */
void shadow_resync(struct shadow *s, u64 gfn, unsigned word, u64 before,
		   u64 now);

/* shadow_unsync.c */
/* The tracked frame is to be written: false if it has to be traced. */
bool unsync_begin(struct shadow *s, u64 gfn);
/* p has the table's only role but a leaf table's: trace it. */
void unsync_end(struct shadow *s, const struct spage *p);
/* The last page of the table goes. */
void unsync_forget(struct shadow *s, const struct spage *p);
/* What one slot of an unsync page shows is to be true now. */
void unsync_entry(struct shadow *s, const struct spage *p, unsigned slot);
/* The guest's fault at an entry that is not present. */
void unsync_faulted(struct shadow *s, const struct spage *p);
/* Everything that the current root reaches, or all, is to be true. */
void unsync_flush(struct shadow *s, bool all);
/* child is about to appear in one more place. */
void unsync_linked(struct shadow *s, const struct spage *child);

/* rmap.c */
void rmap_unmake(struct shadow *s, u32 slot, u64 guest);
void rmap_set(struct shadow *s, u32 slot, u64 entry);
void rmap_clear(struct shadow *s, u32 slot);
/* spage_drop_entry() of one made entry of a leaf table, and of all. */
void rmap_clear_leaf(struct shadow *s, struct spage *p, u32 slot);
void rmap_clear_leaves(struct shadow *s, struct spage *p);
void rmap_protect(void *ctx, u64 gfn);
void rmap_unprotect(void *ctx, u64 gfn);
bool rmap_holds(struct shadow *s, u32 slot); /* for audits */

static inline u32 *spage_bucket(const struct shadow *s, u64 gfn)
{
	return &s->hash[(gfn ^ gfn >> 12) & s->hash_mask];
}

static inline struct spage *spage_match(const struct shadow *s, u32 i, u64 gfn)
{
	for (; i; i = s->pages[i].hash_next)
		if (s->pages[i].gfn == gfn && !s->pages[i].role.direct)
			return &s->pages[i];
	return NULL;
}

/* The pages that shadow frame gfn as a table. */
static inline struct spage *spage_first(const struct shadow *s, u64 gfn)
{
	return spage_match(s, *spage_bucket(s, gfn), gfn);
}

static inline struct spage *spage_next(const struct shadow *s,
				       const struct spage *p)
{
	return spage_match(s, p->hash_next, p->gfn);
}

/* Tables are gone through four entries at a time where mostly all are 0. */
static inline u64 four_of(const u64 *entries)
{
	return entries[0] | entries[1] | entries[2] | entries[3];
}

static inline struct leaf_memo *leaf_memo(struct shadow *s, gpa_t gpa)
{
	return &s->memos[(gpa.a >> 11) % LEAF_MEMOS];
}

static inline void leaf_memo_forget(struct shadow *s, u64 gfn)
{
	leaf_memo(s, GPA(gfn << PAGE_SHIFT))->page = NULL;
	leaf_memo(s, GPA((gfn << PAGE_SHIFT) + 2048))->page = NULL;
}

static inline u32 spage_index(const struct shadow *s, const struct spage *p)
{
	return (u32)(p - s->pages);
}

static inline u64 *spage_table(const struct shadow *s, const struct spage *p)
{
	return s->tables + (u64)spage_index(s, p) * SLOTS;
}

static inline u32 spage_slot(const struct shadow *s, const struct spage *p,
			     unsigned i)
{
	return spage_index(s, p) * SLOTS + i;
}

static inline u64 *slot_entry(const struct shadow *s, u32 slot)
{
	if (likely(slot < s->root_slots))
		return &s->tables[slot];
	slot -= s->root_slots;
	return &s->roots[slot / 4].pdpt[slot % 4];
}

static inline bool entry_made(const struct shadow *s, u64 e)
{
	return e && e != s->empty && e != s->empty_root;
}

static inline struct spage *entry_child(const struct shadow *s, u64 entry)
{
	return &s->pages[((entry & PTE_ADDR) - s->tables_hpa.a) >> PAGE_SHIFT];
}

/* 1 to 4, or more for a root's. */
static inline unsigned slot_level(const struct shadow *s, u32 slot)
{
	return slot < s->root_slots ? s->pages[slot / SLOTS].role.level : 5;
}

/* A leaf goes, or lets less pass; the TLB is left as it is. */
void stale_note(struct shadow *s, unsigned level, u64 entry);
/* May the TLB hold a writable translation to the frame? */
bool stale_writable(const struct shadow *s, u64 gfn);
void stale_forget(struct shadow *s); /* everything has been flushed */

static inline bool entry_is_table(unsigned level, u64 entry)
{
	return level > 2 || (level == 2 && !(entry & PTE_PS));
}

/* Bits of linear address below the entries of a table. */
static inline unsigned level_shift(unsigned level)
{
	return PAGE_SHIFT + 9 * (level - 1);
}

static inline unsigned level_index(unsigned level, u64 gva)
{
	return (gva >> level_shift(level)) & (SLOTS - 1);
}

/* Linear address of entry i of a page, canonical. */
static inline u64 spage_gva(const struct spage *p, unsigned i)
{
	u64 gva = p->gva + ((u64)i << level_shift(p->role.level));

	return (u64)sign_extend(gva, 48);
}

/* The page that a 4-level root stands for; NULL: not taken yet. */
static inline struct spage *root_top(const struct shadow *s,
				     const struct root *r)
{
	if (r->mode.format != WALK_4LEVEL || !entry_made(s, r->pdpt[0]))
		return NULL;
	return entry_child(s, r->pdpt[0]);
}

static inline u64 entry_gfn(const struct shadow *s, u64 entry)
{
	return ((entry & PTE_ADDR) - s->gpm->hpa.a) >> PAGE_SHIFT;
}

/* Guest entries are 4 or 8 bytes. */
static inline unsigned role_entry_size(union role role)
{
	return role.format == WALK_32BIT ? 4 : 8;
}

/* Index in the guest's table that entry `slot` of a page stands for. */
static inline unsigned role_guest_index(union role role, unsigned slot)
{
	if (role.format != WALK_32BIT)
		return slot;
	return role.level == 1 ? role.quadrant * 512 + slot
			       : role.quadrant * 256 + slot / 2;
}

#endif
