/* SPDX-License-Identifier: MIT */
/*
 * Translated blocks, the cache that holds them and the translator that makes
 * them. Pure: no guest memory but the bytes given, no vcpu, no engine.
 *
 * A block is a piece of guest code within one page (or one instruction across
 * two), keyed by guest-physical address, linear EIP and mode; both addresses
 * have the same offset in the page. Code lies in a bump arena that is seen
 * twice: written through one mapping, executed through another. Blocks are
 * dropped singly (unlinked, never reused) and freed by a flush of the whole
 * cache.
 */
#ifndef BT_BLOCK_H
#define BT_BLOCK_H

#include "bt/abi.h"
#include "cpu/insn.h"

/*
 * Mode: what shapes a block besides its bytes.
 * bits 1:0 CPL; bits 2n+3:2n+2 the class of segment register n (ES SS DS FS GS)
 */
enum bt_seg {
	BT_SEG_OTHER, /* limits or rights matter: callouts */
	BT_SEG_BASED, /* writable data, limit 4 GiB - 1, any base */
	BT_SEG_FLAT,  /* the same with base 0 */
};

#define BT_MODE_BITS 14

/* The mode that v is in; see bt_can_translate(). */
u32 bt_mode_of(const struct vcpu *v);
/* This instruction was called out: modes may have to tell more apart. */
void bt_mode_note_callout(const struct insn *insn);

static inline unsigned bt_mode_cpl(u32 mode)
{
	return mode & 3;
}

static inline enum bt_seg bt_mode_seg(u32 mode, enum sreg seg)
{
	return (enum bt_seg)(mode >> (2 + 2 * seg) & 3);
}

/* MOV m32, r32 or imm32: how kernels write page tables. */
static inline bool bt_is_store(const struct insn *i)
{
	return i->op == OP_MOV && i->opnd[0].kind == OPK_MEM &&
	       i->opnd[0].size == 4 && i->addr_size == 4 &&
	       (i->opnd[1].kind == OPK_REG || i->opnd[1].kind == OPK_IMM);
}

/*
 * Translated code runs for protected mode, not VM86, CPL 0-2, 32-bit CS with
 * base 0 and limit 4 GiB - 1, 32-bit SS, TF = 0, no breakpoint enabled in DR7,
 * no event shadow. Everything else is the interpreter's.
 */
bool bt_can_translate(const struct vcpu *v);

/*
 * Host offset in a block -> guest instruction. Sorted by host; one a guest
 * instruction, and one for the state after the last one where the block falls
 * through. Entry 0 has host 0: prefix code (self-check, counting) is the first
 * instruction's. A fault rolls back to its entry; an event rolls forward to an
 * address that is exactly an entry's. The exits of a branch have no entry: an
 * event there steps on, into the next block or into bt_stub_link.
 */
struct bt_map {
	u32 host : 13;  /* offset of the first host instruction */
	u32 guest : 13; /* that of the guest's, from the block's eip */
	u32 flags : 6;  /* BT_MAP_* */
};

#define BT_MAP_INHIBIT BIT(0) /* boundary before it is in a STI/MOV SS shadow */
#define BT_MAP_CALLOUT BIT(1) /* the instruction is a callout */
#define BT_MAP_BRANCH  BIT(2) /* a Jcc that the block runs on behind */

/*
 * The structures of blocks name each other by reference: the offset in the
 * arena that they lie in, 0 for none. bt_at() and bt_ref() convert.
 */

/* A direct exit: `call bt_stub_link` until linked, then `jmp rel32`. */
struct bt_exit {
	u32 target;  /* linear EIP */
	u32 from;    /* its block */
	u32 to;      /* the block that it is linked to */
	u32 next_in; /* next exit on that one's `incoming` */
	u16 site;    /* offset of the five bytes */
	u16 jcc;     /* offset of the Jcc's rel32 that leads here; 0: none */
};

#define BT_BLOCK_SELF_CHECK BIT(0) /* checks its own source bytes at entry */
#define BT_BLOCK_DEAD       BIT(1) /* dropped: its code may still be running */
#define BT_BLOCK_INSERTED   BIT(2)
#define BT_BLOCK_LOOKS_UP   BIT(3) /* ends in a look-up in the target table */

/* A block among those of a frame; `next` is in the same hash bucket. */
struct bt_frame {
	u32 gfn;
	u32 block;
	u32 next;
};

/*
 * Behind a block lie its exits, its map, and for source bytes in a second page
 * their frame.
 */
