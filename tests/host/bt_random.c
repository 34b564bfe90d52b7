/* SPDX-License-Identifier: MIT */
/* See bt_random.h. The instruction forms are rows. */
#include "tests/host/bt_random.h"

#include <string.h>

#include "tests/host/bt_sandbox.h"

enum form { F_MODRM, F_PLAIN, F_OPREG, F_STRING };

#define SIZED BIT(0)   /* 66 allowed */
#define MEMORY BIT(1)  /* memory form only */
#define REGISTER BIT(2) /* register form only */
#define FIX BIT(3)     /* leaves undefined flags: a CMP follows */
#define LOCKS BIT(4)   /* LOCK allowed with memory */
#define NO_ESP BIT(5)  /* no ESP as a register operand */
#define BITS32 BIT(6)  /* memory form with a register bit offset */

struct row {
	u8 opcode[2], len;
	u8 form;
	s8 ext;   /* ModRM.reg, -1: any register */
	u8 imm;   /* bytes; 4: 2 with 66 */
	u8 flags;
};

#define ONE(op)    { op }, 1
#define TWO(op)    { 0x0f, op }, 2
#define ALU(base, extra)                                                  \
	{ ONE(base), F_MODRM, -1, 0, extra },                             \
	{ ONE(base + 1), F_MODRM, -1, 0, SIZED | extra },                 \
	{ ONE(base + 2), F_MODRM, -1, 0, 0 },                             \
	{ ONE(base + 3), F_MODRM, -1, 0, SIZED },                         \
	{ ONE(base + 4), F_PLAIN, -1, 1, 0 },                             \
	{ ONE(base + 5), F_PLAIN, -1, 4, SIZED }
#define GROUP1(n, extra)                                                  \
	{ ONE(0x80), F_MODRM, n, 1, extra },                              \
	{ ONE(0x81), F_MODRM, n, 4, SIZED | extra },                      \
	{ ONE(0x83), F_MODRM, n, 1, SIZED | extra }
#define SHIFT(n)                                                          \
	{ ONE(0xc0), F_MODRM, n, 1, FIX },                                \
	{ ONE(0xc1), F_MODRM, n, 1, SIZED | FIX },                        \
	{ ONE(0xd0), F_MODRM, n, 0, FIX },                                \
	{ ONE(0xd1), F_MODRM, n, 0, SIZED | FIX },                        \
	{ ONE(0xd2), F_MODRM, n, 0, FIX },                                \
	{ ONE(0xd3), F_MODRM, n, 0, SIZED | FIX }

