/* SPDX-License-Identifier: MIT */
/* Events as interruption information. "Event Injection", "VM Exits". */
#include "vmx/events.h"

#include "vmx/arch.h"

static const u8 types[] = {
	[EV_INTR] = INTR_EXTERNAL,
	[EV_NMI] = INTR_NMI,
	[EV_EXCEPTION] = INTR_HARD_EXCEPTION,
	[EV_SOFT_INT] = INTR_SOFT_INT,
	[EV_SOFT_EXC] = INTR_SOFT_EXC,
	[EV_PRIV_SOFT_EXC] = INTR_PRIV_SOFT_EXC,
};

u32 vmx_event_encode(const struct event *ev)
{
	return (u32)(INTR_VALID | (ev->has_error ? INTR_ERROR_VALID : 0)) |
	       (u32)types[ev->kind] << INTR_TYPE_SHIFT | ev->vector;
}

static enum event_kind kind_of(unsigned type)
{
	for (unsigned kind = 0; kind < ARRAY_SIZE(types); kind++)
		if (types[kind] == type)
			return (enum event_kind)kind;
	return EV_EXCEPTION;
}

void vmx_event_decode(u32 info, u32 error, u32 insn_len, struct event *ev)
{
	*ev = (struct event){
		.vector = (u8)(info & INTR_VECTOR),
		.kind = kind_of((unsigned)INTR_TYPE(info)),
		.has_error = info & INTR_ERROR_VALID,
		.error = info & INTR_ERROR_VALID ? error : 0,
	};
	if (ev->kind >= EV_SOFT_INT)
		ev->insn_len = (u8)insn_len;
}
