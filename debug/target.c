/* SPDX-License-Identifier: MIT */
/*
 * The guest as gdb's target: registers, memory, stops. The set of stops grows
 * as it must; what the engine has derived from the old set goes when the guest
 * is let run.
 */
#include "debug/internal.h"

#include "cpu/control.h"
#include "cpu/cpuid.h"
#include "cpu/emu_internal.h"
#include "cpu/segment.h"
#include "kernel/fpu.h"
#include "kernel/host.h"
#include "lib/format.h"
#include "lib/string.h"

/* --- Registers -------------------------------------------------------- */

void target_load_fx(void)
{
	if (!dbg.fx_valid)
		fpu_image_save(dbg.fx);
	dbg.fx_valid = true;
}

void target_store_fx(void)
{
	if (dbg.fx_changed)
		fpu_image_load(dbg.fx);
	dbg.fx_valid = dbg.fx_changed = false;
}

/* Our own look at the guest's tables meets no stop. */
static bool by_interpreter(bool (*fn)(struct emu *e, u64 a, u64 b), u64 a, u64 b)
{
	struct emu *e = &dbg.vm->emu;
	struct stops *stops = e->stops;
	bool done;

	e->stops = NULL;
	e->fault_set = false;
	done = fn(e, a, b);
	e->fault_set = false;
	e->stops = stops;
	return done;
}

static bool load_code(struct emu *e, u16 sel)
{
	struct segment s;
	struct desc d;

	if (vcpu_real_addressing(e->v)) {
		seg_make_real(e->v, &e->v->seg[SEG_CS], sel);
		return true;
	}
	if (sel_is_null(sel) || !seg_desc_read(e, sel, VEC_GP, 0, &d) ||
	    !seg_check_code_same(e, sel, &d))
		return false;
	seg_from_desc(&s, sel, &d);
	seg_commit_cs(e->v, &s, e->v->cpl);
	return true;
}

static bool load(struct emu *e, u64 seg, u64 sel)
{
	return seg == SEG_CS ? load_code(e, (u16)sel) :
			       seg_load(e, (enum sreg)seg, (u16)sel);
}

static bool load_segment(void *ctx, enum sreg seg, u16 sel)
{
	return by_interpreter(load, seg, sel);
}

static bool load_control3(struct emu *e, u64 cr3, u64 unused)
{
	return control_load_cr3(e, cr3);
}

static bool load_cr3(void *ctx, u64 cr3)
{
	return by_interpreter(load_control3, cr3, 0);
}

static void changed(void *ctx, unsigned what, bool fx)
{
	const struct emu *e = &dbg.vm->emu;

	dbg.fx_changed |= fx;
	if (what)
		e->ops->mode_changed(e->ctx, what);
}

static unsigned reg_size(void *ctx, unsigned reg)
{
	return regs_size(reg);
}

static void reg_read(void *ctx, unsigned reg, u8 *buf)
{
	target_load_fx();
	regs_read(&dbg.regs, reg, buf);
}

static bool reg_write(void *ctx, unsigned reg, const u8 *buf)
{
	target_load_fx();
	return regs_write(&dbg.regs, reg, buf);
}

static const char *describe(void *ctx)
{
	const struct vcpu *v = dbg.vm->v;
	static char text[80];

	fmt_snprintf(text, sizeof(text), "%s, CPL %u, %u-bit code, %s%s",
		     !vcpu_protected(v) ? "real mode" :
		     vcpu_vm86(v) ? "virtual-8086 mode" :
		     vcpu_long_mode(v) ? "long mode" : "protected mode",
		     v->cpl, vcpu_code_size(v) * 8,
		     v->cr0 & CR0_PG ? "paged" : "unpaged",
		     v->activity == ACT_HALTED ? ", halted" :
		     v->activity == ACT_SHUTDOWN ? ", shut down" : "");
	return text;
}

/* --- Memory ----------------------------------------------------------- */

static u64 read(void *ctx, bool phys, u64 addr, void *buf, u64 size)
{
	return vm_peek(dbg.vm, phys, addr, buf, size);
}

static u64 write(void *ctx, bool phys, u64 addr, const void *buf, u64 size)
{
	return vm_poke(dbg.vm, phys, addr, buf, size);
}

/* --- Stops ------------------------------------------------------------ */

/* Twice the room; the old list is poisoned and given back. */
static bool grow(struct stops *s)
{
	u32 room = s->room ? 2 * s->room : PAGE_SIZE / sizeof(struct stop);
	u64 pages = ALIGN_UP(room * sizeof(struct stop), PAGE_SIZE) / PAGE_SIZE;
	struct stop *list = palloc(pages, PAGE_SIZE);

	if (!list)
		return false;
	memcpy(list, s->list, s->count * sizeof(struct stop));
	if (s->list)
		palloc_free(s->list, ALIGN_UP(s->room * sizeof(struct stop),
					      PAGE_SIZE) / PAGE_SIZE);
	s->list = list;
	s->room = room;
	return true;
}

bool target_stop_add(void *ctx, const struct stop *stop)
{
	struct stops *s = &dbg.vm->stops;

	dbg.stops_changed = true;
	return (s->count < s->room || grow(s)) && stops_add(s, stop);
}

bool target_stop_remove(void *ctx, const struct stop *stop)
{
	bool removed = stops_remove(&dbg.vm->stops, stop);

	dbg.stops_changed |= removed;
	return removed;
}

static void stops_clear_all(void *ctx)
{
	dbg.stops_changed |= dbg.vm->stops.count;
	stops_clear(&dbg.vm->stops);
}

/* --- Running ---------------------------------------------------------- */

static bool running(void *ctx)
{
	return dbg.state != DEBUG_STANDING;
}

static void pause(void *ctx)
{
	debugger_pause(GDB_SIGINT);
}

static void resume(void *ctx, enum gdb_resume how, u64 start, u64 end)
{
	debugger_resume(how, start, end);
}

static void why(void *ctx, struct gdb_stop *stop)
{
	*stop = dbg.why;
}

static void reset(void *ctx)
{
	debugger_end(VM_END_RESET);
}

static void kill(void *ctx)
{
	debugger_end(VM_END_DEBUGGER);
}

static void monitor(void *ctx, const char *line)
{
	monitor_for_gdb(line);
}

/* Any byte that comes meanwhile. */
static bool interrupted(void *ctx)
{
	return port_get() == 3;
}

struct gdb_ops target_ops = {
	.running = running,
	.pause = pause,
	.resume = resume,
	.why = why,
	.reg_size = reg_size,
	.reg_read = reg_read,
	.reg_write = reg_write,
	.read = read,
	.write = write,
	.stop_add = target_stop_add,
	.stop_remove = target_stop_remove,
	.stops_clear = stops_clear_all,
	.reset = reset,
	.kill = kill,
	.describe = describe,
	.monitor = monitor,
	.interrupted = interrupted,
};

void target_init(void)
{
	dbg.regs = (struct regs){
		.v = dbg.vm->v,
		.fx = dbg.fx,
		.cr4_allowed = cpuid_cr4_allowed(),
		.load_segment = load_segment,
		.load_cr3 = load_cr3,
		.changed = changed,
	};
	target_ops.reg_count = regs_count();
	target_ops.reg_pc = regs_find("rip");
	target_ops.told = regs_told(&target_ops.told_count);
	target_ops.ram_bytes = dbg.vm->gpm.size;
	target_ops.target_xml = regs_xml(&target_ops.target_xml_size);
}