static const struct row rows[] = {
	ALU(0x00, LOCKS), ALU(0x08, LOCKS), ALU(0x10, LOCKS),
	ALU(0x18, LOCKS), ALU(0x20, LOCKS), ALU(0x28, LOCKS),
	ALU(0x30, LOCKS), ALU(0x38, 0),
	GROUP1(0, LOCKS), GROUP1(1, LOCKS), GROUP1(2, LOCKS),
	GROUP1(3, LOCKS), GROUP1(4, LOCKS), GROUP1(5, LOCKS),
	GROUP1(6, LOCKS), GROUP1(7, 0),
	{ ONE(0x82), F_MODRM, 0, 1, 0 }, { ONE(0x82), F_MODRM, 5, 1, 0 },
	SHIFT(0), SHIFT(1), SHIFT(2), SHIFT(3), SHIFT(4), SHIFT(5), SHIFT(6),
	SHIFT(7),
	{ ONE(0x40), F_OPREG, -1, 0, SIZED },
	{ ONE(0x48), F_OPREG, -1, 0, SIZED },
	{ ONE(0x50), F_OPREG, -1, 0, SIZED },
	{ ONE(0x50), F_OPREG, -1, 0, 0 },
	{ ONE(0x58), F_OPREG, -1, 0, SIZED | NO_ESP },
	{ ONE(0x58), F_OPREG, -1, 0, 0 },
	{ ONE(0x60), F_PLAIN, -1, 0, 0 }, { ONE(0x61), F_PLAIN, -1, 0, 0 },
	{ ONE(0x68), F_PLAIN, -1, 4, 0 }, { ONE(0x6a), F_PLAIN, -1, 1, 0 },
	{ ONE(0x69), F_MODRM, -1, 4, SIZED | FIX },
	{ ONE(0x6b), F_MODRM, -1, 1, SIZED | FIX },
	{ ONE(0x84), F_MODRM, -1, 0, 0 }, { ONE(0x85), F_MODRM, -1, 0, SIZED },
	{ ONE(0x86), F_MODRM, -1, 0, LOCKS },
	{ ONE(0x87), F_MODRM, -1, 0, SIZED | LOCKS },
	{ ONE(0x88), F_MODRM, -1, 0, 0 }, { ONE(0x89), F_MODRM, -1, 0, SIZED },
	{ ONE(0x8a), F_MODRM, -1, 0, 0 }, { ONE(0x8b), F_MODRM, -1, 0, SIZED },
	{ ONE(0x8c), F_MODRM, 3, 0, SIZED }, /* MOV r/m, DS */
	{ ONE(0x8d), F_MODRM, -1, 0, SIZED | MEMORY },
	{ ONE(0x8f), F_MODRM, 0, 0, 0 },
	{ ONE(0x90), F_OPREG, -1, 0, SIZED },
	{ ONE(0x98), F_PLAIN, -1, 0, SIZED }, { ONE(0x99), F_PLAIN, -1, 0, SIZED },
	{ ONE(0x9c), F_PLAIN, -1, 0, 0 },
	{ ONE(0x9e), F_PLAIN, -1, 0, 0 }, { ONE(0x9f), F_PLAIN, -1, 0, 0 },
	{ ONE(0xa8), F_PLAIN, -1, 1, 0 }, { ONE(0xa9), F_PLAIN, -1, 4, SIZED },
	{ ONE(0xb0), F_OPREG, -1, 1, 0 }, { ONE(0xb8), F_OPREG, -1, 4, SIZED },
	{ ONE(0xc6), F_MODRM, 0, 1, 0 }, { ONE(0xc7), F_MODRM, 0, 4, SIZED },
	{ ONE(0xc9), F_PLAIN, -1, 0, 0 },
	{ ONE(0xd6), F_PLAIN, -1, 0, 0 }, { ONE(0xd7), F_PLAIN, -1, 0, 0 },
	{ ONE(0xf5), F_PLAIN, -1, 0, 0 }, { ONE(0xf8), F_PLAIN, -1, 0, 0 },
	{ ONE(0xf9), F_PLAIN, -1, 0, 0 }, { ONE(0xfa), F_PLAIN, -1, 0, 0 },
	{ ONE(0xfb), F_PLAIN, -1, 0, 0 }, { ONE(0xfc), F_PLAIN, -1, 0, 0 },
	{ ONE(0xfd), F_PLAIN, -1, 0, 0 },
	{ ONE(0xf6), F_MODRM, 0, 1, 0 }, { ONE(0xf7), F_MODRM, 0, 4, SIZED },
	{ ONE(0xf6), F_MODRM, 2, 0, LOCKS },
	{ ONE(0xf7), F_MODRM, 2, 0, SIZED | LOCKS },
	{ ONE(0xf6), F_MODRM, 3, 0, LOCKS },
	{ ONE(0xf7), F_MODRM, 3, 0, SIZED | LOCKS },
	{ ONE(0xf6), F_MODRM, 4, 0, FIX }, { ONE(0xf7), F_MODRM, 4, 0, SIZED | FIX },
	{ ONE(0xf6), F_MODRM, 5, 0, FIX }, { ONE(0xf7), F_MODRM, 5, 0, SIZED | FIX },
	{ ONE(0xf6), F_MODRM, 6, 0, FIX }, { ONE(0xf7), F_MODRM, 6, 0, SIZED | FIX },
	{ ONE(0xf6), F_MODRM, 7, 0, FIX }, { ONE(0xf7), F_MODRM, 7, 0, SIZED | FIX },
	{ ONE(0xfe), F_MODRM, 0, 0, LOCKS }, { ONE(0xfe), F_MODRM, 1, 0, LOCKS },
	{ ONE(0xff), F_MODRM, 0, 0, SIZED | LOCKS },
	{ ONE(0xff), F_MODRM, 1, 0, SIZED | LOCKS },
	{ ONE(0xff), F_MODRM, 6, 0, 0 },
	{ ONE(0x06), F_PLAIN, -1, 0, 0 }, { ONE(0x1e), F_PLAIN, -1, 0, 0 },
	{ TWO(0x40), F_MODRM, -1, 0, SIZED }, { TWO(0x45), F_MODRM, -1, 0, SIZED },
	{ TWO(0x4a), F_MODRM, -1, 0, SIZED }, { TWO(0x4f), F_MODRM, -1, 0, SIZED },
	{ TWO(0x90), F_MODRM, 0, 0, 0 }, { TWO(0x92), F_MODRM, 0, 0, 0 },
	{ TWO(0x97), F_MODRM, 0, 0, 0 }, { TWO(0x9c), F_MODRM, 0, 0, 0 },
	{ TWO(0xa3), F_MODRM, -1, 0, SIZED | FIX | BITS32 },
	{ TWO(0xab), F_MODRM, -1, 0, SIZED | FIX | LOCKS | BITS32 },
	{ TWO(0xb3), F_MODRM, -1, 0, SIZED | FIX | LOCKS | BITS32 },
	{ TWO(0xbb), F_MODRM, -1, 0, SIZED | FIX | LOCKS | BITS32 },
	{ TWO(0xba), F_MODRM, 4, 1, SIZED | FIX },
	{ TWO(0xba), F_MODRM, 5, 1, SIZED | FIX | LOCKS },
	{ TWO(0xba), F_MODRM, 6, 1, SIZED | FIX | LOCKS },
	{ TWO(0xba), F_MODRM, 7, 1, SIZED | FIX | LOCKS },
	{ TWO(0xa4), F_MODRM, -1, 1, FIX }, { TWO(0xa5), F_MODRM, -1, 0, FIX },
	{ TWO(0xac), F_MODRM, -1, 1, FIX }, { TWO(0xad), F_MODRM, -1, 0, FIX },
	{ TWO(0xaf), F_MODRM, -1, 0, SIZED | FIX },
	{ TWO(0xb0), F_MODRM, -1, 0, LOCKS },
	{ TWO(0xb1), F_MODRM, -1, 0, SIZED | LOCKS },
	{ TWO(0xb6), F_MODRM, -1, 0, SIZED }, { TWO(0xb7), F_MODRM, -1, 0, 0 },
	{ TWO(0xbe), F_MODRM, -1, 0, SIZED }, { TWO(0xbf), F_MODRM, -1, 0, 0 },
	{ TWO(0xbc), F_MODRM, -1, 0, FIX }, { TWO(0xbd), F_MODRM, -1, 0, FIX },
	{ TWO(0xc0), F_MODRM, -1, 0, LOCKS },
	{ TWO(0xc1), F_MODRM, -1, 0, SIZED | LOCKS },
	{ TWO(0xc7), F_MODRM, 1, 0, MEMORY | LOCKS },
	{ TWO(0xc8), F_OPREG, -1, 0, 0 },
	{ TWO(0x1f), F_MODRM, 0, 0, SIZED }, { TWO(0x18), F_MODRM, 1, 0, MEMORY },
	{ TWO(0xa0), F_PLAIN, -1, 0, 0 },
	{ ONE(0xa4), F_STRING, -1, 0, SIZED }, { ONE(0xa5), F_STRING, -1, 0, SIZED },
	{ ONE(0xa6), F_STRING, -1, 0, SIZED }, { ONE(0xa7), F_STRING, -1, 0, SIZED },
	{ ONE(0xaa), F_STRING, -1, 0, SIZED }, { ONE(0xab), F_STRING, -1, 0, SIZED },
	{ ONE(0xac), F_STRING, -1, 0, SIZED }, { ONE(0xad), F_STRING, -1, 0, SIZED },
	{ ONE(0xae), F_STRING, -1, 0, SIZED }, { ONE(0xaf), F_STRING, -1, 0, SIZED },
};

