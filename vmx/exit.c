/* SPDX-License-Identifier: MIT */
/*
 * VM exits by reason. A row has the reason's name, the groups of guest state
 * that must be in the vcpu, and the handler.
 *
 * A handler finds what caused the exit in the VMCS; vmx.event_due says that an
 * event was being delivered. It may leave that to be injected again, raise
 * another event in its place, or call step(), which does what the processor
 * was about to do in software. The guest's RIP is moved by software alone.
 */
#include "kernel/host.h"
#include "lib/counters.h"
#include "lib/ring.h"
#include "vmx/fast.h"
#include "vmx/internal.h"

/*
 * By the interpreter: the instruction, or the delivery, that the exit cut off.
 * A fault on the way is raised there, by the rules for double faults.
 */
static void step(void)
{
	vmx_state_load(STATE_ALL);
	vmx.recheck = true;
	if (vmx.event_due) {
		vmx.event_due = false;
		emu_deliver(vmx.env.emu, &vmx.event);
	} else {
		emu_step(vmx.env.emu);
	}
}

static void invlpg(void)
{
	if (!vmx_fast_invlpg())
		step();
}

static void io(void)
{
	if (!vmx_fast_io())
		step();
}

static void cpuid(void)
{
	if (!vmx_fast_cpuid())
		step();
}

static void cr_access(void)
{
	if (!vmx_fast_cr())
		step();
}

static void resume(void)
{
}

static void unexpected(void)
{
	vmx_give_up("a VM exit for a reason that cannot be");
}

static void triple_fault(void)
{
	vmx.env.v->activity = ACT_SHUTDOWN;
}

/* --- Exceptions and NMIs ------------------------------------------------ */

/* The real one was taken by the exit; the host's own handler deals with it. */
static void host_nmi(void)
{
	__asm__ volatile("int $2" : : : "memory");
}

static void host_machine_check(void)
{
	__asm__ volatile("int $18" : : : "memory");
}

static void raise(u8 vector, u32 error, u64 cr2)
{
	vmx_event_raise(&(struct event){
		.vector = vector, .kind = EV_EXCEPTION, .has_error = true,
		.error = error, .cr2 = cr2 });
}

/*
 * A frame that is cleared or copied to is not traced any more after a few
 * writes: a REP is interpreted for as long as that only.
 */
static void step_traced(void)
{
	vmx.env.emu->one_piece = true;
	step();
	vmx.env.emu->one_piece = false;
}

static void page_fault(void)
{
	gva_t gva = GVA(vmcs_read(VMCS_EXIT_QUALIFICATION));
	u32 error = (u32)vmcs_read(VMCS_EXIT_INTR_ERROR_CODE);
	struct pagefault pf;
	gpa_t gpa;

	ring_add(RING_PAGE_FAULT, gva.a, error);
	if (vmx.mode.smap) {
		vmx_state_load(STATE_CORE);
		vmx.mode.ac = vmx.env.v->rflags & EFLAGS_AC;
	}
	switch (shadow_fault(vmx.env.shadow, &vmx.mode, gva, error, &pf,
			     &gpa)) {
	case SHADOW_FILLED:
		vmx.filled = true;
		break;
	case SHADOW_GUEST:
		if (vmx.event_due)
			step();
		else
			raise(VEC_PF, pf.error, pf.gva.a);
		break;
	case SHADOW_TRACED:
		step_traced();
		break;
	case SHADOW_MMIO:
		step();
		break;
	}
}

/* The exit has not written DR6; the delivery does. */
static void debug_exception(void)
{
	struct vcpu *v = vmx.env.v;
	u64 bits = vmcs_read(VMCS_EXIT_QUALIFICATION) &
		   (PENDING_BP | DR6_BD | DR6_BS);
	struct event ev = { .vector = VEC_DB, .kind = EV_EXCEPTION };

	vmx_state_load(STATE_ALL);
	vmx.recheck = true;
	v->db_dr6 = bits;
	emu_deliver(vmx.env.emu, &ev);
}

/*
 * #AC and #DB are intercepted because their delivery may raise them again for
 * ever, with no boundary at which an interrupt could stop it.
 */
static void alignment_check(void)
{
	if (vmx.event_due)
		step();
	else
		raise(VEC_AC, 0, 0);
}

static void exception(u32 info)
{
	count(CNT_HOST_FAULTS);
	switch (info & INTR_VECTOR) {
	case VEC_PF:
		page_fault();
		break;
	case VEC_DB:
		debug_exception();
		break;
	case VEC_AC:
		alignment_check();
		break;
	case VEC_MC:
		host_machine_check();
		break;
	default:
		unexpected();
	}
}

/* An IRET that faults has unblocked NMIs already: block them again. */
static void block_nmis_again(u32 info)
{
	if (!(info & INTR_NMI_UNBLOCK) || vmx.event_due ||
	    (info & INTR_VECTOR) == VEC_DF)
		return;
	vmx_state_load(STATE_CORE);
	vmx.env.v->nmi_blocked = 1;
}

static void exception_or_nmi(void)
{
	u32 info = (u32)vmcs_read(VMCS_EXIT_INTR_INFO);

	if (vmx.virtual_nmis)
		block_nmis_again(info);
	switch (INTR_TYPE(info)) {
	case INTR_NMI:
		host_nmi();
		break;
	case INTR_PRIV_SOFT_EXC:
		step();
		break;
	default:
		exception(info);
	}
}

/* --- The rows ------------------------------------------------------------ */

