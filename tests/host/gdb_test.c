/* SPDX-License-Identifier: MIT */
/*
 * gdb's protocol: framing, and each command by packets and the replies that
 * they must have, over a target in this process.
 * LINKS: lib
 * SRCS: debug/rsp.c debug/gdb.c debug/gdb_query.c debug/gdb_data.c debug/regs.c debug/regs_xml.c cpu/stops.c cpu/vcpu.c cpu/cpuid.c
 */
#include "tests/host/gdb_target.h"

/* The payloads that were sent, checked and run lengths undone, with | between. */
static const char *replies(void)
{
	static char out[1 << 17];
	size_t n = 0;

	for (size_t i = 0; i < t.sent; i++) {
		u8 sum = 0;
		char hex[3] = { 0 };

		if (t.line[i] != '$')
			continue;
		if (n)
			out[n++] = '|';
		for (i++; i < t.sent && t.line[i] != '#'; i++) {
			unsigned more = 0;

			sum += t.line[i];
			if (t.line[i] == '*') {
				more = t.line[++i] - 29u;
				sum += t.line[i];
				CHECK(more >= 3 && more <= 97, "run of %u", more);
				while (more--)
					out[n] = out[n - 1], n++;
				continue;
			}
			out[n++] = (char)t.line[i];
		}
		memcpy(hex, t.line + i + 1, 2);
		CHECK(strtoul(hex, NULL, 16) == sum, "checksum %s, not %02x",
		      hex, sum);
	}
	out[n] = 0;
	return out;
}

static const char *ask(const char *packet)
{
	t.sent = 0;
	type_packet(packet, strlen(packet));
	return replies();
}

static void expect(const char *packet, const char *reply)
{
	const char *got = ask(packet);

	CHECK(!strcmp(got, reply), "%.40s: \"%.80s\", not \"%.80s\"", packet,
	      got, reply);
}

static void expect_start(const char *packet, const char *reply)
{
	const char *got = ask(packet);

	CHECK(!strncmp(got, reply, strlen(reply)), "%s: \"%.80s\"", packet,
	      got);
}

/* --- framing ---------------------------------------------------------- */

static void raw(const char *bytes, const char *line)
{
	target_reset();
	type(bytes, strlen(bytes));
	CHECK(t.sent == strlen(line) && !memcmp(t.line, line, t.sent),
	      "%s: %.*s", bytes, (int)t.sent, t.line);
}

static void framing(void)
{
	raw("$qC#b4", "+$QC1#c5");
	raw("$qC#B4", "+$QC1#c5");
	raw("junk+++$qC#b4", "+$QC1#c5");
	raw("$qC#b5", "-");
	raw("$qC#x4", "-");
	raw("$qC#4x", "-");
	raw("$qqq$qC#b4", "+$QC1#c5"); /* the first lost its end */
	raw("$q}c#51", "+$QC1#c5"); /* an escaped C */
	raw("$qC#b4-", "+$QC1#c5$QC1#c5"); /* once more */
	raw("-", "");
	raw("$nonsense#69", "+$#00");
	raw("$#00", "+$#00");
}

static void too_long(void)
{
	static char big[RSP_PACKET_MAX + 100];

	target_reset();
	memset(big, 'g', sizeof(big));
	type_packet(big, sizeof(big));
	CHECK(!strcmp(replies(), ""), "taken for a command");
	expect("qC", "QC1");
	big[RSP_PACKET_MAX] = 0;
	memcpy(big, "X0,0:", 5);
	expect(big, "OK"); /* just fits */
}

static void no_ack(void)
{
	target_reset();
	expect("QStartNoAckMode", "OK");
	t.sent = 0;
	type_packet("qC", 2);
	CHECK(t.line[0] == '$', "still acknowledges");
	type("-", 1);
	CHECK(!strcmp(replies(), "QC1"), "repeated without acknowledgements");
	t.sent = 0;
	type_packet("qSupported:x", 12); /* another gdb */
	CHECK(t.line[0] == '+', "the next session expects acknowledgements");
	t.sent = 0;
	type_packet("qC", 2);
	CHECK(t.line[0] == '+', "acknowledges again");
}

/* --- commands --------------------------------------------------------- */

