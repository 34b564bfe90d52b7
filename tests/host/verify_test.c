/* SPDX-License-Identifier: MIT */
/*
 * The verifier: it accepts whatever the translator emits, refuses a table of
 * corruptions for the right reason, and accepts of random corruptions only
 * what another decoder calls safe (verify_judge.c).
 *
 * LINKS: lib cpu
 * SRCS: bt/translate.c bt/xlate.c bt/rules.c bt/emit.c bt/cache.c bt/mode.c
 * SRCS: bt/gen_ident.c bt/gen_stack.c bt/gen_flow.c bt/gen_store.c bt/gen_system.c bt/gen_segments.c
 * SRCS: bt/stubs.asm bt/verify.c tests/host/verify_judge.c
 * SRCS: tests/host/bt_sandbox.c tests/host/bt_random.c tests/host/bt_enter.asm
 * SYSLIBS: -lZydis
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bt/verify.h"
#include "tests/host/bt_random.h"
#include "tests/host/bt_sandbox.h"
#include "tests/host/test.h"
#include "tests/host/verify_judge.h"

static struct bt_cache *cache = &sb.cache;

static void print_bytes(const u8 *p, unsigned size)
{
	for (unsigned n = 0; n < size; n++)
		printf(" %02x", p[n]);
	printf("\n");
}

/* --- what the translator emits is accepted ------------------------------ */

static bool sometimes(void *ctx, u32 eip)
{
	return !rnd(16);
}

static u32 random_mode(void)
{
	u32 mode = rnd(3);

	for (unsigned n = SEG_ES; n <= SEG_GS; n++)
		if (n != SEG_CS)
			mode |= (rnd(4) ? 2 - rnd(2) : 0) << (2 + 2 * n);
	return mode;
}

static struct bt_block *translate(const u8 *bytes, u32 size)
{
	struct bt_xlate_req req = {
		.gpa = GPA(rnd(64) * PAGE_SIZE), .eip = SB_CODE,
		.mode = rnd(2) ? random_mode() : 0x2aa8, .bytes = bytes,
		.avail = size, .self_check = !rnd(4), .count = !rnd(4),
		.want_callout = rnd(4) ? NULL : sometimes,
		.stores = rnd(2), .filter = rnd(2),
	};
	struct bt_block *b;

	if (bt_translate(cache, &req, &b) == BT_XLATE_OK)
		return b;
	bt_cache_flush(cache);
	if (bt_translate(cache, &req, &b) != BT_XLATE_OK)
		abort();
	return b;
}

static u8 *code_of(const struct bt_block *b)
{
	return bt_block_code(cache, b);
}

static void accept(const u8 *bytes, u32 size)
{
	const struct bt_block *b = translate(bytes, size);
	const char *why = bt_verify(cache, b), *judged;

	CHECK(!why, "refused: %s", why);
	if (why && test_failed <= 50) {
		printf("  guest"), print_bytes(bytes, MIN(size, 20));
		printf("  host "), print_bytes(code_of(b), b->host_len);
	}
	judged = why ? NULL : judge_block(cache, b);
	CHECK(!judged, "judge: %s", judged);
}

/* Any opcode of any map with any prefix and operand. */
static u32 random_insn(u8 *to)
{
	static const u8 prefixes[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e,
				       0x36, 0x3e, 0x26, 0x64, 0x65 };
	u8 *p = to;
	unsigned map = rnd(5);

	while (!rnd(3) && p - to < 3)
		*p++ = prefixes[rnd(rnd(2) ? 5 : sizeof(prefixes))];
	if (map)
		*p++ = 0x0f;
	if (map == 3)
		*p++ = 0x38;
	if (map == 4)
		*p++ = 0x3a;
	for (unsigned n = 0; n < 12; n++)
		*p++ = (u8)rnd(256);
	return (u32)(p - to);
}

static void test_accept_opcodes(unsigned cases)
{
	u8 code[16 + 64];

	while (cases--) {
		u32 size = random_insn(code);

		memset(code + size, 0x90, 4);
		accept(code, size + 4);
	}
}

static void test_accept_sequences(unsigned cases)
{
	static u8 code[4096];

	while (cases--) {
		u32 size;

		sb_reset();
		random_state();
		size = random_code(1 + rnd(24), code);
		accept(code, size);
	}
}

static void test_accept_noise(unsigned cases)
{
	u8 code[256];

	while (cases--) {
		for (unsigned n = 0; n < sizeof(code); n++)
			code[n] = (u8)rnd(256);
		accept(code, sizeof(code));
	}
}

/* --- the table of corruptions ------------------------------------------- */

struct row {
	const char *what, *code, *reason;
};

static const struct row rows[] = {
#include "tests/host/verify_rows.inc"
};

