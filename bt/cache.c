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
	c->meta_used = 0;
	c->block_count = 0;
	c->order = (struct bt_block **)((u8 *)c->cfg.meta + c->cfg.meta_size);
	memset(c->hash, 0, sizeof(c->hash));
	memset(c->frame, 0, sizeof(c->frame));
	memset(c->cfg.targets, 0, sizeof(*c->cfg.targets));
}

void bt_cache_init(struct bt_cache *c, const struct bt_cache_config *cfg)
{
	c->cfg = *cfg;
	c->cfg.meta_size = ALIGN_DOWN(cfg->meta_size, 16);
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

bool bt_cache_reserve(struct bt_cache *c, struct emit *e)
{
	u64 meta = sizeof(struct bt_block) + sizeof(void *) + 16 +
		   (BT_BLOCK_INSNS + 1) * sizeof(struct bt_map) +
		   BT_BLOCK_EXITS * sizeof(struct bt_exit);

	if (c->cfg.size - c->used < BT_BLOCK_BYTES || meta_free(c) < meta)
		return false;
	emit_init(e, (u8 *)c->scratch, c->cfg.exec + c->used, BT_BLOCK_BYTES);
	return true;
}

static void *meta_alloc(struct bt_cache *c, u64 size)
{
	void *p = (u8 *)c->cfg.meta + c->meta_used;

	c->meta_used += ALIGN_UP(size, 8);
	return p;
}

/* What lies behind the last word's code is never reached. */
static u8 *copy_code(struct bt_cache *c, u32 len)
{
	u64 *to = (u64 *)(c->cfg.write + c->used);

	for (u32 i = 0; i < (len + 7) / 8; i++)
		to[i] = c->scratch[i];
	return (u8 *)to;
}

struct bt_block *bt_cache_commit(struct bt_cache *c, const struct emit *e,
				 const struct bt_map *map, unsigned map_count,
				 const struct bt_exit *exits,
				 unsigned exit_count)
{
	struct bt_block *b = meta_alloc(c, sizeof(*b));
	struct bt_map *m = meta_alloc(c, map_count * sizeof(*m));
	struct bt_exit *x = meta_alloc(c, exit_count * sizeof(*x));

	assert(!e->overflow);
	memcpy(m, map, map_count * sizeof(*m));
	memcpy(x, exits, exit_count * sizeof(*x));
	*b = (struct bt_block){
		.write = copy_code(c, emit_offset(e)),
		.exec = e->exec,
		.host_len = (u16)emit_offset(e),
		.map = m,
		.map_count = (u16)map_count,
		.exits = x,
		.exit_count = (u8)exit_count,
	};
	c->used += ALIGN_UP(b->host_len, 16);
	*--c->order = b;
	c->block_count++;
	return b;
}

struct bt_block *bt_cache_find(struct bt_cache *c, gpa_t gpa, u32 eip, u32 mode)
{
	struct bt_block *b = c->hash[hash_key(gpa, eip, mode)];

	while (b && (b->gpa.a != gpa.a || b->eip != eip || b->mode != mode))
		b = b->next_hash;
	return b;
}

static void add_to_frame(struct bt_cache *c, struct bt_block *b,
			 struct bt_frame *f, gpa_t gpa)
{
	struct bt_frame **list = &c->frame[hash_frame(gpa.a >> PAGE_SHIFT)];

	*f = (struct bt_frame){ .gfn = gpa.a >> PAGE_SHIFT, .block = b,
				.next = *list };
	*list = f;
}

void bt_cache_insert(struct bt_cache *c, struct bt_block *b)
{
	struct bt_block **h = &c->hash[hash_key(b->gpa, b->eip, b->mode)];

	assert(!(b->flags & (BT_BLOCK_DEAD | BT_BLOCK_INSERTED)));
	b->flags |= BT_BLOCK_INSERTED;
	b->next_hash = *h;
	*h = b;
	add_to_frame(c, b, &b->frames[0], b->gpa);
	if (b->tail_len)
		add_to_frame(c, b, &b->frames[1], b->tail_gpa);
}

/* Blocks lie in the order array by descending address. */
struct bt_block *bt_cache_at(const struct bt_cache *c, const u8 *exec)
{
	u32 low = 0, high = c->block_count;

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (c->order[mid]->exec <= exec)
			high = mid;
		else
			low = mid + 1;
	}
	if (low == c->block_count)
		return NULL;
	if (exec - c->order[low]->exec >= c->order[low]->host_len)
		return NULL;
	return c->order[low];
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
static void patch_rel32(struct bt_block *b, u32 offset, const u8 *target)
{
	u32 rel = (u32)(target - (b->exec + offset + 4));

	memcpy(b->write + offset, &rel, sizeof(rel));
}

static void point_exit(struct bt_exit *x, u8 opcode, const u8 *target)
{
	struct bt_block *b = x->from;

	b->write[x->site] = opcode;
	patch_rel32(b, x->site + 1, target);
	if (x->jcc)
		patch_rel32(b, x->jcc, opcode == OP_JMP_REL ?
			    target : b->exec + x->site);
}

void bt_cache_link(struct bt_exit *x, struct bt_block *to)
{
	if ((x->from->flags | to->flags) & BT_BLOCK_DEAD)
		return;
	assert(!x->to);
	x->to = to;
	x->next_in = to->incoming;
	to->incoming = x;
	point_exit(x, OP_JMP_REL, to->exec);
}

static void cut(struct bt_exit *x)
{
	x->to = NULL;
	x->next_in = NULL;
	point_exit(x, OP_CALL_REL, bt_stub_address(BT_STUB_link));
}

void bt_cache_unlink(struct bt_block *b)
{
	while (b->incoming) {
		struct bt_exit *x = b->incoming;

		b->incoming = x->next_in;
		cut(x);
	}
}

static void unlink_outgoing(struct bt_block *b)
{
	for (unsigned i = 0; i < b->exit_count; i++) {
		struct bt_exit *x = &b->exits[i], **p;

		if (!x->to)
			continue;
		for (p = &x->to->incoming; *p != x; p = &(*p)->next_in)
			;
		*p = x->next_in;
		cut(x);
	}
}

void bt_cache_isolate(struct bt_block *b)
{
	bt_cache_unlink(b);
	unlink_outgoing(b);
}

static void forget_target(struct bt_cache *c, const struct bt_block *b)
{
	struct bt_targets *t = c->cfg.targets;
	u32 index = b->eip % BT_TARGETS;

	if (t->exec[index] == (u64)(uintptr_t)b->exec)
		t->tag[index] = t->exec[index] = 0;
}

static void remove_from_frame(struct bt_cache *c, struct bt_frame *f)
{
	struct bt_frame **p = &c->frame[hash_frame(f->gfn)];

	for (; *p != f; p = &(*p)->next)
		;
	*p = f->next;
}

static void remove_from_lists(struct bt_cache *c, struct bt_block *b)
{
	struct bt_block **p = &c->hash[hash_key(b->gpa, b->eip, b->mode)];

	for (; *p != b; p = &(*p)->next_hash)
		;
	*p = b->next_hash;
	remove_from_frame(c, &b->frames[0]);
	if (b->tail_len)
		remove_from_frame(c, &b->frames[1]);
}

void bt_cache_drop_block(struct bt_cache *c, struct bt_block *b)
{
	if (b->flags & BT_BLOCK_DEAD)
		return;
	if (b->flags & BT_BLOCK_INSERTED)
		remove_from_lists(c, b);
	bt_cache_isolate(b);
	forget_target(c, b);
	b->flags |= BT_BLOCK_DEAD;
}

/*
 * The first block of the frame from *f on; *f moves past it, and past its
 * other entry, so that the caller may drop the block. NULL: no more.
 */
static struct bt_block *next_in_frame(struct bt_frame **f, u64 gfn)
{
	struct bt_frame *at = *f;

	while (at && at->gfn != gfn)
		at = at->next;
	if (!at)
		return NULL;
	*f = at->next;
	if (*f && (*f)->block == at->block)
		*f = (*f)->next;
	return at->block;
}

void bt_cache_each(struct bt_cache *c, u64 gfn,
		   void (*fn)(void *ctx, struct bt_block *b), void *ctx)
{
	struct bt_frame *f = c->frame[hash_frame(gfn)];
	struct bt_block *b;

	while ((b = next_in_frame(&f, gfn)))
		fn(ctx, b);
}

void bt_cache_all(struct bt_cache *c,
		  void (*fn)(void *ctx, struct bt_block *b), void *ctx)
{
	for (u32 i = 0; i < c->block_count; i++)
		if (!(c->order[i]->flags & BT_BLOCK_DEAD))
			fn(ctx, c->order[i]);
}

static bool overlap(gpa_t a, u32 a_len, gpa_t b, u32 b_len)
{
	return a.a < b.a + b_len && b.a < a.a + a_len;
}

unsigned bt_cache_drop(struct bt_cache *c, gpa_t gpa, u32 len)
{
	u64 gfn = gpa.a >> PAGE_SHIFT;
	struct bt_frame *f = c->frame[hash_frame(gfn)];
	unsigned dropped = 0;
	struct bt_block *b;

	while ((b = next_in_frame(&f, gfn))) {
		if ((b->flags & BT_BLOCK_SELF_CHECK) ||
		    (!overlap(gpa, len, b->gpa, b->guest_len) &&
		     !overlap(gpa, len, b->tail_gpa, b->tail_len)))
			continue;
		bt_cache_drop_block(c, b);
		dropped++;
	}
	return dropped;
}

bool bt_cache_frame_tracked(const struct bt_cache *c, u64 gfn)
{
	const struct bt_frame *f = c->frame[hash_frame(gfn)];

	for (; f; f = f->next)
		if (f->gfn == gfn && !(f->block->flags & BT_BLOCK_SELF_CHECK))
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
	const struct bt_map *m = NULL;

	for (unsigned i = 0; i < b->map_count; i++)
		if (b->map[i].host <= offset)
			m = &b->map[i];
	return m;
}

const struct bt_map *bt_block_boundary(const struct bt_block *b,
				       const u8 *exec)
{
	const struct bt_map *m = bt_block_map(b, exec);

	if (m == b->map && exec == b->exec + b->prefix)
		return m; /* behind the block's own checks: nothing done yet */
	return m && b->exec + m->host == exec ? m : NULL;
}

bool bt_block_continues(const struct bt_block *b, const u8 *ret, u32 eip)
{
	const struct bt_map *m = bt_block_map(b, ret - 1);

	return m + 1 < b->map + b->map_count && b->eip + m[1].guest == eip;
}

unsigned bt_block_uncounted(const struct bt_block *b, const u8 *exec)
{
	const struct bt_map *m = bt_block_map(b, exec);
	unsigned n = 0;

	if (!b->counted || !m || exec < b->exec + b->prefix)
		return 0;
	for (; m < b->map + b->insns; m++) {
		n += !(m->flags & BT_MAP_CALLOUT);
		if (m->flags & BT_MAP_BRANCH)
			return n;
	}
	return n + (b->flags & BT_BLOCK_LOOKS_UP ? BT_COUNT_LOOK_UP : 0);
}
