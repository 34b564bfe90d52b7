/* SPDX-License-Identifier: MIT */
/*
 * Privileged and flag-image work that is done in the cache: the interrupt
 * flag, PUSHF and POPF, and reads of control and segment registers. At CPL 0
 * where privilege decides; the rest is called out.
 */
#include "bt/xlate.h"

static bool supervisor(const struct xlate *x)
{
	return bt_mode_cpl(x->req->mode) == 0;
}

/* Byte 1 of a flag word in bt_plain, where IF and DF are. */
static struct mem byte1(struct mem m)
{
	m.disp++;
	return m;
}

bool gen_cli(struct xlate *x)
{
	if (!supervisor(x))
		return false;
	emit_store_imm8(&x->e, byte1(PLAIN_MEM(iflag)), 0);
	return true;
}

/*
 * INTR_WAITING makes the address of the store one that no page has: #GP, and
 * the interpreter does the STI, shadow and all. verify_sti[].
 */
bool gen_sti(struct xlate *x)
{
	struct mem home = byte1(PLAIN_MEM(iflag));

	if (!supervisor(x))
		return false;
	home.index = H_8;
	emit_load_wide(&x->e, H_8, VCPU_MEM(intr));
	emit_store_imm8(&x->e, home, EFLAGS_IF >> 8);
	return true;
}

bool gen_cld(struct xlate *x)
{
	emit_store_imm8(&x->e, byte1(PLAIN_MEM(dflag)), 0);
	emit_u8(&x->e, 0xfc);
	return true;
}

bool gen_std(struct xlate *x)
{
	emit_store_imm8(&x->e, byte1(PLAIN_MEM(dflag)), EFLAGS_DF >> 8);
	emit_u8(&x->e, 0xfd);
	return true;
}

/* r10d += word. Clobbers r9. */
static void add_word(struct xlate *x, struct mem word)
{
	struct mem sum = mem_at(H_10, 0);

	sum.index = H_9;
	emit_load(&x->e, H_9, word);
	emit_lea(&x->e, H_10, sum);
}

/*
 * r10d = the arithmetic flags as in EFLAGS, bit 1 set: LAHF gives all but OF,
 * which SETO gives; eax = OF << 8 and an index scale of 8 put it in bit 11.
 */
static void gen_read_flags(struct xlate *x)
{
	struct emit *e = &x->e;
	struct mem sum = mem_at(H_10, 0);

	sum.index = H_AX;
	sum.scale = 8;
	emit_mov(e, H_9, H_AX);
	emit_u8(e, 0x9f);                   /* lahf */
	emit_enc(e, &(struct enc){ .map = 1, .opcode = 0x90, /* seto al */
				   .has_modrm = true, .rm = H_AX });
	emit_rr(e, 0x86, 4, H_AX);          /* xchg al, ah */
	emit_enc(e, &(struct enc){ .map = 1, .opcode = 0xb6, /* r10d = al */
				   .has_modrm = true, .reg = H_10 });
	emit_enc(e, &(struct enc){ .opcode = 0xb0, .rm = H_AX, /* al = 0 */
				   .imm_size = 1 });
	emit_enc(e, &(struct enc){ .map = 1, .opcode = 0xb7, /* eax = ax */
				   .has_modrm = true, .reg = H_AX });
	emit_lea(e, H_10, sum);
	emit_mov(e, H_AX, H_9);
}

bool gen_pushf(struct xlate *x)
{
	if (!stack_ok(x))
		return false;
	gen_read_flags(x);
	add_word(x, PLAIN_MEM(iflag));
	add_word(x, PLAIN_MEM(dflag));
	add_word(x, PLAIN_MEM(rest));
	/* "PUSHF/PUSHFD": VM and RF are cleared in the image; VIF, VIP stay. */
	emit_store(&x->e, stack_mem(-4), H_10);
	emit_lea(&x->e, H_12, mem_at(H_12, -4));
	return true;
}

/* Flags of the image that only the interpreter may change. */
#define POPF_RARE \
	(EFLAGS_TF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID)

/*
 * The image is in r8d. Jumps to the callout, before anything is committed,
 * if a rare flag changes or if IF goes on with an interrupt waiting. The guest
 * overwrites all arithmetic flags, so they are free from here on.
 */
static void gen_popf_check(struct xlate *x, u32 *rare, u32 *masked, u32 *quiet)
{
	struct emit *e = &x->e;

	emit_mov(e, H_9, H_8);
	emit_rm(e, 0x33, H_9, PLAIN_MEM(rest));
	emit_enc(e, &(struct enc){ .opcode = 0xf7, .has_modrm = true,
				   .rm = H_9, .imm_size = 4,
				   .imm = POPF_RARE }); /* test */
	*rare = emit_short(e, 0x75);
	emit_mov(e, H_9, H_8);
	emit_ri(e, 4, H_9, EFLAGS_IF);
	*masked = emit_short(e, 0x74);
	emit_enc(e, &(struct enc){ .opcode = 0x80, .has_modrm = true,
				   .reg = 7, .has_mem = true,
				   .mem = VCPU_MEM(intr), .imm_size = 1 });
	*quiet = emit_short(e, 0x74);
}

