/* SPDX-License-Identifier: MIT */
/*
 * Which block runs next: looked up, translated, verified; and dropped when the
 * guest writes over its source or remaps it.
 * Invariants: a findable block's frame is write-tracked, or the block checks
 * itself; a block reachable by a link or through the target table lies at the
 * linear page that codemap.c recorded, and that mapping still holds.
 */
#include "bt/adapt.h"
#include "bt/blocks.h"
#include "bt/codemap.h"
#include "bt/machine.h"
#include "bt/verify.h"
#include "kernel/host.h"
#include "kernel/instr.h"
#include "kernel/paging.h"
#include "lib/cost.h"
#include "lib/counters.h"
#include "lib/ring.h"
#include "lib/string.h"
#include "lib/switches.h"
#include "log.h"
#include "mm/track.h"

static struct bt_cache cache;
static u64 generation;
static u32 targets_generation;

struct bt_targets *bt_target_table;

u64 blocks_generation(void)
{
	return generation;
}

/* Code was patched through its other mapping ("Handling Self- and
 * Cross-Modifying Code"). */
void blocks_serialise(void)
{
	serialise();
}

/* A new tag space: every entry of the target table is forgotten at once. */
static void new_targets_generation(void)
{
	if (++targets_generation > BT_GEN_MAX) {
		targets_generation = 1;
		memset(bt_target_table, 0, sizeof(*bt_target_table));
	}
}

/* Blocks are gone and links to them cut. */
static void blocks_changed(void)
{
	generation++;
	blocks_serialise();
}

void blocks_flush(void)
{
	count(CNT_CACHE_FLUSHES);
	ring_add(RING_FLUSH, cache.used, 0);
	bt_cache_flush(&cache);
	blocks_changed();
	codemap_clear();
	new_targets_generation();
}

/* --- coherence --------------------------------------------------------- */

static void untrack_if_empty(u64 gfn)
{
	if (!bt_cache_frame_tracked(&cache, gfn))
		track_remove(bt.env.gpm->track, TRACK_CODE, gfn);
}

static void drop_block(void *ctx, struct bt_block *b)
{
	count(CNT_BLOCKS_DROPPED);
	bt_cache_drop_block(&cache, b);
}

/* A frame that is written all the time: its blocks shall check themselves. */
static void stop_tracking(u64 gfn)
{
	bt_cache_each(&cache, gfn, drop_block, NULL);
	blocks_changed();
	track_remove(bt.env.gpm->track, TRACK_CODE, gfn);
}

/* A frame that was: it is tracked again with its next block. */
static void track_again(u64 gfn)
{
	bt_cache_each(&cache, gfn, drop_block, NULL);
	blocks_changed();
}

void blocks_look_around(void)
{
	adapt_look_around(bt.env.v->insn_count, track_again);
}

static void code_written(void *ctx, gpa_t gpa, const void *old, unsigned size)
{
	u64 gfn = gpa.a >> PAGE_SHIFT;
	const u8 *now = gpm_ptr(bt.env.gpm, gpa);
	unsigned dropped;

	if (now && !memcmp(now, old, size))
		return;
	dropped = bt_cache_drop(&cache, gpa, size);
	count_add(CNT_BLOCKS_DROPPED, dropped);
	if (dropped)
		blocks_changed();
	if (adapt_count_write(gfn, dropped, bt.env.v->insn_count))
		stop_tracking(gfn);
	else
		untrack_if_empty(gfn);
}

/* Walked as a fetch, so A bits and execute permission are as hardware's. */
static bool walk_code(u32 eip, bool set_a, struct walk *w)
{
	struct pagefault pf;

	return gwalk(bt.env.gpm, &bt.mode, GVA(eip), ACC_FETCH, set_a, w, &pf);
}

/* Does eip map to gpa? Then say so in the codemap. */
static bool record_page(u32 eip, gpa_t gpa, bool set_a)
{
	struct walk w;

	return walk_code(eip, set_a, &w) && w.gpa.a == gpa.a &&
	       codemap_add(eip, &w);
}

static bool record_block(const struct bt_block *b, bool set_a)
{
	return record_page(b->eip, bt_block_gpa(b), set_a) &&
	       (!b->tail_len ||
		record_page(next_page_of(b->eip), bt_block_tail_gpa(b), set_a));
}

