/* SPDX-License-Identifier: MIT */
/*
 * A guest machine for tests of the interpreter's privileged half: 1 MiB of
 * flat unpaged memory, a GDT, LDT, IDT and TSSs with one descriptor of each
 * kind, and emu_ops over them. One page can be made to fault, always or for
 * writes only.
 */
#ifndef TESTS_HOST_MACHINE_H
#define TESTS_HOST_MACHINE_H

#include <stdlib.h>
#include <string.h>

#include "cpu/emu_internal.h"
#include "cpu/segment.h"
#include "tests/host/test.h"

#define MEM_SIZE 0x100000u
#define GDT 0x1000u
#define LDT 0x1800u
#define IDT 0x2000u
#define TSS_NOW 0x3000u
#define TSS_OTHER 0x3100u
#define TSS_16 0x3200u
#define CODE 0x10000u
#define HANDLER 0x11000u /* + 16 * vector */
#define STACK0 0x20000u
#define STACK1 0x24000u
#define STACK3 0x28000u
#define FAULT_PAGE 0x50000u

/* Selectors, without RPL. */
enum {
	S_CODE0 = 0x08, S_DATA0 = 0x10, S_CODE3 = 0x18, S_DATA3 = 0x20,
	S_TSS = 0x28, S_LDT = 0x30, S_TSS_OTHER = 0x38, S_TSS16 = 0x40,
	S_CODE16 = 0x48, S_DATA16 = 0x50, S_CONFORM = 0x58, S_CODE1 = 0x60,
	S_DATA1 = 0x68, S_DATA_NP = 0x70, S_CODE_NP = 0x78, S_RO = 0x80,
	S_XO = 0x88, S_GATE = 0x90, S_GATE16 = 0x98, S_TASK_GATE = 0xa0,
	S_GATE_DPL0 = 0xa8, S_DOWN = 0xb0, S_GATE_NP = 0xb8,
	S_TSS_BUSY = 0xc0, S_TSS_SHORT = 0xc8, S_LDT_NP = 0xd0,
	S_GATE_SAME = 0xd8, S_CODE_SMALL = 0xe0, S_DATA3_RO = 0xe8,
	S_TSS_NP = 0xf0, S_STACK16 = 0xf8, S_GATE_CONF = 0x100,
	S_CALLFAR_NULL = 0x108, S_GDT_END = 0x110,
};

struct machine {
	u8 mem[MEM_SIZE];
	bool page_faults; /* FAULT_PAGE is not present */
	bool page_readonly;
	u64 tsc;
	unsigned changed; /* MODE_* seen */
	u64 invlpg;
	u8 vector; /* that intr_ack gives */
	struct vcpu v;
	struct emu e;
};

static struct machine *m;

static bool fake_reach(gva_t gva, unsigned size, unsigned acc,
		       struct pagefault *pf)
{
	if (gva.a + size <= FAULT_PAGE || gva.a >= FAULT_PAGE + PAGE_SIZE)
		return true;
	if (!m->page_faults && !(m->page_readonly && (acc & ACC_WRITE)))
		return true;
	pf->gva = GVA(MAX(gva.a, FAULT_PAGE));
	pf->error = (acc & ACC_WRITE ? PFEC_W : 0) |
		    (acc & ACC_USER ? PFEC_U : 0) |
		    (m->page_faults ? 0 : PFEC_P);
	return false;
}

static bool fake_read(void *ctx, gva_t gva, void *buf, unsigned size,
		      unsigned acc, struct pagefault *pf)
{
	unsigned i;

	if (!fake_reach(gva, size, acc, pf))
		return false;
	for (i = 0; i < size; i++)
		((u8 *)buf)[i] = gva.a + i < MEM_SIZE ? m->mem[gva.a + i] :
							0xff;
	return true;
}

static bool fake_write(void *ctx, gva_t gva, const void *buf, unsigned size,
		       unsigned acc, struct pagefault *pf)
{
	unsigned i;

	if (!fake_reach(gva, size, acc | ACC_WRITE, pf))
		return false;
	for (i = 0; i < size; i++)
		if (gva.a + i < MEM_SIZE)
			m->mem[gva.a + i] = ((const u8 *)buf)[i];
	return true;
}

