/* SPDX-License-Identifier: MIT */
/* See codemap.h. An open-addressed table and one bit a 4 MiB region. */
#include "bt/codemap.h"

#include "bt/machine.h"
#include "lib/string.h"

#define SLOTS   8192u
#define FULL    (SLOTS / 4 * 3)
#define REGIONS 1024u

struct code_page {
	u32 page; /* linear page number + 1; 0: free */
	bool global;
	u64 gfn;
};

static struct code_page pages[SLOTS];
static unsigned used, local;
static u8 regions[REGIONS]; /* any page recorded in this 4 MiB */

static struct code_page *slot(u32 page)
{
	u32 i = page * 2654435761u % SLOTS;

	while (pages[i].page && pages[i].page != page + 1)
		i = (i + 1) % SLOTS;
	return &pages[i];
}

bool codemap_add(u32 eip, gpa_t gpa, bool global)
{
	u32 page = eip >> PAGE_SHIFT;
	struct code_page *p = slot(page);

	if (p->page)
		return p->gfn == gpa.a >> PAGE_SHIFT && p->global == global;
	if (used == FULL)
		return false;
	*p = (struct code_page){ .page = page + 1, .global = global,
				 .gfn = gpa.a >> PAGE_SHIFT };
	used++;
	local += !global;
	regions[page >> 10] = 1;
	return true;
}

bool codemap_global(u32 eip)
{
	const struct code_page *p = slot(eip >> PAGE_SHIFT);

	return p->page && p->global;
}

static bool still_holds(const struct code_page *p)
{
	gva_t gva = GVA((u64)(p->page - 1) << PAGE_SHIFT);
	struct pagefault pf;
	struct walk w;

	return gwalk(bt.env.gpm, &bt.mode, gva, ACC_FETCH, false, &w, &pf) &&
	       w.gpa.a >> PAGE_SHIFT == p->gfn &&
	       (w.global || !w.levels) == p->global;
}

bool codemap_check_region(gva_t gva)
{
	u32 first = (u32)(gva.a >> 22 << 10);

	if (!regions[(u32)gva.a >> 22])
		return true;
	for (u32 page = first; page < first + 1024; page++) {
		const struct code_page *p = slot(page);

		if (p->page && !still_holds(p))
			return false;
	}
	return true;
}

bool codemap_check_all(void)
{
	for (u32 i = 0; i < SLOTS; i++)
		if (pages[i].page && !still_holds(&pages[i]))
			return false;
	return true;
}

void codemap_clear(void)
{
	memset(pages, 0, sizeof(pages));
	memset(regions, 0, sizeof(regions));
	used = local = 0;
}

/*
 * Rebuilds the table, since open addressing cannot drop single entries.
 * Bounded by SLOTS, and rare: kernels map their code global.
 */
bool codemap_forget_local(void)
{
	static struct code_page kept[SLOTS];
	unsigned n = 0;

	if (!local)
		return false;
	for (u32 i = 0; i < SLOTS; i++)
		if (pages[i].page && pages[i].global)
			kept[n++] = pages[i];
	codemap_clear();
	for (u32 i = 0; i < n; i++)
		codemap_add((kept[i].page - 1) << PAGE_SHIFT,
			    GPA(kept[i].gfn << PAGE_SHIFT), true);
	return true;
}
