/* SPDX-License-Identifier: MIT */
/*
 * One guest: its processor, memory and board, and the run loop that joins them
 * with an engine. The only place where cpu, mm, devices and an engine meet.
 */
#ifndef VM_VM_H
#define VM_VM_H

#include "cpu/cpuid.h"
#include "cpu/engine.h"
#include "devices/board.h"
#include "mm/gpm.h"
#include "mm/shadow.h"
#include "mm/track.h"

/* How a guest ended; a row each: name, text, status unless the guest gave one. */
#define VM_ENDS(X)                                                        \
	X(EXIT_PORT, "the guest wrote its exit status", 0)                \
	X(POWER_OFF, "power-off", 0)                                      \
	X(HALT, "halted with interrupts off", 0)                          \
	X(RESET, "reset", 0)                                              \
	X(SHUTDOWN, "triple fault", 0)                                    \
	X(DEBUGGER, "ended by the debugger", 0)                           \
	X(ERROR, "the monitor stopped the guest", 5)

enum vm_end {
#define X(name, text, status) VM_END_##name,
	VM_ENDS(X)
#undef X
	VM_END_COUNT
};

/* What a digest says of memory: nothing, a hash, and one for each page. */
enum digest_memory { DIGEST_REGISTERS, DIGEST_MEMORY, DIGEST_PAGES };

struct vm_config {
	u64 mem_bytes;                 /* multiple of 2 MiB */
	const struct engine *engine;   /* runs what it can */
	const struct engine *fallback; /* the rest; may be the same */
	enum shadow_root_kind root_kind;
	const u64 *host_pml4; /* for 4-level shadow roots */
	u64 trap_bit;         /* for PAE ones: mm/shadow.h */
	bool small_pages;     /* in shadow tables: mm/shadow.h */
	bool fault_flushes;   /* by the processor: mm/shadow.h */
	bool unsync;          /* leaf tables go out of sync: mm/shadow.h */
	u64 cache_bytes;      /* bt's translation cache */
	bool no_long_mode;    /* CPUID offers none, even where the engine could */
	bool icount;          /* time is the count of instructions */
	u64 trace_from, trace_to, trace_every; /* digests, see vm/digest.c */
	u32 trace_memory;                      /* enum digest_memory */
	bool marks; /* the guest may mark its measurements: vm/marks.c */
	bool audit;        /* of the shadow tables, when the guest ends */
	bool trace_blocks; /* where the engine sees fit, not at every */
	const struct cpuid_host *cpuid;        /* NULL: a fixed P6 */
};

/* Typed bytes that the guest's FIFO refused. */
struct serial_held {
	u8 bytes[4096];
	u16 head, count;
};

struct vm_debugger; /* vm/debug.h */

struct vm {
	struct vm_config config;
	struct vcpu *v; /* a page of its own */
	struct emu emu;
	struct stops stops; /* emu.stops points here while there are any */
	const struct vm_debugger *debugger; /* NULL: none */
	struct gpm gpm;
	struct track track;
	struct shadow *shadow;
	struct board *board;
	bool reloading;            /* the engine is about to flush the TLB */
	struct walk_mode mode;     /* walk_mode_of(v), kept by mode changes */
	const struct engine *last; /* engine of the last entry */
	u64 armed;                 /* the board's deadline that was seen last */
	u64 wake_at;               /* the debugger's, host time; ~0: none */
	u64 timer_at;              /* what the host timer is set to */
	u64 held_since;            /* host time; 0: the guest runs */
	u64 lag;                   /* guest time is so far behind the host's */
	struct serial_held held;
	u64 tsc_start;   /* host TSC at the start of vm_run() */
	u64 guest_start; /* guest time then */
	u64 wall_start;  /* seconds since 1970 then */
	u64 digest_last; /* instruction count of the last digest */
	char error[160];           /* VM_END_ERROR: why */
};

/*
 * Make a guest in reset state with its memory. NULL: *why says in words what
 * is missing. Memory is never given back: one guest a boot.
 */
struct vm *vm_create(const struct vm_config *config, const char **why);

/* Run until the guest ends. *status is the guest's own, or the end's. */
enum vm_end vm_run(struct vm *vm, u32 *status);

const char *vm_end_text(enum vm_end end);

/*
 * vm/clock.c: time in TSC ticks, or instructions with icount. The guest's
 * stands still while the guest is held; its TSC is the host's time plus
 * v->tsc_offset, which takes that into account.
 */
u64 vm_now(const struct vm *vm);
u64 vm_tsc_hz(const struct vm *vm);
u64 vm_host_now(const struct vm *vm);
/* When the host's clock will show it if the guest runs on from now. */
u64 vm_host_time(const struct vm *vm, u64 guest_time);
/* The guest does not run from here on, or runs again; twice is as once. */
void vm_clock_hold(struct vm *vm);
void vm_clock_release(struct vm *vm);

/* vm/ops.c: the interpreter's way to memory, ports and time. */
extern const struct emu_ops vm_emu_ops;

/* vm/stats.c: the table and the JSON line at the end of a guest. */
/* Bring the counters that are derived from others up to date. */
void vm_stats_update(const struct vm *vm);
void vm_stats_print(const struct vm *vm, enum vm_end end, u32 status);

/* vm/marks.c: the guest wrote to the port of marks. */
void vm_mark(struct vm *vm, u8 what);

/* vm/digest.c: state digests that tools/penumbra diverge compares. */
void vm_digest(struct vm *vm);
/* The last, wherever the guest has ended. */
void vm_digest_end(struct vm *vm);
/* At any instruction of the span; ctx is the vm. */
void vm_digest_block(void *ctx);
/* Instruction count at which the next one is due; ~0: never. */
u64 vm_digest_next(const struct vm *vm);

#endif
