/* SPDX-License-Identifier: MIT */
/*
 * Guest memory as the interpreter sees it: segment checks, then linear
 * accesses through emu_ops. An access is all or nothing, whatever its size
 * and however many pages it touches.
 */
#include "cpu/emu_internal.h"

#define OPS_MAX 64 /* most bytes that emu_ops moves at once */

enum what { DO_READ, DO_WRITE, DO_PROBE };

/*
 * Linear addresses wrap at 4 GiB outside 64-bit mode. What the processor reads
 * for itself in IA-32e mode is not code's, whatever the mode of the code.
 */
static u64 linear_space_left(const struct emu *e, gva_t gva, unsigned acc)
{
	if (vcpu_64bit(e->v) ||
	    ((acc & ACC_IMPLICIT) && vcpu_long_mode(e->v)))
		return ~0ull;
	return GIB(4) - gva.a;
}

static bool access_once(struct emu *e, enum what what, gva_t gva, void *buf,
			unsigned size, unsigned acc, struct pagefault *pf)
{
	const struct emu_ops *ops = e->ops;

	switch (what) {
	case DO_READ:
		return ops->read(e->ctx, gva, buf, size, acc, pf);
	case DO_WRITE:
		return ops->write(e->ctx, gva, buf, size, acc | ACC_WRITE, pf);
	default:
		return ops->probe(e->ctx, gva, size, acc | ACC_WRITE, pf);
	}
}

/* In pieces that the ops accept and that do not wrap. */
static bool access_pieces(struct emu *e, enum what what, gva_t gva, void *buf,
			  unsigned size, unsigned acc, struct pagefault *pf)
{
	u8 *p = buf;

	while (size) {
		unsigned n = MIN(size, OPS_MAX);

		n = MIN(n, linear_space_left(e, gva, acc));
		if (!access_once(e, what, gva, p, n, acc, pf))
			return false;
		size -= n;
		p = p ? p + n : NULL;
		gva.a += n;
		if (!linear_space_left(e, gva, acc))
			gva.a = 0;
	}
	return true;
}

static bool access_linear(struct emu *e, enum what what, gva_t gva, void *buf,
			  unsigned size, unsigned acc, struct pagefault *pf)
{
	if (likely(size <= OPS_MAX &&
		   size <= linear_space_left(e, gva, acc)))
		return access_once(e, what, gva, buf, size, acc, pf);
	if (what == DO_WRITE &&
	    !access_pieces(e, DO_PROBE, gva, NULL, size, acc, pf))
		return false;
	return access_pieces(e, what, gva, buf, size, acc, pf);
}

bool emu_read_lin(struct emu *e, gva_t gva, void *buf, unsigned size,
		  unsigned acc)
{
	struct pagefault pf;

	if (emu_stops_on(e))
		emu_stops_data(e, gva, size, STOP_READ);
	return access_linear(e, DO_READ, gva, buf, size, acc, &pf) ||
	       emu_raise_pf(e, &pf);
}

bool emu_write_lin(struct emu *e, gva_t gva, const void *buf, unsigned size,
		   unsigned acc)
{
	struct pagefault pf;

	if (emu_stops_on(e))
		emu_stops_data(e, gva, size, STOP_WRITE);
	return access_linear(e, DO_WRITE, gva, (void *)buf, size, acc, &pf) ||
	       emu_raise_pf(e, &pf);
}

bool emu_probe_lin(struct emu *e, gva_t gva, unsigned size, unsigned acc)
{
	struct pagefault pf;

	return access_linear(e, DO_PROBE, gva, NULL, size, acc, &pf) ||
	       emu_raise_pf(e, &pf);
}

/* "Limit Checking". A limit of 4 GiB - 1 wraps instead of faulting. */
static bool limit_ok(const struct segment *s, u64 offset, unsigned size)
{
	u64 last = offset + size - 1;

	if (unlikely((s->ar & (AR_CODE | AR_DOWN)) == AR_DOWN)) {
		u64 top = s->ar & AR_DB ? 0xffffffffull : 0xffff;

		return offset > s->limit && last <= top;
	}
	return last <= s->limit || s->limit == 0xffffffff;
}

/* "Type Checking" */
static bool type_ok(const struct segment *s, unsigned acc)
{
	if (acc & ACC_WRITE)
		return (s->ar & (AR_CODE | AR_WRITE)) == AR_WRITE;
	return !(s->ar & AR_CODE) || (s->ar & AR_READ);
}