/* "VMX Basic Exit Reasons". NULL handler: must not happen with our controls. */
/* clang-format off */
static const struct {
	const char *name;
	void (*handler)(void);
	unsigned needs;
} rows[] = {
	[0]  = { "exception or NMI",         exception_or_nmi, 0 },
	[1]  = { "external interrupt",       resume, 0 },
	[2]  = { "triple fault",             triple_fault, STATE_ALL },
	[3]  = { "INIT signal",              resume, 0 },
	[4]  = { "start-up IPI",             NULL, 0 },
	[5]  = { "I/O SMI",                  NULL, 0 },
	[6]  = { "other SMI",                NULL, 0 },
	[7]  = { "interrupt window",         resume, 0 },
	[8]  = { "NMI window",               resume, 0 },
	[9]  = { "task switch",              step, STATE_ALL },
	[10] = { "CPUID",                    cpuid, 0 },
	[11] = { "GETSEC",                   step, STATE_ALL },
	[12] = { "HLT",                      step, STATE_ALL },
	[13] = { "INVD",                     step, STATE_ALL },
	[14] = { "INVLPG",                   invlpg, 0 },
	[15] = { "RDPMC",                    step, STATE_ALL },
	[16] = { "RDTSC",                    step, STATE_ALL },
	[17] = { "RSM",                      step, STATE_ALL },
	[18] = { "VMCALL",                   step, STATE_ALL },
	[19] = { "VMCLEAR",                  step, STATE_ALL },
	[20] = { "VMLAUNCH",                 step, STATE_ALL },
	[21] = { "VMPTRLD",                  step, STATE_ALL },
	[22] = { "VMPTRST",                  step, STATE_ALL },
	[23] = { "VMREAD",                   step, STATE_ALL },
	[24] = { "VMRESUME",                 step, STATE_ALL },
	[25] = { "VMWRITE",                  step, STATE_ALL },
	[26] = { "VMXOFF",                   step, STATE_ALL },
	[27] = { "VMXON",                    step, STATE_ALL },
	[28] = { "control-register access",  cr_access, 0 },
	[29] = { "MOV DR",                   step, STATE_ALL },
	[30] = { "I/O instruction",          io, 0 },
	[31] = { "RDMSR",                    step, STATE_ALL },
	[32] = { "WRMSR",                    step, STATE_ALL },
	[33] = { "invalid guest state",      NULL, 0 },
	[34] = { "MSR loading",              NULL, 0 },
	[36] = { "MWAIT",                    step, STATE_ALL },
	[37] = { "monitor trap flag",        NULL, 0 },
	[39] = { "MONITOR",                  step, STATE_ALL },
	[40] = { "PAUSE",                    NULL, 0 },
	[41] = { "machine check at entry",   host_machine_check, 0 },
	[43] = { "TPR below threshold",      NULL, 0 },
	[44] = { "APIC access",              NULL, 0 },
	[45] = { "virtualized EOI",          NULL, 0 },
	[46] = { "GDTR or IDTR access",      NULL, 0 },
	[47] = { "LDTR or TR access",        NULL, 0 },
	[48] = { "EPT violation",            NULL, 0 },
	[49] = { "EPT misconfiguration",     NULL, 0 },
	[50] = { "INVEPT",                   step, STATE_ALL },
	[51] = { "RDTSCP",                   step, STATE_ALL },
	[52] = { "preemption timer",         resume, 0 },
	[53] = { "INVVPID",                  step, STATE_ALL },
	[54] = { "WBINVD",                   step, STATE_ALL },
	[55] = { "XSETBV",                   step, STATE_ALL },
	[56] = { "APIC write",               NULL, 0 },
	[57] = { "RDRAND",                   step, STATE_ALL },
	[58] = { "INVPCID",                  step, STATE_ALL },
	[59] = { "VMFUNC",                   step, STATE_ALL },
	[60] = { "ENCLS",                    step, STATE_ALL },
	[61] = { "RDSEED",                   step, STATE_ALL },
	[62] = { "page-modification log",    NULL, 0 },
	[63] = { "XSAVES",                   step, STATE_ALL },
	[64] = { "XRSTORS",                  step, STATE_ALL },
};
/* clang-format on */

static u64 counts[ARRAY_SIZE(rows)];
static u64 ticks[ARRAY_SIZE(rows)]; /* while they are measured */
static u32 last_reason;

static void dispatch(u32 basic)
{
	if (basic >= ARRAY_SIZE(rows) || !rows[basic].name) {
		unexpected();
		return;
	}
	counts[basic]++;
	last_reason = basic;
	if (!rows[basic].handler) {
		unexpected();
		return;
	}
	vmx_state_load(rows[basic].needs);
	rows[basic].handler();
}

void vmx_exit_dispatch(void)
{
	u32 reason = (u32)vmcs_read(VMCS_EXIT_REASON);

	vmx.filled = false;
	if (unlikely(reason & EXIT_ENTRY_FAILURE)) {
		vmx_entry_failed("VM entry failed on the guest state");
		return;
	}
	vmx_event_take_vectoring();
	dispatch(reason & EXIT_REASON_BASIC);
}

void vmx_exit_note_cost(u64 start)
{
	if (start)
		ticks[last_reason] += __builtin_ia32_rdtsc() - start;
}

void vmx_exit_each(void (*row)(const char *reason, u64 times, u64 ticks))
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (counts[i])
			row(rows[i].name, counts[i], ticks[i]);
}
