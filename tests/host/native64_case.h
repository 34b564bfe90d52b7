/* SPDX-License-Identifier: MIT */
/*
 * Random 64-bit instructions for native64_test.c: which rows there are, the
 * registers and memory that a case starts from, and its encoding.
 */
#ifndef TESTS_HOST_NATIVE64_CASE_H
#define TESTS_HOST_NATIVE64_CASE_H

#include "tests/host/native64_cpu.h"
#include "tests/host/native_row.h"

#include "cpu/vcpu.h"

static const struct row rows[] = {
#define ROW(...) { __VA_ARGS__ },
#include "tests/host/native_rows.inc"
#include "tests/host/native64_rows.inc"
#undef ROW
};

/* Rows of the other file that mean something else in 64-bit mode. */
static bool has_other_meaning(const struct row *r)
{
	return !r->map && (r->opcode == 0x62 || (r->opcode & 0xf0) == 0x40 ||
			   (r->opcode == 0xb8 && r->imm == IMM_Z));
}

static u64 rnd64(void)
{
	return (u64)rnd() << 32 | rnd();
}

static u64 value(void)
{
	static const u64 special[] = {
		0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
		0x80000000, 0xffffffff, 0x99, 0xf, 0x100000000ull,
		0x7fffffffffffffffull, 0x8000000000000000ull, ~0ull,
		0xffffffff80000000ull };

	if (one_in(3))
		return special[rnd() % ARRAY_SIZE(special)];
	return rnd64() >> (one_in(3) ? 0 : rnd() % 64);
}

/* Mostly well inside the data, now and then over the edge of a page. */
static u64 data_address(void)
{
	if (one_in(24))
		return RO_AT - 18 + rnd() % 24;
	if (one_in(60))
		return DATA + DATA_SIZE - 10 + rnd() % 18;
	return DATA + 0x300 + rnd() % 0x1a00;
}

struct test_case {
	const struct row *row;
	struct state in;
	unsigned size; /* operand size */
	u8 legacy[6], legacy_count;
	u8 rex, opcode, modrm;
	u8 tail[6], tail_count; /* SIB and displacement */
	u8 imm[16], imm_count;
	s8 rip_at; /* in the tail: a displacement relative to the next RIP */
	u64 rip_target;
	bool memory, narrow; /* 67h */
	u64 at; /* of the memory operand */
};

static void legacy(struct test_case *c, u8 byte)
{
	c->legacy[c->legacy_count++] = byte;
}

static void tail(struct test_case *c, unsigned size, u64 bytes)
{
	memcpy(c->tail + c->tail_count, &bytes, size);
	c->tail_count = (u8)(c->tail_count + size);
}

static void imm(struct test_case *c, unsigned size, u64 bytes)
{
	memcpy(c->imm + c->imm_count, &bytes, size);
	c->imm_count = (u8)(c->imm_count + size);
}

static void set_base(struct test_case *c, unsigned r, u64 address)
{
	/* What lies above an address of 32 bits does not matter. */
	c->in.gpr[r] = c->narrow ? (u32)address | rnd64() << 32 : address;
}

static u64 operand_address(struct test_case *c)
{
	u64 at = data_address();

	if (c->row->flags & FARPTR)
		return DATA + 0x400 + rnd() % 0x1000;
	if (c->row->flags & ALIGN && !one_in(8))
		return ALIGN_DOWN(at, 16);
	if (one_in(60))
		return at ^ (one_in(2) ? BIT(47) : rnd64() << 40);
	return at;
}

