/* SPDX-License-Identifier: MIT */
/* A stack machine's interpreter: one indirect jump an operation. */
#include "program.h"

enum { PUSH, ADD, SUB, MUL, XOR, LOAD, STORE, JNZ, DUP, HALT };

/* Sieve-like inner loops: i from n down, sum and hash of it. */
static const s32 program[] = {
	PUSH, 200000, STORE, 0, PUSH, 0, STORE, 1,
	/* 8 */ LOAD, 1, LOAD, 0, ADD, DUP, MUL, LOAD, 0, XOR, STORE, 1,
	LOAD, 0, PUSH, 1, SUB, DUP, STORE, 0, JNZ, 8,
	LOAD, 1, HALT,
};

/* Computed jumps, one site an operation: what interpreters are made of. */
static NOINLINE u32 threaded(const s32 *code)
{
	static const void *const labels[] = {
		&&push, &&add, &&sub, &&mul, &&xor, &&load, &&store, &&jnz,
		&&dup, &&halt,
	};
	s32 stack[16], variable[4] = { 0 }, *sp = stack;
	const s32 *pc = code;

#define NEXT goto *labels[*pc++]
	NEXT;
push:	*sp++ = *pc++; NEXT;
add:	sp--; sp[-1] += sp[0]; NEXT;
sub:	sp--; sp[-1] -= sp[0]; NEXT;
mul:	sp--; sp[-1] = (s32)((u32)sp[-1] * (u32)sp[0]); NEXT;
xor:	sp--; sp[-1] ^= sp[0]; NEXT;
load:	*sp++ = variable[*pc++]; NEXT;
store:	variable[*pc++] = *--sp; NEXT;
jnz:	pc = *--sp ? code + *pc : pc + 1; NEXT;
dup:	sp[0] = sp[-1]; sp++; NEXT;
halt:	return (u32)sp[-1];
#undef NEXT
}

/* A switch: one site for all. */
static NOINLINE u32 switched(const s32 *code)
{
	s32 stack[16], variable[4] = { 0 }, *sp = stack;
	const s32 *pc = code;

	for (;;) {
		switch (*pc++) {
		case PUSH: *sp++ = *pc++; break;
		case ADD: sp--; sp[-1] += sp[0]; break;
		case SUB: sp--; sp[-1] -= sp[0]; break;
		case MUL: sp--; sp[-1] = (s32)((u32)sp[-1] * (u32)sp[0]); break;
		case XOR: sp--; sp[-1] ^= sp[0]; break;
		case LOAD: *sp++ = variable[*pc++]; break;
		case STORE: variable[*pc++] = *--sp; break;
		case JNZ: pc = *--sp ? code + *pc : pc + 1; break;
		case DUP: sp[0] = sp[-1]; sp++; break;
		default: return (u32)sp[-1];
		}
	}
}

u32 work(void)
{
	u32 h = 0;

	for (u32 i = 0; i < 4; i++)
		h = mix(mix(h, threaded(program)), switched(program));
	return h;
}