/* The neighbours that rows jump to: live, dead and not inserted. */
static struct bt_block *entry, *dead, *fresh;

static struct bt_block *plain_block(const u8 *code, u32 size)
{
	struct bt_xlate_req req = { .eip = SB_CODE, .mode = 0x2aa8,
				    .bytes = code, .avail = size };
	struct bt_block *b;

	if (bt_translate(cache, &req, &b) != BT_XLATE_OK)
		abort();
	return b;
}

static struct bt_block *small_block(void)
{
	static const u8 code[] = { 0x89, 0xd8, 0x01, 0xc8, 0xc3 };

	return plain_block(code, sizeof(code));
}

struct name {
	const char *name;
	const void *target; /* as rel32 */
	u64 value;          /* else as it is */
};

#define PLAIN(field)                                                      \
	(offsetof(struct vcpu, engine) + offsetof(struct bt_plain, field))

static u64 look_up(const char *name, size_t length, const u8 *next)
{
	const struct name names[] = {
		{ "link", bt_stub_link, 0 },
		{ "callout", bt_stub_callout, 0 },
		{ "store", bt_stub_store, 0 },
		{ "port", bt_stub_port, 0 },
		{ "stale", bt_stub_stale, 0 },
		{ "miss", bt_stub_miss, 0 },
		{ "interp", bt_stub_interp, 0 },
		{ "exit", bt_stub_exit, 0 },
		{ "entry", entry->exec, 0 },
		{ "dead", dead->exec, 0 },
		{ "fresh", fresh->exec, 0 },
		{ "arena", cache->cfg.exec, 0 },
		{ "free", cache->cfg.exec + cache->used + 1024, 0 },
		{ "verify", (const void *)bt_verify, 0 },
		{ "vcpulast", NULL, sizeof(struct vcpu) - 8 },
		{ "vcpuend", NULL, sizeof(struct vcpu) - 7 },
		{ "rip", NULL, offsetof(struct vcpu, rip) },
		{ "cr3", NULL, offsetof(struct vcpu, cr3) },
		{ "attention", NULL, offsetof(struct vcpu, attention) },
		{ "iflag", NULL, PLAIN(iflag) },
		{ "intr", NULL, offsetof(struct vcpu, intr) },
		{ "count", NULL, offsetof(struct vcpu, insn_count) },
		{ "tagspace", NULL, PLAIN(tag_space) },
	};

	for (unsigned n = 0; n < ARRAY_SIZE(names); n++)
		if (strlen(names[n].name) == length &&
		    !strncmp(name, names[n].name, length))
			return names[n].target ?
				       (u64)((const u8 *)names[n].target - next) :
				       names[n].value;
	printf("no such name: %s\n", name);
	exit(1);
}

/* Append what the text says to b. */
static void assemble(struct bt_block *b, const char *text)
{
	while (*text) {
		u8 *to = code_of(b) + b->host_len;
		size_t length = strcspn(text, " ");

		if (*text == '@') {
			size_t word = strcspn(text, " +-");
			u32 v = (u32)look_up(text + 1, word - 1,
					     b->exec + b->host_len + 4);

			v += word < length ? (u32)atoi(text + word) : 0;
			memcpy(to, &v, 4);
			b->host_len += 4;
		} else {
			*to = (u8)strtoul(text, NULL, 16);
			b->host_len++;
		}
		text += length;
		text += strspn(text, " ");
	}
}

static void expect(const char *what, const struct bt_block *b,
		   const char *reason)
{
	const char *why = bt_verify(cache, b);

	if (!reason)
		CHECK(!why, "%s: refused: %s", what, why);
	else
		CHECK(why && strstr(why, reason), "%s: %s, not \"%s\"", what,
		      why ? why : "accepted", reason);
	if (!why)
		CHECK(!judge_block(cache, b), "%s: %s", what,
		      judge_block(cache, b));
}

/* A block to be written by hand, at the end of the cache. */
static struct bt_block *blank_block(void)
{
	struct bt_block *b = small_block();

	b->host_len = 0;
	return b;
}

static void test_rows(void)
{
	struct bt_block *b;

	bt_cache_flush(cache);
	entry = small_block();
	dead = small_block();
	fresh = small_block();
	bt_cache_insert(cache, entry);
	bt_cache_insert(cache, dead);
	bt_cache_drop_block(cache, dead);
	b = blank_block();
	for (unsigned n = 0; n < ARRAY_SIZE(rows); n++) {
		b->host_len = 0;
		assemble(b, rows[n].code);
		assemble(b, "e9 @exit");
		expect(rows[n].what, b, rows[n].reason);
	}
}

