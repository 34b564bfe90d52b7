/* SPDX-License-Identifier: MIT */
/*
 * Invariant: an entry of the real GDT below HOST_FIRST, or of the real
 * LDT, is either absent or listed in `installed`, and is a copy (A set, L
 * clear) of what the guest's own table held when desc_sync() last ran.
 */
#include "bt/desc.h"

#include "cpu/segment.h"
#include "kernel/gdt.h"
#include "lib/string.h"
#include "log.h"

#define INSTALLED_MAX 24
#define LDT_ENTRIES   8192

#define DESC_A  BIT(40)
#define DESC_S  BIT(44)
#define DESC_P  BIT(47)
#define DESC_L  BIT(53)
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
static bool table_changed; /* since bt_user_enter() last loaded all */
static u64 ldt[LDT_ENTRIES] ALIGNED(4096);

/* Host view of the page that holds the start of the guest's GDT. */
static const u8 *gdt_page;

void desc_init(void)
{
	installed_count = 0;
	gdt_page = NULL;
	gdt_set_ldt(ldt, (u32)sizeof(ldt) - 1);
}

void desc_forget_tables(void)
{
	gdt_page = NULL;
}

u16 desc_ldt_selector(void)
{
	return SEL_NULL(bt.env.v->seg[SEG_LDTR].sel) ? 0 : HOST_LDT;
}

static const u8 *find_gdt_page(void)
{
	const struct vcpu *v = bt.env.v;
	struct pagefault pf;
	struct walk w;

	if (!gwalk(bt.env.gpm, &bt.mode, GVA(v->gdtr.base), ACC_IMPLICIT, true,
		   &w, &pf))
		return NULL;
	return gpm_ptr(bt.env.gpm, GPA(w.gpa.a & PAGE_MASK));
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
	const struct vcpu *v = bt.env.v;
	u64 at = (v->gdtr.base & ~PAGE_MASK) + (sel & ~7u);

	if ((sel & ~7u) + 7 > v->gdtr.limit)
		return false;
	if (at + 8 > PAGE_SIZE)
		return read_table(v->gdtr.base, v->gdtr.limit, sel, raw);
	if (!gdt_page)
		gdt_page = find_gdt_page();
	if (!gdt_page)
		return false;
	memcpy(raw, gdt_page + at, 8);
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

/* Drop what the guest has changed since; a load of it then faults. */
static void drop_changed(void)
{
	u64 raw;

	for (unsigned i = 0; i < installed_count;) {
		struct installed *in = &installed[i];

		if (read_raw(in->sel, &raw) && ((raw ^ in->raw) & ~DESC_A) == 0) {
			i++;
			continue;
		}
		*real_entry(in->sel) = 0;
		table_changed = true;
		*in = installed[--installed_count];
	}
}

static const struct installed *find_installed(u16 sel)
{
	for (unsigned i = 0; i < installed_count; i++)
		if (installed[i].sel == (sel & ~3))
			return &installed[i];
	return NULL;
}

/* Only what CPL 3 itself could load, in a slot that is not the monitor's. */
static bool may_install(u16 sel, u64 raw)
{
	if (!(sel & SEL_TI) && SEL_INDEX(sel) >= HOST_FIRST)
		return false;
	return (raw & DESC_P) && (raw & DESC_S) && DESC_DPL(raw) == 3;
}

static void drop_all(void)
{
	table_changed = true;
	while (installed_count)
		*real_entry(installed[--installed_count].sel) = 0;
}

static const struct installed *install(u16 sel)
{
	struct installed *in;
	u64 raw;

	if (!read_raw(sel, &raw) || !may_install(sel, raw))
		return NULL;
	if (installed_count == INSTALLED_MAX)
		drop_all();
	in = &installed[installed_count++];
	in->sel = sel & ~3;
	in->raw = raw;
	seg_from_desc(&in->seg, sel, &(struct desc){ (u32)raw, (u32)(raw >> 32),
						     GVA(0) });
	*real_entry(sel) = (raw | DESC_A) & ~DESC_L;
	return in;
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

bool *desc_sync(void)
{
	unsigned before;

	drop_changed();
	do { /* a full list is emptied on the way: then once more */
		before = installed_count;
		for (int seg = SEG_ES; seg <= SEG_GS; seg++)
			if (!sync_segment((enum sreg)seg))
				return NULL;
	} while (installed_count < before);
	return &table_changed;
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