u64 rnd_state = 88172645463325252ull;

u32 rnd(u32 below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (u32)((rnd_state >> 16) % below);
}

static u32 any32(void)
{
	u32 bits = rnd(0x10000) << 16 | rnd(0x10000);

	return rnd(4) ? bits >> rnd(32) : bits;
}

static u32 data_address(void)
{
	return SB_DATA + 64 + rnd(SB_DATA_SIZE - 192);
}

void random_state(void)
{
	for (unsigned n = 0; n < 8; n++)
		if (n != R_SP)
			sb.ref->gpr[n] = rnd(2) ? any32() : data_address();
	sb.ref->rflags |= (rnd(0x1000) & (EFLAGS_ARITH | EFLAGS_IF));
	for (u32 i = 0; i < SB_DATA_SIZE; i += 4)
		*(u32 *)(sb.ref_mem + (SB_DATA - SB_BASE) + i) = any32();
	for (u32 i = 0; i < 512; i += 4)
		*(u32 *)(sb.ref_mem + (SB_STACK - SB_BASE) - 256 + i) = any32();
	memcpy(sb.native_mem, sb.ref_mem, SB_SIZE);
	*sb.native = *sb.ref;
}

struct code {
	u8 *p;
};

static void put(struct code *c, u32 value, unsigned size)
{
	memcpy(c->p, &value, size);
	c->p += size;
}

