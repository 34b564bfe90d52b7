/* SPDX-License-Identifier: MIT */
/*
 * The machine's side of VMX: capability MSRs, VMXON, the VMCS region, and the
 * host state that every exit returns to. "Virtual-Machine Extensions: Enabling
 * and Entering VMX Operation".
 */
#include "vmx/hw.h"

#include "kernel/caps.h"
#include "kernel/gdt.h"
#include "kernel/host.h"
#include "kernel/idt.h"
#include "kernel/instr.h"
#include "lib/string.h"
#include "vmx/entry.h"
#include "vmx/instr.h"
#include "vmx/vmcs.h"

/* The longest that a guest runs without an exit, where there is a timer. */
#define TIMER_MS 1

enum { MSRS_CLOSED, MSRS_OPEN, MSR_BITMAPS };

static u8 *msr_bitmap[MSR_BITMAPS]; /* a page each; NULL: not offered */

static u64 read_group(u64 basic, enum vmx_group group)
{
	if (basic & VMX_BASIC_TRUE_CTLS)
		return rdmsr(MSR_IA32_VMX_TRUE_PINBASED + group);
	return rdmsr(MSR_IA32_VMX_PINBASED_CTLS + group);
}

void vmx_caps_read(struct vmx_caps *c)
{
	*c = (struct vmx_caps){ .basic = rdmsr(MSR_IA32_VMX_BASIC) };
	for (unsigned g = 0; g < VMX_CPU2; g++)
		c->controls[g] = read_group(c->basic, (enum vmx_group)g);
	if (vmx_may(c, VMX_CPU) & CPU_SECONDARY)
		c->controls[VMX_CPU2] = rdmsr(MSR_IA32_VMX_PROCBASED_CTLS2);
	c->misc = rdmsr(MSR_IA32_VMX_MISC);
	c->cr0_fixed0 = rdmsr(MSR_IA32_VMX_CR0_FIXED0);
	c->cr0_fixed1 = rdmsr(MSR_IA32_VMX_CR0_FIXED1);
	c->cr4_fixed0 = rdmsr(MSR_IA32_VMX_CR4_FIXED0);
	c->cr4_fixed1 = rdmsr(MSR_IA32_VMX_CR4_FIXED1);
	c->phys_bits = host_caps.phys_bits;
}

/* A page that begins with the revision, as VMXON and VMPTRLD want it. */
static bool region(const struct vmx_caps *caps, hpa_t *at)
{
	u32 *page = palloc_low(1);

	if (!page)
		return false;
	*page = (u32)(caps->basic & VMX_BASIC_REVISION);
	*at = host_phys(page);
	return true;
}

/* "MSR-Bitmap Address": reads of C0000000h and on, and writes of them. */
#define BITMAP_READ_HIGH  1024
#define BITMAP_WRITE_HIGH 3072

static void bitmap_pass(u8 *bitmap, u32 msr)
{
	u32 n = msr & 0x1fff;

	bitmap[BITMAP_READ_HIGH + n / 8] &= (u8)~BIT(n % 8);
	bitmap[BITMAP_WRITE_HIGH + n / 8] &= (u8)~BIT(n % 8);
}

static bool make_msr_bitmaps(void)
{
	for (unsigned i = 0; i < MSR_BITMAPS; i++) {
		msr_bitmap[i] = palloc_low(1);
		if (!msr_bitmap[i])
			return false;
		memset(msr_bitmap[i], 0xff, PAGE_SIZE);
	}
	bitmap_pass(msr_bitmap[MSRS_OPEN], MSR_IA32_FS_BASE);
	bitmap_pass(msr_bitmap[MSRS_OPEN], MSR_IA32_GS_BASE);
	bitmap_pass(msr_bitmap[MSRS_OPEN], MSR_IA32_KERNEL_GS_BASE);
	return true;
}

void vmx_hw_open_msrs(bool open)
{
	if (msr_bitmap[open])
		vmcs_write(VMCS_MSR_BITMAP, host_phys(msr_bitmap[open]).a);
}

