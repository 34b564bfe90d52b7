/* SPDX-License-Identifier: MIT */
/*
 * Invariant: an entry of the real GDT below HOST_FIRST, or of the real
 * LDT, is either absent or listed in `installed`, and is a copy (A set, L
 * clear) of what the guest's own table held when desc_sync() last ran. The
 * first GDT_WINDOW entries of the GDT hold all that CPL 3 could load there,
 * loaded or not, since LAR and LSL tell (Linux keeps the CPU's number in a
 * segment limit).
 */
#include "bt/desc.h"

#include "bt/tables.h"
#include "cpu/segment.h"
#include "kernel/gdt.h"
#include "lib/string.h"
#include "log.h"

#define INSTALLED_MAX 64
#define GDT_WINDOW    32
#define LDT_ENTRIES   8192

#define DESC_A  BIT(40)
#define DESC_S  BIT(44)
#define DESC_L  BIT(53)
#define DESC_CONFORMING (BIT(43) | BIT(42)) /* code, conforming */
#define DESC_DPL(raw) bits_get(raw, 46, 45)

#define SEL_TI    BIT(2)
#define SEL_INDEX(sel) ((sel) >> 3)
#define SEL_NULL(sel)  (!((sel) & ~3))

struct installed {
	u16 sel; /* RPL clear */
	u64 raw; /* the guest's descriptor */
	struct segment seg;
};

static struct installed installed[INSTALLED_MAX];
static unsigned installed_count;
bool bt_user_reload;
static u64 ldt[LDT_ENTRIES] ALIGNED(4096);

/* The segments that desc_sync() last found installed, while they still are. */
static struct segment settled[SEG_GS + 1];
static bool is_settled;

/* The window as it was when its entries were installed. */
static u64 gdt_seen[GDT_WINDOW];
static unsigned outside_count; /* of `installed`: not in the window */

void desc_init(void)
{
	installed_count = outside_count = 0;
	is_settled = false;
	memset(gdt_seen, 0, sizeof(gdt_seen));
	tables_forget();
	gdt_set_ldt(ldt, (u32)sizeof(ldt) - 1);
}

u16 desc_ldt_selector(void)
{
	return SEL_NULL(bt.env.v->seg[SEG_LDTR].sel) ? 0 : HOST_LDT;
}

static bool read_table(u64 base, u32 limit, u16 sel, u64 *raw)
{
	u32 at = sel & ~7u;
	struct pagefault pf;

	if (at + 7 > limit)
		return false;
	return gmem_read(bt.env.gpm, &bt.mode, GVA((u32)(base + at)), raw, 8,
			 ACC_IMPLICIT, &pf);
}

static bool read_gdt(u16 sel, u64 *raw)
{
	const struct dtable *r = &bt.env.v->gdtr;
	const void *at = table_bytes(TABLE_GDT, r->base, r->limit, sel & ~7u,
				     sel | 7u);

	if (!at)
		return read_table(r->base, r->limit, sel, raw);
	memcpy(raw, at, sizeof(*raw));
	return true;
}

static bool read_raw(u16 sel, u64 *raw)
{
	const struct segment *l = &bt.env.v->seg[SEG_LDTR];

	if (!(sel & SEL_TI))
		return read_gdt(sel, raw);
	if (l->ar & AR_UNUSABLE)
		return false;
	return read_table(l->base, l->limit, sel, raw);
}

static u64 *real_entry(u16 sel)
{
	return sel & SEL_TI ? &ldt[SEL_INDEX(sel)] :
			      &host_gdt[SEL_INDEX(sel)];
}

static bool in_window(u16 sel)
{
	return !(sel & SEL_TI) && SEL_INDEX(sel) < GDT_WINDOW;
}

static void drop(struct installed *in)
{
	*real_entry(in->sel) = 0;
	bt_user_reload = true;
	is_settled = false;
	outside_count -= !in_window(in->sel);
	*in = installed[--installed_count];
}

/*
 * Drop what the guest has changed since, outside of the window; a load of it
 * then faults.
 */
static void drop_changed(void)
{
	u64 raw;

	for (unsigned i = 0; outside_count && i < installed_count;) {
		struct installed *in = &installed[i];

		if (in_window(in->sel) ||
		    (read_raw(in->sel, &raw) && ((raw ^ in->raw) & ~DESC_A) == 0))
			i++;
		else
			drop(in);
	}
}

static struct installed *find_installed(u16 sel)
{
	for (unsigned i = 0; i < installed_count; i++)
		if (installed[i].sel == (sel & ~3))
			return &installed[i];
	return NULL;
}

