/* SPDX-License-Identifier: MIT */
/*
 * The pure parts of the vmx engine: the VM-entry explainer, the controls
 * against the capability MSRs, the selection, which states can be entered, and
 * the coding of events.
 * LINKS: lib cpu kernel
 * SRCS: vmx/checks.c vmx/controls.c vmx/runnable.c vmx/events.c boot/select.c
 */
#include <string.h>

#include "boot/select.h"
#include "tests/host/test.h"
#include "vmx/checks.h"
#include "vmx/controls.h"
#include "vmx/events.h"
#include "vmx/runnable.h"

/* --- A processor, and a VMCS that it accepts ------------------------------- */

#define PAIR(must, may) ((u64)(u32)(may) << 32 | (u32)(must))

/* Everything offered, nothing forced but what always was. */
static const struct vmx_caps full = {
	.basic = (u64)VMX_MEM_TYPE_WB << 50 | 1024ull << 32 | 1,
	.controls = {
		[VMX_PIN] = PAIR(PIN_DEFAULT1, 0x7f),
		[VMX_CPU] = PAIR(0x04006172, 0xfff9fffe),
		[VMX_EXIT] = PAIR(0x36dfb, 0x7fffff),
		[VMX_ENTRY] = PAIR(0x11fb, 0xffff),
		[VMX_CPU2] = PAIR(0, 0xff),
	},
	.misc = 4 << 16,
	.cr0_fixed0 = CR0_PE | CR0_PG | CR0_NE,
	.cr0_fixed1 = 0xffffffff,
	.cr4_fixed0 = CR4_VMXE,
	.cr4_fixed1 = 0x3767ff,
	.phys_bits = 36,
};

#define FLAT_CODE 0xc09b
#define FLAT_DATA 0xc093
#define HIGH 0xffffffff80000000ull
#define BAD_ADDRESS BIT(50) /* beyond 36 bits, and not canonical */
#define NOT_CANONICAL BIT(47)

static void fill_controls(struct vmcs_image *v)
{
	struct vmx_controls c;

	CHECK(!vmx_controls_reconcile(&full, &c));
	v->PIN_CONTROLS = c.value[VMX_PIN];
	v->CPU_CONTROLS = c.value[VMX_CPU];
	v->EXIT_CONTROLS = c.value[VMX_EXIT];
	v->ENTRY_CONTROLS = c.value[VMX_ENTRY];
	v->VMCS_LINK_POINTER = VMCS_LINK_NONE;
}

static void fill_host(struct vmcs_image *v)
{
	v->HOST_CR0 = CR0_PE | CR0_PG | CR0_NE | CR0_WP;
	v->HOST_CR3 = 0x1000;
	v->HOST_CR4 = CR4_PAE | CR4_VMXE;
	v->HOST_CS_SELECTOR = 0x08;
	v->HOST_SS_SELECTOR = 0x10;
	v->HOST_TR_SELECTOR = 0x18;
	v->HOST_TR_BASE = v->HOST_GDTR_BASE = v->HOST_IDTR_BASE = HIGH;
	v->HOST_RIP = HIGH;
}

static void fill_guest(struct vmcs_image *v)
{
	v->GUEST_CR0 = CR0_PE | CR0_PG | CR0_NE | CR0_ET;
	v->GUEST_CR3 = 0x2000;
	v->GUEST_CR4 = CR4_PAE | CR4_VMXE;
	v->GUEST_DR7 = DR7_RESET;
	v->GUEST_CS_SELECTOR = 0x10;
	v->GUEST_SS_SELECTOR = v->GUEST_DS_SELECTOR = 0x18;
	v->GUEST_ES_SELECTOR = v->GUEST_FS_SELECTOR = 0x18;
	v->GUEST_CS_AR = FLAT_CODE;
	v->GUEST_SS_AR = v->GUEST_DS_AR = v->GUEST_ES_AR = FLAT_DATA;
	v->GUEST_FS_AR = FLAT_DATA;
	v->GUEST_GS_AR = AR_UNUSABLE;
	v->GUEST_CS_LIMIT = v->GUEST_SS_LIMIT = v->GUEST_DS_LIMIT = 0xffffffff;
	v->GUEST_ES_LIMIT = v->GUEST_FS_LIMIT = 0xffffffff;
	v->GUEST_LDTR_AR = AR_P | SYS_LDT;
	v->GUEST_TR_AR = AR_P | SYS_TSS32_BUSY;
	v->GUEST_TR_LIMIT = 0x67;
	v->GUEST_GDTR_LIMIT = v->GUEST_IDTR_LIMIT = 0xffff;
	v->GUEST_RIP = 0x100000;
	v->GUEST_RFLAGS = EFLAGS_MBS | EFLAGS_IF;
}

