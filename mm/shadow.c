/* SPDX-License-Identifier: MIT */
/*
 * The four verbs of the shadow MMU, and when the hardware's TLB is flushed.
 * Every way in is bracketed by shadow_enter() and shadow_leave(), which may
 * nest (a fill sets A bits, which are traced writes); flushes are collected
 * and done once, on the way out.
 */
#include "mm/shadow.h"
#include "lib/string.h"
#include "lib/switches.h"
#include "kernel/host.h"
#include "mm/internal.h"

#define POOL_MIN 64u

static void *array_alloc(u64 count, u64 size)
{
	return palloc(ALIGN_UP(count * size, PAGE_SIZE) / PAGE_SIZE, PAGE_SIZE);
}

static void array_free(void *p, u64 count, u64 size)
{
	if (p)
		palloc_free(p, ALIGN_UP(count * size, PAGE_SIZE) / PAGE_SIZE);
}

static u32 hash_size(u32 pages)
{
	u32 n = 64;

	while (n < pages)
		n *= 2;
	return n;
}

/* Every array, with its length; used to take and to give back. */
static bool arrays(struct shadow *s, bool take)
{
	u64 frames = gpm_frames(s->gpm);
	struct {
		void **at;
		u64 count, size;
	} list[] = {
		{ (void **)&s->tables, s->page_count, PAGE_SIZE },
		{ (void **)&s->pages, s->page_count, sizeof(*s->pages) },
		{ (void **)&s->hash, s->hash_mask + 1ull, sizeof(*s->hash) },
		{ (void **)&s->links, s->root_slots + 4ull * s->root_count,
		  sizeof(*s->links) },
		{ (void **)&s->frame_slots, frames, sizeof(u32) },
		{ (void **)&s->large_slots, frames / SLOTS, sizeof(u32) },
		{ (void **)&s->roots, s->root_count, sizeof(*s->roots) },
		{ (void **)&s->seen, UNSYNC_MAX, PAGE_SIZE },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
		if (!take)
			array_free(*list[i].at, list[i].count, list[i].size);
		else if (!(*list[i].at = array_alloc(list[i].count,
						     list[i].size)))
			return false;
	}
	return true;
}

/* Where an entry that is not made must trap, so must a root's: by page 0. */
static void init_empty(struct shadow *s)
{
	s->empty = PTE_P | s->cfg.trap_bit;
	s->empty_root = s->tables_hpa.a | PTE_P;
	for (unsigned i = 0; i < SLOTS; i++)
		s->tables[i] = s->empty;
}

static void init_pool(struct shadow *s)
{
	s->tables_hpa = host_phys(s->tables);
	if (s->cfg.trap_bit)
		init_empty(s);
	for (u32 i = s->page_count - 1; i; i--) {
		s->pages[i].hash_next = s->free_head;
		s->free_head = i;
	}
	s->free_tail = s->page_count - 1;
	s->epoch = 1;
	s->free_count = s->page_count - 1;
	s->clock = 1;
	for (unsigned i = 0; i < UNSYNC_MAX; i++)
		s->unsync[i].seen = s->seen + i * (PAGE_SIZE / 8);
}

/* Are the walk's tables shadowed at gva, so that no change is missed? */
static bool tables_held(void *ctx, gva_t gva, const struct walk *w)
{
	const struct shadow *s = ctx;
	const struct spage *p;
	u64 e;

	if (!s->current || w->levels != 2 || !switch_on(SWITCH_tlb))
		return false;
	e = s->current->pdpt[gva.a >> 30];
	if (!entry_made(s, e))
		return false;
	p = entry_child(s, e);
	if (p->role.direct || p->gfn != w->table[1].a >> PAGE_SHIFT)
		return false;
	if (w->level == 2)
		return true;
	e = spage_table(s, p)[(gva.a >> 21) & (SLOTS - 1)];
	if (!entry_made(s, e) || !entry_is_table(2, e))
		return false;
	p = entry_child(s, e);
	return !p->role.direct && !p->unsync &&
	       p->gfn == w->table[0].a >> PAGE_SHIFT;
}

