/* SPDX-License-Identifier: MIT */
/*
 * The translator against the interpreter: guest code is translated, verified
 * and run natively, and must leave registers, flags, memory and faults as the
 * interpreter leaves them.
 *
 * LINKS: lib cpu
 * SRCS: bt/translate.c bt/xlate.c bt/rules.c bt/emit.c bt/cache.c bt/mode.c
 * SRCS: bt/gen_ident.c bt/gen_stack.c bt/gen_flow.c bt/gen_system.c
 * SRCS: bt/stubs.asm bt/verify.c
 * SRCS: tests/host/bt_sandbox.c tests/host/bt_random.c tests/host/bt_enter.asm
 */
#include <stdlib.h>
#include <string.h>

#include "cpu/insn.h"
#include "tests/host/bt_random.h"
#include "tests/host/bt_sandbox.h"
#include "tests/host/test.h"

#define CODE_MAX 2048

static void print_code(const u8 *code, u32 size)
{
	struct insn insn;
	char line[96];

	for (u32 at = 0; at < size; at += insn.len) {
		if (insn_decode(&insn, code + at, size - at, 4) != DECODE_OK)
			break;
		insn_format(&insn, SB_CODE + at, line, sizeof(line));
		printf("  %04x %-44s", at, line);
		for (unsigned n = 0; n < insn.len; n++)
			printf(" %02x", insn.bytes[n]);
		printf("\n");
	}
}

static bool agree(const char *what, u64 seed, const u8 *code, u32 size)
{
	const char *why = sb_difference();

	CHECK(!why, "%s, seed %llu: %s", what, (unsigned long long)seed, why);
	if (why && test_failed <= 5)
		print_code(code, size);
	return !why;
}

/* Same start, native run, compare. */
static void test_random(unsigned cases, unsigned insns)
{
	u8 code[CODE_MAX];

	for (unsigned n = 0; n < cases; n++) {
		u64 seed = rnd_state;
		struct vcpu start;
		u32 size;

		sb_reset();
		random_state();
		start = *sb.native;
		sb.self_check = n % 4 == 3;
		sb.count = n % 4 == 2;
		size = random_code(insns, code);
		*sb.native = start;
		sb_native_run();
		agree("random", seed, code, size);
	}
	sb.self_check = sb.count = false;
}

int main(int argc, char **argv)
{
	sb_init();
	if (argc > 1)
		rnd_state = strtoull(argv[1], NULL, 0);
	test_random(argc > 1 ? 1 : 20000, 4);
	return test_end("translate");
}
