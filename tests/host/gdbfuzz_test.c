/* SPDX-License-Identifier: MIT */
/*
 * Hostile bytes to the gdb stub: broken and whole packets with random
 * contents. It must stay within its memory (the sanitizers watch), answer the
 * next good packet, and leave a vcpu that a guest could have. The argument is
 * the number of inputs.
 * LINKS: lib
 * SRCS: debug/rsp.c debug/gdb.c debug/gdb_query.c debug/gdb_data.c debug/regs.c debug/regs_xml.c cpu/stops.c cpu/vcpu.c cpu/cpuid.c
 */
#include "tests/host/gdb_target.h"

#define INPUTS 1000000

static u64 seed = 0x9e3779b97f4a7c15ull;

static u32 rnd(u32 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed >> 20) % below;
}

static const char *const starts[] = {
	"?", "g", "G", "p", "P", "m", "M", "X", "c", "C", "s", "S", "vCont?",
	"vCont;", "vCtrlC", "vKill", "Z0,", "Z2,", "Z4,", "z0,", "z3,", "D", "k",
	"R", "!", "T", "Hg", "Hc", "QStartNoAckMode", "qSupported:",
	"qXfer:features:read:target.xml:", "qXfer:memory-map:read::",
	"qXfer:threads:read::", "qXfer:", "qRcmd,", "qAttached",
	"qSearch:memory:", "qfThreadInfo", "qThreadExtraInfo,", "qC",
	"Qqemu.PhyMemMode:", "qqemu.PhyMemMode", "", "v", "q", "Q",
};

static const char digits[] = "0123456789abcdef";
static const char marks[] = ",;:=#$}*-+\x03\xff";

static size_t put_number(u8 *p)
{
	size_t n = 0;

	for (u32 i = rnd(rnd(8) ? 6 : 20); i; i--)
		p[n++] = (u8)digits[rnd(16)];
	return n;
}

static size_t make(u8 *p)
{
	const char *start = starts[rnd(ARRAY_SIZE(starts))];
	size_t n = strlen(start);

	memcpy(p, start, n);
	for (u32 i = rnd(8); i; i--) {
		n += put_number(p + n);
		p[n++] = rnd(8) ? (u8)marks[rnd(4)] :
				  (u8)marks[rnd(sizeof(marks) - 1)];
	}
	for (u32 i = rnd(4) ? 0 : rnd(rnd(16) ? 64 : 9000); i; i--)
		p[n++] = rnd(2) ? (u8)digits[rnd(16)] : (u8)rnd(256);
	return n;
}

static void send_one(void)
{
	static u8 packet[10000];
	size_t n = make(packet);

	switch (rnd(8)) {
	case 0: /* as it is, no frame */
		type(packet, n);
		break;
	case 1: /* a frame, cut off */
		type("$", 1);
		type(packet, n / 2);
		break;
	case 2: /* a wrong sum */
		type("$", 1);
		type(packet, n);
		type("#zz", 3);
		break;
	default:
		type_packet(packet, n);
	}
	if (!rnd(16))
		type("\x03-+", 3);
}

static void check_state(void)
{
	CHECK(!(t.v.rip >> 32) && !(t.v.rflags & EFLAGS_VM) &&
	      (t.v.rflags & EFLAGS_MBS), "rip %llx rflags %llx",
	      (unsigned long long)t.v.rip, (unsigned long long)t.v.rflags);
	CHECK((t.v.cr0 & (CR0_PG | CR0_PE)) == CR0_PE, "cr0 %llx",
	      (unsigned long long)t.v.cr0);
	CHECK(t.stops.count <= t.stops.room, "stops");
}

/* An end of whatever packet was left open, then a good one. */
static void check_answers(void)
{
	type("#00", 3);
	t.sent = 0;
	type_packet("qC", 2);
	CHECK(t.sent >= 4 && !memcmp(t.line + t.sent - 7, "$QC1#c5", 7),
	      "does not answer any more");
}

int main(int argc, char **argv)
{
	unsigned long inputs = argc > 1 ? strtoul(argv[1], NULL, 0) : INPUTS;

	target_reset();
	for (unsigned long i = 0; i < inputs; i++) {
		t.sent = 0;
		send_one();
		if (!rnd(4))
			t.running = false;
		if (i % 64 == 0) {
			check_state();
			check_answers();
		}
	}
	return test_end("gdbfuzz");
}
