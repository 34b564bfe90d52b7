/* SPDX-License-Identifier: MIT */
/*
 * Blocks for the debugger's eyes: guest code beside its translation, exits and
 * links, runs, and how the block was adapted.
 */
#include "bt/machine.h"
#include "kernel/host.h"
#include "lib/string.h"
#include "mm/gwalk.h"

typedef unsigned long long ull;

/* Source bytes in the block's own page and, for one instruction, the next. */
static unsigned source(const struct bt_block *b, unsigned at, u8 *bytes)
{
	const u8 *own = gpm_ptr(bt.env.gpm, bt_block_gpa(b));
	unsigned n = 0;

	for (; n < INSN_MAX && at + n < b->guest_len; n++)
		bytes[n] = own[at + n];
	for (unsigned i = 0; n < INSN_MAX && i < b->tail_len; i++)
		bytes[n++] = gpm_ptr(bt.env.gpm, bt_block_tail_gpa(b))[i];
	return n;
}

static void print_bytes(const u8 *bytes, unsigned n)
{
	for (unsigned i = 0; i < INSN_MAX; i++)
		console_printf(i < n ? "%02x" : "  ", bytes[i]);
}

static void print_insn(u64 pc, const u8 *bytes, unsigned have, unsigned size,
		       const char *indent)
{
	struct insn insn;
	char text[64] = "?";
	unsigned n = 1;

	if (insn_decode(&insn, bytes, have, size) == DECODE_OK) {
		n = insn.len;
		insn_format(&insn, pc, text, sizeof(text));
	}
	console_printf("%s%llx  ", indent, (ull)pc);
	print_bytes(bytes, n);
	console_printf(" %s\n", text);
}

/* Host code from one map entry to the next. */
static void print_host(const struct bt_block *b, unsigned from, unsigned to)
{
	while (from < to) {
		const u8 *p = bt_block_code(bt.cache, b) + from;
		struct insn insn;
		unsigned left = b->host_len - from;

		print_insn((u64)b->exec + from, p, MIN(left, INSN_MAX), 8,
			   "        ");
		if (insn_decode(&insn, p, MIN(left, INSN_MAX), 8) != DECODE_OK)
			return;
		from += insn.len;
	}
}

static void print_code(const struct bt_block *b)
{
	for (unsigned i = 0; i < b->map_count; i++) {
		const struct bt_map *m = &bt_block_maps(b)[i];
		unsigned end = i + 1 < b->map_count ? m[1].host : b->host_len;
		u8 bytes[INSN_MAX];

		if (i < b->insns) {
			print_insn(b->eip + m->guest, bytes,
				   source(b, m->guest, bytes), 4, "  ");
			if (m->flags & BT_MAP_CALLOUT)
				console_printf("        (called out)\n");
		}
		print_host(b, m->host, end);
	}
}

static void print_exits(const struct bt_block *b)
{
	for (unsigned i = 0; i < b->exit_count; i++) {
		const struct bt_exit *x = &b->exits[i];
		const struct bt_block *to = bt_at(bt.cache, x->to);

		console_printf("  exit to %x: ", x->target);
		if (to)
			console_printf("linked to the block at %llx\n",
				       (ull)to->exec);
		else
			console_printf("not linked\n");
	}
	for (u32 ref = b->incoming; ref;) {
		const struct bt_exit *x = bt_at(bt.cache, ref);
		const struct bt_block *from = bt_at(bt.cache, x->from);

		console_printf("  linked from the block of %x\n", from->eip);
		ref = x->next_in;
	}
}

static bool holds(const struct bt_block *b, u32 eip)
{
	return eip - b->eip < (u32)b->guest_len + b->tail_len;
}

struct shown {
	u32 eip;
	unsigned blocks;
};

static void show_block(void *ctx, struct bt_block *b)
{
	struct shown *s = ctx;

	if (!holds(b, s->eip))
		return;
	s->blocks++;
	console_printf("block %x, gpa %llx, mode %x: %u instructions in %u "
		       "bytes, %u host bytes at %llx\n", b->eip,
		       (ull)bt_block_gpa(b).a, b->mode, b->insns,
		       b->guest_len + b->tail_len, b->host_len, (ull)b->exec);
	if (bt.count_runs)
		console_printf("  runs %u\n", b->uses);
	else
		console_printf("  runs are not counted (tb on)\n");
	console_printf("  adaptations:%s%s\n",
		       b->flags & BT_BLOCK_SELF_CHECK ?
		       " checks its own source" : "",
		       blocks_faulty(b) ? " faulting instructions called out" :
		       b->flags & BT_BLOCK_SELF_CHECK ? "" : " none");
	print_code(b);
	print_exits(b);
}

void bt_show_code(struct vcpu *v, gva_t gva)
{
	struct shown s = { .eip = (u32)gva.a };
	struct pagefault pf;
	struct walk w;

	if (!gwalk(bt.env.gpm, &bt.mode, gva, ACC_FETCH, false, &w, &pf)) {
		console_printf("%llx is not mapped\n", (ull)gva.a);
		return;
	}
	bt_cache_each(bt.cache, w.gpa.a >> PAGE_SHIFT, show_block, &s);
	if (!s.blocks)
		console_printf("no block holds %llx\n", (ull)gva.a);
}