static bool fake_probe(void *ctx, gva_t gva, unsigned size, unsigned acc,
		       struct pagefault *pf)
{
	return fake_reach(gva, size, acc, pf);
}

static bool fake_fetch(void *ctx, gva_t gva, void *buf, unsigned size,
		       unsigned acc, unsigned *got, struct pagefault *pf)
{
	unsigned left = PAGE_SIZE - (gva.a & (PAGE_SIZE - 1));

	*got = MIN(size, left);
	return fake_read(ctx, gva, buf, *got, acc, pf);
}

static void fake_read_phys(void *ctx, gpa_t gpa, void *buf, unsigned size)
{
	struct pagefault pf;

	fake_read(ctx, GVA(gpa.a), buf, size, 0, &pf);
}

static u32 fake_in(void *ctx, u16 port, unsigned size)
{
	return 0x11111111u * (port & 0xf);
}

static void fake_out(void *ctx, u16 port, unsigned size, u32 value)
{
}

static void fake_invlpg(void *ctx, gva_t gva)
{
	m->invlpg = gva.a;
}

static void fake_mode_changed(void *ctx, unsigned what)
{
	m->changed |= what;
}

static u64 fake_tsc(void *ctx)
{
	return m->tsc;
}

static u8 fake_intr_ack(void *ctx)
{
	m->v.intr = 0;
	return m->vector;
}

static const struct emu_ops fake_ops = {
	fake_read, fake_write, fake_probe, fake_fetch, fake_read_phys,
	fake_in, fake_out, fake_invlpg, fake_mode_changed, fake_tsc,
	fake_intr_ack, NULL,
};

static inline void put8(u32 at, u8 x) { m->mem[at] = x; }
static inline void put16(u32 at, u16 x) { memcpy(m->mem + at, &x, 2); }
static inline void put32(u32 at, u32 x) { memcpy(m->mem + at, &x, 4); }

static inline u16 get16(u32 at)
{
	u16 x;

	memcpy(&x, m->mem + at, 2);
	return x;
}

static inline u32 get32(u32 at)
{
	u32 x;

	memcpy(&x, m->mem + at, 4);
	return x;
}

/* access: type, S, DPL, P; flags: AVL L DB G in bits 0..3. */
static inline void put_desc(u32 at, u32 base, u32 limit, u8 access, u8 flags)
{
	put32(at, (base << 16) | (limit & 0xffff));
	put32(at + 4, (base & 0xff000000) | (u32)flags << 20 |
			      (limit & 0xf0000) | (u32)access << 8 |
			      (base >> 16 & 0xff));
}

static inline void put_gate(u32 at, u16 sel, u32 offset, u8 access, u8 params)
{
	put32(at, (u32)sel << 16 | (offset & 0xffff));
	put32(at + 4, (offset & 0xffff0000) | (u32)access << 8 | params);
}

#define FLAT32 0xc /* G, DB */
#define MAX_LIMIT 0xfffff