/* Keep a block that is still found where it was translated, without links
 * into other pages where a CR3 load may now move it. */
static void recheck_block(void *ctx, struct bt_block *b)
{
	if (!record_block(b, false)) {
		drop_block(NULL, b);
		untrack_if_empty(bt_block_gpa(b).a >> PAGE_SHIFT);
		if (b->tail_len)
			untrack_if_empty(bt_block_tail_gpa(b).a >> PAGE_SHIFT);
	} else if (!links_global(b)) {
		bt_cache_isolate(&cache, b);
	}
}

/* Recorded mappings have changed: what relied on them goes. */
static void remap(void)
{
	codemap_clear();
	bt_cache_all(&cache, recheck_block, NULL);
	blocks_changed();
	new_targets_generation();
}

void blocks_invlpg(gva_t gva)
{
	if (!codemap_check_region(gva))
		remap();
}

void blocks_flush_tlb(unsigned what)
{
	static u64 cr0, cr4, efer;
	const struct vcpu *v = bt.env.v;
	bool format = ((v->cr0 ^ cr0) & CR0_PG) ||
		      ((v->cr4 ^ cr4) & (CR4_PSE | CR4_PAE | CR4_SMEP)) ||
		      ((v->efer ^ efer) & EFER_NXE);

	cr0 = v->cr0;
	cr4 = v->cr4;
	efer = v->efer;
	if (format || ((what & MODE_PAGING) && !codemap_check_all()))
		remap();
	else if (codemap_forget_local())
		new_targets_generation();
}

/* --- translation -------------------------------------------------------- */

static bool want_callout(void *ctx, u32 eip)
{
	return adapt_faults(eip);
}

bool blocks_faulty(const struct bt_block *b)
{
	const struct bt_map *map = bt_block_maps(b);

	for (unsigned i = 0; i < b->insns; i++)
		if (adapt_faults(b->eip + map[i].guest))
			return true;
	return false;
}

/* One fault of a REP is one in many iterations: worth nothing to avoid. */
static bool is_repeated(gpa_t gpa)
{
	const u8 *p = gpm_ptr(bt.env.gpm, gpa);

	return p && (*p == 0xf2 || *p == 0xf3);
}

static void drop_at(gpa_t gpa)
{
	count_add(CNT_BLOCKS_DROPPED, bt_cache_drop(&cache, gpa, 1));
	blocks_changed();
}

void blocks_note_fault(u32 eip, gva_t gva)
{
	struct walk w;

	*bt_filter(bt_target_table, (u32)gva.a) = 1;
	if (walk_code(eip, false, &w) && !is_repeated(w.gpa) &&
	    adapt_count_fault(eip))
		drop_at(w.gpa);
}

void blocks_forgive(u32 eip)
{
	struct walk w;

	if (!walk_code(eip, false, &w))
		return;
	adapt_forgive(eip);
	count(CNT_FORGIVEN);
	drop_at(w.gpa);
}

static bool checks_itself(gpa_t gpa)
{
	return adapt_rewritten(gpa.a >> PAGE_SHIFT);
}

static bool want_stop(void *ctx, u32 eip)
{
	const struct stops *s = bt.env.stops;
	const struct bt_xlate_req *req = ctx;
	u64 gpa = req->gpa.a + (eip - req->eip);

	return (stops_page(s, false, eip) &&
		stops_find(s, STOP_EXEC, false, eip, 1)) ||
	       (stops_page(s, true, gpa) &&
		stops_find(s, STOP_EXEC, true, gpa, 1));
}

/* Is there a block at eip, in the page that is being translated? */
static bool is_known(void *ctx, u32 eip)
{
	const struct bt_xlate_req *req = ctx;

	return bt_cache_find(&cache, GPA(req->gpa.a + (eip - req->eip)), eip,
			     req->mode);
}

/* For a straddling instruction, which is about to be fetched. */
static const u8 *next_page(void *ctx, gpa_t *gpa)
{
	const struct bt_xlate_req *req = ctx;
	u32 eip = next_page_of(req->eip);
	struct walk w;

	if (!eip || !walk_code(eip, true, &w) || checks_itself(w.gpa))
		return NULL;
	*gpa = w.gpa;
	return gpm_ptr(bt.env.gpm, w.gpa);
}

