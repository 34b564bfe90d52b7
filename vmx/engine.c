/* SPDX-License-Identifier: MIT */
/*
 * The vmx engine: the guest on the CPU itself, in VMX non-root operation, on
 * shadow page tables. Real mode and the states between modes that VM entry
 * refuses are left to the run loop's fallback.
 * Invariant: outside vmx_run() all guest state is in the vcpu, no event is due
 * and nothing of the guest is in the VMCS that the next run relies on.
 */
#include "vmx/vmx.h"

#include "kernel/caps.h"
#include "kernel/instr.h"
#include "lib/cost.h"
#include "lib/counters.h"
#include "lib/ring.h"
#include "log.h"
#include "vmx/entry.h"
#include "vmx/hw.h"
#include "vmx/internal.h"
#include "vmx/runnable.h"

#define EXCEPTIONS (BIT(VEC_DB) | BIT(VEC_AC) | BIT(VEC_MC))

struct vmx vmx;

/* --- Selection and start ---------------------------------------------- */

static const char *vmx_probe(void)
{
	if (host_caps.vtx == VTX_ABSENT)
		return "the CPU has no VT-x";
	if (host_caps.vtx == VTX_LOCKED_OFF)
		return "VT-x is locked off by the firmware";
	vmx_caps_read(&vmx.caps);
	return vmx_controls_reconcile(&vmx.caps, &vmx.controls);
}

static const char *vmx_init(const struct engine_env *env)
{
	const char *why;

	if (env->icount)
		return "vmx does not count instructions (time=icount)";
	vmx.env = *env;
	vmx.virtual_nmis = vmx.controls.value[VMX_PIN] & PIN_VIRTUAL_NMIS;
	why = vmx_hw_start(&vmx.caps);
	if (why)
		return why;
	vmx_hw_init_vmcs(&vmx.caps, &vmx.controls);
	vmx_hw_open_msrs(false);
	vmx_state_init();
	return NULL;
}

static bool vmx_can_run(const struct vcpu *v)
{
	return vmx_state_runnable(v, vmx.virtual_nmis) &&
	       !stops_bar(vmx.env.stops, v);
}

/* --- What the interpreter and the shadow MMU tell ---------------------- */

/* Do the guest's own fetch faults carry I/D? "Page-Fault Exceptions" */
static bool shows_fetch(const struct walk_mode *m)
{
	return m->smep || (m->nxe && m->format >= WALK_PAE);
}

/*
 * Not-present faults are the guest's own, where the shadow tables see to it,
 * and cost no exit. The real EFER.NXE is always set and makes fetch faults
 * carry I/D, so a guest without it has to be shown them by us. With bit 14 of
 * the bitmap clear, faults that do *not* match cause an exit.
 */
static void filter_page_faults(void)
{
	if (!shadow_traps(vmx.env.shadow)) {
		vmcs_write(VMCS_EXCEPTION_BITMAP, EXCEPTIONS | BIT(VEC_PF));
		return;
	}
	vmcs_write(VMCS_EXCEPTION_BITMAP, EXCEPTIONS);
	vmcs_write(VMCS_PAGE_FAULT_MASK,
		   shows_fetch(&vmx.mode) ? PFEC_P : PFEC_P | PFEC_I);
	vmcs_write(VMCS_PAGE_FAULT_MATCH, 0);
}

static void vmx_mode_changed(struct vcpu *v, unsigned what)
{
	if (!(what & (MODE_CR3 | MODE_PAGING)))
		return;
	walk_mode_of(v, &vmx.mode);
	vmx.root = shadow_root(vmx.env.shadow, &vmx.mode);
	if (!(what & MODE_PAGING))
		return;
	filter_page_faults();
	vmx_hw_open_msrs(vcpu_long_mode(v));
}

/* --- Running ------------------------------------------------------------ */

/* To the guest and back, with what the host has waiting let in afterwards. */
static void enter(struct vcpu *v)
{
	enum vmx_entry_result result;
	u64 start;

	vmx_event_inject();
	vmx_state_store();
	result = vmx_enter(v, vmx.launched);
	start = cost_start();
	sti();
	switch (result) {
	case VMX_ENTERED:
		vmx.launched = true;
		count(CNT_VM_EXITS);
		vmx_exit_dispatch();
		cost_end(COST_VMEXIT, start);
		vmx_exit_note_cost(start);
		break;
	case VMX_FAIL_VALID:
		vmx_entry_failed("VM entry failed on controls or host state");
		break;
	case VMX_FAIL_INVALID:
		vmx_give_up("VM entry found no current VMCS");
		break;
	}
}

static bool entry_refused(const struct vcpu *v)
{
	if (!vmx.recheck)
		return false;
	vmx.recheck = false;
	return !vmx_can_run(v);
}

/* Does the run loop have to be asked? */
static bool must_leave(const struct vcpu *v, struct vcpu_exit *exit)
{
	if (unlikely(vmx.error))
		exit->reason = EXIT_ERROR;
	else if (v->activity == ACT_SHUTDOWN)
		exit->reason = EXIT_SHUTDOWN;
	else if (v->activity == ACT_HALTED && !emu_event_ready(v))
		exit->reason = EXIT_HALT;
	else if (*(volatile const u8 *)&v->attention)
		exit->reason = EXIT_ATTENTION;
	else if (entry_refused(v))
		exit->reason = EXIT_CANNOT_RUN;
	else
		return false;
	return true;
}

/*
 * Interrupts are off from the test for attention to the entry: one that comes
 * then ends the guest's run at once.
 */
static void run_once(struct vcpu *v)
{
	vmx_event_prepare();
	if (entry_refused(v)) {
		vmx.recheck = true; /* must_leave() will ask again */
		return;
	}
	cli();
	if (*(volatile const u8 *)&v->attention || v->activity != ACT_ACTIVE)
		sti();
	else
		enter(v);
}

static void vmx_run(struct vcpu *v, struct vcpu_exit *exit)
{
	if (!vmx.root.a)
		vmx_mode_changed(v, MODE_PAGING);
	vmx.valid = STATE_ALL;
	vmx.recheck = true;
	while (!must_leave(v, exit))
		run_once(v);
	exit->message = vmx.error;
	vmx_state_load(STATE_ALL);
	vmx_event_flush();
}

const struct engine vmx_engine = {
	.name = "vmx",
	.needs_shadow = true,
	.long_mode = true,
	.guards = true,
	.probe = vmx_probe,
	.init = vmx_init,
	.can_run = vmx_can_run,
	.run = vmx_run,
	.mode_changed = vmx_mode_changed,
	.each_exit = vmx_exit_each,
};