static inline void put_gdt(void)
{
	static const struct {
		u16 sel;
		u32 base, limit;
		u8 access, flags;
	} rows[] = {
		{ S_CODE0, 0, MAX_LIMIT, 0x9b, FLAT32 },
		{ S_DATA0, 0, MAX_LIMIT, 0x93, FLAT32 },
		{ S_CODE3, 0, MAX_LIMIT, 0xfa, FLAT32 }, /* not accessed */
		{ S_DATA3, 0, MAX_LIMIT, 0xf2, FLAT32 }, /* not accessed */
		{ S_TSS, TSS_NOW, 0x67, 0x8b, 0 },
		{ S_LDT, LDT, 0x1f, 0x82, 0 },
		{ S_TSS_OTHER, TSS_OTHER, 0x67, 0x89, 0 },
		{ S_TSS16, TSS_16, 0x2b, 0x81, 0 },
		{ S_CODE16, 0, 0xffff, 0x9b, 0 },
		{ S_DATA16, 0, 0xffff, 0x93, 0 },
		{ S_CONFORM, 0, MAX_LIMIT, 0x9f, FLAT32 },
		{ S_CODE1, 0, MAX_LIMIT, 0xbb, FLAT32 },
		{ S_DATA1, 0, MAX_LIMIT, 0xb3, FLAT32 },
		{ S_DATA_NP, 0, MAX_LIMIT, 0x13, FLAT32 },
		{ S_CODE_NP, 0, MAX_LIMIT, 0x1b, FLAT32 },
		{ S_RO, 0, MAX_LIMIT, 0x91, FLAT32 },
		{ S_XO, 0, MAX_LIMIT, 0x99, FLAT32 },
		{ S_DOWN, 0, 0xff, 0x97, 4 },
		{ S_TSS_BUSY, TSS_OTHER, 0x67, 0x8b, 0 },
		{ S_TSS_SHORT, TSS_OTHER, 0x66, 0x89, 0 },
		{ S_LDT_NP, LDT, 0x1f, 0x02, 0 },
		{ S_CODE_SMALL, 0, 0xff, 0x9b, 4 },
		{ S_DATA3_RO, 0, MAX_LIMIT, 0xf1, FLAT32 },
		{ S_TSS_NP, TSS_OTHER, 0x67, 0x09, 0 },
		{ S_STACK16, 0, 0xffff, 0x93, 0 },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		put_desc(GDT + rows[i].sel, rows[i].base, rows[i].limit,
			 rows[i].access, rows[i].flags);
	put_gate(GDT + S_GATE, S_CODE0 | 3, HANDLER, 0xec, 2);
	put_gate(GDT + S_GATE16, S_CODE16, 0x8000, 0xe4, 1);
	put_gate(GDT + S_TASK_GATE, S_TSS_OTHER, 0, 0xe5, 0);
	put_gate(GDT + S_GATE_DPL0, S_CODE0, HANDLER, 0x8c, 0);
	put_gate(GDT + S_GATE_NP, S_CODE0, HANDLER, 0x6c, 0);
	put_gate(GDT + S_GATE_SAME, S_CODE3, HANDLER, 0xec, 5);
	put_gate(GDT + S_GATE_CONF, S_CONFORM, HANDLER, 0xec, 0);
	put_gate(GDT + S_CALLFAR_NULL, 0, HANDLER, 0xec, 0);
	/* LDT: entry 1 is data DPL 3, entry 2 code DPL 0. */
	put_desc(LDT + 8, 0x100, 0xfff, 0xf3, 4);
	put_desc(LDT + 16, 0, MAX_LIMIT, 0x9b, FLAT32);
}

static inline void load_cached(enum sreg seg, u16 sel)
{
	u32 at = (sel & 4 ? LDT : GDT) + (sel & ~7u);
	struct desc d = { get32(at), get32(at + 4), GVA(at) };

	seg_from_desc(&m->v.seg[seg], sel, &d);
}

/* Put the vcpu at a privilege, as if it had always been there. */
static inline void set_cpl(unsigned cpl)
{
	static const u16 code[] = { S_CODE0, S_CODE1, 0, S_CODE3 };
	static const u16 data[] = { S_DATA0, S_DATA1, 0, S_DATA3 };
	static const u32 stack[] = { STACK0, STACK1, 0, STACK3 };
	unsigned i;

	for (i = SEG_ES; i <= SEG_GS; i++)
		load_cached(i, data[cpl] | cpl);
	load_cached(SEG_CS, code[cpl] | cpl);
	m->v.seg[SEG_CS].ar |= AR_ACCESSED;
	m->v.cpl = cpl;
	m->v.gpr[R_SP] = stack[cpl];
}

/* Protected mode at CPL 0, unpaged, with all tables in place. */
static inline void machine_reset(void)
{
	unsigned i;

	if (!m)
		m = calloc(1, sizeof(*m));
	memset(m, 0, sizeof(*m));
	vcpu_reset_flat32(&m->v, CODE, S_CODE0, S_DATA0);
	m->e.v = &m->v;
	m->e.ops = &fake_ops;
	put_gdt();
	m->v.gdtr.base = GDT;
	m->v.gdtr.limit = S_GDT_END - 1;
	m->v.idtr.base = IDT;
	m->v.idtr.limit = 0x7ff;
	for (i = 0; i < 256; i++)
		put_gate(IDT + 8 * i, S_CODE0, HANDLER + 16 * i, 0x8e, 0);
	put32(TSS_NOW + 4, STACK0);
	put16(TSS_NOW + 8, S_DATA0);
	put32(TSS_NOW + 12, STACK1);
	put16(TSS_NOW + 16, S_DATA1 | 1);
	put16(TSS_NOW + 0x66, 0x68);
	load_cached(SEG_TR, S_TSS);
	load_cached(SEG_LDTR, S_LDT);
	set_cpl(0);
}

/* VM86 at CS:IP 1000:0000 (= CODE), SS:SP 2800:0100. */
static inline void set_vm86(unsigned iopl)
{
	static const u16 sel[] = { 0x1111, 0x1000, 0x2800, 0x3333, 0x4444,
				   0x5555 };
	unsigned i;

	m->v.rflags |= EFLAGS_VM | iopl << 12;
	for (i = 0; i < 6; i++)
		seg_make_real(&m->v, &m->v.seg[i], sel[i]);
	m->v.cpl = 3;
	m->v.rip = 0;
	m->v.gpr[R_SP] = 0x100;
}

/* Real mode at 1000:0000, SS:SP 2000:0100, IVT at 0. */
static inline void set_real(void)
{
	static const u16 sel[] = { 0, 0x1000, 0x2000, 0, 0, 0 };
	unsigned i;

	m->v.cr0 &= ~CR0_PE;
	m->v.cpl = 0;
	m->v.idtr.base = 0;
	m->v.idtr.limit = 0x3ff;
	for (i = 0; i < 6; i++) {
		m->v.seg[i].ar = AR_UNUSABLE;
		seg_make_real(&m->v, &m->v.seg[i], sel[i]);
	}
	m->v.rip = 0;
	m->v.gpr[R_SP] = 0x100;
}

/* Place an instruction at CODE and execute it, without delivering its fault. */
static inline bool run_bytes(const void *bytes, unsigned n)
{
	memcpy(m->mem + CODE, bytes, n);
	m->e.no_deliver = true;
	m->e.fault_set = false;
	emu_step(&m->e);
	return !m->e.fault_set;
}

#define RUN(...)                                                          \
	run_bytes((const u8[]){ __VA_ARGS__ },                            \
		  sizeof((const u8[]){ __VA_ARGS__ }))

#define NO_FAULT (-1)

/* Compare what happened with the expected vector (or NO_FAULT) and error. */
static inline void check_fault(const char *name, int vector, u32 error)
{
	int got = m->e.fault_set ? m->e.fault.vector : NO_FAULT;

	CHECK(got == vector, "%s: vector %d, expected %d", name, got, vector);
	if (got == vector && vector != NO_FAULT && m->e.fault.has_error)
		CHECK(m->e.fault.error == error, "%s: error %x, expected %x",
		      name, m->e.fault.error, error);
}

/* The stack's items from `at` on, of `size` bytes each. */
static inline void check_stack(const char *name, u32 at, const u32 *want,
			       unsigned n, unsigned size)
{
	for (unsigned i = 0; i < n; i++) {
		u32 got = size == 4 ? get32(at + 4 * i) : get16(at + 2 * i);

		CHECK(got == want[i], "%s: item %u is %x, expected %x", name, i,
		      got, want[i]);
	}
}

#define STACK_IS(name, at, size, ...)                                     \
	check_stack(name, at, (const u32[]){ __VA_ARGS__ },               \
		    sizeof((const u32[]){ __VA_ARGS__ }) / 4, size)

#endif
