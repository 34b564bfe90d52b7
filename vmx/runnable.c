/* SPDX-License-Identifier: MIT */
/*
 * Which guest state VM entry accepts without "unrestricted guest". Only what
 * a guest can bring about is asked: between a switch to protected mode and the
 * reload of a segment register its old contents may be what entry refuses.
 */
#include "vmx/runnable.h"

#define AR_VM86 (AR_P | AR_S | AR_WRITE | AR_ACCESSED | 3 << AR_DPL_SHIFT)
#define AR_RESERVED (BITS(31, 17) | BITS(11, 8))

static unsigned ar_dpl(u32 ar)
{
	return (unsigned)bits_get(ar, 6, 5);
}

static bool limit_fits(const struct segment *s)
{
	return s->ar & AR_G ? (s->limit & 0xfff) == 0xfff : s->limit <= 0xfffff;
}

/* A usable code or data segment, whatever register it is in. */
static bool well_formed(const struct segment *s)
{
	u32 must = AR_P | AR_S | AR_ACCESSED;

	return (s->ar & must) == must && !(s->ar & (AR_RESERVED | AR_L)) &&
	       limit_fits(s);
}

/* CS.L is 64-bit mode; with D there is no such mode. */
static bool code_well_formed(const struct vcpu *v)
{
	struct segment cs = v->seg[SEG_CS];

	if (vcpu_64bit(v) && !(cs.ar & AR_DB))
		cs.ar &= ~(u32)AR_L;
	return well_formed(&cs) && !(cs.base >> 32);
}

static bool code_ok(const struct vcpu *v)
{
	const struct segment *cs = &v->seg[SEG_CS];

	if ((cs->ar & AR_UNUSABLE) || !code_well_formed(v) ||
	    !(cs->ar & AR_CODE))
		return false;
	return cs->ar & AR_CONFORM ? ar_dpl(cs->ar) <= v->cpl
				   : ar_dpl(cs->ar) == v->cpl;
}

static bool stack_ok(const struct vcpu *v)
{
	const struct segment *ss = &v->seg[SEG_SS];

	if ((ss->sel & 3) != v->cpl || (v->seg[SEG_CS].sel & 3) != v->cpl)
		return false;
	if (ss->ar & AR_UNUSABLE) /* a null one, as 64-bit mode allows */
		return vcpu_long_mode(v);
	return !(ss->ar & AR_CODE) && well_formed(ss) && !(ss->base >> 32) &&
	       (ss->ar & AR_WRITE) && ar_dpl(ss->ar) == v->cpl;
}

static bool data_ok(const struct segment *s)
{
	u32 code = s->ar & AR_CODE;

	if (s->ar & AR_UNUSABLE)
		return true;
	if (!well_formed(s) || (code && !(s->ar & AR_READ)))
		return false;
	return (code && (s->ar & AR_CONFORM)) ||
	       ar_dpl(s->ar) >= (s->sel & 3u);
}

static bool system_ok(const struct vcpu *v)
{
	const struct segment *ldt = &v->seg[SEG_LDTR], *tr = &v->seg[SEG_TR];
	u32 type = tr->ar & AR_TYPE;

	if (!(ldt->ar & AR_UNUSABLE) &&
	    ((ldt->ar & (AR_TYPE | AR_S | AR_P | AR_RESERVED)) !=
		     (AR_P | SYS_LDT) ||
	     (ldt->sel & ERR_TI) || !limit_fits(ldt)))
		return false;
	return (type == SYS_TSS32_BUSY ||
		(type == SYS_TSS16_BUSY && !vcpu_long_mode(v))) &&
	       (tr->ar & (AR_S | AR_P | AR_UNUSABLE | AR_RESERVED)) == AR_P &&
	       !(tr->sel & ERR_TI) && limit_fits(tr);
}

static bool vm86_ok(const struct vcpu *v)
{
	for (int seg = SEG_ES; seg <= SEG_GS; seg++) {
		const struct segment *s = &v->seg[seg];

		if (s->base != (u32)s->sel << 4 || s->limit != 0xffff ||
		    s->ar != AR_VM86)
			return false;
	}
	return true;
}

static bool protected_ok(const struct vcpu *v)
{
	static const u8 data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };

	for (unsigned i = 0; i < ARRAY_SIZE(data); i++)
		if (!data_ok(&v->seg[data[i]]))
			return false;
	return code_ok(v) && stack_ok(v) &&
	       !((v->seg[SEG_DS].base | v->seg[SEG_ES].base) >> 32);
}

/* An instruction may end where no other may begin. */
static bool rip_ok(const struct vcpu *v)
{
	return vcpu_64bit(v) ? is_canonical(v->rip) : !(v->rip >> 32);
}

bool vmx_state_runnable(const struct vcpu *v, bool virtual_nmis)
{
	if (!vcpu_protected(v) || v->activity == ACT_SHUTDOWN || !rip_ok(v))
		return false;
	/* Without virtual NMIs their blocking would be the host's. */
	if (v->nmi_blocked && !virtual_nmis)
		return false;
	if (v->shadow == SHADOW_STI && !(v->rflags & EFLAGS_IF))
		return false;
	return system_ok(v) && (vcpu_vm86(v) ? vm86_ok(v) : protected_ok(v));
}
