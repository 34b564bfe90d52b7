/* SPDX-License-Identifier: MIT */
/*
 * The memory and string functions that the compiler calls by name. Built for
 * the machine only (a host test has its C library's), and without the loop
 * idiom pass, which would turn these loops into calls of themselves.
 */
#include "lib/string.h"

#include "bits.h"

struct any64 { u64 x; } PACKED;
struct any32 { u32 x; } PACKED;

/* At most 16 bytes, as two moves that may overlap: REP costs more to start. */
static void copy_short(u8 *dst, const u8 *src, size_t n)
{
	if (n >= 8) {
		struct any64 a = *(const struct any64 *)src;
		struct any64 b = *(const struct any64 *)(src + n - 8);

		*(struct any64 *)dst = a;
		*(struct any64 *)(dst + n - 8) = b;
	} else if (n >= 4) {
		struct any32 a = *(const struct any32 *)src;
		struct any32 b = *(const struct any32 *)(src + n - 4);

		*(struct any32 *)dst = a;
		*(struct any32 *)(dst + n - 4) = b;
	} else {
		while (n--)
			*dst++ = *src++;
	}
}

void *memcpy(void *dst, const void *src, size_t n)
{
	void *to = dst;
	size_t words = n / 8, tail = n % 8;

	if (n <= 16) {
		copy_short(dst, src, n);
		return dst;
	}
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(src), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(src), "+c"(tail) : : "memory");
	return dst;
}

/* Backwards without DF: an entry that finds DF set would have to clear it. */
static void copy_down(u8 *dst, const u8 *src, size_t n)
{
	while (n--)
		dst[n] = src[n];
}

void *memmove(void *dst, const void *src, size_t n)
{
	if ((uintptr_t)dst - (uintptr_t)src >= n)
		return memcpy(dst, src, n);
	copy_down(dst, src, n);
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *to = dst;
	u64 fill = (u8)c * 0x0101010101010101ull;
	size_t words = n / 8, tail = n % 8;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(fill) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(tail) : "a"(fill) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;
	size_t i = 0;

	while (i + 8 <= n && ((const struct any64 *)(x + i))->x ==
			     ((const struct any64 *)(y + i))->x)
		i += 8;
	for (; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++)
		if (*a != *b || !*a)
			return (u8)*a - (u8)*b;
	return 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)s;
}
