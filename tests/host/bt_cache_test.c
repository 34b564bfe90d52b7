/* SPDX-License-Identifier: MIT */
/*
 * The block cache: finding, linking, dropping and flushing, with translated
 * blocks that are never run. The stubs are symbols only.
 *
 * LINKS: lib cpu
 * SRCS: bt/translate.c bt/xlate.c bt/rules.c bt/emit.c bt/cache.c bt/mode.c
 * SRCS: bt/gen_ident.c bt/gen_stack.c bt/gen_flow.c bt/gen_store.c bt/gen_system.c bt/gen_segments.c
 */
#include <string.h>

#include "bt/block.h"
#include "tests/host/test.h"

#define CODE_BYTES KIB(32)
#define EIP 0xc0001000u

/* Far from the arena by less than 2 GiB, that is all that matters. */
#define X(name, how) const u8 bt_stub_##name[1] = { 0xcc };
BT_STUBS(X)
#undef X

static u8 code[CODE_BYTES] ALIGNED(16), meta[2 * CODE_BYTES] ALIGNED(16);
static struct bt_targets targets;
static struct bt_cache cache;

static void reset(void)
{
	bt_cache_init(&cache, &(struct bt_cache_config){
		.write = code, .exec = code, .size = sizeof(code),
		.meta = meta, .meta_size = sizeof(meta), .targets = &targets,
	});
}

/* jnz back to `target`, preceded by one inc. */
static struct bt_block *make(u32 eip, u64 gpa, u32 mode, bool self_check)
{
	static const u8 bytes[] = { 0x40, 0x75, 0xfd, 0x90 };
	struct bt_xlate_req req = {
		.gpa = GPA(gpa), .eip = eip, .mode = mode, .bytes = bytes,
		.avail = sizeof(bytes), .self_check = self_check,
	};
	struct bt_block *b;

	if (bt_translate(&cache, &req, &b) != BT_XLATE_OK)
		return NULL;
	bt_cache_insert(&cache, b);
	return b;
}

static struct bt_block *from_of(const struct bt_exit *x)
{
	return bt_at(&cache, x->from);
}

/* Where the rel32 at this offset of the exit's block leads. */
static const u8 *target_at(const struct bt_exit *x, u32 offset)
{
	const struct bt_block *b = from_of(x);
	s32 rel;

	memcpy(&rel, bt_block_code(&cache, b) + offset, sizeof(rel));
	return b->exec + offset + 4 + rel;
}

static bool exit_is(const struct bt_exit *x, u8 opcode, const u8 *target,
		    const u8 *jcc_target)
{
	return bt_block_code(&cache, from_of(x))[x->site] == opcode &&
	       target_at(x, x->site + 1u) == target &&
	       (!x->jcc || target_at(x, x->jcc) == jcc_target);
}

static bool is_unlinked(const struct bt_exit *x)
{
	return !x->to && exit_is(x, 0xe8, bt_stub_link,
				 from_of(x)->exec + x->site);
}

static bool is_linked(const struct bt_exit *x, const struct bt_block *to)
{
	return bt_at(&cache, x->to) == to &&
	       exit_is(x, 0xe9, to->exec, to->exec);
}

static void test_find(void)
{
	struct bt_block *a, *b, *c;

	reset();
	a = make(EIP, 0x1000, 0, false);
	b = make(EIP + 0x1000, 0x1000, 0, false); /* same bytes, mapped twice */
	c = make(EIP, 0x1000, 1, false);
	CHECK(bt_cache_find(&cache, GPA(0x1000), EIP, 0) == a);
	CHECK(bt_cache_find(&cache, GPA(0x1000), EIP + 0x1000, 0) == b);
	CHECK(bt_cache_find(&cache, GPA(0x1000), EIP, 1) == c);
	CHECK(!bt_cache_find(&cache, GPA(0x1001), EIP, 0));
	CHECK(bt_cache_at(&cache, a->exec) == a);
	CHECK(bt_cache_at(&cache, a->exec + a->host_len - 1) == a);
	CHECK(bt_cache_at(&cache, b->exec) == b);
	CHECK(bt_cache_at(&cache, c->exec + 1) == c);
	CHECK(!bt_cache_at(&cache, code + CODE_BYTES - 1));
	CHECK(!bt_cache_at(&cache, code - 1));
	CHECK(bt_cache_exit_at(&cache, a->exec + a->exits[1].site + 5) ==
	      &a->exits[1]);
	CHECK(!bt_cache_exit_at(&cache, a->exec + 1));
}

