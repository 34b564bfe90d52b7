/* SPDX-License-Identifier: MIT */
/*
 * Events, INT n, IRET and loads of segment registers by bt's short way against
 * the interpreter: at random states, usual and not, either both end alike, or
 * the short way has refused and has changed nothing.
 * LINKS: lib kernel cpu mm
 * SRCS: bt/fast_trap.c bt/fast_seg.c bt/fast_desc.c bt/desc.c bt/tables.c bt/segments.c bt/mode.c
 */
#include "bt/fast.h"
#include "bt/machine.h"
#include "kernel/gdt.h"
#include "mm/track.h"
#include "tests/host/machine.h"

#define TRIALS 20000
#define COMPARED 0x60000u /* of the machine's memory: all that it uses */

/* Symbols only: nothing is translated. */
#define X(name, how) const u8 bt_stub_##name[1] = { 0xcc };
BT_STUBS(X)
#undef X

/* Nor does user code run. */
u64 host_gdt[GDT_ENTRIES];

void gdt_set_ldt(const u64 *table, u32 limit)
{
}

struct bt bt;
static struct stops stops;
static struct track track;
static struct gpm gpm;
static u8 track_bits[MEM_SIZE >> PAGE_SHIFT];
static u64 seed = 88172645463325252ull;

static u32 rnd(u32 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed >> 16) % below;
}

static bool chance(unsigned percent)
{
	return rnd(100) < percent;
}

static u16 any_selector(void)
{
	static const u16 sels[] = {
		0, S_CODE0, S_DATA0, S_CODE3, S_DATA3, S_TSS, S_CODE16,
		S_DATA16, S_CONFORM, S_CODE1, S_DATA1, S_DATA_NP, S_CODE_NP,
		S_RO, S_GATE, S_DOWN, S_CODE_SMALL, S_STACK16, 0xc, 0x14,
		S_GDT_END,
	};

	return sels[rnd(ARRAY_SIZE(sels))] | (u16)rnd(4);
}

/* What is usual, or sometimes anything else. */
static u16 selector(u16 usual)
{
	return chance(90) ? usual : any_selector();
}

static u32 stack_pointer(u32 usual)
{
	static const u32 odd[] = { 0, 4, 0xfff, 0x1004, STACK0 + 2,
				   STACK3 + 8, 0xfffffff0 };

	return chance(85) ? usual - 4 * rnd(2000) : odd[rnd(ARRAY_SIZE(odd))];
}

static u32 flags_image(void)
{
	u32 flags = EFLAGS_MBS | (rnd(1u << 12) & (EFLAGS_ARITH | EFLAGS_IF |
						   EFLAGS_DF));

	if (chance(10))
		flags |= BIT(rnd(22)) & (EFLAGS_TF | EFLAGS_NT | EFLAGS_VM |
					 EFLAGS_RF | EFLAGS_AC | EFLAGS_ID |
					 EFLAGS_IOPL | EFLAGS_VIF);
	return flags;
}

static void mutate_gate(unsigned vector)
{
	static const u8 access[] = { 0x8e, 0x8f, 0xee, 0xef, 0x0e, 0x85,
				     0x86, 0x87, 0x9e };
	u8 usual = chance(50) ? 0xee : 0x8f;

	put_gate(IDT + 8 * vector, selector(S_CODE0), HANDLER + rnd(0x1000),
		 chance(85) ? usual : access[rnd(ARRAY_SIZE(access))], 0);
}

static void mutate_descriptor(u16 sel)
{
	u32 at = GDT + sel + 5;

	if (chance(90))
		m->mem[at] |= 1; /* accessed */
	if (chance(5))
		m->mem[at + 1] ^= (u8)BIT(rnd(8)); /* limit, G, DB */
	if (chance(3))
		m->mem[at] ^= (u8)BIT(rnd(8));
	if (chance(3))
		put16(GDT + sel + 2, (u16)rnd(0x10000));
}