/*
 * A refusal is a bug of the translator, and the verifier has just made it
 * harmless: said once, counted, and the code is interpreted.
 */
static bool verified(const struct bt_block *b)
{
	const char *why = bt_verify(&cache, b);

	if (!why)
		return true;
	if (!counters[CNT_REFUSED])
		log_error("translated block for %#x refused by the verifier: %s",
			  b->eip, why);
	count(CNT_REFUSED);
	return false;
}

static void track_block(const struct bt_block *b)
{
	struct track *t = bt.env.gpm->track;

	if (b->flags & BT_BLOCK_SELF_CHECK)
		return;
	track_add(t, TRACK_CODE, bt_block_gpa(b).a >> PAGE_SHIFT);
	if (b->tail_len)
		track_add(t, TRACK_CODE, bt_block_tail_gpa(b).a >> PAGE_SHIFT);
}

static struct bt_block *translate(gpa_t gpa, u32 eip, u32 mode, u32 max_insns)
{
	u64 start = host_tsc();
	struct bt_xlate_req req = {
		.gpa = gpa,
		.eip = eip,
		.mode = mode,
		.bytes = gpm_ptr(bt.env.gpm, gpa),
		.avail = PAGE_SIZE - (u32)(gpa.a & ~PAGE_MASK),
		.self_check = checks_itself(gpa),
		.count = true, /* also for the statistics */
		.max_insns = max_insns,
		.same_flags = bt.env.icount,
		.host_tsc = !bt.env.icount && !bt.env.v->tsc_offset &&
			    switch_on(SWITCH_rdtsc),
		.next_page = next_page,
		.want_callout = want_callout,
		.want_stop = bt.env.stops->count ? want_stop : NULL,
		.stores = switch_on(SWITCH_fast) && !bt.env.icount &&
			  !bt.env.stops->count,
		.filter = switch_on(SWITCH_filter),
		.branches = switch_on(SWITCH_traces) ? BT_BLOCK_BRANCHES : 0,
		.known = is_known,
		.ctx = &req,
	};
	struct bt_block *b;

	if (!req.bytes)
		return NULL;
	if (bt_translate(&cache, &req, &b) == BT_XLATE_FULL) {
		blocks_flush();
		if (bt_translate(&cache, &req, &b) != BT_XLATE_OK)
			panic("a block does not fit an empty cache");
	}
	if (!verified(b))
		return NULL;
	bt_cache_insert(&cache, b);
	track_block(b);
	blocks_serialise();
	count(CNT_BLOCKS);
	count_add(CNT_BLOCK_INSNS, b->insns);
	count_add(CNT_CACHE_BYTES, b->host_len);
	ring_add(RING_BLOCK, eip, b->host_len);
	count_add(CNT_TSC_TRANSLATE, host_tsc() - start);
	cost_end(COST_TRANSLATE, cost_timed ? start : 0);
	return b;
}

/* --- exact counts -------------------------------------------------------- */

/*
 * Blocks retire as a whole, and the shadow of an STI is known only inside
 * them: a stop must not be within one, nor in such a shadow.
 */
static bool block_fits(const struct vcpu *v, const struct bt_block *b)
{
	u64 end = v->insn_count + b->insns;

	if (end == v->insn_stop)
		return !(bt_block_maps(b)[b->map_count - 1].flags &
			 BT_MAP_INHIBIT);
	return end < v->insn_stop;
}

/* A block up to a stop, which serves this one time. */
static struct bt_block *cut;
static u32 cut_flushes; /* cache.flushes at its making */

static void drop_cut(void)
{
	if (cut && cut_flushes == cache.flushes)
		bt_cache_drop_block(&cache, cut);
	cut = NULL;
}

/* The start of `whole`, up to the stop; NULL: interpret. */
static struct bt_block *cut_block(const struct vcpu *v,
				  const struct bt_block *whole)
{
	cut = translate(bt_block_gpa(whole), whole->eip, whole->mode,
			(u32)(v->insn_stop - v->insn_count));
	cut_flushes = cache.flushes;
	return cut && block_fits(v, cut) ? cut : NULL;
}

