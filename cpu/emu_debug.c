/* SPDX-License-Identifier: MIT */
/*
 * Debug registers: breakpoints on instructions, data and ports, single-step,
 * and MOV DR. A trap is noted in v->db_pending with its DR6 bits and delivered
 * at the next boundary that allows it; a fault is raised at once, with its
 * bits in v->db_dr6.
 */
#include "cpu/emu_internal.h"
#include "lib/string.h"

/* DR7: R/W of breakpoint n. */
enum { BP_EXEC, BP_WRITE, BP_IO, BP_RDWR };

#define DR6_WRITABLE 0xe00fu /* BT BS BD B3-B0 */
#define DR7_WRITABLE 0xffff2bffu
#define DR_COUNT 4

static unsigned bp_kind(const struct vcpu *v, unsigned n)
{
	return bits_get(v->dr[7], 17 + 4 * n, 16 + 4 * n);
}

static bool bp_enabled(const struct vcpu *v, unsigned n)
{
	return v->dr[7] >> 2 * n & 3;
}

/* LEN 2 (8 bytes) counts as in the manual of processors that have it. */
static u64 bp_size(const struct vcpu *v, unsigned n)
{
	static const u8 sizes[] = { 1, 2, 8, 4 };

	return sizes[bits_get(v->dr[7], 19 + 4 * n, 18 + 4 * n)];
}

/* Does breakpoint n cover any of the bytes? Its address is size-aligned. */
static bool bp_covers(const struct vcpu *v, unsigned n, u64 at, unsigned size)
{
	u64 len = bp_size(v, n);
	u64 start = v->dr[n] & ~(len - 1);

	return at < start + len && start < at + size;
}

/*
 * B0-B3 of the breakpoints of these kinds that match. Nothing unless one of
 * them is enabled; then the disabled ones that match are reported as well.
 */
static u64 matches(const struct vcpu *v, unsigned kinds, u64 at, unsigned size)
{
	u64 bits = 0;
	bool enabled = false;
	unsigned n;

	for (n = 0; n < DR_COUNT; n++) {
		if (!(kinds >> bp_kind(v, n) & 1) ||
		    !bp_covers(v, n, at, size))
			continue;
		bits |= DR6_B0 << n;
		enabled |= bp_enabled(v, n);
	}
	return enabled ? bits : 0;
}

static void note_trap(struct vcpu *v, u64 dr6)
{
	if (!dr6)
		return;
	v->db_pending = 1;
	v->db_dr6 |= dr6;
}

/* #DB as a fault. The bits are restored with the rest if it is not delivered. */
static bool raise_fault(struct emu *e, u64 dr6)
{
	e->v->db_dr6 = dr6;
	e->saved_db_dr6 = dr6;
	return emu_raise(e, VEC_DB, false, 0);
}

/* After MOV SS an instruction breakpoint is lost, not delayed. */
bool emu_debug_fetch(struct emu *e)
{
	struct vcpu *v = e->v;
	u64 dr6;

	if (v->shadow == SHADOW_MOV_SS)
		return true;
	dr6 = matches(v, BIT(BP_EXEC), vcpu_code_linear(v, v->rip), 1);
	return !dr6 || raise_fault(e, dr6);
}

void emu_debug_data(struct emu *e, gva_t gva, unsigned size, unsigned acc)
{
	unsigned kinds = BIT(BP_RDWR);

	if (acc & ACC_WRITE)
		kinds |= BIT(BP_WRITE);
	note_trap(e->v, matches(e->v, kinds, gva.a, size));
}

/* I/O breakpoints exist only with CR4.DE. */
void emu_debug_io(struct emu *e, u16 port, unsigned size)
{
	if (e->v->cr4 & CR4_DE)
		note_trap(e->v, matches(e->v, BIT(BP_IO), port, size));
}

enum emu_result emu_debug_retire(struct emu *e)
{
	struct vcpu *v = e->v;
	struct event ev = { .vector = VEC_DB, .kind = EV_EXCEPTION };

	if (e->single_step)
		note_trap(v, DR6_BS);
	if (!v->db_pending || v->shadow == SHADOW_MOV_SS)
		return EMU_OK;
	return emu_deliver(e, &ev);
}

/* --- MOV DR --- */

/* DR4 and DR5 are DR6 and DR7, and with CR4.DE do not exist. */
static bool resolve(struct emu *e, unsigned reg, unsigned *dr)
{
	if (reg > 7)
		return emu_ud(e);
	*dr = reg;
	if (reg != 4 && reg != 5)
		return true;
	if (e->v->cr4 & CR4_DE)
		return emu_ud(e);
	*dr = reg + 2;
	return true;
}

/* Breakpoint addresses need not be canonical. */
static void write_dr(struct vcpu *v, unsigned dr, u64 value)
{
	if (dr == 6)
		value = (value & DR6_WRITABLE) | DR6_RESET;
	else if (dr == 7)
		value = (value & DR7_WRITABLE) | DR7_RESET;
	v->dr[dr] = value;
}

bool op_mov_dr(struct emu *e)
{
	const struct operand *dst = &e->insn.opnd[0];
	const struct operand *src = &e->insn.opnd[1];
	struct vcpu *v = e->v;
	unsigned dr = 0;
	u64 value;

	if (!resolve(e, dst->kind == OPK_DR ? dst->reg : src->reg, &dr))
		return false;
	if (v->dr[7] & DR7_GD)
		return raise_fault(e, DR6_BD);
	if (dst->kind != OPK_DR) {
		emu_reg_write(e, dst, v->dr[dr]);
		return true;
	}
	value = emu_reg_read(e, src);
	if (dr >= 6 && value >> 32)
		return emu_gp(e, 0);
	write_dr(v, dr, value);
	e->ops->mode_changed(e->ctx, MODE_DR);
	return true;
}