struct shadow *shadow_create(const struct shadow_config *config)
{
	struct shadow *s = array_alloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->cfg = *config;
	s->gpm = config->gpm;
	s->track = config->gpm->track;
	s->page_count = MAX(config->pool_pages, POOL_MIN) + 1;
	s->hash_mask = hash_size(s->page_count) - 1;
	s->root_slots = s->page_count * SLOTS;
	s->root_count = root_count_for(s->page_count);
	if (!arrays(s, true)) {
		shadow_destroy(s);
		return NULL;
	}
	init_pool(s);
	if (!root_init(s)) {
		shadow_destroy(s);
		return NULL;
	}
	s->track->protect = rmap_protect;
	if (switch_on(SWITCH_regain))
		s->track->unprotect = rmap_unprotect;
	s->track->protect_ctx = s;
	track_subscriber(s->track, TRACK_SHADOW, shadow_traced, s);
	gtlb_init(&s->tlb);
	s->tlb.keep = tables_held;
	s->tlb.keep_ctx = s;
	s->gpm->tlb = &s->tlb;
	return s;
}

void shadow_destroy(struct shadow *s)
{
	for (u32 i = 1; s->pages && i < s->page_count; i++)
		if (s->pages[i].used && !s->pages[i].role.direct)
			track_remove(s->track, TRACK_SHADOW, s->pages[i].gfn);
	s->gpm->tlb = NULL;
	s->track->protect = s->track->unprotect = NULL;
	track_subscriber(s->track, TRACK_SHADOW, NULL, NULL);
	if (s->roots)
		root_free(s);
	arrays(s, false);
	array_free(s, 1, sizeof(*s));
}

void shadow_flush_all(struct shadow *s)
{
	s->pending = PENDING_MAX + 1;
}

void shadow_flush_one(struct shadow *s, gva_t gva)
{
	if (s->pending < PENDING_MAX)
		s->pending_gva[s->pending++] = gva;
	else
		shadow_flush_all(s);
}

/* The translation that a leaf's slot stands for. */
void shadow_flush_slot(struct shadow *s, u32 slot)
{
	const struct spage *p = &s->pages[slot / SLOTS];

	if (p->several)
		shadow_flush_all(s);
	else
		shadow_flush_one(s, GVA(spage_gva(p, slot % SLOTS)));
}

void stale_note(struct shadow *s, unsigned level, u64 entry)
{
	if (entry_is_table(level, entry))
		return;
	s->stale_large |= level > 1;
	if (!(entry & PTE_W))
		return;
	if (level > 1 || s->stale_count >= STALE_MAX)
		s->stale_count = STALE_MAX + 1;
	else
		s->stale_gfn[s->stale_count++] = entry_gfn(s, entry);
}

bool stale_writable(const struct shadow *s, u64 gfn)
{
	for (unsigned i = 0; i < MIN(s->stale_count, STALE_MAX); i++)
		if (s->stale_gfn[i] == gfn)
			return true;
	return s->stale_count > STALE_MAX;
}

void stale_forget(struct shadow *s)
{
	s->epoch++;
	s->stale_count = 0;
	s->stale_large = s->stale_table = false;
}

void shadow_enter(struct shadow *s)
{
	s->depth++;
}

