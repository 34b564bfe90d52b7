/* SPDX-License-Identifier: MIT */
/*
 * Segment descriptors: fetch, checks, hidden parts. Descriptor tables are read
 * and written as implicit supervisor accesses, whatever the CPL. Nothing here
 * changes the vcpu before the last check of what it does has passed.
 */
#include "cpu/segment.h"

#include "cpu/emu_internal.h"

#define AR_VM86 (AR_P | AR_S | AR_WRITE | AR_ACCESSED | 3 << AR_DPL_SHIFT)
#define AR_REAL (AR_P | AR_S | AR_WRITE | AR_ACCESSED)

bool seg_fault(struct emu *e, unsigned vector, u16 sel, u32 ext)
{
	return emu_raise(e, vector, true, sel_error(sel, ext));
}

bool seg_desc_find(const struct vcpu *v, u16 sel, gva_t *at)
{
	const struct segment *ldt = &v->seg[SEG_LDTR];
	bool local = sel & ERR_TI;
	u32 offset = sel & ~7u;
	u64 base = local ? ldt->base : v->gdtr.base;
	u32 limit = local ? ldt->limit : v->gdtr.limit;

	if (local && ((ldt->ar & AR_UNUSABLE) || !(ldt->ar & AR_P)))
		return false;
	if (offset + 7 > limit)
		return false;
	*at = seg_table_at(v, base, offset);
	return true;
}

bool seg_desc_read(struct emu *e, u16 sel, unsigned vector, u32 ext,
		   struct desc *d)
{
	u32 words[2];

	if (!seg_desc_find(e->v, sel, &d->at))
		return seg_fault(e, vector, sel, ext);
	if (!emu_read_lin(e, d->at, words, sizeof(words), ACC_IMPLICIT))
		return false;
	d->lo = words[0];
	d->hi = words[1];
	return true;
}

bool seg_desc_read_upper(struct emu *e, u16 sel, const struct desc *d,
			 u32 *high)
{
	u32 words[2];
	gva_t at;

	if (sel + 8 > 0xffff || !seg_desc_find(e->v, sel + 8, &at))
		return seg_fault(e, VEC_GP, sel, 0);
	if (!emu_read_lin(e, GVA(d->at.a + 8), words, sizeof(words),
			  ACC_IMPLICIT))
		return false;
	*high = words[0];
	return !(words[1] & BITS(12, 8)) || seg_fault(e, VEC_GP, sel, 0);
}

/* Byte 5 holds the type, and so the accessed and busy bits. */
static bool write_type_byte(struct emu *e, const struct desc *d)
{
	gva_t at = seg_table_at(e->v, d->at.a, 5);
	u8 byte = d->hi >> 8;

	return emu_write_lin(e, at, &byte, 1, ACC_IMPLICIT);
}

bool seg_desc_touch(struct emu *e, struct desc *d)
{
	if (d->hi & BIT(8))
		return true;
	d->hi |= BIT(8);
	return write_type_byte(e, d);
}

bool seg_desc_set_busy(struct emu *e, struct desc *d, bool busy)
{
	d->hi = busy ? d->hi | BIT(9) : d->hi & ~BIT(9);
	return write_type_byte(e, d);
}

void seg_from_desc(struct segment *s, u16 sel, const struct desc *d)
{
	u32 limit = (d->lo & 0xffff) | (d->hi & 0xf0000);

	s->sel = sel;
	s->base = d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000);
	s->ar = d->hi >> 8 & 0xf0ff;
	s->limit = s->ar & AR_G ? limit << 12 | 0xfff : limit;
}

bool seg_from_system_desc(struct emu *e, struct segment *s, u16 sel,
			  const struct desc *d)
{
	u32 high = 0;

	seg_from_desc(s, sel, d);
	if (!vcpu_64bit(e->v))
		return true;
	if (!seg_desc_read_upper(e, sel, d, &high))
		return false;
	s->base |= (u64)high << 32;
	return is_canonical(s->base) || seg_fault(e, VEC_GP, sel, 0);
}

void seg_make_null(struct segment *s, u16 sel)
{
	s->sel = sel;
	s->base = 0;
	s->limit = 0;
	s->ar = AR_UNUSABLE;
}

void seg_make_null_stack(struct segment *s, unsigned pl)
{
	seg_make_null(s, (u16)pl);
	s->ar |= pl << AR_DPL_SHIFT;
}

/*
 * VM86 loads a fixed hidden part. Real mode keeps limit and attributes, which
 * is what big real mode lives on, but the segment becomes usable and writable.
 */
void seg_make_real(const struct vcpu *v, struct segment *s, u16 sel)
{
	s->sel = sel;
	s->base = (u32)sel << 4;
	if (vcpu_protected(v)) {
		s->limit = 0xffff;
		s->ar = AR_VM86;
		return;
	}
	if (s->ar & AR_UNUSABLE) {
		s->limit = 0xffff;
		s->ar = AR_REAL;
	}
	s->ar = (s->ar & (AR_AVL | AR_DB | AR_G)) | AR_REAL;
}

/* IA-32e mode reserves L and D together. */
static bool code_size_legal(const struct vcpu *v, const struct desc *d)
{
	u32 both = BIT(21) | BIT(22);

	return !vcpu_long_mode(v) || (d->hi & both) != both;
}

bool seg_check_code_same(struct emu *e, u16 sel, const struct desc *d)
{
	unsigned cpl = e->v->cpl;

	if (!desc_is_code(d) || !code_size_legal(e->v, d))
		return seg_fault(e, VEC_GP, sel, 0);
	if (desc_is_conforming(d) ? desc_dpl(d) > cpl :
	    sel_rpl(sel) > cpl || desc_dpl(d) != cpl)
		return seg_fault(e, VEC_GP, sel, 0);
	return desc_present(d) || seg_fault(e, VEC_NP, sel, 0);
}

