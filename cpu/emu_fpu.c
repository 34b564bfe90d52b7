/* SPDX-License-Identifier: MIT */
/*
 * x87, MMX and SSE instructions, WAIT and the state-saving ones. Operands are
 * fetched into a bounce buffer, the instruction runs on the real CPU, results
 * are stored. All of the guest's faults come before it runs, except those that
 * the CPU raises itself and then leaves its state alone.
 *
 * What x87 remembers of where an instruction was (FIP, FDP and kin) may be our
 * own address: it is cleared in every image that the guest sees, as on a CPU
 * that records it only for unmasked exceptions.
 */
#include "cpu/emu_fpu.h"

#include "cpu/emu_native.h"

#define IMAGE_BYTES 512 /* FXSAVE area */
#define IMAGE_LEGACY 288 /* what it holds up to XMM7 */
#define IMAGE_XMM15 416
#define IMAGE_FOP 6 /* then FIP, FCS, FDP, FDS */
#define IMAGE_MXCSR 24
#define IMAGE_MXCSR_MASK 28
#define MXCSR_MASK_DEFAULT 0xffbfu
#define FSW_ES BIT(7)

static u8 bounce[IMAGE_BYTES] ALIGNED(64);
static u8 scratch[IMAGE_BYTES] ALIGNED(64); /* for code of our own */

/* --- Checks before the operands --- */

static bool nm(struct emu *e)
{
	return emu_raise(e, VEC_NM, false, 0);
}

static bool ready(struct emu *e)
{
	return emu_native_ready() || emu_unimplemented(e);
}

/* "Configuring the x87 FPU Environment" */
static bool x87_allowed(struct emu *e)
{
	if (e->v->cr0 & (CR0_EM | CR0_TS))
		return nm(e);
	return ready(e);
}

static bool mmx_allowed(struct emu *e)
{
	if (e->v->cr0 & CR0_EM)
		return emu_ud(e);
	if (e->v->cr0 & CR0_TS)
		return nm(e);
	return ready(e);
}

static bool sse_allowed(struct emu *e)
{
	if (!(e->v->cr4 & CR4_OSFXSR))
		return emu_ud(e);
	return mmx_allowed(e);
}

/* --- The memory operand --- */

struct memop {
	gva_t gva;
	u16 size; /* 0: none */
	bool reads, writes;
};

/* MASKMOVQ and MASKMOVDQU store through DS:(E)DI. */
static bool is_maskmov(const struct insn *insn)
{
	return insn->map == 1 && insn->opcode == 0xf7;
}

static bool aligned16(const struct insn *insn, const struct memop *m)
{
	if (m->size < 16 || insn->op == OP_X87 || is_maskmov(insn))
		return true;
	return (insn->attrs & ATTR_UNALIGNED) || !(m->gva.a & 15);
}

/*
 * Segment checks. #AC concerns operands of up to 8 bytes only: larger ones
 * must be aligned anyhow, or are images of smaller parts.
 */
static bool memop_locate(struct emu *e, struct memop *m, u64 offset)
{
	unsigned acc = m->size <= 8 ? emu_acc(e) : 0;

	if (m->writes)
		acc |= ACC_WRITE;
	if (!emu_linear(e, e->insn.seg, offset, m->size, acc, &m->gva))
		return false;
	return aligned16(&e->insn, m) || emu_gp(e, 0);
}

/* Where the operand is and how it is used. */
static bool memop_find(struct emu *e, struct memop *m)
{
	const struct insn *insn = &e->insn;
	unsigned n = 0;

	*m = (struct memop){ .size = 0 };
	if (is_maskmov(insn)) {
		m->size = insn->opnd[0].size;
		m->reads = m->writes = true;
		return memop_locate(e, m, emu_gpr_read(e->v, R_DI,
						       insn->addr_size));
	}
	if (!insn->has_mem)
		return true;
	while (insn->opnd[n].kind != OPK_MEM)
		n++;
	m->size = insn->opnd[n].size;
	m->reads = insn->attrs & (n ? ATTR_READS1 : ATTR_READS0);
	m->writes = insn->attrs & (n ? ATTR_WRITES1 : ATTR_WRITES0);
	return memop_locate(e, m, emu_ea(e));
}