static void test_link(void)
{
	struct bt_block *a, *b, *c;

	reset();
	a = make(EIP, 0x1000, 0, false);
	b = make(EIP + 16, 0x1010, 0, false);
	c = make(EIP + 32, 0x1020, 0, false);
	CHECK(a->exit_count == 2 && a->exits[1].jcc && !a->exits[0].jcc);
	CHECK(a->exits[0].target == EIP + 3 && a->exits[1].target == EIP);
	CHECK(is_unlinked(&a->exits[0]) && is_unlinked(&a->exits[1]));
	bt_cache_link(&cache, &a->exits[0], b);
	bt_cache_link(&cache, &a->exits[1], a); /* to itself */
	bt_cache_link(&cache, &c->exits[1], b);
	CHECK(is_linked(&a->exits[0], b) && is_linked(&a->exits[1], a));
	CHECK(is_linked(&c->exits[1], b));
	bt_cache_unlink(&cache, b);
	CHECK(is_unlinked(&a->exits[0]) && is_unlinked(&c->exits[1]));
	CHECK(is_linked(&a->exits[1], a) && !b->incoming);
	bt_cache_link(&cache, &c->exits[0], a);
	bt_cache_link(&cache, &a->exits[0], b);
	bt_cache_isolate(&cache, a);
	CHECK(is_unlinked(&a->exits[0]) && is_unlinked(&a->exits[1]));
	CHECK(is_unlinked(&c->exits[0]) && !b->incoming);
	bt_cache_link(&cache, &a->exits[1], a);
	bt_cache_link(&cache, &c->exits[0], a);
	bt_cache_drop_block(&cache, a);
	CHECK(is_unlinked(&a->exits[1]) && is_unlinked(&c->exits[0]));
	bt_cache_link(&cache, &c->exits[0], a); /* dead: refused */
	CHECK(is_unlinked(&c->exits[0]));
}

static void test_drop(void)
{
	u64 space = bt_tag_space(1, 0);
	struct bt_block *a, *b, *c;

	reset();
	a = make(EIP, 0x1000, 0, false);
	b = make(EIP + 16, 0x1010, 0, false);
	c = make(EIP + 32, 0x1020, 0, true);
	bt_cache_target(&cache, space, a);
	bt_cache_target(&cache, space, b);
	CHECK(targets.exec[EIP % BT_TARGETS] == (u64)(uintptr_t)a->exec);
	CHECK(targets.tag[EIP % BT_TARGETS] + (space | EIP) == 0);
	CHECK(bt_cache_drop(&cache, GPA(0x1000 + a->guest_len), 1) == 0);
	CHECK(bt_cache_drop(&cache, GPA(0xfff), 1) == 0);
	CHECK(bt_cache_drop(&cache, GPA(0x1000 + a->guest_len - 1), 1) == 1);
	CHECK(!bt_cache_find(&cache, GPA(0x1000), EIP, 0));
	CHECK(!targets.exec[EIP % BT_TARGETS]);
	CHECK(bt_cache_at(&cache, a->exec) == a, "dead code is still found");
	CHECK(bt_cache_frame_tracked(&cache, 1));
	CHECK(bt_cache_drop(&cache, GPA(0x1000), 0x1000) == 1);
	CHECK(!targets.exec[(EIP + 16) % BT_TARGETS]);
	CHECK(!bt_cache_frame_tracked(&cache, 1), "self-checking only");
	CHECK(bt_cache_find(&cache, GPA(0x1020), EIP + 32, 0) == c);
	bt_cache_drop_block(&cache, c);
	bt_cache_drop_block(&cache, c);
	CHECK(!bt_cache_find(&cache, GPA(0x1020), EIP + 32, 0));
}

