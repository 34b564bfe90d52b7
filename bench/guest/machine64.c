/* SPDX-License-Identifier: MIT */
/* 64 bits: four-level tables, SYSCALL, CR8. */
#include "nano.h"

#define TABLE_FLAGS (P | W | U)
#define USER_FLAGS 0x202
#define EFER_SCE 1u

const char *paging_name = "four-level";

/* Entries are 64 bits; the tables are all below 4 GiB. */
static u64 shared_dir[512] ALIGNED(4096); /* the first GiB */
static u64 dirs[SPACES][512] ALIGNED(4096); /* the second */
static u64 pdpts[SPACES][512] ALIGNED(4096);
static u64 roots[SPACES][512] ALIGNED(4096);

void machine_choose(bool pae)
{
}

u32 entry_words(void)
{
	return 2;
}

static u64 table_entry(const void *table)
{
	return (u64)table | TABLE_FLAGS;
}

void machine_link(u32 *identity, u32 tables, u32 (*leaves)[1024])
{
	for (u32 i = 0; i < tables; i++)
		shared_dir[i] = table_entry(identity + i * 1024);
	for (u32 s = 0; s < SPACES; s++) {
		dirs[s][0] = table_entry(leaves[s]);
		pdpts[s][0] = table_entry(shared_dir);
		pdpts[s][1] = table_entry(dirs[s]);
		roots[s][0] = table_entry(pdpts[s]);
	}
}

word machine_root(u32 space)
{
	return (word)roots[space];
}

/* It is on; this is where the library's tables are left. */
void machine_paging_on(void)
{
	WRITE_CR(0, READ_CR(0) | 0x10000u); /* WP */
	space_load(0);
}

void gate(u32 vector, const void *entry)
{
	set_gate(vector, SEL_CODE, (u64)entry, vector == 0x80 ? 0xee : 0x8e,
		 0);
}

void ungate(u32 vector)
{
	gate(vector, (const void *)trap_entry(vector));
}

void run_user(void (*code)(void), u32 count)
{
	user_count = count;
	catch_user((void (*)(void *))code, SEL_UCODE, USER_FLAGS);
}

/* SYSRET loads CS from 16 above what STAR says, SS from 8 above. */
static void prepare_syscall(u32 n)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_STAR, (u64)SEL_UCODE32 << 48 | (u64)SEL_CODE << 32);
	wrmsr(MSR_LSTAR, (u64)on_syscall);
	wrmsr(MSR_FMASK, 0);
}

static void run_syscall(u32 n)
{
	run_user(user_syscall, n);
}

static void run_from_cr8(u32 n)
{
	while (n--)
		READ_CR(8);
}

static void run_to_cr8(u32 n)
{
	while (n--)
		WRITE_CR(8, 0);
}

const struct op machine_ops[] = {
	{ .name = "syscall by SYSCALL", .run = run_syscall,
	  .prepare = prepare_syscall },
	{ .name = "mov from CR8", .run = run_from_cr8 },
	{ .name = "mov to CR8", .run = run_to_cr8 },
	{ 0 },
};
