/* SPDX-License-Identifier: MIT */
/* The C library's memory and string functions, as plain loops and REP. */
#include "program.h"

void *memcpy(void *to, const void *from, u32 n)
{
	void *result = to;

	__asm__ volatile("rep movsl; movl %3, %%ecx; rep movsb"
			 : "+D"(to), "+S"(from), "=&c"(n)
			 : "r"(n & 3), "2"(n >> 2) : "memory");
	return result;
}

void *memmove(void *to, const void *from, u32 n)
{
	u8 *d = to;
	const u8 *s = from;

	if (d <= s || d >= s + n)
		return memcpy(to, from, n);
	while (n--)
		d[n] = s[n];
	return to;
}

void *memset(void *to, int value, u32 n)
{
	void *result = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value)
			 : "memory");
	return result;
}

int memcmp(const void *a, const void *b, u32 n)
{
	const u8 *p = a, *q = b;

	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

u32 strlen(const char *s)
{
	const char *p = s;

	while (*p)
		p++;
	return (u32)(p - s);
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (u8)*a - (u8)*b;
}
