/* SPDX-License-Identifier: MIT */
/*
 * The translator against the interpreter: guest code is translated, verified
 * and run natively, and must leave registers, flags, memory and faults as the
 * interpreter leaves them.
 *
 * LINKS: lib cpu
 * SRCS: bt/translate.c bt/xlate.c bt/rules.c bt/emit.c bt/cache.c bt/mode.c
 * SRCS: bt/gen_ident.c bt/gen_stack.c bt/gen_flow.c bt/gen_store.c bt/gen_system.c bt/gen_segments.c
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

/* A started case: both sides are at `start`, the interpreter has finished. */
struct test_case {
	const char *name;
	u64 seed;
	struct vcpu start;
	u8 mem[SB_SIZE];
	u8 code[CODE_MAX];
	u32 at, size;
};

static struct test_case tc;

static void save_start(const char *name)
{
	tc.name = name;
	tc.start = *sb.native;
	memcpy(tc.mem, sb.native_mem, SB_SIZE);
}

/* Put the native side back to where the case began. */
static void rewind_native(void)
{
	*sb.native = tc.start;
	memcpy(sb.native_mem, tc.mem, SB_SIZE);
	memcpy(sb.native_mem + (tc.at - SB_BASE), tc.code, tc.size);
	sb.native_fault = (struct sb_fault){ 0 };
	sb.event_at = sb.steps = 0;
	sb.event_taken = false;
	sb.budget = 10000;
}

static bool run_and_compare(void)
{
	rewind_native();
	sb_native_run();
	return agree(tc.name, tc.seed, tc.code, tc.size);
}

/*
 * D5: an event after each host instruction in turn. It is taken at the next
 * boundary; from there the run goes on, and its end must be the same.
 */
static void run_with_events(void)
{
	bool taken = true;

	for (unsigned at = 1; taken; at++) {
		rewind_native();
		sb.event_at = at;
		sb_native_run();
		taken = sb.event_taken;
		sb.event_at = 0;
		sb.event_taken = false;
		if (taken && !sb.native_fault.set)
			sb_native_run();
		if (!agree(tc.name, tc.seed, tc.code, tc.size)) {
			printf("  event after host instruction %u\n", at);
			return;
		}
	}
}

static bool half(void *ctx, u32 eip)
{
	return eip * 2654435761u >> 31;
}

static bool all(void *ctx, u32 eip)
{
	return true;
}

static void start_random(unsigned insns)
{
	tc.seed = rnd_state;
	sb_reset();
	tc.at = SB_CODE;
	random_state();
	save_start("random");
	tc.size = random_code(insns, tc.code);
}

static void test_random(unsigned cases, unsigned insns)
{
	for (unsigned n = 0; n < cases; n++) {
		sb.self_check = n % 4 == 3;
		sb.count = n % 4 >= 1;
		sb.want_callout = n % 3 == 1 ? half : NULL;
		sb.stores = n / 3 & 1;
		sb.filter = n / 6 & 1;
		sb.branches = (n / 4) % (BT_BLOCK_BRANCHES + 1);
		start_random(insns);
		run_and_compare();
	}
	sb.self_check = sb.count = false;
	sb.want_callout = NULL;
	sb.stores = sb.filter = false;
	sb.branches = 0;
}

static void test_random_events(unsigned cases, unsigned insns)
{
	for (unsigned n = 0; n < cases; n++) {
		sb.self_check = n % 4 == 3;
		sb.count = n % 4 >= 1;
		sb.want_callout = n % 3 == 1 ? half : NULL;
		sb.stores = n / 3 & 1;
		sb.filter = n / 6 & 1;
		sb.branches = (n / 4) % (BT_BLOCK_BRANCHES + 1);
		start_random(insns);
		run_with_events();
	}
	sb.self_check = sb.count = false;
	sb.want_callout = NULL;
	sb.stores = sb.filter = false;
	sb.branches = 0;
}

/* ---- programs ----------------------------------------------------------- */

struct program {
	const char *name;
	u8 code[64]; /* runs from the first byte to its end */
	u32 size;
	unsigned callouts; /* expected; ~0: any */
};

#define BYTES(...) { __VA_ARGS__ }, sizeof((u8[]){ __VA_ARGS__ })
#define LE32(x) (u8)(x), (u8)((x) >> 8), (u8)((x) >> 16), (u8)((x) >> 24)

static const struct program programs[] = {
#include "tests/host/translate_programs.inc"
};