static void fill_vm86(struct vmcs_image *v)
{
	v->GUEST_RFLAGS |= EFLAGS_VM;
	v->GUEST_ES_SELECTOR = v->GUEST_CS_SELECTOR = 0x1234;
	v->GUEST_SS_SELECTOR = v->GUEST_DS_SELECTOR = 0x1234;
	v->GUEST_FS_SELECTOR = v->GUEST_GS_SELECTOR = 0x1234;
	v->GUEST_ES_BASE = v->GUEST_CS_BASE = v->GUEST_SS_BASE = 0x12340;
	v->GUEST_DS_BASE = v->GUEST_FS_BASE = v->GUEST_GS_BASE = 0x12340;
	v->GUEST_ES_LIMIT = v->GUEST_CS_LIMIT = v->GUEST_SS_LIMIT = 0xffff;
	v->GUEST_DS_LIMIT = v->GUEST_FS_LIMIT = v->GUEST_GS_LIMIT = 0xffff;
	v->GUEST_ES_AR = v->GUEST_CS_AR = v->GUEST_SS_AR = 0xf3;
	v->GUEST_DS_AR = v->GUEST_FS_AR = v->GUEST_GS_AR = 0xf3;
}

static void fill(struct vmx_check_input *in)
{
	memset(in, 0, sizeof(*in));
	in->caps = &full;
	fill_controls(&in->vmcs);
	fill_host(&in->vmcs);
	fill_guest(&in->vmcs);
	in->pdpte[0] = 0x3000 | PTE_P;
}

/* --- The explainer ----------------------------------------------------------- */

/* How a row changes a field, or the whole guest. */
enum how { END, SET, OR, CLEAR, VM86 };

struct change {
	enum how how;
	u16 offset; /* in struct vmx_check_input */
	u64 value;
};

struct check_row {
	enum vmx_rule rule; /* the only one that the changes break */
	struct change change[7];
};

#define AT(how, field, value)                                             \
	{ how, offsetof(struct vmx_check_input, vmcs.field), value }
#define IN_VM86 { VM86, 0, 0 }
#define PDPTE(n, value)                                                   \
	{ SET, offsetof(struct vmx_check_input, pdpte[n]), value }

static const struct check_row check_rows[] = {
#include "tests/host/vmx_rows.inc"
};

static void apply(struct vmx_check_input *in, const struct change *c)
{
	u64 *field = (u64 *)((u8 *)in + c->offset);

	switch (c->how) {
	case SET:
		*field = c->value;
		break;
	case OR:
		*field |= c->value;
		break;
	case CLEAR:
		*field &= ~c->value;
		break;
	case VM86:
		fill_vm86(&in->vmcs);
		break;
	case END:
		break;
	}
}

static void test_row(const struct check_row *row)
{
	struct vmx_check_input in;
	const char *text = NULL;
	int first, second;

	fill(&in);
	for (unsigned i = 0; i < ARRAY_SIZE(row->change); i++)
		apply(&in, &row->change[i]);
	first = vmx_check_next(&in, 0, &text);
	CHECK(first == (int)row->rule, "row %d, rule %d found: %s",
	      (int)(row - check_rows), first, text ? text : "none");
	if (first < 0)
		return;
	CHECK(text && *text);
	second = vmx_check_next(&in, first + 1, &text);
	CHECK(second < 0, "row %d also breaks rule %d: %s",
	      (int)(row - check_rows), second, text);
}

/* States that look odd and are right. */
static void test_accepted(void)
{
	struct vmx_check_input in;
	const char *text = "";

	fill(&in);
	CHECK(vmx_check_next(&in, 0, &text) < 0, "%s", text);
	fill_vm86(&in.vmcs);
	CHECK(vmx_check_next(&in, 0, &text) < 0, "%s", text);

	fill(&in);
	in.vmcs.GUEST_CS_AR = FLAT_CODE | AR_CONFORM;
	in.vmcs.GUEST_SS_AR = FLAT_DATA | AR_DPL;
	in.vmcs.GUEST_SS_SELECTOR = in.vmcs.GUEST_CS_SELECTOR = 0x1b;
	CHECK(vmx_check_next(&in, 0, &text) < 0, "%s", text);

	fill(&in);
	in.vmcs.ENTRY_INTR_INFO = INTR_VALID | INTR_ERROR_VALID | VEC_PF |
				  INTR_HARD_EXCEPTION << INTR_TYPE_SHIFT;
	in.vmcs.ENTRY_ERROR_CODE = 6;
	CHECK(vmx_check_next(&in, 0, &text) < 0, "%s", text);

	fill(&in);
	in.vmcs.GUEST_INTERRUPTIBILITY = BLOCKING_MOV_SS;
	in.vmcs.GUEST_RFLAGS |= EFLAGS_TF;
	in.vmcs.GUEST_PENDING_DEBUG = PENDING_BS;
	CHECK(vmx_check_next(&in, 0, &text) < 0, "%s", text);
}

