/* SPDX-License-Identifier: MIT */
/*
 * The engine contract: interp, bt and vmx are each one of these. The run loop
 * (vm/run.c) knows nothing else of them.
 */
#ifndef CPU_ENGINE_H
#define CPU_ENGINE_H

#include "cpu/emu.h"
#include "cpu/exit.h"

struct gpm;    /* mm/gpm.h */
struct shadow; /* mm/shadow.h */

/* What an engine is given at init; all of it outlives the engine. */
struct engine_env {
	struct vcpu *v;
	struct emu *emu;       /* the interpreter's context for this vcpu */
	struct gpm *gpm;       /* guest-physical memory */
	struct shadow *shadow; /* NULL for an engine that says !needs_shadow */
	const struct stops *stops; /* the debugger's: cpu/stops.h */
	u64 cache_bytes;       /* bt: size of the translation cache */
	bool icount;           /* time is the instruction count: keep it exact */
	/* May be NULL. With icount: called wherever the whole state is in v, at
	 * places of the engine's own choice. */
	void (*observe)(void *ctx);
	void *observe_ctx;
};

struct engine {
	const char *name;
	bool needs_shadow;
	bool reloads;   /* mode_changed() of CR3 or paging flushes the real TLB */
	bool long_mode; /* runs IA-32e mode too, so that CPUID may offer it */
	bool guards;    /* the same of SMEP and SMAP */
	/* NULL when the engine can run on this machine, else why not, in words. */
	const char *(*probe)(void);
	/* NULL when ready, else why not, in words. */
	const char *(*init)(const struct engine_env *env);
	/* May the state in v be run by this engine? */
	bool (*can_run)(const struct vcpu *v);
	/*
	 * Run the guest until something needs the monitor. All architectural
	 * state is in v at return and v stands at an instruction boundary.
	 * Pending interrupts (v->intr) are delivered by the engine itself.
	 * Entered and left with host interrupts on.
	 */
	void (*run)(struct vcpu *v, struct vcpu_exit *exit);
	/*
	 * Told after the interpreter changed what the engine may have cached
	 * (enum mode_change; one page's translation). NULL: nothing cached.
	 */
	void (*mode_changed)(struct vcpu *v, unsigned what);
	void (*invlpg)(struct vcpu *v, gva_t gva);
	/* The shadow MMU dropped hardware entries: one page, or all (NULL). */
	void (*tlb_flush)(struct vcpu *v, const gva_t *gva);
	/* The mapping of this linear range may have changed. */
	void (*unmapped)(struct vcpu *v, gva_t gva, u64 size);
	/* May be NULL. The guest can write to the frame only by way of a fault
	 * from now on. */
	void (*tracked)(struct vcpu *v, u64 gfn);
	/* env.stops is another set: drop what was made by the old one. */
	void (*stops_changed)(struct vcpu *v);
	/* Why the hardware left the guest, how often, and TSC ticks while they
	 * are measured (lib/cost.h): a row a reason that was seen. NULL: the
	 * engine has no such reasons. */
	void (*each_exit)(void (*row)(const char *reason, u64 times,
				      u64 ticks));
	/* Bring those of the counters up to date that the engine keeps in a
	 * place of its own. NULL: none. */
	void (*update_counters)(struct vcpu *v);
	/* Print what the engine made of the code at gva; count: of how often it
	 * runs from now on. NULL: nothing. */
	void (*show_code)(struct vcpu *v, gva_t gva);
	void (*count_runs)(struct vcpu *v, bool on);
	/* Guest memory was written behind the guest's back (loader, debugger). */
	void (*memory_changed)(struct vcpu *v);
};

extern const struct engine interp_engine;

#endif