static void start_program(const struct program *p, u32 at)
{
	tc.seed = 0;
	sb_reset();
	tc.at = at;
	sb.ref->rip = at;
	for (unsigned n = 0; n < 8; n++)
		if (n != R_SP)
			sb.ref->gpr[n] = 0x01010101u * (n + 1);
	sb.ref->gpr[R_BX] = SB_DATA + 0x100;
	sb.ref->seg[SEG_FS].base = SB_DATA;
	sb.ref->seg[SEG_GS].base = 0xfffff000; /* wraps */
	memset(sb.ref_mem, 0x5a, SB_SIZE);
	memset(sb.native_mem, 0x5a, SB_SIZE);
	*sb.native = *sb.ref;
	save_start(p->name);
	memcpy(tc.code, p->code, p->size);
	tc.size = p->size;
	sb_poke(at, p->code, p->size);
	sb.end = at + p->size;
	for (unsigned n = 0; sb.ref->rip != sb.end && sb_ref_step(); n++)
		if (n == 5000) {
			CHECK(false, "%s does not end", p->name);
			return;
		}
}

static void test_programs(void)
{
	for (unsigned n = 0; n < ARRAY_SIZE(programs) * 32; n++) {
		const struct program *p = &programs[n / 32];

		sb.linking = n & 1;
		sb.self_check = n & 2;
		sb.count = n & 4;
		sb.branches = n & 8 ? BT_BLOCK_BRANCHES : 0;
		sb.want_callout = n & 16 ? half : NULL;
		start_program(p, SB_CODE);
		if (run_and_compare() && !sb.self_check && !sb.want_callout &&
		    p->callouts != ~0u)
			CHECK(sb.callouts == p->callouts, "%s: %u callouts",
			      p->name, sb.callouts);
		run_with_events();
	}
	sb.linking = sb.self_check = sb.count = false;
	sb.want_callout = NULL;
	sb.stores = sb.filter = false;
	sb.branches = 0;
}

/* Stores of all forms; with filters one of them, and always what is no store,
 * is called out. */
static void test_stores(void)
{
	static const struct program p = {
		"filtered stores",
		BYTES(0xb9, LE32(3),                     /* mov ecx, 3 */
		      0x89, 0x03,                        /* mov [ebx], eax */
		      0x89, 0x8b, LE32(PAGE_SIZE),       /* mov [ebx+n], ecx */
		      0xc7, 0x44, 0x8b, 8, LE32(0x1234), /* [ebx+4*ecx+8] */
		      0xa3, LE32(SB_DATA + 0x20),        /* mov [n], eax */
		      0x89, 0x63, 0x40,                  /* mov [ebx+40h], esp */
		      0x41),                             /* inc ecx */
		3,
	};
	unsigned done = 0, refused = 0;

	sb.stores = true;
	for (unsigned n = 0; n < 64; n++) {
		struct bt_targets *t = sb.cache.cfg.targets;

		sb.linking = n & 1;
		sb.count = n & 2;
		sb.self_check = n & 4;
		sb.filter = n & 8;
		sb.want_callout = all;
		start_program(&p, SB_CODE);
		memset(t->filter, 0, sizeof(t->filter));
		*bt_filter(t, SB_DATA + PAGE_SIZE) = 1;
		run_and_compare();
		CHECK(sb.callouts == p.callouts + (sb.filter ? 0 : 4) &&
		      sb.stored + sb.refused == (sb.filter ? 1 : 5),
		      "%u callouts, %u of them done, %u refused", sb.callouts,
		      sb.stored, sb.refused);
		done += sb.stored;
		refused += sb.refused;
		run_with_events();
		memset(t->filter, 0, sizeof(t->filter));
	}
	CHECK(done && refused, "no store was done, or none refused");
	sb.stores = sb.filter = false;
	sb.linking = sb.count = sb.self_check = false;
	sb.want_callout = NULL;
}

/* IN and OUT of all forms: by the stub all or, now and then, called out. */
static void test_ports(void)
{
	static const struct program p = {
		"ports",
		BYTES(0xf9, 0xe4, 0x10,            /* stc; in al, 10h */
		      0x66, 0xe5, 0x11, 0xe5, 0x12, /* in ax, 11h; eax, 12h */
		      0x40, 0xe6, 0x20,            /* inc eax; out 20h, al */
		      0x66, 0xe7, 0x22, 0xe7, 0x24, /* out 22h, ax; 24h, eax */
		      0xba, LE32(0x30), 0xfd,      /* mov edx, 30h; std */
		      0xec, 0x66, 0xed, 0xed,      /* in ..., dx */
		      0x83, 0xc0, 0x7f, 0xee,      /* add eax, 7fh; out dx, al */
		      0x66, 0xef, 0xef, 0x19, 0xc9, 0xfc), /* ...; sbb ecx, ecx */
		12,
	};
	unsigned done = 0, refused = 0;

	for (unsigned n = 0; n < 32; n++) {
		sb.linking = n & 1;
		sb.count = n & 2;
		sb.self_check = n & 4;
		sb.stores = n & 8;
		start_program(&p, SB_CODE);
		run_and_compare();
		CHECK(sb.callouts == p.callouts &&
		      sb.ports + sb.refused == (sb.stores ? p.callouts : 0),
		      "%u callouts, %u of them done, %u refused", sb.callouts,
		      sb.ports, sb.refused);
		done += sb.ports;
		refused += sb.refused;
		run_with_events();
	}
	CHECK(done && refused, "no port was done, or none refused");
	sb.linking = sb.count = sb.self_check = sb.stores = false;
}

