/* SPDX-License-Identifier: MIT */
/*
 * Descriptors and segment registers. Loading is split so that an instruction
 * can do every check before it commits: fetch a descriptor, check it, turn it
 * into a struct segment, and only then store that in the vcpu.
 *
 * Checks raise the fault themselves and return false. `ext` is ERR_EXT or 0:
 * the EXT bit of error codes during event delivery.
 */
#ifndef CPU_SEGMENT_H
#define CPU_SEGMENT_H

#include "cpu/emu.h"

/* A descriptor as it stands in its table, and where. */
struct desc {
	u32 lo, hi;
	gva_t at;
};

static inline bool desc_is_system(const struct desc *d)
{
	return !(d->hi & BIT(12));
}

static inline bool desc_present(const struct desc *d)
{
	return d->hi & BIT(15);
}

/* Type of a system descriptor (SYS_*), or the low type bits of another. */
static inline unsigned desc_type(const struct desc *d)
{
	return bits_get(d->hi, 11, 8);
}

static inline unsigned desc_dpl(const struct desc *d)
{
	return bits_get(d->hi, 14, 13);
}

static inline bool desc_is_code(const struct desc *d)
{
	return !desc_is_system(d) && (desc_type(d) & AR_CODE);
}

static inline bool desc_is_conforming(const struct desc *d)
{
	return (desc_type(d) & (AR_CODE | AR_CONFORM)) ==
	       (AR_CODE | AR_CONFORM);
}

static inline bool desc_is_writable_data(const struct desc *d)
{
	return !desc_is_system(d) &&
	       (desc_type(d) & (AR_CODE | AR_WRITE)) == AR_WRITE;
}

/* Code that runs in 64-bit mode, where IA-32e mode is on. */
static inline bool desc_is_code64(const struct desc *d)
{
	return (d->hi & (BIT(21) | BIT(22))) == BIT(21); /* L, not D */
}

/* Fields of a gate. */
static inline u16 gate_selector(const struct desc *d)
{
	return d->lo >> 16;
}

static inline u32 gate_offset(const struct desc *d)
{
	u32 low = d->lo & 0xffff;

	return desc_type(d) & 8 ? low | (d->hi & 0xffff0000) : low;
}

/* 4 for a 32-bit gate or TSS type, 2 for a 16-bit one. */
static inline unsigned desc_width(const struct desc *d)
{
	return desc_type(d) & 8 ? 4 : 2;
}

static inline bool sel_is_null(u16 sel)
{
	return !(sel & ~3);
}

static inline unsigned sel_rpl(u16 sel)
{
	return sel & 3;
}

/* Address in a descriptor table or TSS: 32 bits wide in legacy modes. */
static inline gva_t seg_table_at(const struct vcpu *v, u64 base, u64 offset)
{
	return GVA(vcpu_long_mode(v) ? base + offset : (u32)(base + offset));
}

/* Error code that names a selector. */
static inline u32 sel_error(u16 sel, u32 ext)
{
	return (sel & ~3u) | ext;
}

/* raise `vector` with the selector as error code; returns false. */
bool seg_fault(struct emu *e, unsigned vector, u16 sel, u32 ext);

/* Where the descriptor is; false: outside its table. Raises nothing. */
bool seg_desc_find(const struct vcpu *v, u16 sel, gva_t *at);

/* Fetch it; outside its table: `vector` with the selector. */
bool seg_desc_read(struct emu *e, u16 sel, unsigned vector, u32 ext,
		   struct desc *d);

/*
 * The upper 8 bytes of a 16-byte system descriptor, which must lie in the table
 * and be no descriptor of their own; else #GP with the selector. *high is the
 * upper half of its base or offset.
 */
bool seg_desc_read_upper(struct emu *e, u16 sel, const struct desc *d,
			 u32 *high);

/* Set the accessed bit in memory and in d, when it is clear. */
bool seg_desc_touch(struct emu *e, struct desc *d);

/* Set or clear the busy bit of a TSS descriptor, in memory and in d. */
bool seg_desc_set_busy(struct emu *e, struct desc *d, bool busy);

/* The hidden part that a descriptor makes. */
void seg_from_desc(struct segment *s, u16 sel, const struct desc *d);
/* Likewise of an LDT or TSS, whose base has 64 bits in 64-bit mode. */
bool seg_from_system_desc(struct emu *e, struct segment *s, u16 sel,
			  const struct desc *d);
/* A null selector's: unusable. */
void seg_make_null(struct segment *s, u16 sel);
/* The null SS that 64-bit code at privilege pl may have. */
void seg_make_null_stack(struct segment *s, unsigned pl);
/* What a load in real mode or VM86 makes of the old contents. */
void seg_make_real(const struct vcpu *v, struct segment *s, u16 sel);

/* Code segment for a transfer that keeps the CPL (JMP, CALL). */
bool seg_check_code_same(struct emu *e, u16 sel, const struct desc *d);
/* Code segment for a return to the privilege of the selector's RPL. */
bool seg_check_code_return(struct emu *e, u16 sel, const struct desc *d);

/*
 * Stack segment for privilege `pl`: fetched, checked and touched. Faults other
 * than not-present use `vector` (#GP in a return, #TS in a switch inward).
 */
bool seg_stack_for(struct emu *e, u16 sel, unsigned pl, unsigned vector,
		   u32 ext, struct segment *s);

/*
 * Stack segment for a return to privilege `pl` or for MOV SS: as above with
 * #GP, but null where `code64` and not for privilege 3.
 */
bool seg_stack_or_null(struct emu *e, u16 sel, unsigned pl, bool code64,
		       struct segment *s);

/* Data segment (DS, ES, FS, GS): `vector` is #GP, or #TS in a task switch. */
bool seg_data_for(struct emu *e, u16 sel, unsigned vector, u32 ext,
		  struct segment *s);

/* LDT for LLDT (#GP) or a task switch (#TS). Null makes it unusable. */
bool seg_ldt_for(struct emu *e, u16 sel, unsigned vector, u32 ext,
		 struct segment *s);

/* MOV, POP and LxS to ES, SS, DS, FS, GS in any mode. Commits on success. */
bool seg_load(struct emu *e, enum sreg seg, u16 sel);

/* A branch target in the code segment s: its limit, or canonical; #GP(ext). */
bool seg_check_target(struct emu *e, const struct segment *s, u64 *offset,
		      u32 ext);

/* Will code in s be 64-bit code? */
bool seg_is_code64(const struct vcpu *v, const struct segment *s);

/* Width of the stack pointer in s under code in cs: 2, 4, 8. */
unsigned seg_stack_width(const struct vcpu *v, const struct segment *cs,
			 const struct segment *s);

/* Store CS with its RPL made equal to cpl, and set v->cpl. */
void seg_commit_cs(struct vcpu *v, const struct segment *s, unsigned cpl);

/* After a return outward: drop data segments that the new CPL may not have. */
void seg_drop_privileged(struct vcpu *v);

#endif