/* Read what is read; make sure that what will be written can be. */
static bool memop_load(struct emu *e, const struct memop *m)
{
	unsigned acc = emu_acc(e);

	if (m->writes && !emu_probe_lin(e, m->gva, m->size, acc))
		return false;
	if (!m->reads)
		return true;
	if (!emu_read_lin(e, m->gva, bounce, m->size, acc))
		return false;
	if (emu_debug_on(e))
		emu_debug_data(e, m->gva, m->size, ACC_READ);
	return true;
}

static bool memop_store(struct emu *e, const struct memop *m)
{
	if (!m->writes)
		return true;
	if (!emu_write_lin(e, m->gva, bounce, m->size, emu_acc(e)))
		return false;
	if (emu_debug_on(e))
		emu_debug_data(e, m->gva, m->size, ACC_WRITE);
	return true;
}

/* --- The general register operand --- */

static const struct operand *gpr_operand(const struct insn *insn, bool *written)
{
	static const u32 writes[3] = { ATTR_WRITES0, ATTR_WRITES1, 0 };

	for (unsigned i = 0; i < 3; i++) {
		if (insn->opnd[i].kind != OPK_REG)
			continue;
		*written = insn->attrs & writes[i];
		return &insn->opnd[i];
	}
	return NULL;
}

/* Run with the operands in place; memory is in the bounce buffer. */
static bool run(struct emu *e)
{
	bool written = false;
	const struct operand *gpr = gpr_operand(&e->insn, &written);
	u64 rax = gpr ? emu_reg_read(e, gpr) : emu_native_lengths(e);

	if (!emu_native_insn(e, bounce, &rax))
		return false;
	if (written)
		emu_reg_write(e, gpr, rax);
	if (emu_native_gives_index(&e->insn))
		emu_gpr_write(e->v, R_CX, 4, rax);
	return true;
}

static bool execute(struct emu *e)
{
	struct memop m;

	return memop_find(e, &m) && memop_load(e, &m) && run(e) &&
	       memop_store(e, &m);
}

/* --- x87 --- */

#define FILL 0xa5

static bool exception_pending(struct emu *e, bool *pending)
{
	static const u8 fnstsw[] = { 0xdd, 0x3f }; /* fnstsw [rdi] */

	if (!emu_native_code(e, fnstsw, sizeof(fnstsw), scratch))
		return false;
	*pending = scratch[0] & FSW_ES;
	return true;
}

static bool bounce_untouched(unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		if (bounce[i] != FILL)
			return false;
	}
	return true;
}

/*
 * A store that meets an unmasked exception leaves memory alone and reports at
 * the next waiting instruction: then nothing may be written.
 */
static bool x87_store(struct emu *e, const struct memop *m)
{
	bool pending = false;

	if (!m->writes)
		return true;
	if (bounce_untouched(m->size) && !exception_pending(e, &pending))
		return false;
	return pending || memop_store(e, m);
}

/* The pointers in an FNSTENV or FNSAVE image of 16- or 32-bit format. */
static void clear_env_pointers(unsigned op_size)
{
	if (op_size == 2)
		memset(bounce + 6, 0, 8);
	else
		memset(bounce + 12, 0, 14); /* the last word is reserved */
}

/* FLDENV and FNSTENV, FRSTOR and FNSAVE. */
static bool is_env(const struct insn *insn)
{
	return insn->has_mem && insn->opnd[0].size > 10;
}

/* QEMU 7.2 has FIP only in what FNINIT clears, real CPUs in the image too. */
void emu_fpu_hide_pc(struct emu *e)
{
	static const u8 save[] = { 0x48, 0x0f, 0xae, 0x07 };
	static const u8 restore[] = { 0xdb, 0xe3, 0x48, 0x0f, 0xae, 0x0f };

	e->v->x87_ours = false;
	if (!emu_native_ready() ||
	    !emu_native_code(e, save, sizeof(save), scratch))
		return;
	memset(scratch + IMAGE_FOP, 0, IMAGE_MXCSR - IMAGE_FOP);
	emu_native_code(e, restore, sizeof(restore), scratch);
}

/*
 * Real mode and VM86 have image formats of their own, which differ from the
 * ones of protected mode only in the pointers: these are then cleared, too.
 */