/* base, base + index, absolute or relative to RIP; then the displacement. */
static void put_memory(struct test_case *c, unsigned reg)
{
	unsigned form = rnd() % 6, base = rnd() & 15, index = rnd() & 15;
	unsigned busy = c->row->flags & BITOFF ? reg : 16, mod = rnd() % 3;
	u64 at = operand_address(c), disp, scaled = rnd() & 3, sum;

	c->at = at;
	if (c->row->flags & STACK && (base == 4 || form == 4))
		form = 3;
	if (base == busy)
		base = (base + 1) & 15;
	if (one_in(8)) { /* GS override */
		legacy(c, 0x65);
		at -= GS_BASE_AT;
	}
	if (form == 2 || form == 3) {
		disp = form == 2 ? c->rip_target = at, 0 : at;
		c->modrm = (u8)((reg & 7) << 3 | (form == 2 ? 5 : 4));
		if (form == 3)
			tail(c, 1, 0x25);
		else
			c->rip_at = (s8)c->tail_count;
		tail(c, 4, disp);
		if ((u64)(s64)(s32)at != at && !c->narrow && form == 3)
			c->at = (u64)(s64)(s32)at;
		c->rex &= (u8)~3;
		return;
	}
	disp = mod == 0 ? 0 : mod == 1 ? (u64)(s64)(s8)rnd() :
				  (u64)(s64)(s32)rnd();
	if (mod == 0 && (base & 7) == 5)
		mod = 1;
	c->rex = (u8)((c->rex & ~3) | base >> 3);
	if (form < 2 && (base & 7) != 4) {
		c->modrm = (u8)(mod << 6 | (reg & 7) << 3 | (base & 7));
		set_base(c, base, at - disp);
		tail(c, mod == 2 ? 4 : mod, disp);
		return;
	}
	if (index == busy || index == base || form < 4)
		index = 4;
	c->rex |= (u8)(index >> 3 << 1);
	if (index == 12 && base == 12)
		index = 4, c->rex &= (u8)~2;
	sum = index == 4 ? 0 : c->in.gpr[index] << scaled;
	c->modrm = (u8)(mod << 6 | (reg & 7) << 3 | 4);
	tail(c, 1, scaled << 6 | (index & 7) << 3 | (base & 7));
	tail(c, mod == 2 ? 4 : mod, disp);
	set_base(c, base, at - disp - sum);
}

static unsigned pick_modrm_reg(struct test_case *c)
{
	static const u8 sregs[] = { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS,
				    SEG_GS };

	switch (c->row->modrm) {
	case REG:
		return rnd() & 15;
	case SREG:
		return sregs[rnd() % ARRAY_SIZE(sregs)] | (rnd() & 8);
	default:
		return (unsigned)c->row->modrm | (rnd() & 8);
	}
}