static bool alignment_ok(const struct emu *e, u64 linear, unsigned size)
{
	if (!(e->v->rflags & EFLAGS_AC) || !(e->v->cr0 & CR0_AM))
		return true;
	return (size & (size - 1)) || !(linear & (size - 1));
}

bool emu_linear_in(struct emu *e, const struct segment *s, u64 offset,
		   unsigned size, unsigned acc, gva_t *out, unsigned vector,
		   u32 error)
{
	u64 linear = (u32)(s->base + offset);

	if (unlikely(s->ar & AR_UNUSABLE) || unlikely(!limit_ok(s, offset, size)))
		return emu_raise(e, vector, true, error);
	if (!vcpu_real_addressing(e->v) && unlikely(!type_ok(s, acc)))
		return emu_raise(e, vector, true, error);
	if ((acc & ACC_USER) && unlikely(!alignment_ok(e, linear, size)))
		return emu_raise(e, VEC_AC, true, 0);
	*out = GVA(linear);
	return true;
}

bool emu_linear64(struct emu *e, u64 linear, unsigned size, unsigned acc,
		  gva_t *out, unsigned vector, u32 error)
{
	if (unlikely(!is_canonical(linear) || !is_canonical(linear + size - 1)))
		return emu_raise(e, vector, true, error);
	if ((acc & ACC_USER) && unlikely(!alignment_ok(e, linear, size)))
		return emu_raise(e, VEC_AC, true, 0);
	*out = GVA(linear);
	return true;
}

bool emu_linear(struct emu *e, enum sreg seg, u64 offset, unsigned size,
		unsigned acc, gva_t *out)
{
	const struct segment *s = &e->v->seg[seg];
	unsigned vector = seg == SEG_SS ? VEC_SS : VEC_GP;

	if (vcpu_64bit(e->v))
		return emu_linear64(e, seg < SEG_FS ? offset : s->base + offset,
				    size, acc, out, vector, 0);
	return emu_linear_in(e, s, offset, size, acc, out, vector, 0);
}

bool emu_read_mem(struct emu *e, enum sreg seg, u64 offset, void *buf,
		  unsigned size)
{
	unsigned acc = emu_acc(e);
	gva_t gva;

	if (!emu_linear(e, seg, offset, size, acc, &gva) ||
	    !emu_read_lin(e, gva, buf, size, acc))
		return false;
	if (emu_debug_on(e))
		emu_debug_data(e, gva, size, ACC_READ);
	return true;
}

bool emu_write_mem(struct emu *e, enum sreg seg, u64 offset, const void *buf,
		   unsigned size)
{
	unsigned acc = emu_acc(e);
	gva_t gva;

	if (!emu_linear(e, seg, offset, size, acc | ACC_WRITE, &gva) ||
	    !emu_write_lin(e, gva, buf, size, acc))
		return false;
	if (emu_debug_on(e))
		emu_debug_data(e, gva, size, ACC_WRITE);
	return true;
}

bool emu_probe_mem(struct emu *e, enum sreg seg, u64 offset, unsigned size)
{
	unsigned acc = emu_acc(e);
	gva_t gva;

	return emu_linear(e, seg, offset, size, acc | ACC_WRITE, &gva) &&
	       emu_probe_lin(e, gva, size, acc);
}

/*
 * Walked as a write from the start: where that is not allowed nothing is read,
 * and no accessed flag is set ("Accessed and Dirty Flags").
 */
bool emu_read_rmw_mem(struct emu *e, enum sreg seg, u64 offset, unsigned size,
		      u64 *value)
{
	unsigned acc = emu_acc(e) | ACC_WRITE;

	*value = 0;
	return emu_linear(e, seg, offset, size, acc, &e->rmw_gva) &&
	       emu_read_lin(e, e->rmw_gva, value, size, acc);
}

bool emu_write_rmw_mem(struct emu *e, unsigned size, u64 value)
{
	return emu_write_rmw_bytes(e, &value, size);
}

bool emu_write_rmw_bytes(struct emu *e, const void *bytes, unsigned size)
{
	if (!emu_write_lin(e, e->rmw_gva, bytes, size, emu_acc(e)))
		return false;
	if (emu_debug_on(e))
		emu_debug_data(e, e->rmw_gva, size, ACC_WRITE);
	return true;
}
