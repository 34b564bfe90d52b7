/* SPDX-License-Identifier: MIT */
/*
 * The interpreter's side of stops: before each instruction and at each linear
 * access, the implicit ones of segment loads and deliveries too.
 */
#include "cpu/emu_internal.h"

static bool translate(struct emu *e, u64 linear, u64 *phys)
{
	gpa_t gpa;

	if (!e->ops->translate || !e->ops->translate(e->ctx, GVA(linear), &gpa))
		return false;
	*phys = gpa.a;
	return true;
}

/* Within one page. */
static const struct stop *find(struct emu *e, u8 kind, u64 linear, u64 size)
{
	const struct stops *s = e->stops;
	const struct stop *stop = NULL;
	u64 phys;

	if (stops_page(s, false, linear) & kind)
		stop = stops_find(s, kind, false, linear, size);
	if (!stop && (s->kinds[true] & kind) && translate(e, linear, &phys) &&
	    (stops_page(s, true, phys) & kind))
		stop = stops_find(s, kind, true, phys, size);
	return stop;
}

bool emu_stops_fetch(struct emu *e)
{
	struct stops *s = e->stops;
	u64 pc = stops_pc(e->v);
	const struct stop *stop;

	if (s->over && s->over_pc == pc)
		return false;
	s->over = false;
	if (!((s->kinds[false] | s->kinds[true]) & STOP_EXEC))
		return false;
	stop = find(e, STOP_EXEC, pc, 1);
	if (stop)
		stops_meet(s, e->v, stop, pc);
	return stop;
}

void emu_stops_data(struct emu *e, gva_t gva, u64 size, u8 kind)
{
	struct stops *s = e->stops;

	if (!((s->kinds[false] | s->kinds[true]) & kind))
		return;
	while (size) {
		u64 n = MIN(size, PAGE_SIZE - (gva.a & ~PAGE_MASK));
		const struct stop *stop = find(e, kind, gva.a, n);

		if (stop)
			stops_meet(s, e->v, stop, gva.a);
		size -= n;
		gva.a += n;
		if (!vcpu_long_mode(e->v))
			gva.a = (u32)gva.a;
	}
}

void emu_stops_forget(struct emu *e)
{
	struct stops *s = e->stops;

	s->over = false;
	if (!s->due || (s->met.kinds & STOP_EXEC))
		return;
	s->due = false;
	e->v->hold &= ~(u64)HOLD_EVENTS;
}
