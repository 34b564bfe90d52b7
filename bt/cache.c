/* SPDX-License-Identifier: MIT */
/*
 * The translation cache: arenas, the hash of blocks, links between blocks and
 * the ways to forget them.
 *
 * Invariants: a live exit with `to` set is a jump and is on to->incoming; every
 * other exit is a call of the link stub. A dead block has neither incoming nor
 * outgoing links, is in no list and in no entry of the target table; its code
 * stays whole until the flush, since it may still be running.
 */
#include "bt/block.h"
#include "bt/cache.h"
#include "lib/string.h"
#include "log.h"

#define META_ALIGN 8u

#define OP_CALL_REL 0xe8
#define OP_JMP_REL  0xe9

static unsigned hash_key(gpa_t gpa, u32 eip, u32 mode)
{
	u64 h = (gpa.a ^ (u64)mode << 40 ^ (u64)eip << 20) *
		0x9e3779b97f4a7c15ull;

	return h >> 40 & (BT_HASH - 1);
}

static unsigned hash_frame(u64 gfn)
{
	return (gfn * 0x9e3779b97f4a7c15ull) >> 40 & (BT_HASH - 1);
}

static void forget_all(struct bt_cache *c)
{
	c->used = 0;
	c->meta_used = META_ALIGN; /* reference 0 is none */
	c->block_count = 0;
	c->order = (u32 *)((u8 *)c->cfg.meta + c->cfg.meta_size);
	memset(c->hash, 0, sizeof(c->hash));
	memset(c->frame, 0, sizeof(c->frame));
	memset(c->cfg.targets, 0, sizeof(*c->cfg.targets));
}

void bt_cache_init(struct bt_cache *c, const struct bt_cache_config *cfg)
{
	c->cfg = *cfg;
	c->cfg.meta_size = ALIGN_DOWN(cfg->meta_size, META_ALIGN);
	c->flushes = 0;
	forget_all(c);
}

void bt_cache_flush(struct bt_cache *c)
{
	c->flushes++;
	forget_all(c);
}

/* Bytes still free between the structures and the order array. */
static u64 meta_free(const struct bt_cache *c)
{
	return (u64)((u8 *)c->order - (u8 *)c->cfg.meta) - c->meta_used;
}

static u64 meta_size(unsigned exits, unsigned maps, bool tail)
{
	return ALIGN_UP(offsetof(struct bt_block, exits) +
			exits * sizeof(struct bt_exit) +
			maps * sizeof(struct bt_map) +
			tail * sizeof(struct bt_frame), META_ALIGN);
}

bool bt_cache_reserve(struct bt_cache *c, struct emit *e)
{
	u64 meta = meta_size(BT_BLOCK_EXITS, BT_BLOCK_INSNS + 1, true) +
		   sizeof(*c->order);

	if (c->cfg.size - c->used < BT_BLOCK_BYTES || meta_free(c) < meta)
		return false;
	emit_init(e, (u8 *)c->scratch, c->cfg.exec + c->used, BT_BLOCK_BYTES);
	return true;
}

/* What lies behind the last word's code is never reached. */
static void copy_code(struct bt_cache *c, u32 len)
{
	u64 *to = (u64 *)(c->cfg.write + c->used);

	for (u32 i = 0; i < (len + 7) / 8; i++)
		to[i] = c->scratch[i];
}

/* The block and what lies behind it, links aside. */
static struct bt_block *make_meta(struct bt_cache *c,
				  const struct bt_block *key,
				  const struct bt_map *map,
				  const struct bt_exit *exits, u64 tail_gfn)
{
	struct bt_block *b = bt_at(c, (u32)c->meta_used);

	*b = *key;
	memcpy(b->exits, exits, b->exit_count * sizeof(*exits));
	memcpy(bt_block_maps(b), map, b->map_count * sizeof(*map));
	b->frame.block = bt_ref(c, b);
	for (unsigned i = 0; i < b->exit_count; i++)
		b->exits[i].from = bt_ref(c, b);
	if (b->tail_len)
		*bt_block_tail(b) = (struct bt_frame){
			.gfn = (u32)tail_gfn, .block = bt_ref(c, b) };
	c->meta_used += meta_size(b->exit_count, b->map_count, b->tail_len);
	return b;
}