static void put_modrm(struct test_case *c)
{
	const struct row *row = c->row;
	unsigned reg = pick_modrm_reg(c), rm = rnd() & 15;
	/* Where far offsets lead under 67h differs from CPU to CPU. */
	bool far = !c->narrow && one_in(4);

	c->rex |= (u8)(reg >> 3 << 2);
	if (row->flags & BITOFF)
		c->in.gpr[reg] = (u64)((s64)rnd64() >> (far ? 0 : 51));
	c->memory = (row->flags & (MEM | MEM16)) ||
		    (one_in(2) && !(row->flags & TARGET));
	if (c->memory) {
		put_memory(c, reg);
		return;
	}
	if ((row->flags & (STACK | TARGET)) && rm == 4)
		rm = 0;
	if (row->flags & TARGET)
		c->in.gpr[rm] = TARGET_AT;
	c->rex = (u8)((c->rex & ~1) | rm >> 3);
	c->modrm = (u8)(0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* 16-bit SHLD and SHRD by more than 16 differ from CPU to CPU. */
static bool count_below_16(const struct test_case *c)
{
	return (c->row->flags & COUNT) && c->row->map && c->size == 2;
}

static void put_imm(struct test_case *c)
{
	if (count_below_16(c)) {
		c->in.gpr[1] &= ~0x10ull;
		imm(c, c->row->imm, value() & ~0x10ull);
		return;
	}
	switch (c->row->imm) {
	case IMM_Z:
		imm(c, MIN(c->size, 4u), value());
		break;
	case IMM_V:
		imm(c, c->size, value());
		break;
	case IMM_ENTER:
		imm(c, 2, rnd() & 63);
		imm(c, 1, one_in(2) ? 0 : rnd() & 7);
		break;
	case IMM_MOFFS:
		imm(c, c->narrow ? 4 : 8, operand_address(c));
		break;
	case IMM_REL:
		imm(c, 4, 0);
		break;
	case IMM_REL8:
		imm(c, 1, 0);
		break;
	case 2:
		imm(c, 2, rnd() & 0xff);
		break;
	default:
		imm(c, c->row->imm, value());
	}
}

/* The size of a CMPXCHG8B is in its own row; far pointers differ by vendor. */
static bool may_be_wide(const struct row *row)
{
	return row->opcode != 0xc7 && !(row->flags & UD) &&
	       !((row->flags & FARPTR) && (row->flags & MEM));
}

static bool has_66(const struct test_case *c)
{
	u32 flags = c->row->flags;

	return c->size > 1 && !(flags & (NO66 | FARPTR | TARGET)) && one_in(4);
}

/* Prefixes, REX.W and the opcode. PUSH and kin are 64-bit without it. */
static void choose_opcode(struct test_case *c)
{
	const struct row *row = c->row;

	c->size = row->flags & V ? 4 : 1;
	c->opcode = row->opcode;
	if ((row->flags & W) && one_in(2)) {
		c->size = 4;
		c->opcode++;
	}
	if (row->flags & CC)
		c->opcode |= rnd() & 15;
	if (row->flags & R8) {
		unsigned r = rnd() & 15;

		c->opcode |= r & 7;
		c->rex |= (u8)(r >> 3);
	}
	if (has_66(c)) {
		legacy(c, 0x66);
		c->size = 2;
	}
	if ((row->flags & STACK) && c->size == 4 && !(row->flags & FARPTR))
		c->size = 8;
	if ((row->flags & WIDE) || (may_be_wide(row) && one_in(2))) {
		c->rex |= 8;
		c->size = c->size > 1 || (row->flags & WIDE) ? 8 : c->size;
	}
	if (row->prefix == 0x67)
		c->narrow = true;
	else if (!(row->flags & (UD | SMALLCX)))
		c->narrow = one_in(6);
	if (c->narrow)
		legacy(c, 0x67);
	if (row->prefix && row->prefix != 0x67)
		legacy(c, row->prefix);
	if (one_in(3) && !(row->flags & UD))
		c->rex |= 0x40;
	if (one_in(20) && !(row->flags & UD) )
		legacy(c, (u8)(0x26 | (rnd() & 3) << 3)); /* ignored */
}

static void plant(u64 at, const void *bytes, unsigned size)
{
	memcpy(data + (at - DATA), bytes, size);
}

static u16 random_selector(void)
{
	static const u16 sel[] = { 0x33, 0x33, 0x33, 0x30, 0x32, 0, 3, 0x2b,
				   0x10, 0x13, 0x08, 0x1b, 0x83, 0x7b };

	return one_in(2) ? 0x33 : sel[rnd() % ARRAY_SIZE(sel)];
}

static u16 random_stack_selector(void)
{
	static const u16 sel[] = { 0, 3, 0x28, 0x1b, 0x33, 0x83, 0x2b };

	return one_in(2) ? 0x2b : sel[rnd() % ARRAY_SIZE(sel)];
}

/* The far pointer, or the frame of a far return or IRET, for TARGET_AT. */
static void plant_far(struct test_case *c)
{
	unsigned size = c->size;
	u64 at = c->memory ? c->at : c->in.gpr[4];
	u64 sel = random_selector(), flags = 0x202 | (rnd() & ARITH);
	u64 sp = value(), ss = random_stack_selector();

	plant(at, &(u64){ TARGET_AT }, size);
	plant(at + size, &sel, c->memory ? 2 : size);
	if (c->opcode != 0xcf)
		return;
	plant(at + 2 * size, &flags, size);
	plant(at + 3 * size, &sp, size);
	plant(at + 4 * size, &ss, size);
}

static void set_stack(struct test_case *c)
{
	u64 *gpr = c->in.gpr;

	gpr[4] = operand_address(c);
	if (c->row->flags & FRAME)
		gpr[5] = gpr[4] + (one_in(10) ? 0x4000 : rnd() % 128);
	if (!(c->row->flags & RETURN))
		return;
	if (gpr[4] - DATA <= 0x1ff8)
		plant(gpr[4], &(u64){ TARGET_AT }, 8);
	else
		gpr[4] = DATA + DATA_SIZE - 2;
}

/* Short runs of few values, so that compares go on for a while. */
static void set_string(struct test_case *c)
{
	u64 *gpr = c->in.gpr, source = data_address();
	u64 dest = one_in(4) ? source + rnd() % 16 : data_address();

	set_base(c, 6, source);
	set_base(c, 7, dest);
	set_base(c, 1, 1 + rnd() % 60);
	if (!c->narrow && one_in(10))
		gpr[1] = 0;
	for (unsigned i = 0; i < 64; i++) {
		data[rnd() % 0x2000] = 0;
		data[(source + i - DATA) % 0x2000] = one_in(20);
		data[(dest + i - DATA) % 0x2000] = one_in(20);
	}
	if (one_in(2))
		gpr[0] = 0;
	if (one_in(3))
		c->in.rflags |= DF;
	if (!one_in(4))
		legacy(c, one_in(2) ? 0xf2 : 0xf3);
}

static void set_registers(struct test_case *c)
{
	u64 *gpr = c->in.gpr;
	u32 flags = c->row->flags;

	for (unsigned r = 0; r < 16; r++)
		gpr[r] = value();
	c->in.rflags = 0x202 | (rnd() & ARITH);
	if ((flags & DIVIDE) && one_in(2))
		gpr[2] = one_in(2) ? 0 : (u64)((s64)gpr[0] >> 63);
	if ((flags & DIVIDE) && one_in(2))
		gpr[0] &= 0x0fff;
	if (flags & SMALLCX)
		gpr[1] = rnd() % 3 | (one_in(4) ? BIT(32) : 0);
}

/* Now and then what the accumulator is compared with is there. */
static void plant_equal(struct test_case *c)
{
	bool half = c->row->flags & WIDE;

	if (one_in(2))
		for (unsigned i = 0; i < 0x2000; i += half ? 16 : 8) {
			memcpy(data + i, &c->in.gpr[0], half ? 8 : 4);
			memcpy(data + i + (half ? 8 : 4), &c->in.gpr[2],
			       half ? 8 : 4);
		}
}

static void emit(struct test_case *c)
{
	u8 *start = code_at;
	unsigned rel = c->row->imm == IMM_REL ? 4 : 1;

	for (unsigned i = 0; i < c->legacy_count; i++)
		put(1, c->legacy[i]);
	if (c->rex)
		put(1, 0x40 | c->rex);
	if (c->row->map)
		put(1, 0x0f);
	if (c->row->map > 0x0f)
		put(1, c->row->map);
	put(1, c->opcode);
	if (c->row->modrm != NO_RM)
		put(1, c->modrm);
	start = code_at;
	for (unsigned i = 0; i < c->tail_count; i++)
		put(1, c->tail[i]);
	for (unsigned i = 0; i < c->imm_count; i++)
		put(1, c->imm[i]);
	if (c->rip_at >= 0)
		memcpy(start + c->rip_at,
		       &(u32){ (u32)(c->rip_target - here()) }, 4);
	if (c->row->imm == IMM_REL || c->row->imm == IMM_REL8)
		memcpy(code_at - rel, &(u32){ TARGET_AT - here() }, rel);
}

static void prepare(struct test_case *c)
{
	u32 flags = c->row->flags;

	set_registers(c);
	choose_opcode(c);
	if (flags & XLAT)
		set_base(c, 3, data_address());
	if (flags & STRING)
		set_string(c);
	if (flags & SAME)
		plant_equal(c);
	if (flags & STACK)
		set_stack(c);
	if (one_in(8) && (flags & LOCK))
		legacy(c, 0xf0);
	if (c->row->modrm != NO_RM)
		put_modrm(c);
	put_imm(c);
	if (flags & FARPTR)
		plant_far(c);
}

#endif
