/* SPDX-License-Identifier: MIT */
/*
 * String and port instructions. Each iteration of a REP is complete in
 * itself: a fault, an interrupt or a trap finds the registers as the last
 * whole iteration left them, and RIP on the instruction.
 */
#include "cpu/emu_alu.h"

#define REP_BATCH 1024 /* iterations of one step, so that events get in */
#define CHUNK 64       /* most bytes that emu_ops moves at once */

static unsigned element_size(const struct emu *e)
{
	unsigned size = e->insn.op_size;

	if (!(e->insn.opcode & 1))
		return 1;
	return e->insn.attrs & ATTR_IO ? MIN(size, 4) : size;
}

static u64 index_offset(const struct emu *e, enum gpr r)
{
	return emu_gpr_read(e->v, r, e->insn.addr_size);
}

static void advance(struct emu *e, enum gpr r, unsigned bytes)
{
	u64 by = e->v->rflags & EFLAGS_DF ? -(u64)bytes : bytes;

	emu_gpr_write(e->v, r, e->insn.addr_size, e->v->gpr[r] + by);
}

static bool read_source(struct emu *e, u64 *value, unsigned size)
{
	*value = 0;
	return emu_read_mem(e, e->insn.seg, index_offset(e, R_SI), value, size);
}

static bool read_dest(struct emu *e, u64 *value, unsigned size)
{
	*value = 0;
	return emu_read_mem(e, SEG_ES, index_offset(e, R_DI), value, size);
}

static bool write_dest(struct emu *e, u64 value, unsigned size)
{
	return emu_write_mem(e, SEG_ES, index_offset(e, R_DI), &value, size);
}

/* --- One iteration --------------------------------------------------- */

static bool movs_once(struct emu *e, unsigned size)
{
	u64 value;

	if (!read_source(e, &value, size) || !write_dest(e, value, size))
		return false;
	advance(e, R_SI, size);
	advance(e, R_DI, size);
	return true;
}

static bool stos_once(struct emu *e, unsigned size)
{
	if (!write_dest(e, e->v->gpr[R_AX], size))
		return false;
	advance(e, R_DI, size);
	return true;
}

static bool lods_once(struct emu *e, unsigned size)
{
	u64 value;

	if (!read_source(e, &value, size))
		return false;
	emu_gpr_write(e->v, R_AX, size, value);
	advance(e, R_SI, size);
	return true;
}

static void compare(struct emu *e, u64 a, u64 b, unsigned size)
{
	u64 r = (a - b) & emu_size_mask(size);

	emu_set_flags(e, EFLAGS_ARITH, alu_sub_flags(a, b, r, size));
}

static bool cmps_once(struct emu *e, unsigned size)
{
	u64 a, b;

	if (!read_source(e, &a, size) || !read_dest(e, &b, size))
		return false;
	compare(e, a, b, size);
	advance(e, R_SI, size);
	advance(e, R_DI, size);
	return true;
}

static bool scas_once(struct emu *e, unsigned size)
{
	u64 b;

	if (!read_dest(e, &b, size))
		return false;
	compare(e, emu_gpr_read(e->v, R_AX, size), b, size);
	advance(e, R_DI, size);
	return true;
}

static u32 port_in(struct emu *e, u16 port, unsigned size)
{
	if (emu_debug_on(e))
		emu_debug_io(e, port, size);
	return e->ops->in(e->ctx, port, size);
}

static void port_out(struct emu *e, u16 port, unsigned size, u32 value)
{
	if (emu_debug_on(e))
		emu_debug_io(e, port, size);
	e->ops->out(e->ctx, port, size, value & emu_size_mask(size));
}

/* A port cannot be read twice: the store is probed first. */
static bool ins_once(struct emu *e, unsigned size)
{
	u16 port = e->v->gpr[R_DX];

	if (!emu_io_allowed(e, port, size) ||
	    !emu_probe_mem(e, SEG_ES, index_offset(e, R_DI), size) ||
	    !write_dest(e, port_in(e, port, size), size))
		return false;
	advance(e, R_DI, size);
	return true;
}

static bool outs_once(struct emu *e, unsigned size)
{
	u16 port = e->v->gpr[R_DX];
	u64 value;

	if (!emu_io_allowed(e, port, size) || !read_source(e, &value, size))
		return false;
	port_out(e, port, size, value);
	advance(e, R_SI, size);
	return true;
}

/* --- Many iterations at once ----------------------------------------- */

/*
 * A chunk is some iterations of a forward MOVS or STOS within one page of
 * each side. The functions return how many were done: 0 when there is any
 * doubt, and then an ordinary iteration finds the fault, wrap or overlap.
 */

/* Bytes up to the end of the page and of the address size. */
static u64 room(const struct emu *e, u64 offset, gva_t gva)
{
	u64 page = PAGE_SIZE - (gva.a & ~PAGE_MASK);
	u64 space = emu_size_mask(e->insn.addr_size) - offset;

	return MIN(page, space);
}

static bool chunk_allowed(const struct emu *e)
{
	return !(e->v->rflags & (EFLAGS_DF | EFLAGS_AC)) && !e->single_step &&
	       !emu_debug_on(e) && !emu_stops_on(e) && !e->one_iteration;
}

/* Where an index register points; *bytes shrinks to what may be moved. */
static bool chunk_side(struct emu *e, enum sreg seg, enum gpr r, unsigned acc,
		       u64 *bytes, gva_t *gva)
{
	u64 offset = index_offset(e, r);

	acc |= emu_acc(e);
	if (!emu_linear(e, seg, offset, 1, acc, gva))
		return false;
	*bytes = MIN(*bytes, room(e, offset, *gva));
	return *bytes && emu_linear(e, seg, offset, *bytes, acc, gva);
}