struct bt_block *bt_cache_commit(struct bt_cache *c, const struct emit *e,
				 const struct bt_block *key,
				 const struct bt_map *map,
				 const struct bt_exit *exits, u64 tail_gfn)
{
	struct bt_block *b = make_meta(c, key, map, exits, tail_gfn);

	assert(!e->overflow);
	b->exec = e->exec;
	b->host_len = (u16)emit_offset(e);
	copy_code(c, b->host_len);
	c->used += ALIGN_UP(b->host_len, 16);
	*--c->order = bt_ref(c, b);
	c->block_count++;
	return b;
}

struct bt_block *bt_cache_find(struct bt_cache *c, gpa_t gpa, u32 eip, u32 mode)
{
	u64 gfn = gpa.a >> PAGE_SHIFT;
	u32 ref = c->hash[hash_key(gpa, eip, mode)];
	struct bt_block *b;

	for (; (b = bt_at(c, ref)); ref = b->next_hash)
		if (b->eip == eip && b->frame.gfn == gfn && b->mode == mode)
			break;
	return b;
}

static void add_to_frame(struct bt_cache *c, struct bt_frame *f)
{
	u32 *list = &c->frame[hash_frame(f->gfn)];

	f->next = *list;
	*list = bt_ref(c, f);
}

/* Where the list starts that the block is to be found in. */
static u32 *bucket_of(struct bt_cache *c, const struct bt_block *b)
{
	return &c->hash[hash_key(bt_block_gpa(b), b->eip, b->mode)];
}

void bt_cache_insert(struct bt_cache *c, struct bt_block *b)
{
	u32 *h = bucket_of(c, b);

	assert(!(b->flags & (BT_BLOCK_DEAD | BT_BLOCK_INSERTED)));
	b->flags |= BT_BLOCK_INSERTED;
	b->next_hash = *h;
	*h = bt_ref(c, b);
	add_to_frame(c, &b->frame);
	if (b->tail_len)
		add_to_frame(c, bt_block_tail(b));
}

/* Blocks lie in the order array by descending address. */
struct bt_block *bt_cache_at(const struct bt_cache *c, const u8 *exec)
{
	u32 low = 0, high = c->block_count;
	struct bt_block *b;

	while (low < high) {
		u32 mid = (low + high) / 2;

		b = bt_at(c, c->order[mid]);
		if (b->exec <= exec)
			high = mid;
		else
			low = mid + 1;
	}
	if (low == c->block_count)
		return NULL;
	b = bt_at(c, c->order[low]);
	return exec - b->exec < b->host_len ? b : NULL;
}

struct bt_exit *bt_cache_exit_at(const struct bt_cache *c, const u8 *ret)
{
	struct bt_block *b = bt_cache_at(c, ret - 1);

	for (unsigned i = 0; b && i < b->exit_count; i++)
		if (b->exec + b->exits[i].site + 5 == ret)
			return &b->exits[i];
	return NULL;
}

/* The rel32 at this offset of b, so that it leads to target. */
static void patch_rel32(struct bt_cache *c, struct bt_block *b, u32 offset,
			const u8 *target)
{
	u32 rel = (u32)(target - (b->exec + offset + 4));

	memcpy(bt_block_code(c, b) + offset, &rel, sizeof(rel));
}

static void point_exit(struct bt_cache *c, struct bt_exit *x, u8 opcode,
		       const u8 *target)
{
	struct bt_block *b = bt_at(c, x->from);

	bt_block_code(c, b)[x->site] = opcode;
	patch_rel32(c, b, x->site + 1, target);
	if (x->jcc)
		patch_rel32(c, b, x->jcc, opcode == OP_JMP_REL ?
			    target : b->exec + x->site);
}