struct bt_block {
	const u8 *exec;
	u32 eip;
	u32 uses;      /* free for the engine */
	u16 mode;
	u16 guest_len; /* source bytes in the page of eip */
	u16 host_len;
	u16 prefix;    /* host bytes of self-check and counting, at the start */
	u8 tail_len;   /* source bytes in the next linear page: if there are
			* any, the block is one instruction alone */
	u8 insns;      /* guest instructions */
	u8 counted;    /* of them, how many the block adds to v->insn_count */
	u8 flags;      /* BT_BLOCK_* */
	u8 map_count;
	u8 exit_count;
	u32 incoming;  /* the first exit that is linked here */
	u32 next_hash; /* block */
	struct bt_frame frame;
	struct bt_exit exits[];
};

static inline struct bt_map *bt_block_maps(const struct bt_block *b)
{
	return (struct bt_map *)(b->exits + b->exit_count);
}

/* Only where there is a tail. */
static inline struct bt_frame *bt_block_tail(const struct bt_block *b)
{
	return (struct bt_frame *)(bt_block_maps(b) + b->map_count);
}

static inline gpa_t bt_block_gpa(const struct bt_block *b)
{
	return GPA((u64)b->frame.gfn << PAGE_SHIFT | (b->eip & ~PAGE_MASK));
}

/* Of the source bytes in the next linear page. */
static inline gpa_t bt_block_tail_gpa(const struct bt_block *b)
{
	return GPA((u64)bt_block_tail(b)->gfn << PAGE_SHIFT);
}

/* Number of guest instructions in a block at most. */
#define BT_BLOCK_INSNS 64
/* Conditional branches that a block may run on behind, and exits, at most. */
#define BT_BLOCK_BRANCHES 4
#define BT_BLOCK_EXITS    (BT_BLOCK_BRANCHES + 2)
/* Host bytes of a block at most. */
#define BT_BLOCK_BYTES 8192

_Static_assert(sizeof(struct bt_map) == 4 && BT_BLOCK_BYTES <= 1u << 13 &&
	       PAGE_SIZE < 1u << 13, "what a map entry has to say fits it");

/* ---- the cache (bt/cache.c) ---- */

#define BT_HASH 8192

struct bt_cache_config {
	u8 *write;       /* the code arena, writable mapping */
	const u8 *exec;  /* the same, executable mapping */
	u64 size;
	void *meta;      /* for block structures: 1.5 * size serves Linux */
	u64 meta_size;
	struct bt_targets *targets; /* zeroed; r14 */
};

struct bt_cache {
	struct bt_cache_config cfg;
	u64 used, meta_used;
	u32 block_count;
	u32 flushes;
	u32 *order; /* every block by address, grows downwards */
	u32 hash[BT_HASH];
	u32 frame[BT_HASH];
	/* Blocks are made here and copied in whole words: a store to a page
	 * that holds code costs a dear check under an emulator. */
	u64 scratch[BT_BLOCK_BYTES / sizeof(u64)];
};

/* What a reference names; NULL for 0. */
static inline void *bt_at(const struct bt_cache *c, u32 ref)
{
	return ref ? (u8 *)c->cfg.meta + ref : NULL;
}

static inline u32 bt_ref(const struct bt_cache *c, const void *p)
{
	return p ? (u32)((const u8 *)p - (const u8 *)c->cfg.meta) : 0;
}

/* The block's code, to be written. */
static inline u8 *bt_block_code(const struct bt_cache *c,
				const struct bt_block *b)
{
	return c->cfg.write + (b->exec - c->cfg.exec);
}

void bt_cache_init(struct bt_cache *c, const struct bt_cache_config *cfg);

/* The live block for this key; NULL: none. */
struct bt_block *bt_cache_find(struct bt_cache *c, gpa_t gpa, u32 eip,
			       u32 mode);
/* Make a translated block findable (after the verifier has accepted it). */
void bt_cache_insert(struct bt_cache *c, struct bt_block *b);
/* The block, live or dead, whose code holds this host address; NULL: none. */
struct bt_block *bt_cache_at(const struct bt_cache *c, const u8 *exec);
/* The exit whose `call bt_stub_link` returns to ret; NULL: none. */
struct bt_exit *bt_cache_exit_at(const struct bt_cache *c, const u8 *ret);

/* Turn the exit into a jump to `to`. Nothing if the exit's block is dead. The
 * caller serialises. */
void bt_cache_link(struct bt_cache *c, struct bt_exit *exit,
		   struct bt_block *to);