/*
 * Only what CPL 3 itself could load were it present, in a slot that is not the
 * monitor's.
 */
static bool may_install(u16 sel, u64 raw)
{
	if (!(sel & SEL_TI) && SEL_INDEX(sel) >= HOST_FIRST)
		return false;
	return (raw & DESC_S) &&
	       (DESC_DPL(raw) == 3 || !(~raw & DESC_CONFORMING));
}

static void drop_all(void)
{
	while (installed_count)
		drop(&installed[installed_count - 1]);
	memset(gdt_seen, 0, sizeof(gdt_seen));
}

static const struct installed *install_raw(u16 sel, u64 raw)
{
	struct installed *in;

	if (!may_install(sel, raw))
		return NULL;
	if (installed_count == INSTALLED_MAX)
		drop_all();
	in = &installed[installed_count++];
	outside_count += !in_window(sel);
	in->sel = sel & ~3;
	in->raw = raw;
	seg_from_desc(&in->seg, sel, &(struct desc){ (u32)raw, (u32)(raw >> 32),
						     GVA(0) });
	*real_entry(sel) = (raw | DESC_A) & ~DESC_L;
	return in;
}

static const struct installed *install(u16 sel)
{
	u64 raw;

	return read_raw(sel, &raw) ? install_raw(sel, raw) : NULL;
}

/* Entry i of the window is `raw` now. */
static void window_changed(unsigned i, u64 raw)
{
	u16 sel = (u16)(i << 3);
	struct installed *in = find_installed(sel);

	if (in)
		drop(in);
	install_raw(sel, raw);
	gdt_seen[i] = raw;
}

struct any64 { u64 x; } PACKED;

/* The usual case in few instructions, on every way to user code. */
static bool window_same(void)
{
	const struct dtable *r = &bt.env.v->gdtr;
	const struct any64 *now =
		table_bytes(TABLE_GDT, r->base, r->limit, 0, sizeof(gdt_seen) - 1);
	u64 differ = 0;

	if (!now)
		return false;
#pragma GCC unroll 32
	for (unsigned i = 1; i < GDT_WINDOW; i++)
		differ |= now[i].x ^ gdt_seen[i];
	return !differ;
}

/* Bring the window's entries up to date: the null entry, 0, never is one. */
static void sync_window(void)
{
	if (window_same())
		return;
	for (unsigned i = 1; i < GDT_WINDOW; i++) {
		u64 raw = 0;

		if (!read_gdt((u16)(i << 3), &raw))
			raw = 0;
		if (raw != gdt_seen[i])
			window_changed(i, raw);
	}
}

/* Hidden parts alike, the accessed bit aside. */
static bool same_hidden(const struct segment *a, const struct segment *b)
{
	return a->base == b->base && a->limit == b->limit &&
	       ((a->ar ^ b->ar) & ~(u32)(AR_ACCESSED | AR_L)) == 0;
}

static bool sync_segment(enum sreg seg)
{
	const struct segment *s = &bt.env.v->seg[seg];
	const struct installed *in;

	if (SEL_NULL(s->sel))
		return seg != SEG_CS && seg != SEG_SS && (s->ar & AR_UNUSABLE);
	in = find_installed(s->sel);
	if (!in)
		in = install(s->sel);
	return in && same_hidden(&in->seg, s);
}

/* Nothing has changed since all was found in place. */
static bool still_settled(void)
{
	const struct segment *now = bt.env.v->seg;
	u64 differ = 0;

	if (!is_settled || outside_count || !window_same())
		return false;
#pragma GCC unroll 6
	for (int seg = SEG_ES; seg <= SEG_GS; seg++)
		differ |= segment_differs(&now[seg], &settled[seg]);
	return !differ;
}

bool desc_sync(void)
{
	unsigned before;

	if (likely(still_settled()))
		return true;
	sync_window();
	drop_changed();
	do { /* a full list is emptied on the way: then once more */
		before = installed_count;
		for (int seg = SEG_ES; seg <= SEG_GS; seg++)
			if (!sync_segment((enum sreg)seg))
				return false;
	} while (installed_count < before);
	memcpy(settled, bt.env.v->seg, sizeof(settled));
	is_settled = true;
	return true;
}

void desc_reload(enum sreg seg, u16 sel)
{
	struct segment *s = &bt.env.v->seg[seg];
	const struct installed *in;

	if (SEL_NULL(sel)) {
		seg_make_null(s, sel);
		return;
	}
	in = find_installed(sel);
	assert(in);
	*s = in->seg;
	s->sel = sel;
	s->ar |= AR_ACCESSED;
}
