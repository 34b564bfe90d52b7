/* SPDX-License-Identifier: MIT */
/*
 * The interpreter against the real CPU: random operands, flags and addressing
 * forms over the integer instructions, executed in 32-bit compatibility mode
 * in this process. Registers, flags, memory, the branch taken and faults
 * (vector, error code, CR2) must agree. Undefined flags are masked.
 *
 * LINKS: lib cpu
 */
#include "tests/host/native_cpu.h"

#include "cpu/emu.h"
#include "tests/host/native_row.h"
#include "tests/host/test.h"

#define CASES 300000

static const struct row rows[] = {
#define ROW(...) { __VA_ARGS__ },
#include "tests/host/native_rows.inc"
#undef ROW
};

/* --- The interpreter ------------------------------------------------- */

/* First byte in gva..gva+size-1 that may not be accessed so, or ~0. */
static u32 first_bad(u32 gva, unsigned size, bool write)
{
	u32 end = write ? RO_AT : DATA + DATA_SIZE;

	if (gva < DATA || gva >= end)
		return gva;
	return gva + size > end ? end : ~0u;
}

static bool fake_access(u32 gva, unsigned size, bool write,
			struct pagefault *pf)
{
	u32 bad = first_bad(gva, size, write);
	bool present = bad >= RO_AT && bad < DATA + DATA_SIZE;

	if (bad == ~0u)
		return true;
	pf->gva = GVA(bad);
	pf->error = PFEC_U | (write ? PFEC_W : 0) | (present ? PFEC_P : 0);
	return false;
}

static bool fake_read(void *ctx, gva_t gva, void *buf, unsigned size,
		      unsigned acc, struct pagefault *pf)
{
	if (!fake_access((u32)gva.a, size, acc & ACC_WRITE, pf))
		return false;
	memcpy(buf, shadow + (gva.a - DATA), size);
	return true;
}

static bool fake_write(void *ctx, gva_t gva, const void *buf, unsigned size,
		       unsigned acc, struct pagefault *pf)
{
	if (!fake_access((u32)gva.a, size, true, pf))
		return false;
	memcpy(shadow + (gva.a - DATA), buf, size);
	return true;
}

static bool fake_probe(void *ctx, gva_t gva, unsigned size, unsigned acc,
		       struct pagefault *pf)
{
	return fake_access((u32)gva.a, size, true, pf);
}

static bool fake_fetch(void *ctx, gva_t gva, void *buf, unsigned size,
		       unsigned acc, unsigned *got, struct pagefault *pf)
{
	memcpy(buf, (void *)(uintptr_t)gva.a, size);
	*got = size;
	return true;
}

static const struct emu_ops ops = {
	.read = fake_read, .write = fake_write, .probe = fake_probe,
	.fetch = fake_fetch,
};

/* Protected mode, or compatibility mode: it must make no difference. */
static void interp_init(struct vcpu *v)
{
	static bool compatibility;

	vcpu_reset_flat32(v, ENTRY, 0x23, 0x2b);
	compatibility = !compatibility;
	if (compatibility) {
		v->cr0 |= CR0_PG;
		v->cr4 |= CR4_PAE;
		v->efer = EFER_LME | EFER_LMA;
	}
	v->cpl = 3;
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		v->seg[i].ar |= AR_DPL;
}

static void run_interp(struct state *s)
{
	static struct vcpu v;
	struct emu e = { .v = &v, .ops = &ops, .no_deliver = true };

	interp_init(&v);
	for (unsigned r = 0; r < 8; r++)
		v.gpr[r] = s->gpr[r];
	v.rflags = s->eflags;
	emu_step(&e);
	for (unsigned r = 0; r < 8; r++)
		s->gpr[r] = (u32)v.gpr[r];
	s->eflags = (u32)v.rflags;
	s->path = v.rip == TARGET_AT;
	s->fault = v.insn_count || e.repeat ? 0 : e.fault.vector + 1u;
	s->error = e.fault.error;
	s->cr2 = (u32)e.fault.cr2;
}

/* --- Random cases ---------------------------------------------------- */

