/* SPDX-License-Identifier: MIT */
/*
 * printf formatting into a sink: parse one conversion into a `struct spec`,
 * fetch its argument, emit it with padding. Allocates nothing, keeps no
 * state, so a panic may use it.
 */
#include "lib/format.h"

#include "lib/string.h"

struct spec {
	bool left, zero, plus, space, alt;
	int width;
	int precision; /* -1: none given */
	unsigned size; /* bytes of an integer argument */
	char conv;
};

struct out {
	format_sink sink;
	void *ctx;
};

static void put(const struct out *o, char c)
{
	o->sink(o->ctx, c);
}

static void put_many(const struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

static void put_text(const struct out *o, const char *s, int n)
{
	for (int i = 0; i < n; i++)
		put(o, s[i]);
}

/* Digits of x, last first; returns how many. */
static int digits_reversed(char *buf, u64 x, unsigned base, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	int n = 0;

	for (; x; x /= base)
		buf[n++] = digits[x % base];
	return n;
}

static void put_number(const struct out *o, const struct spec *s, u64 x,
		       unsigned base, const char *prefix)
{
	char buf[24];
	int n = digits_reversed(buf, x, base, s->conv == 'X');
	int want = s->precision < 0 ? 1 : s->precision;
	int zeros = MAX(0, want - n);
	int pad = s->width - n - zeros - (int)strlen(prefix);

	if (s->zero && !s->left && s->precision < 0 && pad > 0) {
		zeros += pad;
		pad = 0;
	}
	put_many(o, ' ', s->left ? 0 : pad);
	put_text(o, prefix, (int)strlen(prefix));
	put_many(o, '0', zeros);
	while (n)
		put(o, buf[--n]);
	put_many(o, ' ', s->left ? pad : 0);
}

static void put_string(const struct out *o, const struct spec *s,
		       const char *str)
{
	int n = 0;

	if (!str)
		str = "(null)";
	while ((s->precision < 0 || n < s->precision) && str[n])
		n++;
	put_many(o, ' ', s->left ? 0 : s->width - n);
	put_text(o, str, n);
	put_many(o, ' ', s->left ? s->width - n : 0);
}

static void put_char(const struct out *o, const struct spec *s, char c)
{
	put_many(o, ' ', s->left ? 0 : s->width - 1);
	put(o, c);
	put_many(o, ' ', s->left ? s->width - 1 : 0);
}

static void put_signed(const struct out *o, const struct spec *s, s64 x)
{
	const char *sign = x < 0 ? "-" : s->plus ? "+" : s->space ? " " : "";

	put_number(o, s, x < 0 ? -(u64)x : (u64)x, 10, sign);
}

static const char *parse_flags(const char *p, struct spec *s)
{
	for (;; p++) {
		switch (*p) {
		case '-': s->left = true; break;
		case '0': s->zero = true; break;
		case '+': s->plus = true; break;
		case ' ': s->space = true; break;
		case '#': s->alt = true; break;
		default: return p;
		}
	}
}

static const char *parse_number(const char *p, int *n)
{
	for (*n = 0; *p >= '0' && *p <= '9'; p++)
		*n = *n * 10 + (*p - '0');
	return p;
}

static const char *parse_size(const char *p, struct spec *s)
{
	s->size = 4;
	for (; *p == 'h'; p++)
		s->size /= 2;
	for (; *p == 'l' || *p == 'z'; p++)
		s->size = 8;
	return p;
}

static u64 get_unsigned(const struct spec *s, va_list *ap)
{
	u64 x = s->size == 8 ? va_arg(*ap, u64) : va_arg(*ap, unsigned);

	return x & BITS(s->size * 8 - 1, 0);
}

static void put_conversion(const struct out *o, const struct spec *s,
			   va_list *ap)
{
	u64 x;

	switch (s->conv) {
	case 'd':
	case 'i':
		x = get_unsigned(s, ap);
		put_signed(o, s, sign_extend(x, s->size * 8));
		break;
	case 'u':
		put_number(o, s, get_unsigned(s, ap), 10, "");
		break;
	case 'o':
		x = get_unsigned(s, ap);
		put_number(o, s, x, 8, s->alt && x ? "0" : "");
		break;
	case 'x':
	case 'X':
		x = get_unsigned(s, ap);
		put_number(o, s, x, 16, !s->alt || !x ? "" : s->conv == 'x' ? "0x" : "0X");
		break;
	case 'p':
		put_number(o, s, (uintptr_t)va_arg(*ap, void *), 16, "0x");
		break;
	case 's':
		put_string(o, s, va_arg(*ap, const char *));
		break;
	case 'c':
		put_char(o, s, (char)va_arg(*ap, int));
		break;
	default:
		put(o, s->conv);
	}
}

/* One conversion, from after its '%'; returns what follows it. */
static const char *format_one(const struct out *o, const char *p, va_list *ap)
{
	struct spec s = { .precision = -1 };

	p = parse_flags(p, &s);
	if (*p == '*') {
		s.width = va_arg(*ap, int);
		s.left |= s.width < 0;
		s.width = s.width < 0 ? -s.width : s.width;
		p++;
	} else {
		p = parse_number(p, &s.width);
	}
	if (*p == '.') {
		if (*++p == '*') {
			s.precision = va_arg(*ap, int);
			p++;
		} else {
			p = parse_number(p, &s.precision);
		}
	}
	p = parse_size(p, &s);
	s.conv = *p;
	if (!*p)
		return p;
	put_conversion(o, &s, ap);
	return p + 1;
}

void format_to(format_sink sink, void *ctx, const char *fmt, va_list ap)
{
	struct out o = { sink, ctx };
	va_list args;

	va_copy(args, ap);
	while (*fmt) {
		if (*fmt == '%')
			fmt = format_one(&o, fmt + 1, &args);
		else
			put(&o, *fmt++);
	}
	va_end(args);
}

struct buffer {
	char *at;
	size_t size, used;
};

static void buffer_put(void *ctx, char c)
{
	struct buffer *b = ctx;

	if (b->used + 1 < b->size)
		b->at[b->used] = c;
	b->used++;
}

int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct buffer b = { buf, size, 0 };

	format_to(buffer_put, &b, fmt, ap);
	if (size)
		buf[MIN(b.used, size - 1)] = 0;
	return (int)b.used;
}

int fmt_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = fmt_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