bool seg_check_code_return(struct emu *e, u16 sel, const struct desc *d)
{
	unsigned rpl = sel_rpl(sel);

	if (!desc_is_code(d) || rpl < e->v->cpl || !code_size_legal(e->v, d))
		return seg_fault(e, VEC_GP, sel, 0);
	if (desc_is_conforming(d) ? desc_dpl(d) > rpl : desc_dpl(d) != rpl)
		return seg_fault(e, VEC_GP, sel, 0);
	return desc_present(d) || seg_fault(e, VEC_NP, sel, 0);
}

bool seg_stack_for(struct emu *e, u16 sel, unsigned pl, unsigned vector,
		   u32 ext, struct segment *s)
{
	struct desc d;

	if (sel_is_null(sel))
		return emu_raise(e, vector, true, ext);
	if (!seg_desc_read(e, sel, vector, ext, &d))
		return false;
	if (sel_rpl(sel) != pl || desc_dpl(&d) != pl ||
	    !desc_is_writable_data(&d))
		return seg_fault(e, vector, sel, ext);
	if (!desc_present(&d))
		return seg_fault(e, VEC_SS, sel, ext);
	if (!seg_desc_touch(e, &d))
		return false;
	seg_from_desc(s, sel, &d);
	return true;
}

bool seg_stack_or_null(struct emu *e, u16 sel, unsigned pl, bool code64,
		       struct segment *s)
{
	if (!sel_is_null(sel) || !code64 || pl == 3 || sel_rpl(sel) != pl)
		return seg_stack_for(e, sel, pl, VEC_GP, 0, s);
	seg_make_null_stack(s, pl);
	return true;
}

/* Readable, and not more privileged than asked for unless conforming. */
static bool data_allowed(const struct vcpu *v, u16 sel, const struct desc *d)
{
	if (desc_is_system(d))
		return false;
	if (desc_is_code(d) && !(desc_type(d) & AR_READ))
		return false;
	if (desc_is_conforming(d))
		return true;
	return sel_rpl(sel) <= desc_dpl(d) && v->cpl <= desc_dpl(d);
}

bool seg_data_for(struct emu *e, u16 sel, unsigned vector, u32 ext,
		  struct segment *s)
{
	struct desc d;

	if (sel_is_null(sel)) {
		seg_make_null(s, sel);
		return true;
	}
	if (!seg_desc_read(e, sel, vector, ext, &d))
		return false;
	if (!data_allowed(e->v, sel, &d))
		return seg_fault(e, vector, sel, ext);
	if (!desc_present(&d))
		return seg_fault(e, VEC_NP, sel, ext);
	if (!seg_desc_touch(e, &d))
		return false;
	seg_from_desc(s, sel, &d);
	return true;
}

bool seg_ldt_for(struct emu *e, u16 sel, unsigned vector, u32 ext,
		 struct segment *s)
{
	struct desc d;

	if (sel_is_null(sel)) {
		seg_make_null(s, sel);
		return true;
	}
	if (sel & ERR_TI)
		return seg_fault(e, vector, sel, ext);
	if (!seg_desc_read(e, sel, vector, ext, &d))
		return false;
	if (!desc_is_system(&d) || desc_type(&d) != SYS_LDT)
		return seg_fault(e, vector, sel, ext);
	if (!desc_present(&d))
		return seg_fault(e, vector == VEC_TS ? VEC_TS : VEC_NP, sel,
				 ext);
	return seg_from_system_desc(e, s, sel, &d);
}

bool seg_load(struct emu *e, enum sreg seg, u16 sel)
{
	struct vcpu *v = e->v;
	struct segment s = v->seg[seg];

	if (vcpu_real_addressing(v))
		seg_make_real(v, &s, sel);
	else if (seg == SEG_SS) {
		if (!seg_stack_or_null(e, sel, v->cpl, vcpu_64bit(v), &s))
			return false;
	} else if (!seg_data_for(e, sel, VEC_GP, 0, &s)) {
		return false;
	}
	v->seg[seg] = s;
	return true;
}

bool seg_is_code64(const struct vcpu *v, const struct segment *s)
{
	return vcpu_long_mode(v) && (s->ar & AR_L);
}

unsigned seg_stack_width(const struct vcpu *v, const struct segment *cs,
			 const struct segment *s)
{
	if (seg_is_code64(v, cs))
		return 8;
	return s->ar & AR_DB ? 4 : 2;
}

bool seg_check_target(struct emu *e, const struct segment *s, u64 *offset,
		      u32 ext)
{
	if (seg_is_code64(e->v, s))
		return is_canonical(*offset) || emu_gp(e, ext);
	/* From 64-bit to 32-bit code only the lower half counts. */
	if (vcpu_long_mode(e->v))
		*offset = (u32)*offset;
	return *offset <= s->limit || emu_gp(e, ext);
}

void seg_commit_cs(struct vcpu *v, const struct segment *s, unsigned cpl)
{
	v->seg[SEG_CS] = *s;
	v->seg[SEG_CS].sel = (s->sel & ~3) | cpl;
	v->cpl = cpl;
}

void seg_drop_privileged(struct vcpu *v)
{
	static const u8 data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(data); i++) {
		struct segment *s = &v->seg[data[i]];
		bool conforming = (s->ar & (AR_CODE | AR_CONFORM)) ==
				  (AR_CODE | AR_CONFORM);

		if (s->ar & AR_UNUSABLE || conforming)
			continue;
		if (bits_get(s->ar, 6, 5) < v->cpl)
			seg_make_null(s, 0);
	}
}
