/* SPDX-License-Identifier: MIT */
/*
 * After a panic gdb finds the monitor itself: its registers at the panic and
 * its memory, to be read with the symbols of penumbra.elf. The guest's state
 * is there through `monitor regs`, `monitor x` and so on, and as physical
 * memory. Nothing runs any more; letting it go ends the machine. Polls, since
 * interrupts are off, and trusts nothing that it reads.
 */
#include "debug/internal.h"

#include "kernel/exit.h"
#include "kernel/host.h"
#include "kernel/idt.h"
#include "kernel/instr.h"
#include "kernel/panic.h"
#include "lib/string.h"

static struct vcpu monitor_cpu; /* the frame as a vcpu: for regs.c */
static bool over;

static bool running(void *ctx)
{
	return false;
}

static void nothing(void *ctx)
{
}

static void why(void *ctx, struct gdb_stop *stop)
{
	*stop = (struct gdb_stop){ .signal = GDB_SIGABRT };
}

static void resume(void *ctx, enum gdb_resume how, u64 start, u64 end)
{
	over = true;
}

static void end(void *ctx)
{
	over = true;
}

static u64 read(void *ctx, bool phys, u64 addr, void *buf, u64 size)
{
	if (phys)
		return gpm_peek(&dbg.vm->gpm, GPA(addr), buf, size) ? size : 0;
	return host_peek(addr, buf, size);
}

static u64 no_write(void *ctx, bool phys, u64 addr, const void *buf, u64 size)
{
	return 0;
}

static bool no_reg_write(void *ctx, unsigned reg, const u8 *buf)
{
	return false;
}

static bool no_stop(void *ctx, const struct stop *stop)
{
	return false;
}

static const char *describe(void *ctx)
{
	return "the monitor, panicked";
}

static void take_frame(const struct host_frame *f)
{
	static const u8 order[] = { R_AX, R_CX, R_DX, R_BX, R_BP, R_SI, R_DI,
				    R_8, R_9, R_10, R_11, R_12, R_13, R_14,
				    R_15 };
	struct vcpu *v = &monitor_cpu;

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
		v->gpr[order[i]] = (&f->rax)[i];
	v->gpr[R_SP] = f->rsp;
	v->rip = f->rip;
	v->rflags = f->rflags;
	v->seg[SEG_CS].sel = (u16)f->cs;
	v->seg[SEG_CS].ar = AR_L;
	v->seg[SEG_SS].sel = (u16)f->ss;
	v->cr0 = read_cr0();
	v->cr2 = read_cr2();
	v->cr3 = read_cr3();
	v->cr4 = read_cr4();
	v->efer = EFER_LME | EFER_LMA;
}

static void become_target(void)
{
	target_load_fx();
	dbg.regs.v = &monitor_cpu;
	target_ops.running = running;
	target_ops.pause = nothing;
	target_ops.resume = resume;
	target_ops.why = why;
	target_ops.read = read;
	target_ops.write = no_write;
	target_ops.reg_write = no_reg_write;
	target_ops.stop_add = target_ops.stop_remove = no_stop;
	target_ops.stops_clear = nothing;
	target_ops.reset = target_ops.kill = end;
	target_ops.describe = describe;
}

/* A machine that would stand for ever may as well listen; one that is to end
 * by itself stays only for a gdb that is there. */
static void examine(const struct host_frame *f, const char *reason)
{
	int byte;

	if (!dbg.gdb.attached && machine_exit_mode_get() != MACHINE_HALT)
		return;
	take_frame(f);
	become_target();
	gdb_say(&dbg.gdb, reason, strlen(reason));
	gdb_say(&dbg.gdb, "\n", 1);
	gdb_abandon(&dbg.gdb);
	while (!over && port_poll())
		while ((byte = port_get()) >= 0)
			gdb_take(&dbg.gdb, (u8)byte);
}

void autopsy_init(void)
{
	panic_hook = examine;
}
