/* SPDX-License-Identifier: MIT */
/*
 * Guest x87, MMX and SSE instructions re-encoded as 64-bit code and called.
 * The memory operand becomes [rdi] and a general register operand rax, so that
 * few distinct encodings exist; each is written once into a slot of the code
 * area (writing to code that has run is slow, most of all under an emulator).
 * A slot holds the code, a RET and padding, and so is its own key. The implicit
 * operands of string compares are moved from and to rax by code around them.
 */
#include "cpu/emu_native.h"

#include "cpu/emu_fpu.h"

#define SLOT_BYTES 16
#define SLOT_TRIES 8
#define RET_NEAR 0xc3
#define INT3_PAD 0xcc
#define MODRM_RDI 7 /* mod 0, rm 7: [rdi] */

static struct emu_native native;

void emu_fpu_init(const struct emu_native *n)
{
	native = *n;
	memset(native.write, INT3_PAD, native.size);
}

bool emu_native_ready(void)
{
	return native.call;
}

/* "Handling Self- and Cross-Modifying Code": another alias was written. */
static void serialize(void)
{
	u32 a = 0, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)
				 : : "memory");
}

static u64 slot_hash(const u8 *slot)
{
	u64 v;

	memcpy(&v, slot, sizeof(v)); /* few encodings are longer */
	return v * 0x9e3779b97f4a7c15ull >> 32;
}

/* The slot that holds these bytes, made if need be. */
static const u8 *find_slot(const u8 *bytes)
{
	u64 slots = native.size / SLOT_BYTES;
	u64 hash = slot_hash(bytes);
	u64 victim = hash % slots * SLOT_BYTES;

	for (unsigned i = 0; i < SLOT_TRIES; i++) {
		u64 at = (hash + i) % slots * SLOT_BYTES;

		if (!memcmp(native.write + at, bytes, SLOT_BYTES))
			return native.exec + at;
		if (native.write[at] == INT3_PAD) {
			victim = at;
			break;
		}
	}
	memcpy(native.write + victim, bytes, SLOT_BYTES);
	serialize();
	return native.exec + victim;
}

/* What the real CPU raised, as the guest's fault. */
static bool raise_native(struct emu *e, unsigned vector)
{
	switch (vector) {
	case VEC_MF: /* also with CR0.NE=0: there is no FERR# to IRQ 13 */
	case VEC_NM:
		return emu_raise(e, vector, false, 0);
	case VEC_XM:
		if (!(e->v->cr4 & CR4_OSXMMEXCPT))
			return emu_ud(e);
		return emu_raise(e, vector, false, 0);
	case VEC_UD: /* this CPU does not have the instruction */
		return emu_ud(e);
	case VEC_GP:
		return emu_gp(e, 0);
	default:
		return emu_unimplemented(e);
	}
}

static bool run_slot(struct emu *e, const u8 *slot, void *mem, u64 *rax)
{
	u64 flags = e->v->rflags & EFLAGS_ARITH;
	u32 result = native.call(find_slot(slot), mem, rax, &flags);

	if (result)
		return raise_native(e, result - 1);
	e->v->rflags = (e->v->rflags & ~EFLAGS_ARITH) | (flags & EFLAGS_ARITH);
	return true;
}

bool emu_native_code(struct emu *e, const u8 *code, unsigned n, void *mem)
{
	u8 slot[SLOT_BYTES];
	u64 rax = 0;

	assert(n < SLOT_BYTES);
	memset(slot, INT3_PAD, sizeof(slot));
	memcpy(slot, code, n);
	slot[n] = RET_NEAR;
	return run_slot(e, slot, mem, &rax);
}

/* --- Re-encoding --- */

/* The prefix that is part of the opcode; for x87, 66 picks the 16-bit image. */
static u8 mandatory_prefix(const struct insn *insn)
{
	if (insn->op == OP_X87)
		return insn->op_size == 2 && insn->has_mem ? 0x66 : 0;
	if (insn->prefixes & PFX_REP)
		return 0xf3;
	if (insn->prefixes & PFX_REPNE)
		return 0xf2;
	return insn->prefixes & PFX_OPSIZE ? 0x66 : 0;
}

/* ModRM with memory as [rdi] and a general register as rax. */
static u8 rewrite_modrm(const struct insn *insn)
{
	u8 modrm = insn->modrm;

	if (insn->has_mem)
		modrm = (u8)(insn->reg << 3 | MODRM_RDI);
	for (unsigned i = 0; i < 3; i++) {
		const struct operand *o = &insn->opnd[i];

		if (o->kind != OPK_REG)
			continue;
		if (o->field == FIELD_REG)
			modrm &= (u8)~0x38;
		if (o->field == FIELD_RM)
			modrm &= (u8)~0x07;
	}
	return modrm;
}

/*
 * REX.W stays; R and B only where they extend an XMM register. The lengths of
 * a string compare are small by now.
 */
static u8 rewrite_rex(const struct insn *insn)
{
	u8 rex = emu_native_is_string_compare(insn) ? 0 : insn->rex & 8;

	for (unsigned i = 0; i < 3; i++) {
		const struct operand *o = &insn->opnd[i];

		if (o->kind != OPK_XMM || o->reg < 8)
			continue;
		rex |= o->field == FIELD_REG ? 4 : 1;
	}
	return rex ? 0x40 | rex : 0;
}

/* The explicit lengths: in the low bytes of rax. */
static bool has_lengths(const struct insn *insn)
{
	return emu_native_is_string_compare(insn) && !(insn->opcode & 2);
}

static s64 saturate(s64 length)
{
	return length > 16 ? 16 : length < -16 ? -16 : length;
}

u64 emu_native_lengths(const struct emu *e)
{
	unsigned bits = e->insn.rex & 8 ? 64 : 32;
	u8 first = (u8)saturate(sign_extend(e->v->gpr[R_AX], bits));
	u8 second = (u8)saturate(sign_extend(e->v->gpr[R_DX], bits));

	return first | (u64)second << 8;
}

static void encode(const struct insn *insn, u8 *slot)
{
	/* movsx edx, ah; movsx eax, al */
	static const u8 unpack[] = { 0x0f, 0xbe, 0xd4, 0x0f, 0xbe, 0xc0 };
	static const u8 mov_eax_ecx[] = { 0x89, 0xc8 };
	static const u8 escapes[4] = { 0, 0, 0x38, 0x3a };
	u8 prefix = mandatory_prefix(insn);
	u8 rex = rewrite_rex(insn);
	unsigned n = 0;

	if (has_lengths(insn)) {
		memcpy(slot, unpack, sizeof(unpack));
		n = sizeof(unpack);
	}
	if (prefix)
		slot[n++] = prefix;
	if (rex)
		slot[n++] = rex;
	if (insn->map)
		slot[n++] = 0x0f;
	if (escapes[insn->map])
		slot[n++] = escapes[insn->map];
	slot[n++] = insn->opcode;
	if (insn->has_modrm)
		slot[n++] = rewrite_modrm(insn);
	if (insn->imm_size)
		slot[n++] = (u8)insn->imm;
	if (emu_native_gives_index(insn)) {
		memcpy(slot + n, mov_eax_ecx, sizeof(mov_eax_ecx));
		n += sizeof(mov_eax_ecx);
	}
	slot[n] = RET_NEAR;
}

bool emu_native_insn(struct emu *e, void *mem, u64 *rax)
{
	u8 slot[SLOT_BYTES];

	memset(slot, INT3_PAD, sizeof(slot));
	encode(&e->insn, slot);
	return run_slot(e, slot, mem, rax);
}