static void test_ends(void)
{
	struct bt_block *b = blank_block();

	expect("an empty block", b, "impossible length");
	b->host_len = BT_BLOCK_BYTES + 1;
	expect("an overlong block", b, "impossible length");
	b->host_len = 0;
	assemble(b, "90 e9 @exit");
	for (u16 cut = 2; cut < 6; cut++) {
		b->host_len = cut;
		expect("a cut jump", b, "ends within");
	}
	b->host_len = 1;
	expect("no end", b, "runs on");
	b->host_len = 0;
	assemble(b, "e8 @callout");
	expect("a callout at the end", b, "runs on");
	b->host_len = 0;
	assemble(b, "e8 @port");
	expect("a port at the end", b, "runs on");
	b->host_len = 0;
	assemble(b, "e8 @link");
	expect("a link at the end", b, NULL);
	b->host_len = 0;
	assemble(b, "0f 84 @exit");
	expect("jz at the end", b, "runs on");
	b->host_len = 0;
	assemble(b, "4d 8b 87 @intr 43 c6 84 07 @iflag+1 02");
	expect("sti at the end", b, "runs on");
	b->host_len = 0;
	assemble(b, "e9 @exit 67 66 f0");
	expect("prefixes at the end", b, "ends within");
	b->exec = cache->cfg.exec + cache->cfg.size - 1;
	expect("across the end", b, "does not lie in the cache");
	b->exec = cache->cfg.exec - 1;
	expect("before the cache", b, "does not lie in the cache");
}

/* --- links --------------------------------------------------------------- */

/* Linked, cut and dropped blocks obey the rules still. */
static void test_links(void)
{
	static const u8 code[] = { 0x74, 0x10, 0x90 }; /* jz */
	struct bt_block *from, *to;

	bt_cache_flush(cache);
	from = plain_block(code, sizeof(code));
	to = small_block();
	bt_cache_insert(cache, from);
	bt_cache_insert(cache, to);
	CHECK(from->exit_count == 2);
	bt_cache_link(cache, &from->exits[0], to);
	expect("one link", from, NULL);
	bt_cache_link(cache, &from->exits[1], from);
	expect("a link to itself", from, NULL);
	to->flags |= BT_BLOCK_DEAD;
	expect("a link left to a dead block", from, "neither a stub");
	to->flags &= (u8)~BT_BLOCK_DEAD;
	bt_cache_drop_block(cache, to);
	expect("a link that was cut", from, NULL);
	bt_cache_drop_block(cache, from);
	expect("a dropped block", from, NULL);
}

/* --- random corruptions -------------------------------------------------- */

#define POOL 512
#define BLOCK_MAX 256
#define GUEST_MAX 256

static struct bt_block *pool[POOL];
static unsigned long accepted, refused;

/* Half of them work, half are any instruction that could be. */
static u32 pool_code(u8 *code, bool works)
{
	u32 size = 0;

	if (works) {
		sb_reset();
		random_state();
		return random_code(1 + rnd(3), code);
	}
	for (unsigned n = 1 + rnd(4); n; n--)
		size += random_insn(code + size);
	return size;
}

static void fill_pool(void)
{
	static u8 code[POOL][GUEST_MAX];
	u32 size[POOL];

	for (unsigned n = 0; n < POOL; n++)
		size[n] = pool_code(code[n], n % 2);
	bt_cache_flush(cache);
	for (unsigned n = 0; n < POOL; n++) {
		pool[n] = translate(code[n], size[n]);
		bt_cache_insert(cache, pool[n]);
	}
}

/* Accepted by the verifier: the judge must agree. */
static void try_block(const struct bt_block *b)
{
	const char *why = bt_verify(cache, b), *judged;

	if (why) {
		refused++;
		return;
	}
	accepted++;
	judged = judge_block(cache, b);
	CHECK(!judged, "accepted, but %s", judged);
	if (judged && test_failed <= 50)
		print_bytes(code_of(b), b->host_len);
}

/* Bytes that make or unmake an instruction's meaning. */
static u8 any_byte(void)
{
	static const u8 telling[] = {
		0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x64, 0x65, 0x0f, 0x38, 0x3a,
		0x40, 0x41, 0x44, 0x47, 0x48, 0x4f, 0xc4, 0xc5, 0x62, 0x8f,
		0x24, 0x04, 0x25, 0xe4, 0x3c, 0xff, 0xe8, 0xe9, 0xeb, 0xc7,
	};

	return rnd(3) ? (u8)rnd(256) : telling[rnd(sizeof(telling))];
}