static const struct {
	const char *packet, *reply;
} rows[] = {
	/* memory; byte i is 7i + i/256 */
	{ "m0,4", "00070e15" }, { "m100,2", "0108" },
	{ "mf0000001,2", "070e" }, { "mfffe,8", "f1f8" },
	{ "m10000,1", "E0e" }, { "m0,0", "" }, { "m,1", "E01" },
	{ "m0", "E01" }, { "m11112222333344445,1", "E01" },
	{ "M10,2:abcd", "OK" }, { "m10,3", "abcd7e" },
	{ "M10,2:ab", "E01" }, { "M10,2:abxx", "E01" },
	{ "M10,ffffffffffffffff:ab", "E01" }, { "Mffff,2:0102", "E0e" },
	{ "X20,3:ab}\x03", "OK" }, { "m20,3", "616223" },
	{ "X20,4:ab", "E01" }, { "X20,0:", "OK" },
	/* physical */
	{ "qqemu.PhyMemMode", "0" }, { "Qqemu.PhyMemMode:1", "OK" },
	{ "qqemu.PhyMemMode", "1" }, { "m8000,1", "E0e" },
	{ "Qqemu.PhyMemMode:2", "E01" }, { "Qqemu.PhyMemMode:0", "OK" },
	{ "m8000,1", "80" },
	/* registers: eax and rax are one */
	{ "P0=8877665544332211", "OK" }, { "p0", "8877665500000000" },
	{ "P0=1122334455667788", "OK" }, { "p0", "1122334400000000" },
	{ "P28=aabbccdd", "OK" }, { "p0", "aabbccdd00000000" },
	{ "p10", "0010000000000000" }, { "p30", "00100000" },
	{ "P10=00000000010000", "E01" }, { "P10=0000000001000000", "E02" },
	{ "P11=02000200", "E02" } /* EFLAGS.VM */, { "P11=d70a0000", "OK" },
	{ "p11", "d70a0000" }, { "P12=0000ad0b", "E02" },
	{ "P12=ad0b0000", "E02" }, { "P13=10000000", "OK" },
	{ "p999", "E01" }, { "p", "E01" }, { "P1=12", "E01" },
	{ "P1", "E01" }, { "Pfff=00", "E01" },
	/* stops */
	{ "Z0,1000,1", "OK" }, { "Z1,1004,4", "OK" }, { "Z2,2000,4", "OK" },
	{ "Z3,2004,8", "OK" }, { "Z4,2010,1000", "OK" },
	{ "Z5,0,1", "E01" }, { "Z2,0,0", "E01" }, { "Z0,x,1", "E01" },
	{ "Z2,ffffffffffffffff,2", "E01" }, { "Z", "E01" }, { "z0", "E01" },
	{ "z2,2000,4", "OK" }, { "z2,2000,4", "OK" }, { "z0,1000,1", "OK" },
	{ "Z3,3000,1", "OK" }, { "z3,3000,1", "OK" }, { "Z1,3000,1", "OK" },
	{ "z1,3000,1", "OK" }, { "Z4,3000,1", "OK" }, { "z4,3000,1", "OK" },
	/* threads, session */
	{ "Hg0", "OK" }, { "Hc-1", "OK" }, { "Hg1", "OK" }, { "Hg2", "E01" },
	{ "Hx1", "E01" }, { "Hc-2", "E01" }, { "T1", "OK" }, { "T2", "E01" },
	{ "qC", "QC1" }, { "qAttached", "1" }, { "qfThreadInfo", "m1" },
	{ "qsThreadInfo", "l" }, { "qThreadExtraInfo,1", "612074657374" },
	{ "vCont?", "vCont;c;C;s;S;t;r" }, { "!", "OK" },
	{ "vMustReplyEmpty", "" }, { "vCont;x", "E01" }, { "vCont;", "E01" },
	{ "vCont;r12", "E01" },
	/* monitor */
	{ "qRcmd,6869", "O7361696420|O6869|OK" }, { "qRcmd,6", "E01" },
	{ "qRcmd,00", "E01" }, { "qRcmd,zz", "E01" },
	/* search */
	{ "qSearch:memory:0;1000;\x07\x0e\x15", "1,1" },
	{ "qSearch:memory:2;fffe;\x07\x0e\x15", "1,14a" },
	{ "qSearch:memory:0;40;zz", "0" }, { "qSearch:memory:0;2;", "E01" },
	{ "qSearch:memory:0;20000;zzzzzzz", "E0e" },
	{ "qSearch:memory:x", "E01" },
	/* transfers */
	{ "qXfer:threads:read::0,22", "m<?xml version=\"1.0\"?><threads><thr" },
	{ "qXfer:memory-map:read::0,28",
	  "m<?xml version=\"1.0\"?><memory-map><memory" },
	{ "qXfer:memory-map:read::0", "E01" },
	{ "qXfer:features:read:other.xml:0,10", "E00" },
	{ "qXfer:features:read:target.xml:zz", "E01" },
	{ "qXfer:features:read:target.xml:ffffff,10", "l" },
	{ "qXfer:auxv:read::0,10", "" },
};

static void commands(void)
{
	target_reset();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		expect(rows[i].packet, rows[i].reply);
	CHECK(t.stops.count == 3, "%u stops", t.stops.count);
	CHECK(!strcmp(t.said, "hi"), "monitor line %s", t.said);
}