/* A memory operand that hits `target` with the registers as they are. */
static void put_memory(struct code *c, unsigned reg, u32 target)
{
	const u64 *gpr = sb.ref->gpr;
	unsigned base = rnd(8), index = rnd(8), scale = rnd(4);
	u32 disp;

	if (index == R_SP)
		index = R_AX;
	switch (rnd(4)) {
	case 0: /* disp32 */
		put(c, reg << 3 | 5, 1);
		put(c, target, 4);
		return;
	case 1: /* base + disp */
		if (base == R_SP)
			break;
		disp = target - (u32)gpr[base];
		put(c, 0x80 | reg << 3 | base, 1);
		put(c, disp, 4);
		return;
	case 2: /* index * scale + disp */
		put(c, reg << 3 | 4, 1);
		put(c, scale << 6 | index << 3 | 5, 1);
		put(c, target - ((u32)gpr[index] << scale), 4);
		return;
	}
	if (rnd(2)) { /* base alone in a SIB */
		index = 4;
		disp = target - (u32)gpr[base];
	} else {
		disp = target - (u32)gpr[base] - ((u32)gpr[index] << scale);
	}
	put(c, 0x80 | reg << 3 | 4, 1);
	put(c, scale << 6 | index << 3 | base, 1);
	put(c, disp, 4);
}

/* [ebp/ebx/esp + disp8], if the register happens to point into a page of ours. */
static bool put_short_memory(struct code *c, unsigned reg)
{
	unsigned base = rnd(8);
	u32 a = (u32)sb.ref->gpr[base];

	if (a < SB_DATA + 128 || a >= SB_DATA + SB_DATA_SIZE - 200)
		return false;
	put(c, 0x40 | reg << 3 | base, 1);
	if (base == R_SP)
		put(c, 0x24, 1);
	put(c, rnd(256), 1);
	return true;
}

static unsigned any_register(const struct row *row)
{
	unsigned reg = rnd(8);

	/* ESP rarely: pushes shall mostly work. */
	if (reg == R_SP && ((row->flags & NO_ESP) || rnd(4)))
		reg = R_DI;
	return reg;
}

