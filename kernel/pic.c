/* SPDX-License-Identifier: MIT */
/*
 * The 8259 pair, and the local APIC in virtual wire mode: firmware may leave
 * the APIC with the 8259's line masked.
 */
#include "kernel/pic.h"

#include "kernel/instr.h"
#include "kernel/irq.h"
#include "kernel/paging.h"

enum { PIC1 = 0x20, PIC2 = 0xa0 };
#define PIC_DATA(pic) ((pic) + 1)

#define ICW1_INIT_ICW4 0x11
#define ICW4_8086      0x01
#define OCW2_EOI       0x20
#define OCW3_READ_ISR  0x0b
#define CASCADE        2
#define SPURIOUS       7 /* of either chip */

#define APIC_BASE_X2APIC BIT(10)
#define APIC_BASE_ENABLE BIT(11)

#define APIC_TPR  0x080
#define APIC_SVR  0x0f0
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_LINT1 0x360
#define X2APIC_MSR(reg) (0x800u + ((reg) >> 4))

static u8 masks[2];

static void write_masks(void)
{
	outb(PIC_DATA(PIC1), masks[0]);
	outb(PIC_DATA(PIC2), masks[1]);
}

/* Intel manual, "Local Vector Table": virtual wire mode. */
static const struct {
	u16 reg;
	u32 value;
} virtual_wire[] = {
	{ APIC_SVR, 0x1ff },         /* enabled, spurious vector FFh */
	{ APIC_TPR, 0 },
	{ APIC_LVT_TIMER, 0x10000 }, /* masked */
	{ APIC_LVT_LINT0, 0x700 },   /* ExtINT: the 8259 */
	{ APIC_LVT_LINT1, 0x400 },   /* NMI */
};

static void apic_virtual_wire(void)
{
	volatile u32 *regs = NULL;
	u64 base;

	if (!(cpuid(1, 0).edx & BIT(9)) || !rdmsr_safe(MSR_IA32_APIC_BASE, &base))
		return;
	if (!(base & APIC_BASE_ENABLE))
		return; /* the 8259 is wired to the CPU */
	if (!(base & APIC_BASE_X2APIC))
		regs = paging_map_device(HPA(base & PTE_ADDR), PAGE_SIZE);
	for (unsigned i = 0; i < ARRAY_SIZE(virtual_wire); i++) {
		u16 reg = virtual_wire[i].reg;

		if (regs)
			regs[reg / 4] = virtual_wire[i].value;
		else
			wrmsr(X2APIC_MSR(reg), virtual_wire[i].value);
	}
}

void host_pic_init(void)
{
	outb(PIC1, ICW1_INIT_ICW4);
	outb(PIC2, ICW1_INIT_ICW4);
	outb(PIC_DATA(PIC1), IRQ_BASE);
	outb(PIC_DATA(PIC2), IRQ_BASE + 8);
	outb(PIC_DATA(PIC1), 1 << CASCADE);
	outb(PIC_DATA(PIC2), CASCADE);
	outb(PIC_DATA(PIC1), ICW4_8086);
	outb(PIC_DATA(PIC2), ICW4_8086);
	masks[0] = 0xff & ~(1 << CASCADE);
	masks[1] = 0xff;
	write_masks();
	apic_virtual_wire();
}

void pic_mask(unsigned irq, bool masked)
{
	u8 bit = (u8)(1u << (irq & 7));

	if (masked)
		masks[irq >> 3] |= bit;
	else
		masks[irq >> 3] &= (u8)~bit;
	write_masks();
}

/* A line that drops before it is acknowledged shows up as line 7. */
bool pic_accept(unsigned irq)
{
	u16 pic = irq < 8 ? PIC1 : PIC2;

	if ((irq & 7) != SPURIOUS)
		return true;
	outb(pic, OCW3_READ_ISR);
	if (inb(pic) & BIT(SPURIOUS))
		return true;
	if (irq >= 8)
		outb(PIC1, OCW2_EOI); /* the cascade was real */
	return false;
}

void pic_eoi(unsigned irq)
{
	if (irq >= 8)
		outb(PIC2, OCW2_EOI);
	outb(PIC1, OCW2_EOI);
}