static u8 next_bytes[16] = { 0, 0, 0, 0x40 };

static const u8 *next_page(void *ctx, gpa_t *gpa)
{
	*gpa = *(gpa_t *)ctx;
	return next_bytes;
}

/* mov eax, imm32 with its last three bytes at `tail`. */
static struct bt_block *make_straddling(u64 gpa, u64 tail)
{
	static const u8 bytes[] = { 0xb8, 1 };
	gpa_t where = GPA(tail);
	struct bt_xlate_req req = {
		.gpa = GPA(gpa), .eip = EIP + 0xffe, .bytes = bytes,
		.avail = sizeof(bytes), .next_page = next_page, .ctx = &where,
	};
	struct bt_block *b;

	if (bt_translate(&cache, &req, &b) != BT_XLATE_OK)
		return NULL;
	CHECK(b->guest_len == 2 && b->tail_len == 3 && b->insns == 1);
	CHECK(b->exit_count == 1 && b->exits[0].target == EIP + 0x1003);
	bt_cache_insert(&cache, b);
	return b;
}

/* A straddling block is found by either frame, also where both are one. */
static void test_straddling(void)
{
	static const struct { u64 tail, written; unsigned dropped; } rows[] = {
		{ 0x5000, 0x1ffd, 0 }, { 0x5000, 0x1ffe, 1 },
		{ 0x5000, 0x1fff, 1 }, { 0x5000, 0x5000, 1 },
		{ 0x5000, 0x5002, 1 }, { 0x5000, 0x5003, 0 },
		{ 0x5000, 0x2000, 0 }, { 0x1000, 0x1000, 1 },
		{ 0x1000, 0x1003, 0 }, { 0x1000, 0x1fff, 1 },
	};

	for (unsigned n = 0; n < ARRAY_SIZE(rows); n++) {
		struct bt_block *b;
		bool live = !rows[n].dropped;

		reset();
		make(EIP + 0x800, 0x1800, 0, true);
		make(EIP + 0x800, 0x5800, 0, true);
		b = make_straddling(0x1ffe, rows[n].tail);
		CHECK(bt_cache_drop(&cache, GPA(rows[n].written), 1) ==
		      rows[n].dropped, "row %u", n);
		CHECK(bt_cache_frame_tracked(&cache, 1) == live);
		CHECK(bt_cache_frame_tracked(&cache, rows[n].tail >> 12) ==
		      live);
		CHECK(!(b->flags & BT_BLOCK_DEAD) == live);
		make_straddling(0x1ffe, rows[n].tail);
	}
}

/* The list of a frame, while its blocks are dropped. */
static void drop_any(void *ctx, struct bt_block *b)
{
	bt_cache_drop_block(&cache, b);
	++*(unsigned *)ctx;
}

static void test_each(void)
{
	unsigned n = 0;

	reset();
	for (u32 i = 0; i < 4; i++) {
		make(EIP + i, 0x1000 + i, 0, i & 1);
		make_straddling(0x1ffe, i & 2 ? 0x1000 : 0x5000);
	}
	bt_cache_each(&cache, 5, drop_any, &n);
	CHECK(n == 2, "%u", n);
	bt_cache_each(&cache, 1, drop_any, &n);
	CHECK(n == 8, "%u", n);
	bt_cache_each(&cache, 1, drop_any, &n);
	CHECK(n == 8, "%u", n);
}

static unsigned seen;

static void drop_odd(void *ctx, struct bt_block *b)
{
	seen++;
	if (b->eip & 16)
		bt_cache_drop_block(ctx, b);
}

static void test_all(void)
{
	reset();
	for (u32 n = 0; n < 10; n++)
		make(EIP + 0x810 * n, 0x1000 + 0x810 * n, 0, n & 2);
	seen = 0;
	bt_cache_all(&cache, drop_odd, &cache);
	CHECK(seen == 10, "%u", seen);
	seen = 0;
	bt_cache_all(&cache, drop_odd, &cache);
	CHECK(seen == 5, "%u", seen);
}

