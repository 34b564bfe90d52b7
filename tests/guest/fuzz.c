/* SPDX-License-Identifier: MIT */
/*
 * Random code, as a guest that has gone mad would run it: what it does to
 * itself is its own affair, and no run compares with another, but the monitor
 * has to live. First at CPL 3, where the image is safe from it, then at CPL 0
 * until the guest has ended itself, as it may at any time. The command line: a
 * seed, the rounds at CPL 3, the rounds at CPL 0.
 */
#include "guest.h"

#define CODE_BYTES 8192
#define TICK 0x20
#define DONE 0x81
#define IRET 0xcf /* left out: QEMU lets it enter VM86 mode at CPL 3 */

static u8 code[CODE_BYTES] ALIGNED(4096);
static u32 data[2048] ALIGNED(4096);
static u32 directory[1024] ALIGNED(4096), low[1024] ALIGNED(4096);
static u8 stack[3][4096] ALIGNED(4096); /* the middle is for use */
static u32 seed = 1;
static volatile u32 ticks;
static u32 kinds[2][3]; /* by CPL: done, timed out, faulted */

static u32 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

/* --- the code --- */

/*
 * HLT, CLI, POPF, IRET, far transfers, OUT; of the 0F map the table registers,
 * LMSW and moves to control and debug registers, WRMSR.
 */
static bool deadly(bool map_0f, u8 opcode)
{
	static const u8 one[] = { 0xf4, 0xfa, 0x9d, 0xcf, 0xea, 0x9a, 0xca, 0xcb,
				  0xe6, 0xe7, 0xee, 0xef, 0x6e, 0x6f, 0x17 };
	static const u8 two[] = { 0x00, 0x01, 0x22, 0x23, 0x30, 0x35 };
	const u8 *list = map_0f ? two : one;
	u32 count = map_0f ? sizeof(two) : sizeof(one);

	for (u32 i = 0; i < count; i++)
		if (list[i] == opcode)
			return 1;
	return 0;
}

static u8 *put_word(u8 *p, u32 value)
{
	copy(p, &value, 4);
	return p + 4;
}

/* Where memory operands mostly point: data, the code itself, odd places. */
static u32 address(void)
{
	switch (rnd() % 8) {
	case 0: return (u32)code + rnd() % CODE_BYTES;
	case 1: return rnd();
	case 2: return (u32)data + 4096 - rnd() % 8;
	case 3: return 0xffffffff - rnd() % 16;
	default: return (u32)data + rnd() % sizeof(data);
	}
}

/* Prefixes, an opcode, and operands of every form; lengths need not fit. */
static u8 *put_insn(u8 *p, bool wild)
{
	static const u8 prefixes[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e,
				       0x36, 0x3e, 0x64, 0x65 };
	bool map_0f = rnd() % 4 == 0;
	u8 opcode;

	while (rnd() % 5 == 0)
		*p++ = prefixes[rnd() % sizeof(prefixes)];
	do
		opcode = (u8)rnd();
	while ((!wild && deadly(map_0f, opcode)) || opcode == IRET);
	if (map_0f)
		*p++ = 0x0f;
	*p++ = opcode;
	*p = (u8)rnd();
	if ((*p++ & 0xc7) == 5)
		p = put_word(p, address());
	if (rnd() & 1)
		*p++ = (u8)(rnd() & 0x3f);
	return rnd() & 1 ? put_word(p, rnd()) : p;
}

static void put_code(bool wild)
{
	u8 *p = code + 4096 - rnd() % 64;
	u32 count = 1 + rnd() % 24;

	for (u32 i = 0; i < CODE_BYTES; i += 2)
		code[i] = 0xcd, code[i + 1] = DONE;
	while (count--)
		p = put_insn(p, wild);
}

/* --- running it --- */

__asm__(".pushsection .text\n"
	"fuzz_enter: movl fuzz_esp, %esp; movl fuzz_regs, %eax; movl fuzz_regs+4, %ecx\n"
	"movl fuzz_regs+8, %edx; movl fuzz_regs+12, %ebx\n"
	"movl fuzz_regs+16, %ebp; movl fuzz_regs+20, %esi\n"
	"movl fuzz_regs+24, %edi; jmp *fuzz_start\n"
	".popsection");
void fuzz_enter(void);
u32 fuzz_regs[7], fuzz_start, fuzz_esp;

static bool on_tick(struct trap *t)
{
	if (t->vector != TICK)
		return 0;
	outb(0x20, 0x20);
	if (++ticks < 3)
		return 1;
	catch_return(TICK + 1);
}

static void enter_ring0(void *arg)
{
	__asm__ volatile("sti; jmp fuzz_enter");
	__builtin_unreachable();
}

static void let_write(const void *p, u32 bytes)
{
	for (u32 at = (u32)p; at < (u32)p + bytes; at += 4096)
		low[at >> 12] |= 2;
}

/*
 * All memory mapped onto itself and the user's, the first 4 MiB, with the
 * image, to read only but what is for him.
 */
static void make_tables(void)
{
	for (u32 i = 0; i < 1024; i++) {
		directory[i] = i << 22 | 0x87;
		low[i] = i << 12 | 5;
	}
	directory[0] = (u32)low | 7;
	let_write(code, sizeof(code));
	let_write(data, sizeof(data));
	let_write(stack, sizeof(stack));
}

/* The machine as every round finds it. */
static void restore(bool user)
{
	if (!user)
		make_tables();
	fuzz_esp = (u32)stack[2] - 256;
	WRITE_CR(4, 1 << 4 | 1 << 9);
	WRITE_CR(3, directory);
	WRITE_CR(0, 0x80000031);
	__asm__ volatile("movw %w0, %%fs; movw %w0, %%gs" : : "r"(SEL_UDATA));
}

static void round(bool user)
{
	u32 caught;

	restore(user);
	put_code(user || rnd() % 16 == 0);
	for (u32 i = 0; i < 7; i++)
		fuzz_regs[i] = rnd() & 1 ? address() : rnd() >> (rnd() & 31);
	fuzz_start = (u32)code + 4096 - rnd() % 64;
	ticks = 0;
	trap_hook = on_tick;
	caught = user ? catch_user(fuzz_enter, 0x202 | (rnd() & 0x4d1000)) :
			catch(enter_ring0, 0);
	trap_hook = 0;
	__asm__ volatile("cli");
	kinds[user][caught == DONE + 1 ? 0 : caught == TICK + 1 ? 1 : 2]++;
}

static void rounds(bool user, u32 count)
{
	for (u32 i = 0; i < count; i++)
		round(user);
	print("%s: done %u timed out %u faulted %u\n", user ? "user" : "kernel",
	      kinds[user][0], kinds[user][1], kinds[user][2]);
}

static u32 number(const char **s)
{
	u32 value = 0;

	while (**s == ' ')
		(*s)++;
	for (; **s >= '0' && **s <= '9'; (*s)++)
		value = value * 10 + (u32)(**s - '0');
	return value;
}

int main(void);
int main(void)
{
	const char *line = command_line();

	seed = number(&line) * 2654435761u | 1;
	set_gate(DONE, SEL_CODE, trap_entry(DONE), 0xee);
	pic_init(0xfe);
	pit_start(11932); /* 100 Hz */
	make_tables();
	rounds(1, number(&line));
	rounds(0, number(&line));
	return 0;
}