static void test_checks(void)
{
	bool covered[RULE_COUNT] = { false };

	test_accepted();
	for (unsigned i = 0; i < ARRAY_SIZE(check_rows); i++) {
		test_row(&check_rows[i]);
		covered[check_rows[i].rule] = true;
	}
	for (int rule = 0; rule < RULE_COUNT; rule++)
		CHECK(covered[rule], "rule %d has no row", rule);
}

/* --- Controls and selection -------------------------------------------------- */

static const struct control {
	enum vmx_group group;
	u32 bit;
	const char *want, *name;
} controls[] = {
#define C(group, bit, want, name) { VMX_##group, (u32)(bit), #want, name },
#include "vmx/controls.inc"
#undef C
};

static bool is(const struct control *c, const char *want)
{
	return !strcmp(c->want, want);
}

/* The refusal must name the control, and reach the user by the selection. */
static void check_refused(const struct vmx_caps *caps, const char *what,
			  const char *name)
{
	struct vmx_controls out;
	const char *why = vmx_controls_reconcile(caps, &out);
	struct engine_choice choice;

	CHECK(why && strstr(why, what) && strstr(why, name), "%s: %s", name,
	      why ? why : "accepted");
	choice = engine_select(ENGINE_AUTO, why, false);
	CHECK(choice.engine == ENGINE_BT && !choice.refused &&
	      choice.reason == why);
	choice = engine_select(ENGINE_VMX, why, false);
	CHECK(choice.refused && choice.reason == why);
}

static void test_control(const struct control *c)
{
	bool required = is(c, "REQUIRED") || is(c, "DYNAMIC");
	bool set = is(c, "REQUIRED") || is(c, "WANTED");
	struct vmx_caps caps = full;
	struct vmx_controls out;

	CHECK(!vmx_controls_reconcile(&caps, &out));
	CHECK(!!(out.value[c->group] & c->bit) == set, "%s", c->name);

	caps.controls[c->group] &= ~((u64)c->bit << 32 | c->bit);
	if (required)
		check_refused(&caps, "lacks", c->name);
	else
		CHECK(!vmx_controls_reconcile(&caps, &out) &&
		      !(out.value[c->group] & c->bit), "%s", c->name);

	caps = full;
	caps.controls[c->group] |= c->bit;
	if (!set)
		check_refused(&caps, "forces", c->name);
	else
		CHECK(!vmx_controls_reconcile(&caps, &out), "%s", c->name);
}

static void test_registers(void)
{
	struct vmx_caps caps = full;

	caps.basic &= ~BITS(53, 50);
	check_refused(&caps, "VT-x wants", "write-back");
	caps = full;
	caps.basic |= 0x1fffull << 32;
	check_refused(&caps, "VT-x wants", "page");
	caps = full;
	caps.cr0_fixed0 |= CR0_WP;
	check_refused(&caps, "VT-x fixes", "CR0");
	caps = full;
	caps.cr0_fixed1 &= ~CR0_TS;
	check_refused(&caps, "VT-x keeps", "CR0");
	caps = full;
	caps.cr4_fixed0 |= CR4_PGE;
	check_refused(&caps, "VT-x fixes", "CR4");
	caps = full;
	caps.controls[VMX_PIN] |= BIT(7) | BIT(39);
	check_refused(&caps, "VT-x forces", "pin-based");
	caps = full;
	caps.controls[VMX_CPU] |= BIT(18) | BIT(50);
	check_refused(&caps, "VT-x forces", "processor-based");
	caps = full;
	caps.controls[VMX_EXIT] |= BIT(25) | BIT(57);
	check_refused(&caps, "VT-x forces", "VM-exit");
	caps = full;
	caps.controls[VMX_ENTRY] |= BIT(17) | BIT(49);
	check_refused(&caps, "VT-x forces", "VM-entry");
}

