/* SPDX-License-Identifier: MIT */
/*
 * How many host instructions a guest operation takes when all is linked and
 * predicted: a row of the operation N times, single-stepped after it has run
 * warm, for two Ns; the difference leaves out what stands around it.
 */
#include "bench/translator/translator.h"

#include <stdio.h>
#include <string.h>

#define CODE (GUEST_BASE + 0x10000u)
#define DATA (GUEST_BASE + 0x80000u)
#define FEW  16
#define MANY 48

/* Bytes of the operation; %r: rel32 to a RET, %i: rel32 to what follows. */
static const struct row {
	const char *name;
	u8 len;
	u8 bytes[16];
	s8 to_ret;  /* offset of a rel32 that leads to the RET; -1: none */
	s8 to_next; /* offset of a rel32 that leads behind the row; -1: none */
} rows[] = {
	{ "nop", 1, { 0x90 }, -1, -1 },
	{ "add", 2, { 0x01, 0xd8 }, -1, -1 },
	{ "push+pop", 2, { 0x50, 0x59 }, -1, -1 },
	{ "call+ret", 5, { 0xe8 }, 1, -1 },
	{ "call+ret indirect", 2, { 0xff, 0xd3 }, -1, -1 }, /* call ebx */
	{ "jmp", 5, { 0xe9 }, -1, 1 },
	{ "jcc taken", 8, { 0x31, 0xc0, 0x0f, 0x84 }, -1, 4 },
	{ "jcc not taken", 8, { 0x31, 0xc0, 0x0f, 0x85 }, -1, 4 },
	{ "cli", 1, { 0xfa }, -1, -1 },
	{ "sti", 2, { 0xfb, 0x90 }, -1, -1 }, /* with a NOP, which is nothing */
	{ "pushf", 2, { 0x9c, 0x59 }, -1, -1 }, /* with POP ECX */
	{ "popf", 2, { 0x52, 0x9d }, -1, -1 },  /* with PUSH EDX */
	{ "mov from cr3", 3, { 0x0f, 0x20, 0xd8 }, -1, -1 },
	{ "rep movsd of one", 7, { 0xb9, 1, 0, 0, 0, 0xf3, 0xa5 }, -1, -1 },
};

static void put_rel(u32 at, u32 target)
{
	u32 rel = target - (at + 4);

	memcpy((void *)(uintptr_t)at, &rel, sizeof(rel));
}

/* The row n times, HLT, RET. Returns where the RET is. */
static u32 write_row(const struct row *r, unsigned n)
{
	u8 *code = (u8 *)(uintptr_t)CODE;
	u32 end = CODE + n * r->len, ret = end + 1;

	for (unsigned i = 0; i < n; i++) {
		u32 at = CODE + i * r->len;

		memcpy(code + i * r->len, r->bytes, r->len);
		if (r->to_ret >= 0)
			put_rel(at + (u32)r->to_ret, ret);
		if (r->to_next >= 0)
			put_rel(at + (u32)r->to_next, at + r->len);
	}
	code[n * r->len] = 0xf4;
	code[n * r->len + 1] = 0xc3;
	return ret;
}

static void set_registers(u32 ret)
{
	struct vcpu *v = process.v;

	v->rip = CODE;
	v->gpr[R_BX] = ret;
	v->gpr[R_DX] = EFLAGS_MBS;
	v->gpr[R_SI] = DATA;
	v->gpr[R_DI] = DATA + 4096;
	v->gpr[R_SP] = GUEST_STACK;
}

static u64 steps_of(const struct row *r, unsigned n)
{
	u32 ret;

	process_reset(CODE);
	ret = write_row(r, n);
	for (unsigned warm = 0; warm < 3; warm++) {
		set_registers(ret);
		process_run(false);
	}
	set_registers(ret);
	process.steps = 0;
	process_run(true);
	return process.steps;
}

void steps_print(void)
{
	printf("{");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 few = steps_of(&rows[i], FEW), many = steps_of(&rows[i], MANY);

		printf("%s\"%s\": %.2f", i ? ", " : "", rows[i].name,
		       (double)(many - few) / (MANY - FEW));
	}
	printf("}\n");
}