const char *vmx_hw_start(const struct vmx_caps *caps)
{
	hpa_t on, vmcs;

	if (!caps_vtx_enable())
		return "IA32_FEATURE_CONTROL cannot be written";
	if (!region(caps, &on) || !region(caps, &vmcs) ||
	    (vmx_has(caps, VMX_HAS_MSR_BITMAPS) && !make_msr_bitmaps()))
		return "too little memory for the VMCS";
	write_cr0(read_cr0() | caps->cr0_fixed0);
	write_cr4(read_cr4() | caps->cr4_fixed0 | CR4_VMXE);
	if (!vmxon(on))
		return "VMXON failed";
	if (!vmclear(vmcs) || !vmptrld(vmcs))
		return "VMPTRLD failed";
	return NULL;
}

static void init_controls(const struct vmx_caps *caps,
			  const struct vmx_controls *c)
{
	vmcs_write(VMCS_PIN_CONTROLS, c->value[VMX_PIN]);
	vmcs_write(VMCS_CPU_CONTROLS, c->value[VMX_CPU]);
	vmcs_write(VMCS_EXIT_CONTROLS, c->value[VMX_EXIT]);
	vmcs_write(VMCS_ENTRY_CONTROLS, c->value[VMX_ENTRY]);
	vmcs_write(VMCS_CR3_TARGET_COUNT, 0);
	vmcs_write(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write(VMCS_ENTRY_INTR_INFO, 0);
	vmcs_write(VMCS_PAGE_FAULT_MASK, 0);
	vmcs_write(VMCS_PAGE_FAULT_MATCH, 0);
	vmcs_write(VMCS_VMCS_LINK_POINTER, VMCS_LINK_NONE);
	vmcs_write(VMCS_GUEST_DEBUGCTL, 0);
	vmcs_write(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	if (c->value[VMX_PIN] & PIN_PREEMPTION_TIMER)
		vmcs_write(VMCS_PREEMPTION_TIMER,
			   host_tsc_hz() / 1000 * TIMER_MS >>
				   VMX_MISC_TIMER_SHIFT(caps->misc));
}

static struct table_pointer idt_pointer(void)
{
	struct table_pointer p;

	__asm__ volatile("sidt %0" : "=m"(p));
	return p;
}

/*
 * Exits leave GDTR and IDTR with a limit of FFFFh: the GDT has that size, and
 * no vector reaches beyond the IDT.
 */
static void init_host(void)
{
	vmcs_write(VMCS_HOST_CR0, read_cr0());
	vmcs_write(VMCS_HOST_CR3, read_cr3());
	vmcs_write(VMCS_HOST_CR4, read_cr4());
	for (int seg = 0; seg < 6; seg++)
		vmcs_write((enum vmcs_field)(VMCS_HOST_ES_SELECTOR + 2 * seg),
			   0);
	vmcs_write(VMCS_HOST_CS_SELECTOR, HOST_CS);
	vmcs_write(VMCS_HOST_SS_SELECTOR, HOST_SS);
	vmcs_write(VMCS_HOST_TR_SELECTOR, HOST_TSS);
	vmcs_write(VMCS_HOST_FS_BASE, 0);
	vmcs_write(VMCS_HOST_GS_BASE, 0);
	vmcs_write(VMCS_HOST_TR_BASE, (uintptr_t)&host_tss);
	vmcs_write(VMCS_HOST_GDTR_BASE, (uintptr_t)host_gdt);
	vmcs_write(VMCS_HOST_IDTR_BASE, idt_pointer().base);
	vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
	vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
	vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
	vmcs_write(VMCS_HOST_RIP, (uintptr_t)vmx_exit_landing);
}

void vmx_hw_init_vmcs(const struct vmx_caps *caps,
		      const struct vmx_controls *controls)
{
	init_controls(caps, controls);
	init_host();
}