void bt_cache_link(struct bt_cache *c, struct bt_exit *x, struct bt_block *to)
{
	const struct bt_block *from = bt_at(c, x->from);

	if ((from->flags | to->flags) & BT_BLOCK_DEAD)
		return;
	assert(!x->to);
	x->to = bt_ref(c, to);
	x->next_in = to->incoming;
	to->incoming = bt_ref(c, x);
	point_exit(c, x, OP_JMP_REL, to->exec);
}

static void cut(struct bt_cache *c, struct bt_exit *x)
{
	x->to = 0;
	x->next_in = 0;
	point_exit(c, x, OP_CALL_REL, bt_stub_address(BT_STUB_link));
}

void bt_cache_unlink(struct bt_cache *c, struct bt_block *b)
{
	while (b->incoming) {
		struct bt_exit *x = bt_at(c, b->incoming);

		b->incoming = x->next_in;
		cut(c, x);
	}
}

/* Off the list of those that come to its target. */
static void leave_incoming(struct bt_cache *c, const struct bt_exit *x)
{
	u32 *p = &((struct bt_block *)bt_at(c, x->to))->incoming;

	while (bt_at(c, *p) != x)
		p = &((struct bt_exit *)bt_at(c, *p))->next_in;
	*p = x->next_in;
}

static void unlink_outgoing(struct bt_cache *c, struct bt_block *b)
{
	for (unsigned i = 0; i < b->exit_count; i++) {
		if (!b->exits[i].to)
			continue;
		leave_incoming(c, &b->exits[i]);
		cut(c, &b->exits[i]);
	}
}

void bt_cache_isolate(struct bt_cache *c, struct bt_block *b)
{
	bt_cache_unlink(c, b);
	unlink_outgoing(c, b);
}

static void forget_target(struct bt_cache *c, const struct bt_block *b)
{
	struct bt_targets *t = c->cfg.targets;
	u32 index = b->eip % BT_TARGETS;

	if (t->exec[index] == (u64)(uintptr_t)b->exec)
		t->tag[index] = t->exec[index] = 0;
}

static void remove_from_frame(struct bt_cache *c, const struct bt_frame *f)
{
	u32 *p = &c->frame[hash_frame(f->gfn)];

	while (bt_at(c, *p) != f)
		p = &((struct bt_frame *)bt_at(c, *p))->next;
	*p = f->next;
}

static void remove_from_lists(struct bt_cache *c, const struct bt_block *b)
{
	u32 *p = bucket_of(c, b);

	while (bt_at(c, *p) != b)
		p = &((struct bt_block *)bt_at(c, *p))->next_hash;
	*p = b->next_hash;
	remove_from_frame(c, &b->frame);
	if (b->tail_len)
		remove_from_frame(c, bt_block_tail(b));
}

void bt_cache_drop_block(struct bt_cache *c, struct bt_block *b)
{
	if (b->flags & BT_BLOCK_DEAD)
		return;
	if (b->flags & BT_BLOCK_INSERTED)
		remove_from_lists(c, b);
	bt_cache_isolate(c, b);
	forget_target(c, b);
	b->flags |= BT_BLOCK_DEAD;
}

/*
 * The first block of the frame from *ref on; *ref moves past it, and past its
 * other entry, so that the caller may drop the block. NULL: no more.
 */
static struct bt_block *next_in_frame(const struct bt_cache *c, u32 *ref,
				      u64 gfn)
{
	const struct bt_frame *at = bt_at(c, *ref), *next;

	while (at && at->gfn != gfn)
		at = bt_at(c, at->next);
	if (!at)
		return NULL;
	next = bt_at(c, at->next);
	*ref = next && next->block == at->block ? next->next : at->next;
	return bt_at(c, at->block);
}

