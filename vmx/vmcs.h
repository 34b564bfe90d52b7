/* SPDX-License-Identifier: MIT */
/*
 * The VMCS by the list of its fields: names, encodings, an image of all of
 * them for the explainer, and access to the current one.
 */
#ifndef VMX_VMCS_H
#define VMX_VMCS_H

#include "vmx/caps.h"

/* A field's value is its encoding. */
enum vmcs_field {
#define F(name, encoding, width, needs) VMCS_##name = (encoding),
#include "vmx/vmcs_fields.inc"
#undef F
};

/* The segment registers' fields follow each other in the order of enum sreg. */
#define VMCS_SEG(field, seg) ((enum vmcs_field)(VMCS_GUEST_ES_##field + 2 * (seg)))

/* Every field's value; 0 for those that the processor does not have. */
struct vmcs_image {
#define F(name, encoding, width, needs) u64 name;
#include "vmx/vmcs_fields.inc"
#undef F
};

static inline u64 vmcs_read(enum vmcs_field field)
{
	u64 value;

	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((u64)field) : "cc");
	return value;
}

/* A field that cannot be written is our bug: panics. */
void vmcs_write(enum vmcs_field field, u64 value);

void vmcs_capture(const struct vmx_caps *caps, struct vmcs_image *image);
/* On the log, by name. */
void vmcs_dump(const struct vmx_caps *caps, const struct vmcs_image *image);

#endif
