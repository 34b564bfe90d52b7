/* SPDX-License-Identifier: MIT */
/*
 * CR8, the task priority: every value by every register, what is refused, and
 * that it holds nothing off which the 8259 asks for.
 */
#include "long.h"

#define REGISTERS(X)                                                      \
	X(rax) X(rcx) X(rdx) X(rbx) X(rbp) X(rsi) X(rdi) X(r8) X(r9)      \
	X(r10) X(r11) X(r12) X(r13) X(r14) X(r15)

static u64 to_write __attribute__((used)), as_read __attribute__((used));
static u64 kept_rsp __attribute__((used));

/* Written by one register and read into it again; the rest of it is cleared. */
#define THROUGH(reg)                                                      \
	static void by_##reg(void)                                        \
	{                                                                 \
		__asm__ volatile("pushq %%" #reg ";"                      \
				 "movq to_write, %%" #reg ";"             \
				 "movq %%" #reg ", %%cr8;"                \
				 "movq $-1, %%" #reg ";"                  \
				 "movq %%cr8, %%" #reg ";"                \
				 "movq %%" #reg ", as_read;"              \
				 "popq %%" #reg : : : "memory");          \
	}
REGISTERS(THROUGH)

static void by_rsp(void)
{
	__asm__ volatile("movq %%rsp, kept_rsp; movq to_write, %%rsp;"
			 "movq %%rsp, %%cr8; movq $-1, %%rsp;"
			 "movq %%cr8, %%rsp; movq %%rsp, as_read;"
			 "movq kept_rsp, %%rsp" : : : "memory");
}

static const struct {
	const char *name;
	void (*through)(void);
} registers[] = {
#define X(reg) { #reg, by_##reg },
	REGISTERS(X) X(rsp)
#undef X
};

static void values(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(registers); i++) {
		print("%s:", registers[i].name);
		for (to_write = 0; to_write < 16; to_write++) {
			registers[i].through();
			print(" %llx", as_read);
		}
		print("\n");
	}
}

static void write_it(void *arg)
{
	WRITE_CR(8, *(u64 *)arg);
}

static void refused(void)
{
	static const u64 bad[] = { 16, 0x1f, 0x100, 1ull << 32, 1ull << 63,
				   ~0ull };

	WRITE_CR(8, 9);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		u32 caught = catch(write_it, (void *)&bad[i]);

		print("%llx: vector %u error %llx, cr8 %llx\n", bad[i],
		      caught - 1, caught ? last.error : 0, READ_CR(8));
	}
}

CASE(u_read, "movl $1, %eax; movq %cr8, %rax");
CASE(u_write, "movl $1, %eax; movq %rax, %cr8");
CASE(locked, "movl $1, %eax; .byte 0xf0; movq %cr8, %rax");

static void outside(void)
{
	static const struct row rows[] = { ROW(u_read), ROW(u_write) };
	static const struct row lock = ROW(locked);

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		report(&rows[i], catch_user(rows[i].fn, SEL_UCODE, 2));
	report(&lock, catch(lock.fn, 0));
}

static u32 ticks;

static bool on_tick(struct trap *t)
{
	if (t->vector != 0x20)
		return 0;
	ticks++;
	outb(0x20, 0x20);
	return 1;
}

/* A local APIC compares its requests with the priority; an 8259 asks past it. */
static void interrupts(void)
{
	trap_hook = on_tick;
	pic_init(0xfe);
	pit_start(11932);
	for (u64 value = 0; value < 16; value += 5) {
		WRITE_CR(8, value);
		ticks = 0;
		while (ticks < 3)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
		print("priority %llx: ticks came\n", READ_CR(8));
	}
	WRITE_CR(8, 0);
}

int main(void);
int main(void)
{
	values();
	refused();
	outside();
	interrupts();
	return failures != 0;
}