static void test_full(void)
{
	u32 eip = EIP;

	reset();
	while (make(eip, eip - EIP, 0, false))
		eip += 8;
	CHECK(cache.used <= CODE_BYTES);
	CHECK(cache.used + BT_BLOCK_BYTES > CODE_BYTES ||
	      cache.meta_used > CODE_BYTES);
	for (u32 at = EIP; at < eip; at += 8)
		CHECK(bt_cache_find(&cache, GPA(at - EIP), at, 0));
	bt_cache_flush(&cache);
	CHECK(!bt_cache_find(&cache, GPA(0), EIP, 0) && !cache.used);
	CHECK(make(EIP, 0, 0, false));
}

static void test_map(void)
{
	const struct bt_map *map;
	struct bt_block *b;

	reset();
	b = make(EIP, 0x1000, 0, true);
	map = bt_block_maps(b);
	CHECK(b->insns == 2 && b->guest_len == 3 && b->prefix);
	CHECK(bt_block_boundary(b, b->exec) == &map[0]);
	CHECK(bt_block_map(b, b->exec + b->prefix) == &map[0]);
	CHECK(bt_block_boundary(b, b->exec + b->prefix) == &map[0]);
	CHECK(!bt_block_boundary(b, b->exec + 1));
	CHECK(bt_block_boundary(b, b->exec + map[1].host) == &map[1]);
	CHECK(map[1].guest == 1);
}

/* inc; jz +1; inc; ret: what is not due at each instruction. */
static void test_counts(void)
{
	static const u8 bytes[] = { 0x40, 0x74, 0x01, 0x43, 0xc3 };
	static const unsigned due[] = { 2, 1, 2 + BT_COUNT_LOOK_UP,
					1 + BT_COUNT_LOOK_UP };
	u32 mode = BT_SEG_FLAT << (2 + 2 * SEG_SS);
	struct bt_block *b;

	reset();
	CHECK(bt_translate(&cache, &(struct bt_xlate_req){
		.eip = EIP, .mode = mode, .bytes = bytes, .count = true,
		.avail = sizeof(bytes), .branches = 1 }, &b) == BT_XLATE_OK);
	CHECK(b->insns == 4 && b->counted == 4);
	CHECK(b->flags & BT_BLOCK_LOOKS_UP);
	for (unsigned i = 0; i < 4; i++)
		CHECK(bt_block_uncounted(b, b->exec + MAX(b->prefix,
			bt_block_maps(b)[i].host)) == due[i], "%u", i);
}

/* GS makes a mode of its own only once code addresses through it. */
static void test_mode(void)
{
	struct insn insn = { .has_mem = true, .seg = SEG_GS };
	struct vcpu v;
	u32 flat, mode;

	memset(&v, 0, sizeof(v));
	vcpu_reset_flat32(&v, 0, 0x10, 0x18);
	flat = bt_mode_of(&v);
	v.seg[SEG_GS].base = 0x1000;
	v.seg[SEG_FS].ar = AR_UNUSABLE;
	CHECK(bt_mode_of(&v) == flat && bt_mode_seg(flat, SEG_GS) ==
	      BT_SEG_OTHER && bt_mode_seg(flat, SEG_DS) == BT_SEG_FLAT);
	for (unsigned n = 0; n < 15; n++)
		bt_mode_note_callout(&insn);
	CHECK(bt_mode_of(&v) == flat);
	bt_mode_note_callout(&insn);
	mode = bt_mode_of(&v);
	CHECK(bt_mode_seg(mode, SEG_GS) == BT_SEG_BASED);
	CHECK(bt_mode_seg(mode, SEG_FS) == BT_SEG_OTHER);
	v.seg[SEG_DS].base = 16;
	CHECK(bt_mode_seg(bt_mode_of(&v), SEG_DS) == BT_SEG_BASED);
}

int main(void)
{
	test_mode();
	test_find();
	test_link();
	test_drop();
	test_straddling();
	test_each();
	test_all();
	test_full();
	test_map();
	test_counts();
	return test_end("bt_cache");
}
