/* SPDX-License-Identifier: MIT */
/* The compression of SHA-256 ("FIPS 180-4"): straight-line arithmetic. */
#include "program.h"

/* The fractions of the cube roots of the first 64 primes. */
static const u32 k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
	0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
	0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7,
	0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
	0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152,
	0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
	0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
	0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
	0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static u8 message[64 * 1024];

static u32 ror(u32 v, u32 by)
{
	return v >> by | v << (32 - by);
}

static NOINLINE void compress(u32 *state, const u8 *block)
{
	u32 w[64], s[8];

	for (u32 i = 0; i < 16; i++)
		w[i] = (u32)block[4 * i] << 24 | block[4 * i + 1] << 16 |
		       block[4 * i + 2] << 8 | block[4 * i + 3];
	for (u32 i = 16; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] +
		       (ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3) +
		       (ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10);
	for (u32 i = 0; i < 8; i++)
		s[i] = state[i];
	for (u32 i = 0; i < 64; i++) {
		u32 e = s[4], a = s[0];
		u32 t1 = s[7] + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) +
			 ((e & s[5]) ^ (~e & s[6])) + k[i] + w[i];
		u32 t2 = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) +
			 ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));

		s[7] = s[6];
		s[6] = s[5];
		s[5] = e;
		s[4] = s[3] + t1;
		s[3] = s[2];
		s[2] = s[1];
		s[1] = a;
		s[0] = t1 + t2;
	}
	for (u32 i = 0; i < 8; i++)
		state[i] += s[i];
}

u32 work(void)
{
	u32 state[8], h = 0;

	for (u32 i = 0; i < sizeof(message); i++)
		message[i] = (u8)(i * 131 >> 3);
	for (u32 i = 0; i < 8; i++)
		state[i] = 0x6a09e667 * (i + 1);
	for (u32 n = 0; n < 128; n++)
		for (u32 at = 0; at < sizeof(message); at += 64)
			compress(state, message + at);
	for (u32 i = 0; i < 8; i++)
		h = mix(h, state[i]);
	return h;
}
