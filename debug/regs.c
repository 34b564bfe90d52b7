/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing registers by the rows of regs.inc. An x87 tag word is
 * computed, since FXSAVE keeps less; instruction and data pointers are zero,
 * as the guest sees them.
 */
#include "debug/regs.h"

#include "cpu/emu.h"
#include "debug/regs_table.h"
#include "lib/string.h"

/* FXSAVE area */
enum { FX_CONTROL = 0, FX_STATUS = 2, FX_TAG = 4, FX_OPCODE = 6,
       FX_MXCSR = 24, FX_MXCSR_MASK = 28, FX_ST = 32, FX_XMM = 160 };

#define MXCSR_MASK_DEFAULT 0xffbfu

#define EFLAGS_WRITABLE                                                   \
	(EFLAGS_ARITH | EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL | \
	 EFLAGS_NT | EFLAGS_RF | EFLAGS_AC | EFLAGS_ID)
#define CR0_WRITABLE (CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_AM)
/* Not those that change the format of the page tables. */
#define CR4_WRITABLE (CR4_TSD | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT)
#define DR6_WRITABLE 0xe00fu
#define DR7_WRITABLE 0xffff2bffu

static u64 mode_mask(const struct vcpu *v)
{
	return vcpu_long_mode(v) ? ~0ull : 0xffffffff;
}

static bool canonical(u64 x)
{
	return (s64)(x << 16) >> 16 == (s64)x;
}

static bool address_ok(const struct vcpu *v, u64 x)
{
	return vcpu_long_mode(v) ? canonical(x) : !(x >> 32);
}

/* --- x87 tags --------------------------------------------------------- */

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

/* ST(i) is physical register TOP + i. */
static const u8 *physical(const u8 *fx, unsigned n)
{
	unsigned top = fx[FX_STATUS + 1] >> 3 & 7;

	return fx + FX_ST + 16 * ((n - top) & 7);
}

static unsigned tag_of(const u8 *st)
{
	u64 mantissa;
	u16 exponent;

	memcpy(&mantissa, st, 8);
	memcpy(&exponent, st + 8, 2);
	exponent &= 0x7fff;
	if (!exponent && !mantissa)
		return TAG_ZERO;
	return exponent && exponent != 0x7fff && mantissa >> 63 ?
		       TAG_VALID : TAG_SPECIAL;
}

static u16 tags_read(const u8 *fx)
{
	u16 tags = 0;

	for (unsigned n = 0; n < 8; n++)
		tags |= (u16)((fx[FX_TAG] >> n & 1 ? tag_of(physical(fx, n)) :
						     TAG_EMPTY) << 2 * n);
	return tags;
}

static void tags_write(u8 *fx, u16 tags)
{
	fx[FX_TAG] = 0;
	for (unsigned n = 0; n < 8; n++)
		if ((tags >> 2 * n & 3) != TAG_EMPTY)
			fx[FX_TAG] |= (u8)(1u << n);
}

/* --- Reading ---------------------------------------------------------- */

static u32 get32(const u8 *p)
{
	u32 x;

	memcpy(&x, p, 4);
	return x;
}

static u64 x87_read(const u8 *fx, unsigned which)
{
	switch (which) {
	case X87_CONTROL:
		return get32(fx + FX_CONTROL) & 0xffff;
	case X87_STATUS:
		return get32(fx + FX_STATUS) & 0xffff;
	case X87_TAG:
		return tags_read(fx);
	case X87_OPCODE:
		return get32(fx + FX_OPCODE) & 0x7ff;
	default:
		return 0;
	}
}

static u64 read_value(const struct regs *r, const struct reg_row *row)
{
	const struct vcpu *v = r->v;
	u64 x = 0;

	switch (row->kind) {
	case KIND_GPR:
	case KIND_GPR32:
		return v->gpr[row->where] & mode_mask(v);
	case KIND_RIP:
		return v->rip;
	case KIND_EFLAGS:
		return v->rflags;
	case KIND_SELECTOR:
		return v->seg[row->where].sel;
	case KIND_BASE:
		return v->seg[row->where].base;
	case KIND_X87:
		return x87_read(r->fx, row->where);
	case KIND_MXCSR:
		return get32(r->fx + FX_MXCSR);
	default:
		memcpy(&x, (const u8 *)v + row->where,
		       row->kind == KIND_READ16 ? 2 : row->bits / 8);
		return x;
	}
}

void regs_read(const struct regs *r, unsigned n, u8 *buf)
{
	const struct reg_row *row = &reg_rows[n];
	u64 x;

	if (row->kind == KIND_ST) {
		memcpy(buf, r->fx + FX_ST + 16 * row->where, 10);
	} else if (row->kind == KIND_XMM) {
		memcpy(buf, r->fx + FX_XMM + 16 * row->where, 16);
	} else {
		x = read_value(r, row);
		memcpy(buf, &x, row->bits / 8);
	}
}

/* --- Writing ---------------------------------------------------------- */