/* r8d = image, r9d = its IF. */
static void gen_popf_system(struct xlate *x)
{
	struct emit *e = &x->e;
	u32 clear;

	emit_lea(e, H_12, mem_at(H_12, 4));
	emit_store(e, PLAIN_MEM(iflag), H_9);
	emit_mov(e, H_9, H_8);
	emit_ri(e, 4, H_9, EFLAGS_DF);
	emit_store(e, PLAIN_MEM(dflag), H_9);
	emit_u8(e, 0xfc);
	clear = emit_short(e, 0x74);
	emit_u8(e, 0xfd);
	emit_here(e, clear);
}

/* OF by an addition that overflows if it is to be set, the others by SAHF. */
static void gen_popf_arith(struct xlate *x)
{
	struct emit *e = &x->e;

	emit_mov(e, H_9, H_AX);
	emit_mov(e, H_AX, H_8);
	emit_enc(e, &(struct enc){ .opcode = 0xc1, .has_modrm = true,
				   .reg = 5, .imm_size = 1,
				   .imm = 11 });        /* shr eax, 11 */
	emit_ri(e, 4, H_AX, 1);                         /* and eax, 1 */
	emit_enc(e, &(struct enc){ .opcode = 0x80, .has_modrm = true,
				   .imm_size = 1,
				   .imm = 0x7f });      /* add al, 7fh */
	emit_mov(e, H_AX, H_8);
	emit_rr(e, 0x88, H_AX, 4);                      /* mov ah, al */
	emit_u8(e, 0x9e);                               /* sahf */
	emit_mov(e, H_AX, H_9);
}

bool gen_popf(struct xlate *x)
{
	u32 rare, masked, quiet, done;

	if (!supervisor(x) || !stack_ok(x))
		return false;
	emit_load(&x->e, H_8, stack_mem(0));
	gen_popf_check(x, &rare, &masked, &quiet);
	emit_here(&x->e, rare);
	gen_callout(x);
	done = emit_short(&x->e, 0xeb);
	emit_here(&x->e, masked);
	emit_here(&x->e, quiet);
	gen_popf_system(x);
	gen_popf_arith(x);
	emit_here(&x->e, done);
	return true;
}

/* MOV r32, CRn. The flags, undefined by the manual, stay. */
bool gen_mov_cr(struct xlate *x)
{
	static const u16 offset[8] = {
		[0] = offsetof(struct vcpu, cr0),
		[2] = offsetof(struct vcpu, cr2),
		[3] = offsetof(struct vcpu, cr3),
		[4] = offsetof(struct vcpu, cr4),
	};
	const struct insn *i = &x->insn;
	unsigned cr = i->opnd[1].reg;

	if (!supervisor(x) || i->opnd[0].kind != OPK_REG ||
	    (cr != 0 && cr != 2 && cr != 3 && cr != 4))
		return false;
	emit_load(&x->e, host_reg(i->opnd[0].reg), vcpu_mem(offset[cr]));
	return true;
}

/* MOV r/m, Sreg: 16 bits to memory and r16, zero-extended into r32. */
bool gen_mov_sreg(struct xlate *x)
{
	const struct insn *i = &x->insn;
	struct mem sel, m;

	if (i->opcode != 0x8c)
		return gen_load_sreg(x);
	sel = vcpu_mem(offsetof(struct vcpu, seg) +
		       offsetof(struct segment, sel) +
		       i->reg * (u32)sizeof(struct segment));
	if (i->has_mem) {
		if (!guest_mem(x, &m))
			return false;
		emit_rm_0f(&x->e, 0xb7, H_10, sel);
		emit_rm16(&x->e, 0x89, H_10, m);
	} else if (i->op_size == 2) {
		emit_rm16(&x->e, 0x8b, host_reg(i->rm), sel);
	} else {
		emit_rm_0f(&x->e, 0xb7, host_reg(i->rm), sel);
	}
	return true;
}

/* Neither IOPL nor a permission map stops CPL 0. */
bool gen_called_port(struct xlate *x)
{
	if (!x->req->stores || !supervisor(x) ||
	    (x->insn.op != OP_IN && x->insn.op != OP_OUT))
		return false;
	gen_call_stub(x, BT_STUB_port);
	return true;
}

/* Where the guest's TSC is the host's. CR4.TSD means nothing to CPL 0. */
bool gen_rdtsc(struct xlate *x)
{
	if (!supervisor(x) || !x->req->host_tsc)
		return false;
	emit_u8(&x->e, 0x0f);
	emit_u8(&x->e, 0x31);
	return true;
}