static void put_modrm(struct code *c, const struct row *row)
{
	unsigned reg = row->ext >= 0 ? (unsigned)row->ext : any_register(row);
	u32 target = rnd(200) ? data_address() : any32();

	/* BT m, r: bring the bit offset's reach back into the data. */
	if (row->flags & BITS32)
		target = SB_DATA + SB_DATA_SIZE / 2 -
			 (u32)((s32)sb.ref->gpr[reg] >> 5) * 4;
	if (!(row->flags & MEMORY) && ((row->flags & REGISTER) || rnd(3) == 0))
		put(c, 0xc0 | reg << 3 | any_register(row), 1);
	else if ((row->flags & BITS32) || rnd(2) || !put_short_memory(c, reg))
		put_memory(c, reg, target);
}

static void put_prefixes(struct code *c, const struct row *row, bool *sized)
{
	static const u8 seg[] = { 0x26, 0x36, 0x3e, 0x64, 0x65 };
	unsigned n = rnd(40);

	*sized = (row->flags & SIZED) && !rnd(4);
	if (*sized)
		put(c, 0x66, 1);
	if (n < sizeof(seg) && row->form == F_MODRM && !(row->flags & BITS32))
		put(c, seg[n], 1);
}

static void put_insn(struct code *c, const struct row *row)
{
	bool sized;
	u8 *start;

	put_prefixes(c, row, &sized);
	if (row->form == F_STRING && rnd(2))
		put(c, rnd(2) ? 0xf2 : 0xf3, 1);
	start = c->p;
	put(c, row->opcode[0], 1);
	if (row->len == 2)
		put(c, row->opcode[1], 1);
	if (row->form == F_OPREG)
		c->p[-1] |= (u8)any_register(row);
	if (row->form == F_MODRM) {
		u8 *modrm = c->p;

		put_modrm(c, row);
		if ((row->flags & LOCKS) && *modrm < 0xc0 && !rnd(8)) {
			memmove(start + 1, start, (size_t)(c->p - start));
			*start = 0xf0;
			c->p++;
		}
	}
	put(c, any32(), row->imm == 4 && sized ? 2 : row->imm);
}

static u32 code_at(const struct code *c, const u8 *code)
{
	return SB_CODE + (u32)(c->p - code);
}

/* Let the interpreter do what has been written since `from`. */
static bool run_written(struct code *c, const u8 *from, const u8 *code)
{
	sb_poke(SB_CODE + (u32)(from - code), from, (u32)(c->p - from));
	while (sb.ref->rip < code_at(c, code))
		if (!sb_ref_step())
			return false;
	return true;
}

/* mov reg, imm32 */
static void put_mov(struct code *c, unsigned reg, u32 imm)
{
	put(c, 0xb8 | reg, 1);
	put(c, imm, 4);
}

static void put_setup(struct code *c, const struct row *row)
{
	u32 esp = (u32)sb.ref->gpr[R_SP], ebp = (u32)sb.ref->gpr[R_BP];

	if (esp - (SB_STACK - 0x800) > 0x1000)
		put_mov(c, R_SP, SB_STACK);
	if (row->opcode[0] == 0xc9 && ebp - SB_DATA > SB_DATA_SIZE - 8)
		put_mov(c, R_BP, data_address());
	if (row->opcode[0] == 0xd7)
		put_mov(c, R_BX, data_address());
	if (row->form == F_STRING) {
		put_mov(c, R_SI, SB_DATA + SB_DATA_SIZE / 2 + rnd(999));
		put_mov(c, R_DI, SB_DATA + SB_DATA_SIZE / 2 + rnd(999));
		put_mov(c, R_CX, rnd(40));
	}
}

u32 random_code(unsigned count, u8 *code)
{
	struct code c = { code };

	while (count--) {
		const struct row *row = &rows[rnd(ARRAY_SIZE(rows))];
		u8 *from = c.p;

		put_setup(&c, row);
		if (!run_written(&c, from, code))
			break;
		from = c.p;
		put_insn(&c, row);
		if (row->flags & FIX) {
			put(&c, 0x39, 1);
			put(&c, 0xc0 | rnd(64), 1);
		}
		if (!run_written(&c, from, code))
			break;
	}
	sb.end = code_at(&c, code);
	return (u32)(c.p - code);
}