static void mutate_registers(void)
{
	struct vcpu *v = &m->v;

	v->rflags = flags_image();
	if (!chance(95))
		load_cached((enum sreg)rnd(SEG_COUNT - 2), S_CODE1);
	if (!chance(95))
		v->seg[rnd(SEG_COUNT)].ar ^= (u32)BIT(rnd(17));
	if (!chance(97))
		v->idtr.limit = (u16)rnd(0x800);
	if (!chance(97))
		v->gdtr.limit = (u16)rnd(S_GDT_END);
	if (!chance(97))
		v->shadow = (u8)rnd(3);
	if (!chance(97))
		v->db_pending = 1;
	if (!chance(97))
		v->dr[7] = 3;
	if (!chance(97))
		v->seg[SEG_TR].limit = rnd(20);
	if (!chance(97))
		v->sysenter_cs = rnd(4);
	v->nmi_blocked = (u8)rnd(2);
	v->db_dr6 = chance(10) ? rnd(16) : 0;
	v->gpr[R_SP] = stack_pointer((u32)v->gpr[R_SP]);
}

/* An image that IRET finds at ESP. */
static void put_image(void)
{
	bool outward = chance(60);
	u32 at = (u32)m->v.gpr[R_SP];
	const u32 image[] = {
		CODE + rnd(0x100), selector(outward ? S_CODE3 | 3 : S_CODE0),
		flags_image(), stack_pointer(STACK3), selector(S_DATA3 | 3),
	};

	if (at < COMPARED - sizeof(image))
		memcpy(m->mem + at, image, sizeof(image));
}

/* One that MOV finds in AX, and POP at ESP. */
static void put_selector(void)
{
	static const u16 sels[] = { 0, S_DATA0, S_DATA3, S_CODE3 };
	u16 sel = selector(sels[rnd(ARRAY_SIZE(sels))] | (u16)rnd(4));

	m->v.gpr[R_AX] = sel;
	if (m->v.gpr[R_SP] < COMPARED - 4)
		put16((u32)m->v.gpr[R_SP], sel);
}

static void mutate(unsigned vector)
{
	static const u16 used[] = { S_CODE0, S_DATA0, S_CODE3, S_DATA3 };

	set_cpl(chance(60) ? 3 : chance(80) ? 0 : 1);
	mutate_gate(vector);
	for (unsigned i = 0; i < ARRAY_SIZE(used); i++)
		mutate_descriptor(used[i]);
	put32(TSS_NOW + 4, stack_pointer(STACK0));
	put16(TSS_NOW + 8, selector(S_DATA0));
	mutate_registers();
	m->v.sysenter_cs = any_selector();
	m->v.sysenter_eip = CODE + rnd(0x1000);
	m->v.sysenter_esp = STACK0;
	memset(track_bits, 0, sizeof(track_bits));
	if (chance(3))
		track_bits[(STACK0 - 8) >> PAGE_SHIFT] = 1;
	stops.count = chance(3);
}

static struct event any_event(unsigned vector)
{
	static const u8 kinds[] = { EV_INTR, EV_EXCEPTION, EV_EXCEPTION,
				    EV_SOFT_INT, EV_SOFT_EXC };

	return (struct event){
		.vector = (u8)vector, .kind = kinds[rnd(ARRAY_SIZE(kinds))],
		.insn_len = (u8)(1 + rnd(2)), .has_error = chance(40),
		.error = rnd(16), .cr2 = rnd(1u << 31),
	};
}

/* --- Both ways ------------------------------------------------------------ */

enum what { DELIVER, INT, IRET, SYSENTER, SYSEXIT, MOV, POP, WHAT_COUNT };

/* A callout of the load that stands at EIP; RF is clear in the cache. */
static bool load(struct vcpu *v)
{
	u32 mode = bt_mode_of(v);
	struct insn insn;
	bool steady;

	if (!bt_can_translate(v) || (v->rflags & EFLAGS_RF) ||
	    (v->rip & ~PAGE_MASK) > PAGE_SIZE - 8 ||
	    insn_decode(&insn, m->mem + v->rip, 8, 4) != DECODE_OK ||
	    !fast_is_segment_load(&insn, mode) ||
	    !fast_load_segment(v, &insn, &steady))
		return false;
	v->rip += insn.len;
	v->insn_count++;
	CHECK(!steady || bt_mode_of(v) == mode, "the mode has changed");
	return true;
}

