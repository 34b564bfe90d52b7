/* SPDX-License-Identifier: MIT */
/* Where every exception and interrupt of the host comes together. */
#include "kernel/irq.h"

#include "kernel/host.h"
#include "kernel/idt.h"
#include "kernel/instr.h"
#include "kernel/native.h"
#include "kernel/panic.h"
#include "kernel/pic.h"
#include "lib/counters.h"
#include "lib/ring.h"
#include "log.h"

bool (*host_exception_hook)(struct host_frame *f);
void (*host_irq_hook)(struct host_frame *f);

static irq_handler handlers[256];
static volatile u8 *attention;

void irq_init(void)
{
	idt_init();
	host_pic_init();
}

void irq_set_handler(u8 vector, irq_handler handler)
{
	assert(vector >= 32 && (!handlers[vector] || handlers[vector] == handler));
	handlers[vector] = handler;
}

void irq_unmask(unsigned irq)
{
	pic_mask(irq, false);
}

void irq_mask(unsigned irq)
{
	pic_mask(irq, true);
}

void host_attention_hook(volatile u8 *flag)
{
	attention = flag;
}

void irq_set_attention(void)
{
	volatile u8 *flag = attention;

	if (flag)
		*flag = 1;
}

static void dispatch_exception(struct host_frame *f)
{
	if (host_exception_hook && host_exception_hook(f))
		return;
	if (native_fixup(f) || idt_fixup(f))
		return;
	if (f->vector == VEC_NMI) {
		log_error("the machine raised an NMI (port 61h: %02x)", inb(0x61));
		return;
	}
	panic_at(f, "unexpected exception %s", idt_vector_name(f->vector));
}

static void run_handler(struct host_frame *f)
{
	if (handlers[f->vector])
		handlers[f->vector](f);
}

static void dispatch_irq(struct host_frame *f)
{
	unsigned irq = (unsigned)f->vector - IRQ_BASE;

	count(CNT_HOST_IRQS);
	ring_add(RING_IRQ, f->vector, f->rip);
	if (irq >= 16) {
		run_handler(f);
	} else if (pic_accept(irq)) {
		run_handler(f);
		pic_eoi(irq);
	}
	if (host_irq_hook)
		host_irq_hook(f);
}

void irq_dispatch(struct host_frame *f)
{
	if (f->vector < 32)
		dispatch_exception(f);
	else
		dispatch_irq(f);
}
