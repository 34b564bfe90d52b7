/* SPDX-License-Identifier: MIT */
/*
 * The engine that interprets everything: slow, always right, the same on any
 * machine. Other engines are compared with it.
 */
#include "cpu/emu_internal.h"
#include "cpu/engine.h"

static struct emu *emu;

static const char *interp_probe(void)
{
	return NULL;
}

static const char *interp_init(const struct engine_env *env)
{
	emu = env->emu;
	return NULL;
}

static bool interp_can_run(const struct vcpu *v)
{
	return true;
}

/* Does the run loop have to be asked before the next instruction? */
static bool wanted(const struct vcpu *v)
{
	return *(volatile const u8 *)&v->attention ||
	       v->insn_count >= v->insn_stop;
}

/* A cheap test that spares most instructions a look at the event rules. */
static bool event_possible(const struct vcpu *v)
{
	return v->intr | v->nmi_pending | v->db_pending;
}

static enum exit_reason run(struct vcpu *v)
{
	for (;;) {
		if (unlikely(event_possible(v)))
			emu_poll_events(emu);
		if (v->activity == ACT_SHUTDOWN)
			return EXIT_SHUTDOWN;
		if (v->activity == ACT_HALTED)
			return EXIT_HALT;
		if (wanted(v))
			return EXIT_ATTENTION;
		emu_step(emu);
	}
}

static void interp_run(struct vcpu *v, struct vcpu_exit *exit)
{
	exit->message = NULL;
	exit->reason = run(v);
}

const struct engine interp_engine = {
	.name = "interp",
	.needs_shadow = false,
	.long_mode = true,
	.guards = true,
	.probe = interp_probe,
	.init = interp_init,
	.can_run = interp_can_run,
	.run = interp_run,
};