static void same_stop_once(void)
{
	target_reset();
	expect("Z0,1000,1", "OK");
	expect("Z0,1000,1", "OK");
	CHECK(t.stops.count == 1, "%u", t.stops.count);
	for (unsigned i = 1; i < ARRAY_SIZE(t.list); i++) {
		char text[32];

		snprintf(text, sizeof(text), "Z0,%x,1", 0x1000 + i);
		expect(text, "OK");
	}
	expect("Z0,1,1", "E0c");
}

static void whole_set(void)
{
	static char packet[8192];
	const char *all;

	target_reset();
	all = ask("g");
	CHECK(strlen(all) > 1000, "%zu digits", strlen(all));
	snprintf(packet, sizeof(packet), "G%s", all);
	expect(packet, "OK"); /* nothing changed: read-only ones are fine */
	memcpy(packet + 1, "78563412", 8);
	expect(packet, "OK");
	CHECK(t.v.gpr[R_AX] == 0x12345678, "eax %llx",
	      (unsigned long long)t.v.gpr[R_AX]);
	packet[strlen(packet) - 1] = 0;
	expect(packet, "E01");
}

static void running(void)
{
	target_reset();
	expect("?", "T05thread:1;10:0010000000000000;7:0000000000000000;"
		    "6:0000000000000000;11:02000000;30:00100000;2c:00000000;"
		    "2d:00000000;");
	expect("c", "");
	CHECK(t.running && t.how == GDB_CONTINUE, "not let run");
	t.sent = 0;
	type("\x03", 1);
	expect_start("p10", "0010");
	CHECK(!t.running, "runs on");
	expect("vCont;s:1;c", "");
	CHECK(t.running && t.how == GDB_STEP, "no step");
	t.running = false;
	t.why = (struct gdb_stop){ GDB_SIGTRAP, STOP_WRITE, 0x2000 };
	t.sent = 0;
	gdb_stopped(&t.gdb);
	CHECK(!strncmp(replies(), "T05watch:2000;thread:1;", 23), "%s",
	      replies());
	t.sent = 0;
	gdb_stopped(&t.gdb);
	CHECK(!t.sent, "told twice");
	expect_start("vCont;t:1", "T05watch:2000;"); /* it stands anyway */
	t.running = true;
	expect_start("vCont;t:1", "T02");
	CHECK(!t.running, "runs on");
	expect("vCont;c:1", "");
	CHECK(t.running && t.how == GDB_CONTINUE, "vCont;c");
	expect("C05;1000", "");
	CHECK(t.v.rip == 0x1000 && t.running && t.how == GDB_CONTINUE, "C");
	expect("C05", "");
	CHECK(t.v.rip == 0x1000 && t.running, "C where it is");
	expect("s", "");
	CHECK(t.running && t.how == GDB_STEP, "s");
	expect("vCont;r1000,1010:1", "");
	CHECK(t.how == GDB_STEP_RANGE && t.start == 0x1000 && t.end == 0x1010,
	      "range");
	expect("qRcmd,6869", "O7361696420|O6869|OK");
	CHECK(t.running, "a question stops nothing");
	expect_start("m0,1", "00");
	CHECK(!t.running, "a look at memory does");
	expect("c2000", "");
	CHECK(t.v.rip == 0x2000, "not gone there");
	expect("vCtrlC", "OK|T02thread:1;10:0020000000000000;"
			 "7:0000000000000000;6:0000000000000000;11:02000000;"
			 "30:00200000;2c:00000000;2d:00000000;");
	expect("S05;3000", "");
	CHECK(t.v.rip == 0x3000 && t.how == GDB_STEP, "signal");
	t.sent = 0;
	gdb_exited(&t.gdb, 7);
	CHECK(!strcmp(replies(), "W07"), "%s", replies());
	expect("qRcmd,6869", "O7361696420|O6869|OK");
	t.sent = 0;
	gdb_exited(&t.gdb, 7);
	CHECK(!t.sent, "one who only asks is not attached");
}

static void leaving(void)
{
	target_reset();
	expect("Z0,1000,1", "OK");
	expect("D", "OK");
	CHECK(t.running && !t.stops.count, "detach lets it run, without stops");
	t.sent = 0;
	gdb_exited(&t.gdb, 0);
	CHECK(!t.sent, "nobody is there");
	expect_start("?", "T02");
	expect("k", "");
	CHECK(t.ended, "kill");
	expect("R00", "");
	CHECK(t.reset, "reset");
}

/* --- registers -------------------------------------------------------- */