static void mutate(struct bt_block *b)
{
	u32 at = rnd(b->host_len), n;
	u8 *code = code_of(b);

	switch (rnd(8)) {
	case 0: /* one bit */
		code[at] ^= (u8)(1 << rnd(8));
		break;
	case 1: /* a byte goes in, the rest moves up */
		memmove(code + at + 1, code + at, b->host_len - at - 1u);
		code[at] = any_byte();
		break;
	case 2: /* a byte goes out */
		memmove(code + at, code + at + 1, b->host_len - at - 1u);
		break;
	case 3: /* cut short */
		b->host_len = (u16)(1 + rnd(b->host_len));
		break;
	case 4: /* a run of bytes */
		for (n = 1 + rnd(6); n && at < b->host_len; n--, at++)
			code[at] = any_byte();
		break;
	default:
		code[at] = any_byte();
	}
}

static void fuzz_blocks(unsigned cases)
{
	u8 saved[BT_BLOCK_BYTES];

	while (cases--) {
		struct bt_block *b = pool[rnd(POOL)];
		u16 length = b->host_len;

		if (length > BLOCK_MAX)
			continue;
		memcpy(saved, code_of(b), length);
		for (unsigned n = rnd(3) ? 1 : 1 + rnd(4); n; n--)
			mutate(b);
		try_block(b);
		b->host_len = length;
		memcpy(code_of(b), saved, length);
	}
}

/*
 * Instructions of 64-bit mode as such: prefixes, opcode, ModRM and SIB at
 * will. NOPs behind it (their number the hidden length) and a way out.
 */
static void fuzz_insns(unsigned cases)
{
	struct bt_block *b;

	bt_cache_flush(cache);
	b = blank_block();
	while (cases--) {
		u8 *p = code_of(b);
		unsigned map = rnd(6);

		if (rnd(2))
			*p++ = 0x67;
		while (!rnd(3))
			*p++ = "\x66\xf2\xf3\xf0\x66\xf3"[rnd(6)];
		if (rnd(2))
			*p++ = (u8)(0x40 | rnd(16));
		if (map > 2)
			*p++ = 0x0f;
		if (map > 3)
			*p++ = map == 4 ? 0x38 : 0x3a;
		for (unsigned n = 0; n < 4; n++)
			*p++ = (u8)rnd(256);
		memset(p, rnd(4) ? 0x90 : 0, 12);
		b->host_len = (u16)(p + 12 - code_of(b));
		assemble(b, "e9 @exit");
		try_block(b);
	}
}

/* Every opcode with every ModRM, for the forms that a prefix decides. */
static void sweep_insns(void)
{
	static const char *const prefixes[] = {
		"", "67", "67 66", "67 f2", "67 f3", "67 f0", "67 41", "67 44",
		"67 40", "67 48", "67 66 f2 41", "67 f3 4f", "66 f3 47", "41",
	};
	static const char *const maps[] = { "", "0f", "0f 38", "0f 3a" };
	struct bt_block *b;
	u8 *code;

	bt_cache_flush(cache);
	b = blank_block();
	code = code_of(b);
	for (unsigned k = 0; k < ARRAY_SIZE(prefixes) * 4 * 65536; k++) {
		b->host_len = 0;
		assemble(b, prefixes[k >> 18]);
		assemble(b, maps[k >> 16 & 3]);
		code[b->host_len++] = (u8)(k >> 8);
		code[b->host_len++] = (u8)k;
		memset(code + b->host_len, 0x20, 6);
		memset(code + b->host_len + 6, 0x90, 6);
		b->host_len += 12;
		memcpy(code + b->host_len, "\xeb\xfd", 2);
		b->host_len += 2;
		try_block(b);
	}
}

/* --- cost ------------------------------------------------------------------ */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(void)
{
	unsigned long insns = 0;
	double start;

	fill_pool();
	for (unsigned n = 0; n < POOL; n++)
		insns += judge_count(pool[n]);
	start = seconds();
	for (unsigned round = 0; round < 100; round++)
		for (unsigned n = 0; n < POOL; n++)
			CHECK(!bt_verify(cache, pool[n]));
	printf("verify: %.1f ns a host instruction\n",
	       (seconds() - start) * 1e9 / (double)insns / 100);
}

int main(int argc, char **argv)
{
	unsigned scale = argc > 1 ? (unsigned)atoi(argv[1]) : 1;

	if (argc > 2)
		rnd_state ^= strtoull(argv[2], NULL, 0) * 0x9e3779b97f4a7c15ull;
	sb_init();
	test_rows();
	test_ends();
	test_links();
	test_accept_opcodes(100000 * scale);
	test_accept_sequences(3000 * scale);
	test_accept_noise(5000 * scale);
	for (unsigned n = 0; n < 8 * scale; n++) {
		fill_pool();
		fuzz_blocks(100000);
	}
	fuzz_insns(500000 * scale);
	sweep_insns();
	printf("verify: of the corruptions %lu accepted, %lu refused\n",
	       accepted, refused);
	measure();
	return test_end("verify");
}
