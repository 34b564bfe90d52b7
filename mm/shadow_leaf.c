/* SPDX-License-Identifier: MIT */
/*
 * Shadow leaves: what the hardware may be shown of a guest leaf. Invariants:
 * no entry without the guest's A, none writable without its D, none writable
 * for a tracked frame or ROM, none at all where no memory is.
 */
#include "lib/string.h"
#include "mm/internal.h"

/*
 * kernel_write: the guest has CR0.WP = 0 and its supervisor writes to a page
 * that is read-only for users. The real WP is 1, so the page becomes a
 * supervisor page until a user touches it.
 */
u64 leaf_flags(const struct shadow *s, union role role, struct rights r,
	       bool kernel_write)
{
	u64 e = PTE_P | PTE_A;
	bool nx = r.nx;

	if (r.u && !kernel_write)
		e |= PTE_U;
	else
		nx |= s->cfg.kernel_nx;
	if (kernel_write)
		nx |= role.smep;
	if (r.d && (r.w || kernel_write || (!r.u && role.wp0)))
		e |= PTE_W | PTE_D;
	if (nx && s->cfg.nx)
		e |= PTE_NX;
	return e;
}

/* 0 where there is no memory. */
u64 leaf_entry(const struct shadow *s, u64 flags, u64 gfn)
{
	enum gpm_kind kind = gpm_kind(s->gpm, GPA(gfn << PAGE_SHIFT));

	if (kind == GPM_NONE)
		return 0;
	if (kind == GPM_ROM || track_any(s->track, gfn))
		flags &= ~(PTE_W | PTE_D);
	return flags | (s->gpm->hpa.a + (gfn << PAGE_SHIFT));
}

/* May the 2 MiB at gfn be one entry? The first 2 MiB hold VGA and ROM. */
bool leaf_large_ok(const struct shadow *s, u64 gfn)
{
	const u64 *bits = (const u64 *)(s->track->bits + gfn);

	if (s->cfg.small || gfn < SLOTS || gfn + SLOTS > gpm_frames(s->gpm))
		return false;
	for (unsigned i = 0; i < SLOTS / 8; i++)
		if (bits[i])
			return false;
	return true;
}

/* The guest's entry behind a slot; its frame is backed (checked at the fill). */
u64 table_entry_read(const struct shadow *s, const struct spage *p,
		     unsigned slot)
{
	unsigned size = role_entry_size(p->role);
	u64 at = (p->gfn << PAGE_SHIFT) +
		 role_guest_index(p->role, slot) * size;
	u64 value = 0;

	if (size == 4)
		memcpy(&value, s->gpm->base + at, 4);
	else
		memcpy(&value, s->gpm->base + at, 8);
	return value;
}

static u64 role_reserved(union role role, unsigned level, bool leaf)
{
	struct walk_mode m = { .format = role.format, .nxe = role.nxe,
			       .pse = role.pse, .maxphyaddr = role.maxphyaddr };

	return gwalk_reserved(&m, level, leaf);
}

/*
 * Rights and frame of a 4 KiB guest entry of page p. False: a walk would
 * fault on it or would first have to set A.
 */
bool leaf_decode(const struct spage *p, u64 entry, struct rights *r, u64 *gfn)
{
	union role role = p->role;

	if ((entry & (PTE_P | PTE_A)) != (PTE_P | PTE_A))
		return false;
	if (role.format != WALK_32BIT && (entry & role_reserved(role, 1, true)))
		return false;
	r->w = role.w && (entry & PTE_W);
	r->u = role.u && (entry & PTE_U);
	r->nx = role.nx || (role.nxe && (entry & PTE_NX));
	r->d = entry & PTE_D;
	*gfn = (entry & PTE_ADDR) >> PAGE_SHIFT;
	return true;
}

static void prefetch_one(struct shadow *s, struct spage *p, unsigned slot,
			 u64 guest)
{
	struct rights r;
	u64 gfn, e;

	if (!leaf_decode(p, guest, &r, &gfn))
		return;
	e = leaf_entry(s, leaf_flags(s, p->role, r, false), gfn);
	if (e)
		rmap_set(s, spage_slot(s, p, slot), e);
}

/*
 * Fill up to n empty entries that follow slot, where the guest's are ready.
 * Most are not, so that is asked first, and twice.
 */
void leaf_prefetch(struct shadow *s, struct spage *p, unsigned slot, unsigned n)
{
	const u64 *table = spage_table(s, p);
	unsigned end = MIN(slot + 1 + n, SLOTS);

	for (unsigned i = slot + 1; i < end; i++) {
		u64 guest;

		if (entry_made(s, table[i]))
			continue;
		guest = table_entry_read(s, p, i);
		if ((guest & (PTE_P | PTE_A)) != (PTE_P | PTE_A))
			continue;
		if (p->unsync)
			unsync_entry(s, p, i); /* which may make it */
		if (!entry_made(s, table[i]))
			prefetch_one(s, p, i, guest);
	}
}