/*
 * With an interrupt waiting STI faults before it has changed anything, whether
 * IF is set or not, and whatever was counted is taken back; CLI does not care.
 */
static void test_sti_waiting(void)
{
	static const struct program p = {
		"sti with an interrupt waiting",
		BYTES(0x40, 0xfa, 0x41, 0xfb, 0x42, 0x90), 0,
	};

	for (unsigned n = 0; n < 8; n++) {
		sb.linking = n & 1;
		sb.count = n & 2;
		start_program(&p, SB_CODE);
		rewind_native();
		sb.native->intr = INTR_WAITING;
		sb.event_at = n & 4 ? 1000 : 0;
		sb_native_run();
		CHECK(sb.native_fault.set && sb.native_fault.vector == VEC_GP,
		      "no #GP");
		CHECK(sb.native->rip == SB_CODE + 3 &&
		      !(sb.native->rflags & EFLAGS_IF) &&
		      (u32)sb.native->gpr[R_AX] == 0x01010102 &&
		      (u32)sb.native->gpr[R_CX] == 0x02020203 &&
		      (u32)sb.native->gpr[R_DX] == 0x03030303,
		      "not rolled back to the STI");
		CHECK(!sb.count || sb.native->insn_count == 3,
		      "%llu counted", (unsigned long long)sb.native->insn_count);
	}
	sb.linking = sb.count = false;
	sb.event_at = 0;
}

/* One of each kind, to be cut by a page's end at each byte. */
static const struct program straddler = {
	"straddling",
	BYTES(0xb8, LE32(7), 0x81, 0x83, LE32(4), LE32(0x11223344),
	      0x83, 0xe8, 8, 0x0f, 0x82, LE32(0), 0xe8, LE32(0), 0x83, 0xc4, 4,
	      0x64, 0xff, 0x05, LE32(12), 0xfb, 0x90, 0x9c,
	      0xf0, 0x0f, 0xc1, 0x03, 0x0f, 0x20, 0xc1, 0xeb, 0, 0x31, 0xc0,
	      0x0f, 0xa2, 0x0f, 0x0b),
	2,
};

static void test_straddling(void)
{
	const struct program *p = &straddler;

	for (u32 n = 0; n < 4 * p->size; n++) {
		u32 cut = n / 4 + 1;

		sb.linking = n & 1;
		sb.self_check = n & 2;
		sb.count = n & 1;
		sb.branches = n & 1 ? BT_BLOCK_BRANCHES : 0;
		start_program(p, SB_CODE + PAGE_SIZE - cut);
		run_and_compare();
		CHECK(sb.self_check || sb.callouts == p->callouts ||
		      p->size - cut < 2, "cut at %u: %u callouts", cut,
		      sb.callouts);
		run_with_events();
	}
	sb.linking = sb.self_check = sb.count = false;
	sb.branches = 0;
}

/* The second half cannot be fetched: the fault is the instruction's. */
static void test_straddling_hole(void)
{
	static const struct program p = {
		"straddling into a hole", BYTES(0x40, 0xb8, LE32(7)), 1,
	};

	sb_protect(1, SB_NONE);
	start_program(&p, SB_CODE + PAGE_SIZE - 4);
	run_and_compare();
	CHECK(sb.native_fault.set && sb.native_fault.cr2 == SB_CODE + PAGE_SIZE);
	CHECK(sb.native->gpr[R_AX] == 0x01010102);
	sb_protect(1, SB_WRITE);
}

/* A loop whose `mov eax, imm` is incremented each time round. */
static void test_self_modifying(void)
{
	static const struct program p = {
		"self-modifying",
		BYTES(0xb9, LE32(5), 0xb8, LE32(1), 0xfe, 0x05,
		      LE32(SB_CODE + 6), 0x01, 0xc2, 0xe2, 0xf1),
		0,
	};

	for (unsigned n = 0; n < 2; n++) {
		sb.self_check = true;
		sb.linking = n;
		start_program(&p, SB_CODE);
		run_and_compare();
		CHECK(sb.stales == 3, "%u times stale", sb.stales);
		run_with_events();
	}
	sb.self_check = sb.linking = false;
}

int main(int argc, char **argv)
{
	sb_init();
	test_programs();
	test_stores();
	test_ports();
	test_sti_waiting();
	test_self_modifying();
	test_straddling();
	test_straddling_hole();
	if (argc > 1)
		rnd_state = strtoull(argv[1], NULL, 0);
	test_random(argc > 2 ? (unsigned)atoi(argv[2]) : 1500, 6);
	test_random_events(argc > 2 ? (unsigned)atoi(argv[2]) : 100, 3);
	return test_end("translate");
}
