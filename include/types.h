/* SPDX-License-Identifier: MIT */
/*
 * Scalars, and the three kinds of address that must never be mixed. Each kind
 * is a struct of one field, so the compiler refuses a guest-physical address
 * where a host-physical one is meant.
 */
#ifndef TYPES_H
#define TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef struct { u64 a; } gva_t; /* guest linear ("virtual") address */
typedef struct { u64 a; } gpa_t; /* guest-physical address */
typedef struct { u64 a; } hpa_t; /* host-physical address */

#define GVA(x) ((gva_t){ (u64)(x) })
#define GPA(x) ((gpa_t){ (u64)(x) })
#define HPA(x) ((hpa_t){ (u64)(x) })

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ul
#define PAGE_MASK  (~(PAGE_SIZE - 1))

#define KIB(n) ((u64)(n) << 10)
#define MIB(n) ((u64)(n) << 20)
#define GIB(n) ((u64)(n) << 30)

#endif
