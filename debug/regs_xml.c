/* SPDX-License-Identifier: MIT */
/*
 * The table of registers and its description in XML ("Target Descriptions").
 * There is no architecture in it: gdb's own setting, or that of the program it
 * was given, decides, and every one of x86's accepts these registers.
 */
#include "debug/regs.h"
#include "debug/regs_table.h"
#include "lib/format.h"
#include "lib/string.h"
#include "log.h"

const struct reg_row reg_rows[] = {
#define R(feat, name, bits, type, group, kind, where) \
	{ name, type, group, where, bits, KIND_##kind, FEATURE_##feat },
#include "debug/regs.inc"
#undef R
};

#define XML_BYTES 12288

static char xml[XML_BYTES];
static u64 length;

static const char *const feature_names[FEATURE_COUNT] = {
	[FEATURE_CORE] = "org.gnu.gdb.i386.core",
	[FEATURE_SSE] = "org.gnu.gdb.i386.sse",
	[FEATURE_SYSTEM] = "org.penumbra.system",
};

/* A feature's own types. */
static const char *const feature_types[FEATURE_COUNT] = {
	[FEATURE_CORE] =
		"<flags id=\"i386_eflags\" size=\"4\">"
		"<field name=\"CF\" start=\"0\" end=\"0\"/>"
		"<field name=\"\" start=\"1\" end=\"1\"/>"
		"<field name=\"PF\" start=\"2\" end=\"2\"/>"
		"<field name=\"AF\" start=\"4\" end=\"4\"/>"
		"<field name=\"ZF\" start=\"6\" end=\"6\"/>"
		"<field name=\"SF\" start=\"7\" end=\"7\"/>"
		"<field name=\"TF\" start=\"8\" end=\"8\"/>"
		"<field name=\"IF\" start=\"9\" end=\"9\"/>"
		"<field name=\"DF\" start=\"10\" end=\"10\"/>"
		"<field name=\"OF\" start=\"11\" end=\"11\"/>"
		"<field name=\"NT\" start=\"14\" end=\"14\"/>"
		"<field name=\"RF\" start=\"16\" end=\"16\"/>"
		"<field name=\"VM\" start=\"17\" end=\"17\"/>"
		"<field name=\"AC\" start=\"18\" end=\"18\"/>"
		"<field name=\"ID\" start=\"21\" end=\"21\"/></flags>",
	[FEATURE_SSE] =
		"<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
		"<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
		"<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
		"<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
		"<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
		"<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
		"<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
		"<field name=\"v2_double\" type=\"v2d\"/>"
		"<field name=\"v16_int8\" type=\"v16i8\"/>"
		"<field name=\"v8_int16\" type=\"v8i16\"/>"
		"<field name=\"v4_int32\" type=\"v4i32\"/>"
		"<field name=\"v2_int64\" type=\"v2i64\"/>"
		"<field name=\"uint128\" type=\"uint128\"/></union>"
		"<flags id=\"i386_mxcsr\" size=\"4\">"
		"<field name=\"IE\" start=\"0\" end=\"0\"/>"
		"<field name=\"DE\" start=\"1\" end=\"1\"/>"
		"<field name=\"ZE\" start=\"2\" end=\"2\"/>"
		"<field name=\"OE\" start=\"3\" end=\"3\"/>"
		"<field name=\"UE\" start=\"4\" end=\"4\"/>"
		"<field name=\"PE\" start=\"5\" end=\"5\"/>"
		"<field name=\"DAZ\" start=\"6\" end=\"6\"/>"
		"<field name=\"IM\" start=\"7\" end=\"7\"/>"
		"<field name=\"DM\" start=\"8\" end=\"8\"/>"
		"<field name=\"ZM\" start=\"9\" end=\"9\"/>"
		"<field name=\"OM\" start=\"10\" end=\"10\"/>"
		"<field name=\"UM\" start=\"11\" end=\"11\"/>"
		"<field name=\"PM\" start=\"12\" end=\"12\"/>"
		"<field name=\"FZ\" start=\"15\" end=\"15\"/></flags>",
};

unsigned regs_count(void)
{
	return ARRAY_SIZE(reg_rows);
}

unsigned regs_size(unsigned n)
{
	return reg_rows[n].bits / 8;
}

const char *regs_name(unsigned n)
{
	return reg_rows[n].name;
}

unsigned regs_find(const char *name)
{
	unsigned n = 0;

	while (n < regs_count() && strcmp(reg_rows[n].name, name))
		n++;
	return n;
}

/* By both names: gdb takes the one that fits its architecture. */
const unsigned *regs_told(unsigned *count)
{
	static const char *const names[] = { "rip", "rsp", "rbp", "eflags",
					     "eip", "esp", "ebp" };
	static unsigned told[ARRAY_SIZE(names)];

	*count = ARRAY_SIZE(names);
	for (unsigned i = 0; i < *count; i++)
		told[i] = regs_find(names[i]);
	return told;
}

static void add(const char *text)
{
	size_t n = strlen(text);

	assert(length + n < XML_BYTES);
	memcpy(xml + length, text, n + 1);
	length += n;
}

static void add_register(const struct reg_row *row)
{
	char text[160];

	fmt_snprintf(text, sizeof(text),
		     "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" group=\"%s\"/>",
		     row->name, row->bits, row->type, row->group);
	add(text);
}

static void make(void)
{
	int feature = -1;

	add("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM "
	    "\"gdb-target.dtd\"><target>");
	for (unsigned n = 0; n < regs_count(); n++) {
		const struct reg_row *row = &reg_rows[n];

		if (row->feature != feature) {
			add(feature >= 0 ? "</feature><feature name=\"" :
					   "<feature name=\"");
			feature = row->feature;
			add(feature_names[feature]);
			add("\">");
			if (feature_types[feature])
				add(feature_types[feature]);
		}
		add_register(row);
	}
	add("</feature></target>");
}

const char *regs_xml(u64 *size)
{
	if (!length)
		make();
	*size = length;
	return xml;
}