static u32 value(void)
{
	static const u32 special[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff,
				       0x8000, 0xffff, 0x7fffffff, 0x80000000,
				       0xffffffff, 0x99, 0xf };

	if (one_in(3))
		return special[rnd() % ARRAY_SIZE(special)];
	return rnd() >> (one_in(2) ? 0 : rnd() % 32);
}

/* Mostly well inside the data, now and then over the edge of a page. */
static u32 data_address(void)
{
	if (one_in(24))
		return RO_AT - 10 + rnd() % 16;
	if (one_in(60))
		return DATA + DATA_SIZE - 6 + rnd() % 12;
	return DATA + 0x300 + rnd() % 0x1a00;
}

struct test_case {
	const struct row *row;
	struct state in;
	unsigned size; /* operand size */
	u8 opcode, modrm;
	bool memory;
};

/* Any reg but those in `not`, for addressing. */
static unsigned pick_reg(unsigned not_a, unsigned not_b)
{
	unsigned r;

	do {
		r = rnd() & 7;
	} while (r == not_a || r == not_b);
	return r;
}

static void put_memory(struct test_case *c, unsigned reg)
{
	unsigned form = rnd() % 5, busy = c->row->flags & BITOFF ? reg : 8;
	unsigned base = pick_reg(busy, 4), index = pick_reg(base, 4);
	u32 at = data_address(), disp = form == 2 ? rnd() : (u32)(s8)rnd();
	u32 scaled;

	if (form == 0 && base == 5)
		form = 1;
	if (form == 3 || form == 0)
		disp = 0;
	if (form < 3)
		c->in.gpr[base] = at - disp;
	switch (form) {
	case 3: /* disp32 */
		put(1, reg << 3 | 5);
		put(4, at);
		break;
	case 4: /* base + index * scale + disp8 */
		if (one_in(3))
			base = 4;
		if (index == busy || base == 4)
			index = 4;
		scaled = rnd() & 3;
		c->in.gpr[base] = at - disp -
				  (index == 4 ? 0 : c->in.gpr[index] << scaled);
		put(1, 0x40 | reg << 3 | 4);
		put(1, scaled << 6 | index << 3 | base);
		put(1, disp);
		break;
	default:
		put(1, form << 6 | reg << 3 | base);
		put(form == 2 ? 4 : form, disp);
	}
}

static void put_modrm16(unsigned reg)
{
	unsigned mod = rnd() % 3, rm = rnd() & 7;

	put(1, mod << 6 | reg << 3 | rm);
	put(mod ? mod : rm == 6 ? 2 : 0, rnd());
}

static void put_modrm(struct test_case *c)
{
	const struct row *row = c->row;
	unsigned reg = row->modrm == REG ? rnd() & 7 : (unsigned)row->modrm;
	unsigned rm = rnd() & 7;

	if (row->flags & BITOFF)
		c->in.gpr[reg] = (u32)((s32)rnd() >> 19);
	if (row->flags & MEM16) {
		put_modrm16(reg);
		return;
	}
	c->memory = (row->flags & MEM) ||
		    (one_in(2) && !(row->flags & TARGET));
	if (c->memory) {
		put_memory(c, reg);
		return;
	}
	if ((row->flags & (STACK | TARGET)) && rm == 4)
		rm = 0;
	if (row->flags & TARGET)
		c->in.gpr[rm] = TARGET_AT;
	put(1, 0xc0 | reg << 3 | rm);
}

/* 16-bit SHLD and SHRD by more than 16 differ from CPU to CPU. */
static bool count_below_16(const struct test_case *c)
{
	return (c->row->flags & COUNT) && c->row->map && c->size == 2;
}

static void put_imm(struct test_case *c)
{
	if (count_below_16(c)) {
		c->in.gpr[1] &= ~0x10u;
		put(c->row->imm, value() & ~0x10u);
		return;
	}
	switch (c->row->imm) {
	case IMM_Z:
		put(c->size, value());
		break;
	case IMM_ENTER:
		put(2, rnd() & 63);
		put(1, one_in(2) ? 0 : rnd() & 7);
		break;
	case IMM_REL:
		put(4, TARGET_AT - (here() + 4));
		break;
	case IMM_REL8:
		put(1, TARGET_AT - (here() + 1));
		break;
	case 2:
		put(2, rnd() & 0xff);
		break;
	default:
		put(c->row->imm, value());
	}
}