/* name, value written, accepted?, value then read */
static const struct {
	const char *name;
	u64 value;
	bool accepted;
	u64 then;
} registers[] = {
	{ "cr0", 0x80000011, false, 0x11 }, /* PG is not gdb's to set */
	{ "cr0", 0x10, false, 0x11 }, { "cr0", 0x1b, true, 0x1b },
	{ "cr2", 0x12345678, true, 0x12345678 },
	{ "cr2", 0x112345678, false, 0x12345678 },
	{ "cr3", 0x5000, true, 0x5000 }, { "cr3", 0xbad, false, 0xbad },
	{ "cr4", 0x20, false, 0 }, { "cr4", 0x4, true, 4 },
	{ "cr4", 0x404, false, 4 } /* OSXMMEXCPT is not offered */,
	{ "cr8", 15, true, 15 }, { "cr8", 16, false, 15 },
	{ "efer", 1, true, 1 }, { "efer", 0x501, false, 1 },
	{ "dr0", 0xc0001000, true, 0xc0001000 },
	{ "dr6", ~0ull, true, 0xffffefff }, { "dr6", 0, true, 0xffff0ff0 },
	{ "dr7", 0xffffffffff, true, 0xffff2fff }, { "dr7", 0, true, 0x400 },
	{ "cs_base", 1, false, 0 }, { "gdtr_limit", 1, false, 0xffff },
	{ "fs_base", 0x1000, true, 0x1000 },
	{ "fs_base", 0x100000000, false, 0x1000 },
	{ "mxcsr", 0x1f80, true, 0x1f80 }, { "mxcsr", 0x11f80, false, 0x1f80 },
	{ "fctrl", 0x37f, true, 0x37f }, { "fstat", 0x3800, true, 0x3800 },
	{ "ftag", 0xffff, true, 0xffff }, { "fioff", 1, false, 0 },
	{ "eip", 0x1234, true, 0x1234 }, { "ax", 0, false, 0 },
};

static void register_rules(void)
{
	target_reset();
	for (unsigned i = 0; i < ARRAY_SIZE(registers); i++) {
		unsigned n = regs_find(registers[i].name);
		u8 value[GDB_REG_MAX] = { 0 };
		u64 then;
		bool accepted;

		if (n == regs_count()) {
			CHECK(!strcmp(registers[i].name, "ax"), "no %s",
			      registers[i].name);
			continue;
		}
		memcpy(value, &registers[i].value, 8);
		accepted = regs_write(&t.regs, n, value);
		memset(value, 0, sizeof(value));
		regs_read(&t.regs, n, value);
		memcpy(&then, value, 8);
		CHECK(accepted == registers[i].accepted &&
		      then == registers[i].then, "%s = %llx: %d, then %llx",
		      registers[i].name, (unsigned long long)registers[i].value,
		      accepted, (unsigned long long)then);
	}
	CHECK(t.changed == (MODE_OTHER | MODE_DR), "changed %x", t.changed);
	CHECK(t.fx_changed, "the FXSAVE image was changed");
}

/* In long mode the same registers are 64 bits wide. */
static void long_mode(void)
{
	u8 value[8] = { 0 };
	u64 wide = 0x1122334455667788, odd = 0x8000000000000000;

	target_reset();
	t.v.efer = EFER_LME | EFER_LMA;
	t.v.seg[SEG_CS].ar |= AR_L;
	CHECK(regs_write(&t.regs, 0, (u8 *)&wide), "rax");
	regs_read(&t.regs, 0, value);
	CHECK(!memcmp(value, &wide, 8), "rax is cut");
	CHECK(!regs_write(&t.regs, t_ops.reg_pc, (u8 *)&odd), "not canonical");
	wide = 0xffffffff80001000;
	CHECK(regs_write(&t.regs, t_ops.reg_pc, (u8 *)&wide) &&
	      t.v.rip == wide, "rip");
}

/* Physical register n is ST(n - TOP); tags follow what is in it. */
static void x87_tags(void)
{
	static const u8 one[10] = { 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f };
	static const u8 nan[10] = { 0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0x7f };
	unsigned ftag = regs_find("ftag"), st0 = regs_find("st0");
	u8 value[GDB_REG_MAX] = { 0 };

	target_reset();
	t.fx[3] = 5 << 3; /* TOP = 5: ST0 is physical 5 */
	t.fx[4] = 0xe0;   /* 5, 6, 7 are in use */
	regs_write(&t.regs, st0, one);
	regs_write(&t.regs, st0 + 1, nan);
	regs_read(&t.regs, ftag, value);
	CHECK(value[0] == 0xff && value[1] == 0x63, "tags %02x%02x", value[1],
	      value[0]); /* 7 zero, 6 special, 5 valid, others empty */
	regs_read(&t.regs, st0, value);
	CHECK(!memcmp(value, one, 10), "st0");
}

int main(void)
{
	framing();
	too_long();
	no_ack();
	commands();
	same_stop_once();
	whole_set();
	running();
	leaving();
	register_rules();
	long_mode();
	x87_tags();
	return test_end("gdb");
}
