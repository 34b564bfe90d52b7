/* SPDX-License-Identifier: MIT */
/* The VMCS as a list: writing with a check, capturing and printing it whole. */
#include "vmx/vmcs.h"

#include "lib/format.h"
#include "log.h"

static const struct field {
	const char *name;
	u16 encoding;
	u16 offset; /* in struct vmcs_image */
	enum vmx_feature needs;
} fields[] = {
#define F(field, code, width, feature)                                    \
	{ #field, code, offsetof(struct vmcs_image, field),               \
	  VMX_HAS_##feature },
#include "vmx/vmcs_fields.inc"
#undef F
};

static u64 *image_field(const struct vmcs_image *image, const struct field *f)
{
	return (u64 *)((u8 *)image + f->offset);
}

static const char *field_name(enum vmcs_field field)
{
	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].encoding == field)
			return fields[i].name;
	return "?";
}

void vmcs_write(enum vmcs_field field, u64 value)
{
	bool failed;

	__asm__ volatile("vmwrite %2, %1"
			 : "=@ccna"(failed)
			 : "r"((u64)field), "r"(value));
	if (unlikely(failed))
		panic("VMWRITE of %s failed", field_name(field));
}

void vmcs_capture(const struct vmx_caps *caps, struct vmcs_image *image)
{
	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];

		*image_field(image, f) = vmx_has(caps, f->needs) ?
			vmcs_read((enum vmcs_field)f->encoding) : 0;
	}
}

#define COLUMNS 3

void vmcs_dump(const struct vmx_caps *caps, const struct vmcs_image *image)
{
	char line[160];
	unsigned column = 0;
	int n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];

		if (!vmx_has(caps, f->needs))
			continue;
		n += fmt_snprintf(line + n, sizeof(line) - (size_t)n,
				  "%-24s %-18llx", f->name,
				  (unsigned long long)*image_field(image, f));
		if (++column < COLUMNS)
			continue;
		log_error("%s", line);
		column = 0;
		n = 0;
	}
	if (column)
		log_error("%s", line);
}