static bool write_gpr(const struct regs *r, unsigned n, u64 x)
{
	r->v->gpr[n] = x & mode_mask(r->v);
	return true;
}

static bool write_rip(const struct regs *r, u64 x)
{
	if (!address_ok(r->v, x) || (vcpu_code_size(r->v) != 8 && x >> 32))
		return false;
	r->v->rip = x;
	return true;
}

/* Only `allowed` bits may differ from what is there. */
static bool write_bits(u64 *field, u64 x, u64 allowed)
{
	if ((*field ^ x) & ~allowed)
		return false;
	*field = x;
	return true;
}

static bool write_base(const struct regs *r, enum sreg seg, u64 x)
{
	struct segment *s = &r->v->seg[seg];

	if (!address_ok(r->v, x) || (s->ar & AR_UNUSABLE) ||
	    vcpu_real_addressing(r->v))
		return s->base == x;
	s->base = x;
	return true;
}

static bool write_x87(const struct regs *r, unsigned which, u64 x)
{
	u16 word = (u16)x;

	switch (which) {
	case X87_CONTROL:
		memcpy(r->fx + FX_CONTROL, &word, 2);
		return true;
	case X87_STATUS:
		memcpy(r->fx + FX_STATUS, &word, 2);
		return true;
	case X87_TAG:
		tags_write(r->fx, word);
		return true;
	default:
		return !x || which == X87_OPCODE;
	}
}

/* Reserved bits would fault when the image is loaded. */
static bool write_mxcsr(const struct regs *r, u64 x)
{
	u32 mask = get32(r->fx + FX_MXCSR_MASK), value = (u32)x;

	if (value & ~(mask ? mask : MXCSR_MASK_DEFAULT))
		return false;
	memcpy(r->fx + FX_MXCSR, &value, 4);
	return true;
}

static bool write_field(const struct regs *r, const struct reg_row *row, u64 x,
			unsigned *what)
{
	u64 *field = (u64 *)((u8 *)r->v + row->where);

	switch (row->kind) {
	case KIND_CR0:
		*what = MODE_OTHER;
		return write_bits(field, x, CR0_WRITABLE);
	case KIND_CR4:
		*what = MODE_OTHER;
		return write_bits(field, x, CR4_WRITABLE & r->cr4_allowed);
	case KIND_CR8:
		return write_bits(field, x, 15);
	case KIND_EFER:
		*what = MODE_OTHER;
		return write_bits(field, x, EFER_SCE);
	case KIND_DR6:
		*field = (x & DR6_WRITABLE) | DR6_RESET;
		*what = MODE_DR;
		return true;
	case KIND_DR7:
		*field = (x & DR7_WRITABLE) | DR7_RESET;
		*what = MODE_DR;
		return true;
	case KIND_DR:
		*what = MODE_DR;
		/* fall through */
	case KIND_ADDRESS:
		if (!address_ok(r->v, x))
			return false;
		*field = x;
		return true;
	default:
		return false;
	}
}

static bool write_value(const struct regs *r, const struct reg_row *row, u64 x,
			unsigned *what)
{
	switch (row->kind) {
	case KIND_GPR:
	case KIND_GPR32:
		return write_gpr(r, row->where, x);
	case KIND_RIP:
		return write_rip(r, x);
	case KIND_EFLAGS:
		return write_bits(&r->v->rflags, x, EFLAGS_WRITABLE);
	case KIND_SELECTOR:
		return !(x >> 16) && r->load_segment(r->ctx,
				(enum sreg)row->where, (u16)x);
	case KIND_BASE:
		return write_base(r, (enum sreg)row->where, x);
	case KIND_CR3:
		return address_ok(r->v, x) && r->load_cr3(r->ctx, x);
	default:
		return write_field(r, row, x, what);
	}
}

static bool write_fx(const struct regs *r, const struct reg_row *row,
		     const u8 *buf)
{
	u64 x = 0;

	switch (row->kind) {
	case KIND_ST:
		memcpy(r->fx + FX_ST + 16 * row->where, buf, 10);
		return true;
	case KIND_XMM:
		memcpy(r->fx + FX_XMM + 16 * row->where, buf, 16);
		return true;
	case KIND_MXCSR:
		return write_mxcsr(r, get32(buf));
	default:
		memcpy(&x, buf, row->bits / 8);
		return write_x87(r, row->where, x);
	}
}

bool regs_write(const struct regs *r, unsigned n, const u8 *buf)
{
	const struct reg_row *row = &reg_rows[n];
	bool fx = row->kind == KIND_ST || row->kind == KIND_XMM ||
		  row->kind == KIND_X87 || row->kind == KIND_MXCSR;
	unsigned what = 0;
	bool done;
	u64 x = 0;

	if (fx) {
		done = write_fx(r, row, buf);
	} else {
		memcpy(&x, buf, row->bits / 8);
		done = write_value(r, row, x, &what);
	}
	if (done && (fx || what))
		r->changed(r->ctx, what, fx);
	return done;
}
