/* SPDX-License-Identifier: MIT */
/*
 * Inside of the vmx engine. One guest, one vcpu, one VMCS.
 *
 * Where the guest's state is: while it runs, in the processor and the VMCS.
 * After an exit it is read into the vcpu by groups, when somebody wants it;
 * `valid` says which groups the vcpu holds. Software that changes the vcpu
 * (the interpreter) first loads all of it; only valid groups are stored again.
 */
#ifndef VMX_INTERNAL_H
#define VMX_INTERNAL_H

#include "cpu/engine.h"
#include "mm/shadow.h"
#include "vmx/controls.h"
#include "vmx/vmcs.h"

enum vmx_state {
	STATE_CORE = BIT(0),    /* RIP, RSP, RFLAGS, interruptibility */
	STATE_SEGS = BIT(1),    /* segments, GDTR, IDTR, CPL */
	STATE_CONTROL = BIT(2), /* what the guest itself writes of CR0, CR2, CR4 */
	STATE_ALL = STATE_CORE | STATE_SEGS | STATE_CONTROL,
};

struct vmx {
	struct engine_env env;
	struct vmx_caps caps;
	struct vmx_controls controls;
	struct walk_mode mode;
	hpa_t root;
	unsigned valid;     /* enum vmx_state */
	bool launched;
	bool virtual_nmis;
	bool recheck;       /* software ran: may the state still be entered? */
	bool filled;        /* the last exit was a hidden page fault */
	bool event_due;     /* `event` is for the next entry to inject */
	bool event_again;   /* its delivery was interrupted: counted before */
	struct event event;
	const char *error;  /* the engine gives up */
};

extern struct vmx vmx;

/* --- state.c ---------------------------------------------------------- */

/* Nothing of what the VMCS holds is known: the next store writes it all. */
void vmx_state_init(void);
/* Bring groups of the vcpu up to date after an exit. */
void vmx_state_load(unsigned groups);
/* Write what changed of the valid groups, before an entry. */
void vmx_state_store(void);
/*
 * For exits that do the whole instruction: is there nothing to report after it
 * but that it is done (no traps, no blocking, no wrap of RIP)? Then it may be
 * skipped. Loads no more than it needs.
 */
bool vmx_state_plain(void);
void vmx_state_skip(void);
/*
 * In IA-32e mode, where the guest changes its address space: a task that was
 * in a handler, on a null SS, may now go on with one that leaves by SYSRET.
 */
void vmx_state_flatten_stack(void);

/* --- inject.c --------------------------------------------------------- */

/* Have the next entry inject an exception of the guest. */
void vmx_event_raise(const struct event *ev);
/* After an exit: was it in the middle of the delivery of an event? */
void vmx_event_take_vectoring(void);
/* Before an entry: choose what to inject, ask for windows. */
void vmx_event_prepare(void);
/* Nothing comes between this and the entry. */
void vmx_event_inject(void);
/* Deliver in software what would have been injected. */
void vmx_event_flush(void);

/* --- exit.c ----------------------------------------------------------- */

void vmx_exit_dispatch(void);
/* The last exit has been handled since then (lib/cost.h). */
void vmx_exit_note_cost(u64 start);
void vmx_exit_each(void (*row)(const char *reason, u64 times, u64 ticks));

/* --- explain.c -------------------------------------------------------- */

/* Log what is wrong and the VMCS; the engine gives up with this reason. */
void vmx_give_up(const char *why);
/* The entry failed by itself: name the broken rules too. */
void vmx_entry_failed(const char *why);

#endif