/* What a first-generation processor offers, with its old default1 bits. */
static void test_first_generation(void)
{
	struct vmx_caps caps = full;
	struct vmx_controls out;

	caps.controls[VMX_PIN] = PAIR(PIN_DEFAULT1, 0x1f);
	caps.controls[VMX_CPU] = PAIR(CPU_DEFAULT1, 0x77b9fffe);
	caps.controls[VMX_EXIT] = PAIR(EXIT_DEFAULT1, 0x3efff);
	caps.controls[VMX_ENTRY] = PAIR(ENTRY_DEFAULT1, 0x1fff);
	caps.controls[VMX_CPU2] = 0;
	CHECK(!vmx_controls_reconcile(&caps, &out));
	CHECK(!(out.value[VMX_PIN] & PIN_VIRTUAL_NMIS));
	CHECK(!vmx_has(&caps, VMX_HAS_EFER) && !vmx_has(&caps, VMX_HAS_VPID) &&
	      !vmx_has(&caps, VMX_HAS_TIMER) && !vmx_has(&caps, VMX_HAS_EPT));
}

static void test_selection(void)
{
	static const enum option_engine others[] = { ENGINE_BT,
						     ENGINE_INTERP };
	struct engine_choice c = engine_select(ENGINE_AUTO, NULL, false);

	CHECK(c.engine == ENGINE_VMX && !c.refused && *c.reason);
	c = engine_select(ENGINE_VMX, NULL, false);
	CHECK(c.engine == ENGINE_VMX && !c.refused);
	c = engine_select(ENGINE_AUTO, NULL, true);
	CHECK(c.engine == ENGINE_BT && strstr(c.reason, "icount"));
	c = engine_select(ENGINE_VMX, NULL, true);
	CHECK(c.refused && strstr(c.reason, "icount"));
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		c = engine_select(others[i], "none", true);
		CHECK(c.engine == others[i] && !c.refused);
	}
}

/* --- States ------------------------------------------------------------------- */

static void seg_null(struct segment *s)
{
	*s = (struct segment){ .ar = AR_UNUSABLE };
}

static void flat(struct vcpu *v)
{
	vcpu_reset_flat32(v, 0x100000, 0x10, 0x18);
}

static void make_vm86(struct vcpu *v)
{
	flat(v);
	v->rflags |= EFLAGS_VM;
	v->cpl = 3;
	for (int seg = SEG_ES; seg <= SEG_GS; seg++)
		v->seg[seg] = (struct segment){ 0x12340, 0xffff, 0xf3,
						0x1234, { 0 } };
}

#define RUNNABLE(expect, change)                                          \
	do {                                                              \
		flat(&v);                                                 \
		change;                                                   \
		CHECK(vmx_state_runnable(&v, true) == (expect));          \
	} while (0)

static void test_runnable_protected(void)
{
	struct vcpu v;

	RUNNABLE(true, );
	RUNNABLE(false, v.cr0 &= ~CR0_PE);
	RUNNABLE(false, v.activity = ACT_SHUTDOWN);
	RUNNABLE(false, v.shadow = SHADOW_STI);
	RUNNABLE(true, (v.shadow = SHADOW_STI, v.rflags |= EFLAGS_IF));
	RUNNABLE(false, v.seg[SEG_CS].sel = 0xf003);
	RUNNABLE(false, v.seg[SEG_CS].ar &= ~AR_CODE);
	RUNNABLE(false, v.seg[SEG_CS].ar |= AR_DPL);
	RUNNABLE(true, v.seg[SEG_CS].ar |= AR_CONFORM);
	RUNNABLE(false, v.seg[SEG_SS].sel = 0x1b);
	RUNNABLE(false, v.seg[SEG_SS].ar &= ~AR_WRITE);
	RUNNABLE(false, seg_null(&v.seg[SEG_SS]));
	RUNNABLE(false, v.seg[SEG_DS].sel = 0x1b);
	RUNNABLE(true, v.seg[SEG_DS].ar |= AR_DPL);
	RUNNABLE(true, seg_null(&v.seg[SEG_DS]));
	RUNNABLE(false, v.seg[SEG_ES].limit = 0x1000);
	RUNNABLE(false, v.seg[SEG_FS].ar = FLAT_CODE & ~AR_READ);
	RUNNABLE(false, v.seg[SEG_GS].ar &= ~AR_P);
	RUNNABLE(false, v.seg[SEG_TR].ar = AR_P | SYS_TSS32_AVAIL);
	RUNNABLE(false, v.seg[SEG_TR].sel = 4);
	RUNNABLE(true, seg_null(&v.seg[SEG_LDTR]));
	RUNNABLE(false, v.seg[SEG_LDTR].sel = 4);
	flat(&v);
	v.nmi_blocked = 1;
	CHECK(vmx_state_runnable(&v, true));
	CHECK(!vmx_state_runnable(&v, false));
}