void bt_cache_each(struct bt_cache *c, u64 gfn,
		   void (*fn)(void *ctx, struct bt_block *b), void *ctx)
{
	u32 ref = c->frame[hash_frame(gfn)];
	struct bt_block *b;

	while ((b = next_in_frame(c, &ref, gfn)))
		fn(ctx, b);
}

void bt_cache_all(struct bt_cache *c,
		  void (*fn)(void *ctx, struct bt_block *b), void *ctx)
{
	for (u32 i = 0; i < c->block_count; i++) {
		struct bt_block *b = bt_at(c, c->order[i]);

		if (!(b->flags & BT_BLOCK_DEAD))
			fn(ctx, b);
	}
}

static bool overlap(gpa_t a, u32 a_len, gpa_t b, u32 b_len)
{
	return a.a < b.a + b_len && b.a < a.a + a_len;
}

/* Are any of these bytes the block's source? */
static bool holds(const struct bt_block *b, gpa_t gpa, u32 len)
{
	return overlap(gpa, len, bt_block_gpa(b), b->guest_len) ||
	       (b->tail_len &&
		overlap(gpa, len, bt_block_tail_gpa(b), b->tail_len));
}

unsigned bt_cache_drop(struct bt_cache *c, gpa_t gpa, u32 len)
{
	u64 gfn = gpa.a >> PAGE_SHIFT;
	u32 ref = c->frame[hash_frame(gfn)];
	unsigned dropped = 0;
	struct bt_block *b;

	while ((b = next_in_frame(c, &ref, gfn))) {
		if ((b->flags & BT_BLOCK_SELF_CHECK) || !holds(b, gpa, len))
			continue;
		bt_cache_drop_block(c, b);
		dropped++;
	}
	return dropped;
}

bool bt_cache_frame_tracked(const struct bt_cache *c, u64 gfn)
{
	u32 ref = c->frame[hash_frame(gfn)];
	const struct bt_block *b;

	while ((b = next_in_frame(c, &ref, gfn)))
		if (!(b->flags & BT_BLOCK_SELF_CHECK))
			return true;
	return false;
}

void bt_cache_target(struct bt_cache *c, u64 tag_space, struct bt_block *b)
{
	struct bt_targets *t = c->cfg.targets;
	u32 index = b->eip % BT_TARGETS;

	if (b->flags & BT_BLOCK_DEAD)
		return;
	t->tag[index] = -(tag_space | b->eip);
	t->exec[index] = (u64)(uintptr_t)b->exec;
}

const struct bt_map *bt_block_map(const struct bt_block *b, const u8 *exec)
{
	unsigned offset = (unsigned)(exec - b->exec);
	const struct bt_map *map = bt_block_maps(b), *m = NULL;

	for (unsigned i = 0; i < b->map_count; i++)
		if (map[i].host <= offset)
			m = &map[i];
	return m;
}

const struct bt_map *bt_block_boundary(const struct bt_block *b,
				       const u8 *exec)
{
	const struct bt_map *m = bt_block_map(b, exec);

	if (m == bt_block_maps(b) && exec == b->exec + b->prefix)
		return m; /* behind the block's own checks: nothing done yet */
	return m && b->exec + m->host == exec ? m : NULL;
}

bool bt_block_continues(const struct bt_block *b, const u8 *ret, u32 eip)
{
	const struct bt_map *m = bt_block_map(b, ret - 1);

	return m + 1 < bt_block_maps(b) + b->map_count &&
	       b->eip + m[1].guest == eip;
}

unsigned bt_block_uncounted(const struct bt_block *b, const u8 *exec)
{
	const struct bt_map *m = bt_block_map(b, exec);
	unsigned n = 0;

	if (!b->counted || !m || exec < b->exec + b->prefix)
		return 0;
	for (; m < bt_block_maps(b) + b->insns; m++) {
		n += !(m->flags & BT_MAP_CALLOUT);
		if (m->flags & BT_MAP_BRANCH)
			return n;
	}
	return n + (b->flags & BT_BLOCK_LOOKS_UP ? BT_COUNT_LOOK_UP : 0);
}
