/* SPDX-License-Identifier: MIT */
/*
 * What a benchmark program may use. One 32-bit image runs three ways: as a
 * process, under qemu-i386, and translated by bt in a 64-bit process
 * (bench/translator), which plays the few system calls of program.c.
 *
 * A program is work(): the same job at every call, its result a checksum that
 * must be the same whoever runs it.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;

#define NOINLINE __attribute__((noinline))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

u32 work(void);

void *memcpy(void *to, const void *from, u32 n);
void *memmove(void *to, const void *from, u32 n);
void *memset(void *to, int value, u32 n);
int memcmp(const void *a, const void *b, u32 n);
u32 strlen(const char *s);
int strcmp(const char *a, const char *b);

/* The same series in every run, from `seed` on. */
static inline u32 next_random(u32 *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static inline u32 mix(u32 h, u32 value)
{
	return (h ^ value) * 16777619;
}

#endif
