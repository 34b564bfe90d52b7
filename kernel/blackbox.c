/* SPDX-License-Identifier: MIT */
/*
 * It lies below the top of RAM, out of reach of what loaders use: they load
 * upwards from 1 MiB and take their own memory from the very top. A sum over
 * the header tells what a run has left from what was there by chance; an entry
 * of the ring says by its own number that it is one.
 */
#include "kernel/blackbox.h"

#include "kernel/host.h"
#include "kernel/instr.h"
#include "lib/ring.h"
#include "lib/string.h"

#define MAGIC      0x786f626b63616c62ull /* "blackbox" */
#define BELOW_TOP  MIB(64) /* or an eighth of RAM, where that is less */
#define LEAST_RAM  MIB(64) /* of the range that it lies in */
#define REASON_MAX 200

struct blackbox {
	u64 magic;
	u64 bytes;       /* of this structure: other versions are others' */
	u64 panicked;    /* a run has ended in a panic */
	u64 tsc, tsc_hz; /* at the panic */
	char reason[REASON_MAX];
	u64 sum; /* of all above */
	struct ring ring;
};

static struct memory_range place; /* empty: no room for one */
static struct blackbox *box;      /* NULL: there is none */
static bool left;                 /* the last run has left a panic */

static u64 box_bytes(void)
{
	return ALIGN_UP(sizeof(struct blackbox), PAGE_SIZE);
}

/* The largest range of RAM below 4 GiB. */
static struct memory_range largest(const struct host_memory *m)
{
	struct memory_range best = { 0, 0 };

	for (unsigned i = 0; i < m->ram_count; i++) {
		struct memory_range r = m->ram[i];

		r.end = MIN(r.end, GIB(4));
		if (r.start < r.end && r.end - r.start > best.end - best.start)
			best = r;
	}
	return best;
}

static bool in_use(const struct host_memory *m, u64 start, u64 end)
{
	for (unsigned i = 0; i < m->keep_count; i++)
		if (start < m->keep[i].end && m->keep[i].start < end)
			return true;
	return false;
}

void blackbox_place(struct host_memory *m)
{
	struct memory_range ram = largest(m);
	u64 size = ram.end - ram.start, start;

	if (size < LEAST_RAM || m->keep_count == MEMORY_KEEP_MAX)
		return;
	start = ALIGN_DOWN(ram.end - MIN(BELOW_TOP, size / 8), PAGE_SIZE);
	if (in_use(m, start, start + box_bytes()))
		return; /* a module lies there: it would not have survived */
	place = (struct memory_range){ start, start + box_bytes() };
	m->keep[m->keep_count++] = place;
}

static u64 sum_of(const struct blackbox *b)
{
	const u64 *p = (const u64 *)b;
	u64 sum = MAGIC;

	for (unsigned i = 0; i < offsetof(struct blackbox, sum) / 8; i++)
		sum = (sum ^ p[i]) * 0x100000001b3ull;
	return sum;
}

static void seal(void)
{
	box->magic = MAGIC;
	box->bytes = sizeof(*box);
	box->sum = sum_of(box);
}

/* The ring goes on where the last run's ended, if there was one. */
void blackbox_open(void)
{
	if (!place.end)
		return;
	box = host_virt(HPA(place.start));
	left = box->magic == MAGIC && box->bytes == sizeof(*box) &&
	       box->sum == sum_of(box) && box->panicked;
	if (!left)
		ring_move(&box->ring);
}

static void print_event(const struct ring_entry *e)
{
	u64 before = box->tsc - e->tsc, hz = MAX(box->tsc_hz, 1000u);

	console_printf("black box: %u -%llu us %s %llx %llx\n", e->seq,
		       (unsigned long long)(before * 1000 / (hz / 1000)),
		       ring_event_name(e->event), (unsigned long long)e->a,
		       (unsigned long long)e->b);
}

/* Then it is this run's. */
void blackbox_report(void)
{
	const struct ring_entry *e;

	if (box && left) {
		box->reason[REASON_MAX - 1] = 0;
		console_printf("penumbra: black box: the last run ended in a "
			       "panic: %s\n", box->reason);
		for (unsigned i = RING_SIZE; i--;) {
			e = ring_entry_of(&box->ring, i);
			if (e)
				print_event(e);
		}
		console_printf("penumbra: black box: end\n");
		ring_move(&box->ring);
	}
	if (!box)
		return;
	box->panicked = 0;
	seal();
}

/* Caches may be lost in a reset. */
void blackbox_panic(const char *reason)
{
	if (!box)
		return;
	for (unsigned i = 0; i < REASON_MAX - 1; i++) {
		box->reason[i] = reason[i];
		if (!reason[i])
			break;
	}
	box->panicked = 1;
	box->tsc = host_tsc();
	box->tsc_hz = host_tsc_hz();
	seal();
	__asm__ volatile("wbinvd" : : : "memory");
}
