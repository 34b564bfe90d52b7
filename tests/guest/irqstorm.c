/* SPDX-License-Identifier: MIT */
/*
 * A fast timer against code of every shape: whatever instruction, sequence or
 * mode an interrupt lands in, the sums stay the same.
 */
#include "paging.h"

static volatile u32 ticks;
static u32 work[256], sorted[256];
static u8 frame[4096] ALIGNED(4096);

static bool on_timer(struct trap *t)
{
	if (t->vector != 0x20)
		return 0;
	ticks++;
	outb(0x20, 0x20);
	return 1;
}

/*
 * As fast as leaves time for the code itself: an interpreter on an emulator
 * runs a few thousand instructions between two ticks.
 */
static void start_timer(void)
{
	outb(0x21, 0xfe);
	pit_start(command_line()[0] == 's' ? 11932 : 1193); /* 100 Hz, 1 kHz */
}

static NOINLINE u32 fib(u32 n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static NOINLINE u32 sort(void)
{
	u32 h = 0;

	for (u32 i = 0; i < 256; i++)
		sorted[i] = work[i] = (i * 2654435761u) >> 7;
	for (u32 i = 1; i < 256; i++)
		for (u32 j = i; j && sorted[j - 1] > sorted[j]; j--) {
			u32 t = sorted[j];

			sorted[j] = sorted[j - 1];
			sorted[j - 1] = t;
		}
	for (u32 i = 0; i < 256; i++)
		h = hash(h, sorted[i]);
	return h;
}

static NOINLINE u32 odd_stack(u32 n)
{
	u32 h = n;

	for (u32 i = 0; i < 200; i++)
		__asm__ volatile("pushal; popal; pushl %%esp; popl %%ecx\n"
				 "pushfl; popfl; enter $16, $0; leave\n"
				 "pushl %0; pushl %%ds; popl %%ds; popl %0\n"
				 "call 1f; jmp 2f; 1: ret; 2:\n"
				 "roll $3, %0; adcl $7, %0; pushl (%%esp)\n"
				 "popl %%ecx; cli; xorl $0x55, %0; sti"
				 : "+r"(h) : : "ecx", "memory", "cc");
	return h;
}

static NOINLINE u32 strings(void)
{
	u32 h = 0;

	for (u32 i = 0; i < 20; i++) {
		void *d = frame + 1000 + i;
		const void *s = frame + i;
		u32 c = 900;

		for (u32 j = 0; j < 256; j++)
			((u32 *)frame)[j] += j * i;
		__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(c)
				 : : "memory");
		h = hash(h, *(u32 *)(frame + 1500) + c);
	}
	return h;
}

static NOINLINE u32 flags_kept(void)
{
	u32 h = 0;

	for (u32 i = 0; i < 500; i++) {
		u32 f, x = i << 22;

		__asm__ volatile("addl %1, %1; nop; movl %%esp, %%ecx;"
				 "leal 4(%%ecx), %%ecx; movl %%ecx, %%ecx;"
				 "pushfl; popl %0"
				 : "=r"(f), "+r"(x) : : "ecx", "cc");
		h = hash(h, f & 0xcd5);
	}
	return h;
}

static u32 round_of(void)
{
	u32 h = 0;

	fill(frame, 3, sizeof(frame));
	h = hash(h, fib(15));
	h = hash(h, sort());
	h = hash(h, odd_stack(5));
	h = hash(h, strings());
	return hash(h, flags_kept());
}

int main(void);
int main(void)
{
	u32 quiet, rounds = 0;

	trap_hook = on_timer;
	pic_init(0xff);
	quiet = round_of();
	start_timer();
	for (u32 paged = 0; paged < 2; paged++) {
		ticks = 0;
		__asm__ volatile("sti" : : : "memory");
		while (ticks < 100 || rounds < 5) {
			u32 noisy = round_of();

			check(noisy == quiet, "the sum under interrupts");
			rounds++;
			if (failures > 3)
				break;
		}
		__asm__ volatile("cli" : : : "memory");
		print("100 ticks and more, sum %08x\n", quiet);
		if (!paged)
			paging_on(0x10);
	}
	return failures != 0;
}
