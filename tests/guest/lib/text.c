/* SPDX-License-Identifier: MIT */
/* What all test images share: see text.h. */
#include "text.h"

#include <stdarg.h>

#define COM1 0x3f8
#define EXIT_PORT 0xf4
#define BOCHS_PORT 0x8900

u32 failures;

static void put(char c)
{
	while (!(inb(COM1 + 5) & 0x20))
		;
	outb(COM1, (u8)c);
}

static void put_number(u32 v, u32 base, u32 width, char pad)
{
	char text[12];
	u32 n = 0;

	do {
		text[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n < width && n < sizeof(text))
		text[n++] = pad;
	while (n)
		put(text[--n]);
}

static void put_long(u64 v, u32 width, char pad)
{
	if (v >> 32 || width > 8) {
		put_number((u32)(v >> 32), 16, width > 8 ? width - 8 : 0, pad);
		put_number((u32)v, 16, 8, '0');
	} else {
		put_number((u32)v, 16, width, pad);
	}
}

static void put_text(const char *s)
{
	while (*s) {
		if (*s == '\n')
			put('\r');
		put(*s++);
	}
}

void print(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	for (; *fmt; fmt++) {
		u32 width = 0;
		bool wide = 0;
		char pad = ' ';

		if (*fmt != '%') {
			char one[2] = { *fmt, 0 };

			put_text(one);
			continue;
		}
		fmt++;
		if (*fmt == '0')
			pad = '0';
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + (u32)(*fmt - '0');
		if (fmt[0] == 'l' && fmt[1] == 'l')
			fmt += 2, wide = 1;
		if (*fmt == 'x' && wide)
			put_long(va_arg(args, u64), width, pad);
		else if (*fmt == 'x')
			put_number(va_arg(args, u32), 16, width, pad);
		else if (*fmt == 'u')
			put_number(va_arg(args, u32), 10, width, pad);
		else if (*fmt == 's')
			put_text(va_arg(args, const char *));
		else if (*fmt == 'c')
			put((char)va_arg(args, int));
		else
			put(*fmt);
	}
	va_end(args);
}

void check(bool ok, const char *what)
{
	if (!ok) {
		failures++;
		print("FAILED: %s\n", what);
	}
}

void guest_exit(u32 status)
{
	const char *word = "Shutdown";

	print("exit %u\n", status);
	while (!(inb(COM1 + 5) & 0x40))
		;
	outb(EXIT_PORT, (u8)status);
	while (*word)
		outb(BOCHS_PORT, (u8)*word++);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void text_init(void)
{
	static const u8 values[][2] = {
		{ 1, 0 }, { 3, 0x80 }, { 0, 1 }, { 1, 0 }, { 3, 3 }, { 2, 7 },
		{ 4, 3 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(values); i++)
		outb((u16)(COM1 + values[i][0]), values[i][1]);
	print("begin\n");
}

void *copy(void *to, const void *from, unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		((u8 *)to)[i] = ((const u8 *)from)[i];
	return to;
}

void *fill(void *to, u8 value, unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		((u8 *)to)[i] = value;
	return to;
}

/* GCC may call these for struct copies. */
void *memcpy(void *to, const void *from, unsigned long count);
void *memcpy(void *to, const void *from, unsigned long count)
{
	return copy(to, from, count);
}

void *memset(void *to, int value, unsigned long count);
void *memset(void *to, int value, unsigned long count)
{
	return fill(to, (u8)value, count);
}

u32 hash(u32 h, u32 value)
{
	for (u32 i = 0; i < 4; i++, value >>= 8)
		h = (h ^ (value & 0xff)) * 16777619;
	return h;
}

u32 random(void)
{
	static u32 state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}
