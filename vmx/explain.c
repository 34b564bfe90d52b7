/* SPDX-License-Identifier: MIT */
/* The end of a guest that the engine cannot go on with: why, and the VMCS. */
#include "kernel/host.h"
#include "lib/string.h"
#include "log.h"
#include "vmx/checks.h"
#include "vmx/internal.h"

static void capture(struct vmx_check_input *in)
{
	memset(in, 0, sizeof(*in));
	in->caps = &vmx.caps;
	vmcs_capture(&vmx.caps, &in->vmcs);
	if (vmx.root.a)
		memcpy(in->pdpte, host_virt(vmx.root), sizeof(in->pdpte));
}

static void report(const char *why, bool broken_rules)
{
	static struct vmx_check_input in;
	const char *broken;

	capture(&in);
	log_error("vmx: %s (exit reason %#llx, qualification %#llx, "
		  "instruction error %llu)", why,
		  (unsigned long long)in.vmcs.EXIT_REASON,
		  (unsigned long long)in.vmcs.EXIT_QUALIFICATION,
		  (unsigned long long)in.vmcs.INSTRUCTION_ERROR);
	for (int rule = 0; broken_rules; rule++) {
		rule = vmx_check_next(&in, rule, &broken);
		if (rule < 0)
			break;
		log_error("vmx: broken rule: %s", broken);
	}
	vmcs_dump(&vmx.caps, &in.vmcs);
}

void vmx_give_up(const char *why)
{
	report(why, false);
	vmx.error = why;
}

void vmx_entry_failed(const char *why)
{
	report(why, true);
	vmx.error = why;
}