static bool x87_env(struct emu *e)
{
	bool hidden = vcpu_real_addressing(e->v) || e->v->x87_ours;
	struct memop m;

	if (!memop_find(e, &m) || !memop_load(e, &m))
		return false;
	if (m.reads && vcpu_real_addressing(e->v))
		clear_env_pointers(e->insn.op_size);
	if (!run(e))
		return false;
	if (m.writes && hidden)
		clear_env_pointers(e->insn.op_size);
	if (m.reads)
		e->v->x87_ours = false; /* they are now what was loaded */
	return memop_store(e, &m);
}

bool op_x87(struct emu *e)
{
	struct memop m;

	if (!x87_allowed(e))
		return false;
	if (is_env(&e->insn))
		return x87_env(e);
	if (!memop_find(e, &m) || !memop_load(e, &m))
		return false;
	if (m.writes)
		memset(bounce, FILL, m.size);
	e->v->x87_ours = true;
	return run(e) && x87_store(e, &m);
}

bool op_wait(struct emu *e)
{
	if ((e->v->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
		return nm(e);
	return ready(e) && run(e);
}

/* --- MMX and SSE --- */

bool op_mmx(struct emu *e)
{
	return mmx_allowed(e) && execute(e);
}

bool op_emms(struct emu *e)
{
	return op_mmx(e);
}

bool op_sse(struct emu *e)
{
	return sse_allowed(e) && execute(e);
}

bool op_stmxcsr(struct emu *e)
{
	return op_sse(e);
}

bool op_movnti(struct emu *e)
{
	return emu_write_opnd(e, &e->insn.opnd[0],
			      emu_reg_read(e, &e->insn.opnd[1]));
}

/* MXCSR at bounce + at: reserved bits are #GP(0). */
static bool mxcsr_valid(struct emu *e, unsigned at)
{
	static const u8 fxsave[] = { 0x0f, 0xae, 0x07 };
	static u32 valid;
	u32 value;

	if (!valid) {
		memset(scratch, 0, sizeof(scratch));
		if (!emu_native_code(e, fxsave, sizeof(fxsave), scratch))
			return false;
		memcpy(&valid, scratch + IMAGE_MXCSR_MASK, sizeof(valid));
		if (!valid)
			valid = MXCSR_MASK_DEFAULT;
	}
	memcpy(&value, bounce + at, sizeof(value));
	return !(value & ~valid) || emu_gp(e, 0);
}

bool op_ldmxcsr(struct emu *e)
{
	struct memop m;

	return sse_allowed(e) && memop_find(e, &m) && memop_load(e, &m) &&
	       mxcsr_valid(e, 0) && run(e);
}

/*
 * --- FXSAVE and FXRSTOR ---
 *
 * With CR0.EM they are #NM, as the Pentium III's manual says and Bochs and QEMU
 * do; later manuals say #UD.
 */

/* How much of the image the guest's mode has: XMM8-15 only in 64-bit mode. */
static u16 image_size(const struct emu *e)
{
	return vcpu_code_size(e->v) == 8 ? IMAGE_XMM15 : IMAGE_LEGACY;
}

/* FIP, FCS, FDP and FDS of an FXSAVE image, and FOP before them. */
static void clear_image_pointers(void)
{
	memset(bounce + IMAGE_FOP, 0, IMAGE_MXCSR - IMAGE_FOP);
}

bool op_fxsave(struct emu *e)
{
	struct memop m;

	if (!x87_allowed(e) || !memop_find(e, &m) || !memop_load(e, &m))
		return false;
	memset(bounce, 0, sizeof(bounce));
	if (!run(e))
		return false;
	if (e->v->x87_ours)
		clear_image_pointers();
	m.size = image_size(e);
	return memop_store(e, &m);
}

bool op_fxrstor(struct emu *e)
{
	struct memop m;

	if (!x87_allowed(e) || !memop_find(e, &m) || !memop_load(e, &m))
		return false;
	memset(bounce + image_size(e), 0, IMAGE_BYTES - image_size(e));
	if ((e->v->cr4 & CR4_OSFXSR) && !mxcsr_valid(e, IMAGE_MXCSR))
		return false;
	e->v->x87_ours = false; /* the image's pointers are the guest's */
	return run(e);
}
