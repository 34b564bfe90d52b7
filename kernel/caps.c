/* SPDX-License-Identifier: MIT */
/* The capability report: CPUID and MSRs, read so that nothing can fault. */
#include "kernel/caps.h"

#include "kernel/host.h"
#include "kernel/instr.h"
#include "kernel/memory.h"
#include "lib/format.h"
#include "lib/string.h"
#include "log.h"

#define MSR_PLATFORM_INFO 0x0ceu
#define PLATFORM_INFO_CPUID_FAULTING BIT(31)

struct host_caps host_caps;

enum cpuid_reg { EAX, EBX, ECX, EDX };

/* clang-format off */
static const struct {
	u32 leaf, subleaf;
	enum cpuid_reg reg;
	u8 bit;
	u16 offset; /* of a bool in struct host_caps */
	const char *name;
} features[] = {
#define F(leaf, sub, reg, bit, field, name) \
	{ leaf, sub, reg, bit, offsetof(struct host_caps, field), name }
	F(0x80000001, 0, EDX, 29, long_mode,     "long mode"),
	F(0x80000001, 0, EDX, 20, nx,            "NX"),
	F(7,          0, EBX, 7,  smep,          "SMEP"),
	F(7,          0, EBX, 20, smap,          "SMAP"),
	F(7,          0, ECX, 2,  umip,          "UMIP"),
	F(1,          0, ECX, 17, pcid,          "PCID"),
	F(7,          0, EBX, 8,  bmi2,          "BMI2"),
	F(0x80000007, 0, EDX, 8,  invariant_tsc, "invariant TSC"),
	F(0x80000001, 0, ECX, 2,  svm,           "SVM"),
#undef F
};

static const char *const vtx_texts[] = {
	[VTX_ABSENT]     = "absent",
	[VTX_LOCKED_OFF] = "locked off by the firmware",
	[VTX_UNLOCKED]   = "present, not yet enabled",
	[VTX_ENABLED]    = "present and enabled by the firmware",
};
/* clang-format on */

const char *caps_vtx_text(enum vtx_state state)
{
	return vtx_texts[state];
}

static bool has_leaf(u32 leaf)
{
	return cpuid(leaf & 0x80000000, 0).eax >= leaf;
}

static u32 cpuid_reg(u32 leaf, u32 subleaf, enum cpuid_reg reg)
{
	struct cpuid r = { 0 };

	if (has_leaf(leaf))
		r = cpuid(leaf, subleaf);
	return reg == EAX ? r.eax : reg == EBX ? r.ebx : reg == ECX ? r.ecx : r.edx;
}

static bool *feature_flag(unsigned i)
{
	return (bool *)((u8 *)&host_caps + features[i].offset);
}

static void read_names(struct host_caps *c)
{
	struct cpuid r = cpuid(0, 0);

	memcpy(c->vendor, &r.ebx, 4);
	memcpy(c->vendor + 4, &r.edx, 4);
	memcpy(c->vendor + 8, &r.ecx, 4);
	if (!has_leaf(0x80000004))
		return;
	for (u32 i = 0; i < 3; i++) {
		r = cpuid(0x80000002 + i, 0);
		memcpy(c->model + i * sizeof(r), &r, sizeof(r));
	}
}

/* Intel manual, "CPUID: Version Information" */
static void read_version(struct host_caps *c)
{
	u32 eax = cpuid(1, 0).eax;

	c->family = (u8)bits_get(eax, 11, 8);
	c->model_number = (u8)bits_get(eax, 7, 4);
	c->stepping = (u8)bits_get(eax, 3, 0);
	if (c->family == 15)
		c->family += (u8)bits_get(eax, 27, 20);
	if (c->family == 6 || c->family >= 15)
		c->model_number |= (u8)(bits_get(eax, 19, 16) << 4);
}

/* A VMX CPU has the MSR; an emulator that does not is taken as locked. */
static enum vtx_state read_vtx(struct host_caps *c)
{
	if (!(cpuid(1, 0).ecx & BIT(5)))
		return VTX_ABSENT;
	if (!rdmsr_safe(MSR_IA32_FEATURE_CONTROL, &c->feature_control))
		return VTX_LOCKED_OFF;
	if (!(c->feature_control & FEATURE_CONTROL_LOCK))
		return VTX_UNLOCKED;
	return c->feature_control & FEATURE_CONTROL_VMX ? VTX_ENABLED : VTX_LOCKED_OFF;
}

bool caps_vtx_enable(void)
{
	struct host_caps *c = &host_caps;
	u64 value = c->feature_control | FEATURE_CONTROL_LOCK |
		    FEATURE_CONTROL_VMX;

	if (c->vtx == VTX_UNLOCKED &&
	    wrmsr_safe(MSR_IA32_FEATURE_CONTROL, value))
		c->vtx = read_vtx(c);
	return c->vtx == VTX_ENABLED;
}

bool caps_is_tcg(void)
{
	char name[13] = "";
	struct cpuid r;

	if (!(cpuid(1, 0).ecx & BIT(31)))
		return false;
	r = cpuid(0x40000000, 0);
	memcpy(name, &r.ebx, 4);
	memcpy(name + 4, &r.ecx, 4);
	memcpy(name + 8, &r.edx, 4);
	return !strcmp(name, "TCGTCGTCGTCG");
}

void caps_init(void)
{
	struct host_caps *c = &host_caps;
	u64 info;

	read_names(c);
	read_version(c);
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
		*feature_flag(i) = cpuid_reg(features[i].leaf, features[i].subleaf,
					     features[i].reg) & BIT(features[i].bit);
	c->phys_bits = has_leaf(0x80000008) ? (u8)cpuid(0x80000008, 0).eax : 36;
	c->vtx = read_vtx(c);
	c->cpuid_faulting = !strcmp(c->vendor, "GenuineIntel") &&
			    rdmsr_safe(MSR_PLATFORM_INFO, &info) &&
			    (info & PLATFORM_INFO_CPUID_FAULTING);
	c->tsc_hz = host_tsc_hz();
	c->ram_bytes = palloc_total_bytes();
}

static void print_features(bool present, const char *title)
{
	char line[120] = "";
	int n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
		if (*feature_flag(i) == present)
			n += fmt_snprintf(line + n, sizeof(line) - (size_t)n,
					  "%s%s", n ? ", " : "", features[i].name);
	if (n)
		log_info("%s: %s", title, line);
}

void caps_print(void)
{
	const struct host_caps *c = &host_caps;
	const char *model = c->model;

	while (*model == ' ')
		model++;
	log_info("CPU: %s, %s, family %u model %u stepping %u", model, c->vendor,
		 c->family, c->model_number, c->stepping);
	log_info("TSC: %lu.%03lu MHz", c->tsc_hz / 1000000, c->tsc_hz / 1000 % 1000);
	log_info("RAM: %lu MiB, of which %lu MiB free", c->ram_bytes >> 20,
		 palloc_free_bytes() >> 20);
	print_features(true, "CPU has");
	print_features(false, "CPU lacks");
	log_info("VT-x: %s", caps_vtx_text(c->vtx));
}
