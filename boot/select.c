/* SPDX-License-Identifier: MIT */
/* Selection of the engine: what was asked for, else vmx where it can run. */
#include "boot/select.h"

#define NO_ICOUNT "vmx does not count instructions (time=icount)"

static const char *const names[] = {
	[ENGINE_AUTO] = "auto",
	[ENGINE_VMX] = "vmx",
	[ENGINE_BT] = "bt",
	[ENGINE_INTERP] = "interp",
};

const char *engine_option_name(enum option_engine engine)
{
	return names[engine];
}

struct engine_choice engine_select(enum option_engine asked,
				   const char *vmx_lacks, bool icount)
{
	struct engine_choice choice = { asked, false, "asked for" };

	if (!vmx_lacks && icount)
		vmx_lacks = NO_ICOUNT;
	switch (asked) {
	case ENGINE_VMX:
		choice.refused = vmx_lacks;
		break;
	case ENGINE_AUTO:
		choice.engine = vmx_lacks ? ENGINE_BT : ENGINE_VMX;
		break;
	default:
		return choice;
	}
	if (vmx_lacks)
		choice.reason = vmx_lacks;
	else if (asked == ENGINE_AUTO)
		choice.reason = "VT-x has all that it needs";
	return choice;
}