static bool shortly(enum what what, const struct event *ev)
{
	switch (what) {
	case DELIVER:
		return fast_deliver(&m->v, ev);
	case INT:
	case SYSENTER:
		return fast_entry(&m->v);
	case MOV:
	case POP:
		return load(&m->v);
	default:
		return fast_return(&m->v);
	}
}

static void by_interpreter(enum what what, const struct event *ev)
{
	if (what == DELIVER)
		emu_deliver(&m->e, ev);
	else
		emu_step(&m->e);
}

/* Padding is nobody's, and notes are bt's alone. */
static void normalise(struct vcpu *v)
{
	memset(bt_plain(v)->held, 0, sizeof(bt_plain(v)->held));
	for (unsigned i = 0; i < SEG_COUNT; i++)
		memset(v->seg[i].pad, 0, sizeof(v->seg[i].pad));
}

static bool same(struct machine *a, struct machine *b)
{
	normalise(&a->v);
	normalise(&b->v);
	return !memcmp(a->mem, b->mem, COMPARED) &&
	       !memcmp(&a->v, &b->v, sizeof(a->v));
}

static void place_code(enum what what, unsigned vector)
{
	static const u8 modrm[] = { 0xc0, 0xd8, 0xe0, 0xe8 }; /* from AX */
	const u8 opcode[] = {
		[INT] = 0xcd, [IRET] = 0xcf, [SYSENTER] = 0x0f,
		[SYSEXIT] = 0x0f, [DELIVER] = 0x90, [MOV] = 0x8e,
		[POP] = chance(50) ? 0x07 : 0x1f,
	};

	m->v.rip = chance(95) ? CODE : CODE + 0xfff;
	put8((u32)m->v.rip, opcode[what]);
	put8((u32)m->v.rip + 1, what == SYSENTER ? 0x34 :
				what == SYSEXIT ? 0x35 :
				what == MOV ? modrm[rnd(4)] : (u8)vector);
	if (chance(3))
		put8((u32)m->v.rip, 0x90);
}

static bool trial(enum what what, struct machine *before,
		  struct machine *after)
{
	unsigned vector = rnd(256);
	struct event ev = any_event(vector);
	bool done;

	machine_reset();
	mutate(vector);
	place_code(what, vector);
	if (what == IRET)
		put_image();
	if (what == MOV || what == POP)
		put_selector();
	*before = *m;
	done = shortly(what, &ev);
	*after = *m;
	CHECK(done || same(before, after), "refused, but not unchanged");
	if (!done)
		return false;
	*m = *before;
	by_interpreter(what, &ev);
	CHECK(same(m, after), "%d vector %x cpl %u: eip %llx or %llx, esp %llx "
	      "or %llx", what, vector, before->v.cpl,
	      (unsigned long long)after->v.rip, (unsigned long long)m->v.rip,
	      (unsigned long long)after->v.gpr[R_SP],
	      (unsigned long long)m->v.gpr[R_SP]);
	return true;
}

int main(void)
{
	struct machine *before = calloc(1, sizeof(*before));
	struct machine *after = calloc(1, sizeof(*after));
	unsigned done[WHAT_COUNT] = { 0 };

	machine_reset();
	track.bits = track_bits;
	track.frames = sizeof(track_bits);
	gpm = (struct gpm){ .base = m->mem, .size = MEM_SIZE, .track = &track };
	bt.env.gpm = &gpm;
	bt.env.v = &m->v;
	bt.env.emu = &m->e;
	bt.env.stops = &stops;
	bt.mode.format = WALK_UNPAGED;
	for (unsigned i = 0; i < TRIALS; i++)
		done[i % WHAT_COUNT] += trial((enum what)(i % WHAT_COUNT),
					      before, after);
	for (unsigned i = 0; i < WHAT_COUNT; i++)
		CHECK(done[i] > TRIALS / WHAT_COUNT / 10, "%u: short %u times",
		      i, done[i]);
	free(before);
	free(after);
	free(m);
	return test_end("fast_trap");
}