static void make_64bit(struct vcpu *v)
{
	flat(v);
	v->efer |= EFER_LME | EFER_LMA;
	v->cr4 |= CR4_PAE;
	v->cr0 |= CR0_PG;
	v->seg[SEG_CS].ar = (v->seg[SEG_CS].ar & ~(u32)AR_DB) | AR_L;
	v->rip = HIGH;
}

#define RUNNABLE_64(expect, change)                                       \
	do {                                                              \
		make_64bit(&v);                                           \
		change;                                                   \
		CHECK(vmx_state_runnable(&v, true) == (expect));          \
	} while (0)

static void test_runnable_long(void)
{
	struct vcpu v;

	RUNNABLE_64(true, );
	RUNNABLE_64(false, v.rip = NOT_CANONICAL);
	RUNNABLE_64(false, v.seg[SEG_CS].ar |= AR_DB);
	RUNNABLE_64(true, (seg_null(&v.seg[SEG_SS]), v.seg[SEG_SS].sel = 0));
	RUNNABLE_64(false, (seg_null(&v.seg[SEG_SS]), v.seg[SEG_SS].sel = 1));
	RUNNABLE_64(true, v.seg[SEG_GS].base = HIGH);
	RUNNABLE_64(false, v.seg[SEG_DS].base = HIGH);
	RUNNABLE_64(false, v.seg[SEG_TR].ar = AR_P | SYS_TSS16_BUSY);
	/* Compatibility mode. */
	RUNNABLE_64(true, (v.seg[SEG_CS].ar ^= AR_L | AR_DB, v.rip = 0));
	RUNNABLE_64(false, v.seg[SEG_CS].ar ^= AR_L | AR_DB);
	/* L means nothing in legacy modes, but entry has no word for that. */
	RUNNABLE(false, v.seg[SEG_CS].ar |= AR_L);
}

static void test_runnable_vm86(void)
{
	struct vcpu v;

	make_vm86(&v);
	CHECK(vmx_state_runnable(&v, true));
	v.seg[SEG_DS].base++;
	CHECK(!vmx_state_runnable(&v, true));
	make_vm86(&v);
	v.seg[SEG_GS].limit = 0xfffff;
	CHECK(!vmx_state_runnable(&v, true));
	make_vm86(&v);
	v.seg[SEG_CS].ar = 0x9b;
	CHECK(!vmx_state_runnable(&v, true));
}

/* --- Events --------------------------------------------------------------------- */

static void test_events(void)
{
	static const struct event rows[] = {
		{ .vector = 0x30, .kind = EV_INTR },
		{ .vector = VEC_NMI, .kind = EV_NMI },
		{ .vector = VEC_UD, .kind = EV_EXCEPTION },
		{ .vector = VEC_GP, .kind = EV_EXCEPTION, .has_error = true,
		  .error = 0x1234 },
		{ .vector = 0x80, .kind = EV_SOFT_INT, .insn_len = 2 },
		{ .vector = VEC_BP, .kind = EV_SOFT_EXC, .insn_len = 1 },
		{ .vector = VEC_DB, .kind = EV_PRIV_SOFT_EXC, .insn_len = 1 },
	};
	struct event back;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 info = vmx_event_encode(&rows[i]);

		CHECK((info & INTR_VALID) && !(info & INTR_RESERVED));
		vmx_event_decode(info, rows[i].error, rows[i].insn_len, &back);
		CHECK(back.vector == rows[i].vector &&
		      back.kind == rows[i].kind &&
		      back.has_error == rows[i].has_error &&
		      back.error == rows[i].error &&
		      back.insn_len == rows[i].insn_len, "row %u", i);
	}
	/* What is not valid in the information is not read. */
	vmx_event_decode(INTR_VALID | 0x30, 7, 9, &back);
	CHECK(!back.error && !back.insn_len);
}

int main(void)
{
	test_checks();
	for (unsigned i = 0; i < ARRAY_SIZE(controls); i++)
		test_control(&controls[i]);
	test_registers();
	test_first_generation();
	test_selection();
	test_runnable_protected();
	test_runnable_long();
	test_runnable_vm86();
	test_events();
	return test_end("vmx");
}
