/* SPDX-License-Identifier: MIT */
/* Linked lists: insertion, search, reversal, merge sort, a hash table's
 * chains: loads that wait for loads, and branches on them. */
#include "program.h"

#define N 20000

struct item { struct item *next; u32 key; };

static struct item items[N];
static struct item *buckets[512];

static struct item *scatter(void)
{
	struct item *list = 0;
	u32 seed = 31;

	for (u32 i = 0; i < N; i++) {
		struct item *p = &items[(i * 7919u) % N];

		p->key = next_random(&seed);
		p->next = list;
		list = p;
	}
	return list;
}

static NOINLINE struct item *reverse(struct item *list)
{
	struct item *out = 0, *next;

	for (; list; list = next) {
		next = list->next;
		list->next = out;
		out = list;
	}
	return out;
}

static NOINLINE struct item *merge(struct item *a, struct item *b)
{
	struct item *head = 0, **tail = &head;

	while (a && b) {
		struct item **least = a->key <= b->key ? &a : &b;

		*tail = *least;
		tail = &(*least)->next;
		*least = (*least)->next;
	}
	*tail = a ? a : b;
	return head;
}

static struct item *merge_sort(struct item *list)
{
	struct item *slow = list, *fast, *half;

	if (!list || !list->next)
		return list;
	for (fast = list->next; fast && fast->next; fast = fast->next->next)
		slow = slow->next;
	half = slow->next;
	slow->next = 0;
	return merge(merge_sort(list), merge_sort(half));
}

static NOINLINE u32 sum(const struct item *p)
{
	u32 h = 0;

	for (; p; p = p->next)
		h = h * 3 + p->key;
	return h;
}

static u32 hash_chains(void)
{
	u32 found = 0;

	memset(buckets, 0, sizeof(buckets));
	for (u32 i = 0; i < N; i++) {
		struct item **b = &buckets[items[i].key % ARRAY_SIZE(buckets)];

		items[i].next = *b;
		*b = &items[i];
	}
	for (u32 i = 0; i < N; i++) {
		struct item *p = buckets[items[i].key % ARRAY_SIZE(buckets)];

		for (; p->key != items[i].key; p = p->next)
			found++;
	}
	return found;
}

u32 work(void)
{
	u32 h = 0;

	for (u32 n = 0; n < 6; n++) {
		struct item *list = scatter();

		for (u32 i = 0; i < 20; i++) {
			list = reverse(list);
			h = mix(h, sum(list));
		}
		h = mix(h, sum(merge_sort(list)));
		h = mix(h, hash_chains());
	}
	return h;
}