void shadow_leave(struct shadow *s)
{
	unsigned n = s->pending;

	if (--s->depth || !n)
		return;
	s->pending = 0;
	if (n > PENDING_MAX) {
		stale_forget(s);
		count(CNT_SHADOW_FLUSHES);
	}
	if (!s->cfg.tlb_flush)
		return;
	if (n > PENDING_MAX) {
		s->cfg.tlb_flush(s->cfg.ctx, NULL);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		s->cfg.tlb_flush(s->cfg.ctx, &s->pending_gva[i]);
}

static unsigned error_access(u32 error)
{
	return (error & PFEC_W ? (unsigned)ACC_WRITE : ACC_READ) |
	       (error & PFEC_U ? (unsigned)ACC_USER : 0) |
	       (error & PFEC_I ? (unsigned)ACC_FETCH : 0);
}

/* Only tables in RAM are shadowed: elsewhere writes cannot be seen. */
static bool tables_in_ram(const struct shadow *s, const struct walk *w)
{
	for (unsigned i = w->level - 1u; i < w->levels; i++)
		if (gpm_kind(s->gpm, w->table[i]) != GPM_RAM)
			return false;
	return true;
}

static bool flags_missing(const struct walk *w, unsigned acc)
{
	if ((acc & ACC_WRITE) && !w->dirty)
		return true;
	for (unsigned i = w->level - 1u; i < w->levels; i++)
		if (!(w->entry[i] & PTE_A))
			return true;
	return false;
}

static bool must_emulate_write(struct shadow *s,
			       const struct walk_mode *m, const struct walk *w,
			       bool kernel_write)
{
	u64 gfn = w->gpa.a >> PAGE_SHIFT;

	if (gpm_kind(s->gpm, w->gpa) == GPM_ROM)
		return true;
	if (track_any(s->track, gfn) && !unsync_begin(s, gfn))
		return true;
	/* As a supervisor page it would escape SMAP. */
	return kernel_write && m->smap;
}

/*
 * An access to a descriptor table or TSS falls to SMAP whatever AC says. The
 * error code does not tell it from one that AC lets pass, but it faults again.
 */
static bool smap_ignores_ac(const struct walk_mode *m, const struct walk *w,
			    unsigned acc)
{
	return m->smap && m->ac && w->user && !(acc & (ACC_USER | ACC_FETCH));
}

/*
 * A and D are set only when the access will run: for those that the caller
 * emulates, the emulation's own walk sets them.
 */
static enum shadow_result resolve(struct shadow *s, const struct walk_mode *m,
				  gva_t gva, unsigned acc, struct pagefault *pf,
				  gpa_t *gpa)
{
	bool kernel_write;
	struct walk w;

	if (!gwalk(s->gpm, m, gva, acc, false, &w, pf))
		return SHADOW_GUEST;
	*gpa = w.gpa;
	if (gpm_kind(s->gpm, w.gpa) == GPM_NONE || !tables_in_ram(s, &w)) {
		count(CNT_MMIO);
		return SHADOW_MMIO;
	}
	if (unlikely(guard_on(s)) && guard_access(s, gva, w.gpa, acc))
		return SHADOW_TRACED;
	kernel_write = (acc & ACC_WRITE) && !w.writable && w.user;
	if ((acc & ACC_WRITE) && must_emulate_write(s, m, &w, kernel_write)) {
		count(CNT_TRACED_WRITES);
		return SHADOW_TRACED;
	}
	if (flags_missing(&w, acc))
		gwalk(s->gpm, m, gva, acc, true, &w, pf);
	if (!shadow_fill(s, m, gva, &w, kernel_write) &&
	    smap_ignores_ac(m, &w, acc))
		return SHADOW_TRACED;
	if (unlikely(guard_on(s)) && guard_blocks(s, gva, acc))
		return SHADOW_TRACED;
	count(CNT_HIDDEN_FAULTS);
	return SHADOW_FILLED;
}

/* The page that maps gva, if it is out of sync. */
static const struct spage *unsync_table(const struct shadow *s, gva_t gva)
{
	const struct spage *directory = spage_directory(s, gva), *table;
	u64 e = 0;

	if (directory)
		e = spage_table(s, directory)[level_index(2, gva.a)];
	if (!entry_made(s, e) || !entry_is_table(2, e))
		return NULL;
	table = entry_child(s, e);
	return table->unsync ? table : NULL;
}

/* Hardware asked for a fault that it could have told the guest of by itself,
 * were the table traced. */
static void absent_fault(struct shadow *s, gva_t gva)
{
	const struct spage *table = unsync_table(s, gva);

	if (table)
		unsync_faulted(s, table);
}

/* Linear addresses have 32 bits outside IA-32e mode. */
static gva_t linear(const struct walk_mode *m, gva_t gva)
{
	return m->format == WALK_4LEVEL ? gva : GVA((u32)gva.a);
}

enum shadow_result shadow_fault(struct shadow *s, const struct walk_mode *m,
				gva_t gva, u32 error, struct pagefault *pf,
				gpa_t *gpa)
{
	enum shadow_result result;

	gva = linear(m, gva);
	shadow_enter(s);
	result = resolve(s, m, gva, error_access(error), pf, gpa);
	if (result == SHADOW_GUEST)
		s->faulted = GVA(gva.a & PAGE_MASK);
	if (result == SHADOW_GUEST && !(pf->error & PFEC_P) && s->empty &&
	    unlikely(s->unsync_count))
		absent_fault(s, gva);
	shadow_leave(s);
	return result;
}

const struct spage *spage_directory(const struct shadow *s, gva_t gva)
{
	const struct spage *p;
	unsigned level;
	u64 e;

	if (!s->current)
		return NULL;
	p = root_top(s, s->current);
	if (!p) {
		e = s->current->pdpt[gva.a >> 30 & 3];
		return entry_made(s, e) ? entry_child(s, e) : NULL;
	}
	for (level = 4; level > 2; level--) {
		e = spage_table(s, p)[level_index(level, gva.a)];
		if (!entry_made(s, e))
			return NULL;
		p = entry_child(s, e);
	}
	return p;
}

/* Is the guest's page at gva a large one now? */
static bool guest_large(const struct shadow *s, const struct walk_mode *m,
			gva_t gva)
{
	struct walk_mode any = *m;
	struct pagefault pf;
	struct walk w;

	any.smap = false;
	return gwalk(s->gpm, &any, gva, ACC_READ, false, &w, &pf) &&
	       w.page_shift > PAGE_SHIFT;
}

/*
 * One hardware INVLPG is not enough where the guest's page is, or was, more
 * than one hardware page: a large one made of halves or of 4 KiB entries.
 */
static bool in_large_page(const struct shadow *s, const struct walk_mode *m,
			  gva_t gva)
{
	unsigned i = level_index(2, gva.a);
	const struct spage *directory;
	const u64 *pd;

	if (s->stale_large || (s->stale_table && guest_large(s, m, gva)))
		return true;
	directory = spage_directory(s, gva);
	if (!directory)
		return false;
	pd = spage_table(s, directory);
	for (unsigned n = 0; n < 2; n++) {
		u64 e = pd[i ^ n];

		if (entry_made(s, e) && (!entry_is_table(2, e) ||
			  entry_child(s, e)->role.direct))
			return true;
	}
	return false;
}

/* The mapping of this range may have changed. */
void shadow_unmapped(struct shadow *s, u64 gva, u64 size)
{
	gtlb_drop(&s->tlb, gva, size);
	if (s->cfg.unmapped)
		s->cfg.unmapped(s->cfg.ctx, GVA(gva), size);
}

/* The entry for gva, if its table is out of sync. */
static void sync_one(struct shadow *s, gva_t gva)
{
	const struct spage *table = unsync_table(s, gva);

	if (table)
		unsync_entry(s, table, level_index(1, gva.a));
}

void shadow_invlpg(struct shadow *s, const struct walk_mode *m, gva_t gva)
{
	gva = linear(m, gva);
	shadow_enter(s);
	if (unlikely(s->unsync_count))
		sync_one(s, gva);
	if (in_large_page(s, m, gva)) {
		shadow_flush_all(s);
		shadow_unmapped(s, ALIGN_DOWN(gva.a, MIB(4)), MIB(4));
	} else {
		shadow_flush_one(s, gva);
		shadow_unmapped(s, ALIGN_DOWN(gva.a, PAGE_SIZE), PAGE_SIZE);
	}
	shadow_leave(s);
}

void shadow_flush(struct shadow *s, const struct walk_mode *m, bool global)
{
	shadow_enter(s);
	root_get(s, m);
	if (s->unsync_count)
		unsync_flush(s, global);
	shadow_flush_all(s);
	gtlb_drop_local(&s->tlb);
	if (global)
		shadow_unmapped(s, 0, m->format == WALK_4LEVEL ? ~0ull :
								 GIB(4));
	shadow_leave(s);
}

bool shadow_traps(const struct shadow *s)
{
	return s->cfg.trap_bit;
}

hpa_t shadow_root(struct shadow *s, const struct walk_mode *m)
{
	struct root *r;

	shadow_enter(s);
	r = root_get(s, m);
	shadow_leave(s);
	return root_hpa(s, r);
}
