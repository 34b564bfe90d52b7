/* SPDX-License-Identifier: MIT */
/* What the decoder's files share: the bytes in hand, and the tables' rows. */
#ifndef CPU_DECODE_H
#define CPU_DECODE_H

#include "cpu/opcodes.h"

struct decoder {
	struct insn *insn;
	const u8 *bytes;
	unsigned avail;
	unsigned code_size;
	s8 seg_override; /* -1: none */
	enum decode_result why; /* of a false return */
};

static inline bool decode_undefined(struct decoder *d)
{
	d->why = DECODE_UNDEFINED;
	return false;
}

/* The bit of REX (0: B, 1: X, 2: R) as the top bit of a register number. */
static inline unsigned decode_rex_bit(const struct insn *insn, unsigned bit)
{
	return (insn->rex >> bit & 1) << 3;
}

/* decode.c */
bool decode_take(struct decoder *d, unsigned n, u64 *value);
bool decode_modrm(struct decoder *d);
bool decode_disp(struct decoder *d, unsigned size);

/* opcodes.c: NULL: undefined */
const struct row *decode_find_row(const struct insn *insn);
/* Follow groups to the row that names an operation. */
bool decode_resolve_group(struct decoder *d, const struct row *row,
			  struct row *out);
bool decode_resolve_x87(struct decoder *d, struct row *row);

/* decode_operand.c */
bool decode_uses_modrm(const struct row *row);
bool decode_operands(struct decoder *d, const struct row *row);

#endif