/* Cut every direct jump into b; they come to bt_on_link again. */
void bt_cache_unlink(struct bt_cache *c, struct bt_block *b);
/* Cut those out of b as well. */
void bt_cache_isolate(struct bt_cache *c, struct bt_block *b);

/* Drop what overlaps [gpa, gpa + len), within one frame: cut off from links,
 * hash and target table. Self-checking blocks stay. Returns how many. */
unsigned bt_cache_drop(struct bt_cache *c, gpa_t gpa, u32 len);
/* Drop one block, self-checking or not. */
void bt_cache_drop_block(struct bt_cache *c, struct bt_block *b);
/* Does the frame hold live blocks that rely on write tracking? */
bool bt_cache_frame_tracked(const struct bt_cache *c, u64 gfn);
/* Call fn for every live block of a frame; fn may drop it. */
void bt_cache_each(struct bt_cache *c, u64 gfn,
		   void (*fn)(void *ctx, struct bt_block *b), void *ctx);
/* Call fn for every live block of all frames; fn may drop it. */
void bt_cache_all(struct bt_cache *c,
		  void (*fn)(void *ctx, struct bt_block *b), void *ctx);
/* Forget everything, target table included. No block may be running. */
void bt_cache_flush(struct bt_cache *c);

/* Let indirect branches find the block in this tag space. */
void bt_cache_target(struct bt_cache *c, u64 tag_space, struct bt_block *b);

/* The map entry of a host address in b: the last one at or before it. */
const struct bt_map *bt_block_map(const struct bt_block *b, const u8 *exec);
/* Is this address the first host instruction of a guest instruction (or of
 * the block's fall-through exit)? Then NULL is not returned. */
const struct bt_map *bt_block_boundary(const struct bt_block *b,
				       const u8 *exec);
/*
 * For bt_on_callout: may the code behind the call go on if the guest is now at
 * `eip`? (That is the instruction after the one called out.)
 */
bool bt_block_continues(const struct bt_block *b, const u8 *ret, u32 eip);

/*
 * A counting block adds to the counts (r13) at its entry, and behind each Jcc
 * that it runs on behind, the instructions up to the next such Jcc or its end,
 * but for those with BT_MAP_CALLOUT: the interpreter counts them; and the look-up
 * that it may end in.
 * Whoever leaves a block at `exec` takes off what is not due: the counted
 * instructions from the one at `exec` on. bt_on_callout, when it does not
 * return behind the call, takes off that of ret - 1; when it does, it takes
 * off one if that instruction has no BT_MAP_CALLOUT (STI and POPF in their
 * rare case), which has then been counted twice.
 */
unsigned bt_block_uncounted(const struct bt_block *b, const u8 *exec);

/* ---- the translator (bt/translate.c) ---- */

struct bt_xlate_req {
	gpa_t gpa;
	u32 eip;
	u32 mode;
	const u8 *bytes; /* source bytes at gpa */
	u32 avail;       /* how many, to the end of the page */
	bool self_check; /* every instruction that may store then ends the block */
	bool count;      /* add the translated instructions to v->insn_count */
	u32 max_insns;   /* 0: as many as there is room for */
	/* Does the debugger stop at it? Then the interpreter has to see it. */
	bool (*want_stop)(void *ctx, u32 eip); /* NULL: nowhere */
	bool host_tsc; /* RDTSC shows what the guest is to see */
	bool same_flags; /* call out what leaves flags that CPUs differ in */
	/*
	 * May be NULL. The bytes of the next linear page, if they can be
	 * fetched, and where they lie. Asked for only when the instruction at
	 * eip needs them.
	 */
	const u8 *(*next_page)(void *ctx, gpa_t *gpa);
	/* May be NULL. True: make the instruction at eip a callout. */
	bool (*want_callout)(void *ctx, u32 eip);
	bool stores; /* and if it is such a store, or a port, by its own stub */
	bool filter; /* but only where its page is filtered */
	/* Run on behind so many Jcc, up to BT_BLOCK_BRANCHES, but not into an
	 * address of which `known` (may be NULL) says that it has a block. */
	u8 branches;
	bool (*known)(void *ctx, u32 eip);
	void *ctx;
};

enum bt_xlate_result { BT_XLATE_OK, BT_XLATE_FULL };

/*
 * Make a block from at least one instruction. It is not inserted. FULL: the
 * arena is full, nothing was made; flush and try again.
 */
enum bt_xlate_result bt_translate(struct bt_cache *c,
				  const struct bt_xlate_req *req,
				  struct bt_block **block);

#endif
