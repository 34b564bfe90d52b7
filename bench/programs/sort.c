/* SPDX-License-Identifier: MIT */
/* Quicksort through a comparison function, heap sort and insertion in place. */
#include "program.h"

#define N 100000

static u32 data[N];

static void refill(void)
{
	u32 seed = 12345;

	for (u32 i = 0; i < N; i++)
		data[i] = next_random(&seed);
}

static NOINLINE int by_value(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static NOINLINE void quicksort(u32 *a, s32 low, s32 high,
			       int (*compare)(const void *, const void *))
{
	while (low < high) {
		u32 pivot = a[(low + high) / 2], t;
		s32 i = low, j = high;

		while (i <= j) {
			while (compare(&a[i], &pivot) < 0)
				i++;
			while (compare(&pivot, &a[j]) < 0)
				j--;
			if (i <= j) {
				t = a[i];
				a[i++] = a[j];
				a[j--] = t;
			}
		}
		quicksort(a, low, j, compare);
		low = i;
	}
}

static NOINLINE void sift(u32 *a, u32 root, u32 n)
{
	for (;;) {
		u32 child = 2 * root + 1, t;

		if (child >= n)
			return;
		child += child + 1 < n && a[child] < a[child + 1];
		if (a[root] >= a[child])
			return;
		t = a[root];
		a[root] = a[child];
		a[child] = t;
		root = child;
	}
}

static void heapsort(u32 *a, u32 n)
{
	for (u32 i = n / 2; i-- > 0;)
		sift(a, i, n);
	while (n > 1) {
		u32 t = a[0];

		a[0] = a[--n];
		a[n] = t;
		sift(a, 0, n);
	}
}

static NOINLINE void insertion(u32 *a, u32 n)
{
	for (u32 i = 1; i < n; i++) {
		u32 x = a[i], j = i;

		for (; j && a[j - 1] > x; j--)
			a[j] = a[j - 1];
		a[j] = x;
	}
}

static u32 checksum(void)
{
	u32 h = 0;

	for (u32 i = 0; i < N; i += 13)
		h = mix(h, data[i]);
	return h;
}

u32 work(void)
{
	u32 h;

	refill();
	quicksort(data, 0, N - 1, by_value);
	h = checksum();
	refill();
	heapsort(data, N);
	h = mix(h, checksum());
	refill();
	for (u32 i = 0; i + 300 <= N; i += 300)
		insertion(data + i, 300);
	return mix(h, checksum());
}