/*
 * The block at an address whose mapping is recorded, as a link to it would find
 * it: no walk. It is missing from the target table only because another address
 * took its place there.
 */
static struct bt_block *find_recorded(u32 eip, u32 mode)
{
	struct bt_block *b;
	gpa_t gpa;

	if (bt.env.icount || !codemap_gpa(eip, &gpa))
		return NULL;
	b = bt_cache_find(&cache, gpa, eip, mode);
	return b && !b->tail_len ? b : NULL;
}

static struct bt_block *find_block(struct vcpu *v, u32 mode)
{
	u32 eip = (u32)v->rip;
	struct bt_block *b = find_recorded(eip, mode);
	struct walk w;
	bool made;

	count(CNT_DISPATCHES);
	if (b)
		return b;
	drop_cut();
	if (!walk_code(eip, true, &w))
		return NULL;
	b = bt_cache_find(&cache, w.gpa, eip, mode);
	made = !b;
	if (made)
		b = translate(w.gpa, eip, mode, 0);
	if (b && bt.env.icount && !block_fits(v, b))
		b = cut_block(v, b);
	if (b && !record_block(b, true)) {
		if (codemap_full())
			blocks_flush();
		else
			remap(); /* a mapping that was not flushed */
		return NULL;
	}
	if (b && made && !bt.env.icount && !bt.count_runs)
		links_early(b);
	return b;
}

/*
 * With exact counts every block comes from here: none is linked to, none is in
 * the target table.
 */
const u8 *blocks_find_in(struct vcpu *v, u32 mode)
{
	u32 eip = (u32)v->rip;
	u64 space = bt_tag_space(targets_generation, mode);
	u32 index = eip % BT_TARGETS;
	struct bt_block *b;

	bt_plain(v)->tag_space = space;
	if (unlikely(bt.env.observe))
		bt.env.observe(bt.env.observe_ctx);
	if (bt_target_table->tag[index] == -(space | eip))
		return (const u8 *)bt_target_table->exec[index];
	b = find_block(v, mode);
	if (!b)
		return NULL;
	b->uses++;
	if (bt.env.icount || bt.count_runs)
		return b->exec;
	/* translating may have flushed, and with that changed the space */
	space = bt_tag_space(targets_generation, mode);
	bt_plain(v)->tag_space = space;
	if (switch_on(SWITCH_lookup))
		bt_cache_target(&cache, space, b);
	return b->exec;
}

const u8 *blocks_known(struct vcpu *v)
{
	u64 space = bt_tag_space(targets_generation, bt_mode_of(v));
	u32 eip = (u32)v->rip;

	if (bt_target_table->tag[eip % BT_TARGETS] != -(space | eip) ||
	    bt.env.observe)
		return NULL;
	bt_plain(v)->tag_space = space;
	return (const u8 *)bt_target_table->exec[eip % BT_TARGETS];
}

const u8 *blocks_find(struct vcpu *v)
{
	return blocks_find_in(v, bt_mode_of(v));
}

/* --- start --------------------------------------------------------------- */

/* Linux has 1.4 bytes of block structures a byte of code. */
#define META_BYTES(code) ALIGN_UP((code) + (code) / 2, PAGE_SIZE)

void blocks_init(u64 cache_bytes)
{
	u64 size = ALIGN_UP(cache_bytes, PAGE_SIZE);
	u8 *write = palloc(size >> PAGE_SHIFT, PAGE_SIZE);
	void *meta = palloc(META_BYTES(size) >> PAGE_SHIFT, PAGE_SIZE);
	void *exec;

	bt_target_table = palloc(sizeof(*bt_target_table) >> PAGE_SHIFT,
				 PAGE_SIZE);
	if (!write || !meta || !bt_target_table ||
	    !paging_map_exec(write, size, &exec))
		fatal("too little memory for a translation cache of %llu KiB",
		      (unsigned long long)size >> 10);
	bt_cache_init(&cache, &(struct bt_cache_config){
		.write = write, .exec = exec, .size = size,
		.meta = meta, .meta_size = META_BYTES(size),
		.targets = bt_target_table,
	});
	bt.cache = &cache;
	targets_generation = 1;
	track_subscriber(bt.env.gpm->track, TRACK_CODE, code_written, NULL);
}
