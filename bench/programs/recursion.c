/* SPDX-License-Identifier: MIT */
/* Calls and returns above all: Fibonacci, Ackermann, Hanoi, a tree walk. */
#include "program.h"

static NOINLINE u32 fibonacci(u32 n)
{
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static NOINLINE u32 ackermann(u32 m, u32 n)
{
	if (!m)
		return n + 1;
	if (!n)
		return ackermann(m - 1, 1);
	return ackermann(m - 1, ackermann(m, n - 1));
}

static NOINLINE u32 hanoi(u32 disks, u32 from, u32 to)
{
	if (!disks)
		return 0;
	return hanoi(disks - 1, from, 6 - from - to) + (from << 2 | to) +
	       hanoi(disks - 1, 6 - from - to, to);
}

struct node { struct node *left, *right; u32 key; };

static NOINLINE u32 walk(const struct node *n, u32 h)
{
	if (!n)
		return h;
	return walk(n->right, mix(walk(n->left, h), n->key));
}

static struct node nodes[4096];

static struct node *build(u32 low, u32 high)
{
	u32 middle = (low + high) / 2;
	struct node *n = &nodes[middle];

	if (low >= high)
		return 0;
	n->key = middle;
	n->left = build(low, middle);
	n->right = build(middle + 1, high);
	return n;
}

u32 work(void)
{
	struct node *root = build(0, ARRAY_SIZE(nodes));
	u32 h = fibonacci(33) + ackermann(2, 300) + hanoi(18, 1, 3);

	for (u32 i = 0; i < 400; i++)
		h = walk(root, h);
	return h;
}