static void put_opcode(struct test_case *c)
{
	const struct row *row = c->row;

	c->size = row->flags & V ? 4 : 1;
	c->opcode = row->opcode;
	if ((row->flags & W) && one_in(2)) {
		c->size = 4;
		c->opcode++;
	}
	if (row->flags & R8)
		c->opcode |= rnd() & 7;
	if (row->flags & CC)
		c->opcode |= rnd() & 15;
	if (c->size == 4 && one_in(3)) {
		put(1, 0x66);
		c->size = 2;
	}
	if (row->prefix)
		put(1, row->prefix);
	if (row->map)
		put(1, 0x0f);
	if (row->map > 0x0f)
		put(1, row->map);
	put(1, c->opcode);
}

static void set_stack(struct test_case *c)
{
	u32 *gpr = c->in.gpr;
	u32 at;

	gpr[4] = data_address();
	if (c->row->flags & FRAME)
		gpr[5] = gpr[4] + (one_in(10) ? 0x4000 : rnd() % 128);
	at = gpr[4] - DATA;
	if (!(c->row->flags & RETURN))
		return;
	if (at <= 0x1ffc)
		memcpy(data + at, &(u32){ TARGET_AT }, 4);
	else
		gpr[4] = DATA + DATA_SIZE - 2;
}

/* Short runs of few values, so that compares go on for a while. */
static void set_string(struct test_case *c)
{
	u32 *gpr = c->in.gpr;

	gpr[6] = data_address();
	gpr[7] = one_in(4) ? gpr[6] + rnd() % 16 : data_address();
	gpr[1] = rnd() % 100;
	for (unsigned i = 0; i < 64; i++) {
		data[rnd() % 0x2000] = 0;
		data[(gpr[6] + i - DATA) % 0x2000] = one_in(20);
		data[(gpr[7] + i - DATA) % 0x2000] = one_in(20);
	}
	if (one_in(2))
		gpr[0] = 0;
	if (one_in(3))
		c->in.eflags |= DF;
	if (!one_in(4))
		put(1, one_in(2) ? 0xf2 : 0xf3);
}

static void set_registers(struct test_case *c)
{
	u32 *gpr = c->in.gpr, flags = c->row->flags;

	for (unsigned r = 0; r < 8; r++)
		gpr[r] = value();
	c->in.eflags = 0x202 | (rnd() & ARITH);
	if ((flags & DIVIDE) && one_in(2))
		gpr[2] = one_in(2) ? 0 : (u32)((s32)gpr[0] >> 31);
	if ((flags & DIVIDE) && one_in(2))
		gpr[0] &= 0x0fff;
	if (flags & SMALLCX)
		gpr[1] = rnd() % 3 | (one_in(4) ? 0x10000 : 0);
	if (flags & XLAT)
		gpr[3] = data_address();
	if (flags & STACK)
		set_stack(c);
}

/* Now and then what the accumulator is compared with is there. */
static void plant_equal(struct test_case *c)
{
	if (one_in(2))
		for (unsigned i = 0; i < 0x2000; i += 8) {
			memcpy(data + i, &c->in.gpr[0], 4);
			memcpy(data + i + 4, &c->in.gpr[2], 4);
		}
}

static u32 shift_undefined(const struct test_case *c, unsigned count)
{
	unsigned kind = (c->modrm >> 3) & 7;
	bool rotate = !c->row->map && kind < 4;
	u32 mask = 0;

	if (!count)
		return 0;
	if (count != 1)
		mask |= OF;
	if (!rotate)
		mask |= AF;
	if (!rotate && count >= 8 * c->size)
		mask |= CF;
	return mask;
}

static u32 undefined_flags(const struct test_case *c, const u8 *end)
{
	const struct row *row = c->row;
	unsigned count = end[-1];

	if (!(row->flags & COUNT))
		return row->undefined;
	if (row->opcode == 0xd0)
		count = 1;
	else if (!row->imm)
		count = c->in.gpr[1];
	return shift_undefined(c, count & 31);
}