static u64 movs_chunk(struct emu *e, unsigned size, u64 count)
{
	u64 bytes = MIN(count * size, CHUNK), gap;
	struct pagefault pf;
	gva_t src, dst;
	u8 buf[CHUNK];

	if (!chunk_side(e, e->insn.seg, R_SI, ACC_READ, &bytes, &src) ||
	    !chunk_side(e, SEG_ES, R_DI, ACC_WRITE, &bytes, &dst))
		return 0;
	bytes -= bytes % size;
	/* Overlap just ahead repeats; pages may alias, so compare offsets. */
	gap = (dst.a - src.a) & ~PAGE_MASK;
	if (!bytes || (gap && gap < bytes))
		return 0;
	if (!e->ops->read(e->ctx, src, buf, bytes, emu_acc(e), &pf) ||
	    !e->ops->write(e->ctx, dst, buf, bytes, emu_acc(e) | ACC_WRITE,
			   &pf))
		return 0;
	advance(e, R_SI, bytes);
	advance(e, R_DI, bytes);
	return bytes / size;
}

static u64 stos_chunk(struct emu *e, unsigned size, u64 count)
{
	u64 bytes = MIN(count * size, CHUNK);
	struct pagefault pf;
	u8 buf[CHUNK];
	gva_t dst;

	if (!chunk_side(e, SEG_ES, R_DI, ACC_WRITE, &bytes, &dst))
		return 0;
	bytes -= bytes % size;
	for (unsigned i = 0; i < bytes; i += size)
		memcpy(buf + i, &e->v->gpr[R_AX], size);
	if (!bytes || !e->ops->write(e->ctx, dst, buf, bytes,
				     emu_acc(e) | ACC_WRITE, &pf))
		return 0;
	advance(e, R_DI, bytes);
	return bytes / size;
}

/* --- REP ------------------------------------------------------------- */

struct string_op {
	bool (*once)(struct emu *e, unsigned size);
	u64 (*chunk)(struct emu *e, unsigned size, u64 count); /* or NULL */
	bool compares; /* REPE and REPNE look at ZF */
};

static u64 rep_count(const struct emu *e)
{
	return emu_gpr_read(e->v, R_CX, e->insn.addr_size);
}

/* Iterations done; 0: the fault is set. */
static u64 iterate(struct emu *e, const struct string_op *op, unsigned size)
{
	u64 count = rep_count(e), n = 0;

	if (op->chunk && count > 1 && chunk_allowed(e))
		n = op->chunk(e, size, count);
	if (!n) {
		e->fault_set = false; /* of a chunk that was given up */
		n = op->once(e, size);
	}
	if (n)
		emu_gpr_write(e->v, R_CX, e->insn.addr_size, count - n);
	return n;
}

static bool rep_ends(const struct emu *e, const struct string_op *op)
{
	bool equal = e->v->rflags & EFLAGS_ZF;

	if (!rep_count(e))
		return true;
	return op->compares && equal == !!(e->insn.prefixes & PFX_REPNE);
}

static bool event_waits(const struct emu *e)
{
	const struct vcpu *v = e->v;

	return e->single_step || e->one_iteration || e->one_piece ||
	       v->db_pending ||
	       *(volatile const u8 *)&v->attention ||
	       ((v->intr | v->nmi_pending) && emu_event_ready(v));
}

static bool repeat(struct emu *e, const struct string_op *op, unsigned size)
{
	u64 done = 0, n;

	while (done < REP_BATCH) {
		n = iterate(e, op, size);
		if (!n)
			return false;
		if (rep_ends(e, op))
			return true;
		emu_snapshot(e);
		if (event_waits(e))
			break;
		done += n;
	}
	e->repeat = true;
	return true;
}

static bool string(struct emu *e, const struct string_op *op)
{
	unsigned size = element_size(e);

	if (!(e->insn.prefixes & (PFX_REP | PFX_REPNE)))
		return op->once(e, size);
	return !rep_count(e) || repeat(e, op, size);
}

static const struct string_op movs = { movs_once, movs_chunk, false };
static const struct string_op stos = { stos_once, stos_chunk, false };
static const struct string_op lods = { lods_once, NULL, false };
static const struct string_op cmps = { cmps_once, NULL, true };
static const struct string_op scas = { scas_once, NULL, true };
static const struct string_op ins = { ins_once, NULL, false };
static const struct string_op outs = { outs_once, NULL, false };

bool op_movs(struct emu *e) { return string(e, &movs); }
bool op_stos(struct emu *e) { return string(e, &stos); }
bool op_lods(struct emu *e) { return string(e, &lods); }
bool op_cmps(struct emu *e) { return string(e, &cmps); }
bool op_scas(struct emu *e) { return string(e, &scas); }
bool op_ins(struct emu *e) { return string(e, &ins); }
bool op_outs(struct emu *e) { return string(e, &outs); }

/* --- IN and OUT ------------------------------------------------------ */

/* The opcode's bit 3 tells DX from an immediate byte. */
static u16 port_number(const struct emu *e)
{
	return e->insn.opcode & 8 ? (u16)e->v->gpr[R_DX] : (u8)e->insn.imm;
}

bool op_in(struct emu *e)
{
	unsigned size = element_size(e);
	u16 port = port_number(e);

	if (!emu_io_allowed(e, port, size))
		return false;
	emu_gpr_write(e->v, R_AX, size, port_in(e, port, size));
	return true;
}

bool op_out(struct emu *e)
{
	unsigned size = element_size(e);
	u16 port = port_number(e);

	if (!emu_io_allowed(e, port, size))
		return false;
	port_out(e, port, size, e->v->gpr[R_AX]);
	return true;
}
