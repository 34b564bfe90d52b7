/* SPDX-License-Identifier: MIT */
/* Integer matrices: product, transposition, determinant modulo a prime. */
#include "program.h"

#define N 96
#define PRIME 65521

static u32 a[N][N], b[N][N], c[N][N];

static NOINLINE void product(void)
{
	for (u32 i = 0; i < N; i++)
		for (u32 j = 0; j < N; j++) {
			u32 sum = 0;

			for (u32 k = 0; k < N; k++)
				sum += a[i][k] * b[k][j];
			c[i][j] = sum;
		}
}

static NOINLINE void transpose(void)
{
	for (u32 i = 0; i < N; i++)
		for (u32 j = 0; j < i; j++) {
			u32 t = c[i][j];

			c[i][j] = c[j][i];
			c[j][i] = t;
		}
}

static u32 inverse(u32 x)
{
	u32 result = 1;

	for (u32 power = PRIME - 2; power; power >>= 1) {
		if (power & 1)
			result = result * x % PRIME;
		x = x * x % PRIME;
	}
	return result;
}

/* Elimination without pivoting: a zero pivot just ends it. */
static NOINLINE u32 determinant(void)
{
	u32 det = 1;

	for (u32 i = 0; i < N; i++)
		for (u32 j = 0; j < N; j++)
			c[i][j] %= PRIME;
	for (u32 n = 0; n < N && c[n][n]; n++) {
		u32 inv = inverse(c[n][n]);

		det = det * c[n][n] % PRIME;
		for (u32 i = n + 1; i < N; i++) {
			u32 f = c[i][n] * inv % PRIME;

			for (u32 j = n; j < N; j++)
				c[i][j] = (c[i][j] + (PRIME - f) * c[n][j]) %
					  PRIME;
		}
	}
	return det;
}

u32 work(void)
{
	u32 h = 0, seed = 3;

	for (u32 i = 0; i < N; i++)
		for (u32 j = 0; j < N; j++) {
			a[i][j] = next_random(&seed) % PRIME;
			b[i][j] = next_random(&seed) % PRIME;
		}
	for (u32 n = 0; n < 24; n++) {
		product();
		transpose();
		h = mix(h, c[n][N - 1 - n]);
		if (!(n & 3))
			h = mix(h, determinant());
		a[n][n]++;
	}
	return h;
}
