/* SPDX-License-Identifier: MIT */
/* CRC-32 by table, by half-bytes and bit by bit; Adler-32 beside them. */
#include "program.h"

static u8 data[128 * 1024];
static u32 table[256];

static NOINLINE u32 by_table(u32 crc, const u8 *p, u32 n)
{
	crc = ~crc;
	while (n--)
		crc = table[(crc ^ *p++) & 255] ^ crc >> 8;
	return ~crc;
}

static NOINLINE u32 by_nibble(u32 crc, const u8 *p, u32 n)
{
	crc = ~crc;
	while (n--) {
		crc ^= *p++;
		crc = table[(crc & 15) << 4] ^ crc >> 4;
		crc = table[(crc & 15) << 4] ^ crc >> 4;
	}
	return ~crc;
}

static NOINLINE u32 by_bit(u32 crc, const u8 *p, u32 n)
{
	crc = ~crc;
	while (n--) {
		crc ^= *p++;
		for (u32 i = 0; i < 8; i++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
	}
	return ~crc;
}

static NOINLINE u32 adler(const u8 *p, u32 n)
{
	u32 a = 1, b = 0;

	for (; n--; p++) {
		a += *p;
		a = a >= 65521 ? a - 65521 : a;
		b += a;
		b = b >= 65521 ? b - 65521 : b;
	}
	return b << 16 | a;
}

u32 work(void)
{
	u32 h = 0;

	for (u32 i = 0; i < 256; i++) {
		u32 c = i;

		for (u32 n = 0; n < 8; n++)
			c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
		table[i] = c;
	}
	for (u32 i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * i >> 7);
	for (u32 i = 0; i < 64; i++) {
		h = mix(h, by_table(h, data, sizeof(data)));
		if (!(i & 7))
			h = mix(h, by_bit(h, data, sizeof(data)));
		if (!(i & 3))
			h = mix(h, by_nibble(h, data, sizeof(data)));
		h = mix(h, adler(data, sizeof(data)));
	}
	return h;
}
