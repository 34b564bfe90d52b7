/* SPDX-License-Identifier: MIT */
/*
 * Commands about address translation: the guest's page walk, level by level,
 * beside what the shadow tables have made of it; and the audit. The walk here
 * shows entries; whether an access is allowed is gwalk's to say.
 */
#include "debug/monitor.h"

#include "kernel/console.h"
#include "lib/string.h"

typedef unsigned long long ull;

static void print_flags(u64 e)
{
	static const struct {
		u64 bit;
		const char *name;
	} flags[] = {
		{ PTE_P, " P" }, { PTE_W, " W" }, { PTE_U, " U" },
		{ PTE_A, " A" }, { PTE_D, " D" }, { PTE_PS, " PS" },
		{ PTE_G, " G" }, { PTE_NX, " NX" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++)
		if (e & flags[i].bit)
			console_printf("%s", flags[i].name);
}

/* --- The guest's walk ------------------------------------------------- */

static const struct format {
	const char *name;
	u8 levels, bits, entry_size; /* bits of address a level */
} formats[] = {
	[WALK_UNPAGED] = { "no paging", 0, 0, 0 },
	[WALK_32BIT] = { "32-bit paging", 2, 10, 4 },
	[WALK_PAE] = { "PAE paging", 3, 9, 8 },
	[WALK_4LEVEL] = { "4-level paging", 4, 9, 8 },
};

static u64 entry_at(u64 table, u64 index, const struct format *f)
{
	u64 e = 0;

	if (!gpm_peek(&dbg.vm->gpm, GPA(table + index * f->entry_size), &e,
		      f->entry_size))
		console_printf("level table outside memory\n");
	return e;
}

/* A large page, or the last level? */
static bool is_leaf(const struct walk_mode *m, unsigned level, u64 e)
{
	return level == 1 ||
	       ((e & PTE_PS) && (m->format != WALK_32BIT || m->pse) &&
		!(m->format == WALK_PAE && level == 3));
}

static void print_guest_level(const struct walk_mode *m, unsigned level,
			      u64 table, u64 gva, u64 *next, bool *done)
{
	const struct format *f = &formats[m->format];
	u64 index = gva >> (PAGE_SHIFT + f->bits * (level - 1)) &
		    ((1u << f->bits) - 1);
	u64 e;

	if (m->format == WALK_PAE && level == 3) {
		index &= 3;
		e = m->pdpte[index]; /* as loaded with CR3 */
	} else {
		e = entry_at(table, index, f);
	}
	console_printf("guest  level %u  [%4llu] at %08llx = %016llx", level,
		       (ull)index, (ull)(table + index * f->entry_size),
		       (ull)e);
	print_flags(e);
	console_printf("\n");
	*next = e & PTE_ADDR & (f->entry_size == 4 ? 0xffffffff : ~0ull);
	*done = !(e & PTE_P) || is_leaf(m, level, e);
}

static void print_guest_walk(const struct walk_mode *m, u64 gva)
{
	u64 table = m->cr3 & (m->format == WALK_PAE ? ~31ull : PTE_ADDR);
	bool done = false;

	for (unsigned level = formats[m->format].levels; level && !done;
	     level--)
		print_guest_level(m, level, table, gva, &table, &done);
}

static void print_result(const struct walk_mode *m, u64 gva)
{
	struct pagefault pf;
	struct walk w;

	if (gwalk(&dbg.vm->gpm, m, GVA(gva), ACC_READ, false, &w, &pf))
		console_printf("guest  maps to %llx%s%s%s%s\n", (ull)w.gpa.a,
			       w.writable ? " writable" : " read-only",
			       w.user ? " user" : " supervisor",
			       w.nx ? " no-execute" : "",
			       w.dirty ? " dirty" : "");
	else
		console_printf("guest  does not map it: #PF, error code %x\n",
			       pf.error);
}

/* --- The shadow's entries --------------------------------------------- */

static void print_shadow_level(const struct shadow_look *look, unsigned level)
{
	u64 e = look->entry[level];

	if (!e || e == look->unmade) {
		console_printf("shadow level %u  not made%s\n", level,
			       e ? ", traps" : "");
		return;
	}
	console_printf("shadow level %u  = %016llx", level, (ull)e);
	print_flags(e);
	console_printf("\n");
}

static void print_shadow(u64 gva)
{
	struct shadow_look look;
	bool more = true;

	if (!dbg.vm->shadow) {
		console_printf("shadow none: the engine uses no shadow tables\n");
		return;
	}
	shadow_look(dbg.vm->shadow, GVA(gva), &look);
	console_printf("shadow root %llx%s\n", (ull)look.root.a,
		       look.top ? "" : ", nothing made there");
	for (unsigned level = look.top; level && more; level--) {
		print_shadow_level(&look, level);
		more = look.entry[level] && look.entry[level] != look.unmade &&
		       !(level == 2 && (look.entry[level] & PTE_PS));
	}
}

void cmd_pt(const struct args *a)
{
	struct walk_mode m;
	u64 gva;

	if (a->count < 2) {
		console_printf("pt ADDR\n");
		return;
	}
	if (!args_address(a, 1, 0, &gva))
		return;
	walk_mode_of(dbg.vm->v, &m);
	m.smap = false;
	console_printf("linear %llx, %s, cr3 %llx\n", (ull)gva,
		       formats[m.format].name, (ull)m.cr3);
	print_guest_walk(&m, gva);
	print_result(&m, gva);
	print_shadow(gva);
}

void cmd_audit(const struct args *a)
{
	struct walk_mode m;
	unsigned wrong;

	if (!dbg.vm->shadow) {
		console_printf("no shadow tables\n");
		return;
	}
	walk_mode_of(dbg.vm->v, &m);
	wrong = shadow_audit(dbg.vm->shadow, &m);
	console_printf("audit: %u differences\n", wrong);
}

/* --- Translated code -------------------------------------------------- */

void cmd_tb(const struct args *a)
{
	const struct engine *engine = dbg.vm->config.engine;
	u64 gva;

	if (!engine->show_code) {
		console_printf("engine %s translates nothing\n", engine->name);
	} else if (a->count == 2 && (!strcmp(a->word[1], "on") ||
				     !strcmp(a->word[1], "off"))) {
		engine->count_runs(dbg.vm->v, !strcmp(a->word[1], "on"));
		console_printf("runs of blocks are %scounted\n",
			       a->word[1][1] == 'n' ? "" : "not ");
	} else if (args_address(a, 1, stops_pc(dbg.vm->v), &gva)) {
		engine->show_code(dbg.vm->v, GVA(gva));
	}
}
