/* SPDX-License-Identifier: MIT */
/* Bit fields, alignment and the few compiler attributes that we use. */
#ifndef BITS_H
#define BITS_H

#include "types.h"

#define BIT(n)         (1ull << (n))
#define BITS(hi, lo)   ((~0ull >> (63 - (hi))) & (~0ull << (lo)))

#define ALIGN_DOWN(x, a) ((x) & ~((u64)(a) - 1))
#define ALIGN_UP(x, a)   (((x) + (u64)(a) - 1) & ~((u64)(a) - 1))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define NORETURN      __attribute__((noreturn))
#define PRINTF(f, a)  __attribute__((format(printf, f, a)))
#define PACKED        __attribute__((packed))
#define ALIGNED(n)    __attribute__((aligned(n)))
#define MUST_CHECK    __attribute__((warn_unused_result))
#define UNUSED        __attribute__((unused))

#define container_of(p, type, field) \
	((type *)((char *)(p) - offsetof(type, field)))

/* Bits hi..lo of x, moved down to bit 0. */
static inline u64 bits_get(u64 x, unsigned hi, unsigned lo)
{
	return (x & BITS(hi, lo)) >> lo;
}

/* x with its low `bits` bits sign-extended to 64. */
static inline s64 sign_extend(u64 x, unsigned bits)
{
	return (s64)(x << (64 - bits)) >> (64 - bits);
}

#endif
