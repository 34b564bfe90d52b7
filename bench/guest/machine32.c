/* SPDX-License-Identifier: MIT */
/* 32 bits: two-level or PAE tables over the same arrays, SYSENTER, segments. */
#include "nano.h"

#define TABLE_FLAGS (P | W | U)
#define USER_FLAGS 0x202
#define MSR_SYSENTER 0x174
#define SEP (1u << 11)

const char *paging_name = "two-level";

static bool pae;
static u32 shared_dir[1024] ALIGNED(4096);   /* PAE: the first GiB */
static u32 dirs[SPACES][1024] ALIGNED(4096); /* PAE: the second GiB */
static u32 pdpts[SPACES][8] ALIGNED(4096);
static u8 sysenter_stack[4096] ALIGNED(16);

void machine_choose(bool with_pae)
{
	pae = with_pae;
	if (pae)
		paging_name = "PAE";
}

u32 entry_words(void)
{
	return pae ? 2 : 1;
}

static void link_identity(u32 *dir, u32 *identity, u32 tables)
{
	for (u32 i = 0; i < tables; i++)
		dir[i * entry_words()] = (u32)(identity + i * 1024) |
					 TABLE_FLAGS;
}

void machine_link(u32 *identity, u32 tables, u32 (*leaves)[1024])
{
	if (pae)
		link_identity(shared_dir, identity, tables);
	for (u32 s = 0; s < SPACES; s++) {
		dirs[s][pae ? 0 : REGION >> 22] = (u32)leaves[s] | TABLE_FLAGS;
		if (!pae)
			link_identity(dirs[s], identity, tables);
		pdpts[s][0] = (u32)shared_dir | P;
		pdpts[s][2] = (u32)dirs[s] | P;
	}
}

word machine_root(u32 space)
{
	return pae ? (u32)pdpts[space] : (u32)dirs[space];
}

void machine_paging_on(void)
{
	WRITE_CR(4, pae ? 0x20 : 0);
	space_load(0);
	WRITE_CR(0, READ_CR(0) | 0x80010000u); /* PG, WP */
}

void gate(u32 vector, const void *entry)
{
	set_gate(vector, SEL_CODE, entry, vector == 0x80 ? 0xee : 0x8e);
}

void ungate(u32 vector)
{
	gate(vector, trap_entry(vector));
}

void run_user(void (*code)(void), u32 count)
{
	user_count = count;
	catch_user(code, USER_FLAGS);
}

static bool can_sysenter(void)
{
	u32 a = 1, b, c, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	return d & SEP;
}

static void prepare_sysenter(u32 n)
{
	const u32 values[] = { SEL_CODE, (u32)(sysenter_stack + 4096),
			       (u32)on_syscall };

	for (u32 i = 0; i < 3; i++)
		__asm__ volatile("wrmsr" : : "c"(MSR_SYSENTER + i),
				 "a"(values[i]), "d"(0));
}

static void run_sysenter(u32 n)
{
	run_user(user_syscall, n);
}

static void run_push_pop_seg(u32 n)
{
	while (n--)
		__asm__ volatile("pushl %%es; popl %%es" : : : "memory");
}

const struct op machine_ops[] = {
	{ .name = "syscall by SYSENTER", .run = run_sysenter,
	  .prepare = prepare_sysenter, .can = can_sysenter },
	{ .name = "push + pop es", .run = run_push_pop_seg },
	{ 0 },
};