static void report(const struct test_case *c, const struct state *got,
		   const struct state *want, const u8 *end)
{
	printf("%s:", c->row->text);
	for (const u8 *p = (u8 *)(uintptr_t)ENTRY; p < end; p++)
		printf(" %02x", *p);
	printf("\n  in   ");
	for (unsigned r = 0; r < 8; r++)
		printf("%08x ", c->in.gpr[r]);
	printf("%08x\n  want ", c->in.eflags);
	for (unsigned r = 0; r < 8; r++)
		printf("%08x ", want->gpr[r]);
	printf("%08x path %u fault %d err %x cr2 %x\n  got  ", want->eflags,
	       want->path, (int)want->fault - 1, want->error, want->cr2);
	for (unsigned r = 0; r < 8; r++)
		printf("%08x ", got->gpr[r]);
	printf("%08x path %u fault %d err %x cr2 %x\n", got->eflags, got->path,
	       (int)got->fault - 1, got->error, got->cr2);
}

/* CMPS with both sides unreadable: CPUs differ in which they read first. */
static bool same_fault(const struct test_case *c, const struct state *a,
		       const struct state *b)
{
	if (a->fault != b->fault)
		return false;
	if (a->fault != VEC_PF + 1)
		return true;
	return a->error == b->error &&
	       (a->cr2 == b->cr2 || c->row->opcode == 0xa6);
}

/* A CPU may have pushed part of a frame before it faults; we never do. */
static bool same_memory(const struct test_case *c, const struct state *s)
{
	return (s->fault && (c->row->flags & STACK)) ||
	       !memcmp(shadow, data, 0x2000);
}

/* Likewise a faulting POPA may have loaded part of the registers. */
static bool same_registers(const struct test_case *c, const struct state *a,
			   const struct state *b)
{
	return (a->fault && c->row->opcode == 0x61) ||
	       !memcmp(a->gpr, b->gpr, sizeof(a->gpr));
}

static bool same(const struct test_case *c, const struct state *a,
		 const struct state *b, u32 undefined)
{
	u32 mask = a->fault ? DF : (ARITH | DF) & ~undefined;

	return same_fault(c, a, b) && a->path == b->path &&
	       same_registers(c, a, b) &&
	       !((a->eflags ^ b->eflags) & mask) && same_memory(c, a);
}

static void run_case(const struct row *row)
{
	struct test_case c = { .row = row };
	struct state got, want;
	const u8 *end;
	bool ok;

	code_at = (u8 *)(uintptr_t)ENTRY;
	set_registers(&c);
	if (row->flags & STRING)
		set_string(&c);
	if (row->flags & SAME)
		plant_equal(&c);
	if (one_in(8) && (row->flags & LOCK))
		put(1, 0xf0);
	put_opcode(&c);
	c.modrm = 0;
	if (row->modrm != NO_RM) {
		const u8 *at = code_at;

		put_modrm(&c);
		c.modrm = *at;
	}
	put_imm(&c);
	end = code_at;
	put(1, 0xe9);
	put(4, exit_after - (here() + 4));

	memcpy(shadow, data, 0x2000);
	got = want = c.in;
	run_interp(&got);
	run_native(&want);
	ok = same(&c, &got, &want, undefined_flags(&c, end));
	if (!ok && test_failed < 20)
		report(&c, &got, &want, end);
	CHECK(ok, "%s", row->text);
}

int main(void)
{
	bool all = host_is_new();

	map_low(CODE, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
	map_low(DATA, DATA_SIZE, PROT_READ | PROT_WRITE);
	for (unsigned i = 0; i < DATA_SIZE; i++)
		data[i] = (u8)rnd();
	memcpy(shadow, data, DATA_SIZE);
	mprotect((void *)(uintptr_t)RO_AT, PAGE_SIZE, PROT_READ);
	make_code();
	catch_faults(on_signal);
	for (unsigned i = 0; i < CASES; i++) {
		const struct row *row = &rows[i % ARRAY_SIZE(rows)];

		if (all || !(row->flags & NEW))
			run_case(row);
	}
	return test_end("native");
}
