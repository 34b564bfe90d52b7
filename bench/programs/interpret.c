/* SPDX-License-Identifier: MIT */
/*
 * Penumbra's own interpreter as a program, nine thousand lines: it executes a
 * bubble sort and a checksum on a small machine whose memory is an array.
 */
#include "bench/programs/monitor.h"

#include "lib/string.h"

#define CODE  0x1000u
#define DATA  0x4000u
#define ITEMS 160

static u8 memory[0x8000] ALIGNED(4096);
static struct vcpu vcpu ALIGNED(4096);

/* esi = data, ecx = items: sort them, then eax = hash of them. */
static const u8 code[] = {
	0x89, 0xcb,                   /* outer: mov ebx, ecx */
	0x4b,                         /* dec ebx */
	0x74, 0x1c,                   /* jz hash */
	0x31, 0xd2,                   /* xor edx, edx */
	0x31, 0xff,                   /* xor edi, edi */
	0x8b, 0x04, 0xbe,             /* inner: mov eax, [esi + 4*edi] */
	0x3b, 0x44, 0xbe, 0x04,       /* cmp eax, [esi + 4*edi + 4] */
	0x76, 0x08,                   /* jbe next */
	0x87, 0x44, 0xbe, 0x04,       /* xchg eax, [esi + 4*edi + 4] */
	0x89, 0x04, 0xbe,             /* mov [esi + 4*edi], eax */
	0x42,                         /* inc edx */
	0x47,                         /* next: inc edi */
	0x4b,                         /* dec ebx */
	0x75, 0xec,                   /* jnz inner */
	0x49,                         /* dec ecx */
	0x75, 0xdf,                   /* jnz outer */
	0x31, 0xc0,                   /* hash: xor eax, eax */
	0xb9, ITEMS, 0, 0, 0,         /* mov ecx, ITEMS */
	0xc1, 0xc0, 0x05,             /* more: rol eax, 5 */
	0x33, 0x44, 0x8e, 0xfc,       /* xor eax, [esi + 4*ecx - 4] */
	0xe2, 0xf7,                   /* loop more */
	0xf4,                         /* hlt */
};

static bool op_read(void *ctx, gva_t gva, void *buf, unsigned size,
		    unsigned acc, struct pagefault *pf)
{
	memcpy(buf, memory + gva.a, size);
	return true;
}

static bool op_write(void *ctx, gva_t gva, const void *buf, unsigned size,
		     unsigned acc, struct pagefault *pf)
{
	memcpy(memory + gva.a, buf, size);
	return true;
}

static bool op_probe(void *ctx, gva_t gva, unsigned size, unsigned acc,
		     struct pagefault *pf)
{
	return true;
}

static bool op_fetch(void *ctx, gva_t gva, void *buf, unsigned size,
		     unsigned acc, unsigned *got, struct pagefault *pf)
{
	*got = size;
	memcpy(buf, memory + gva.a, size);
	return true;
}

static void op_mode_changed(void *ctx, unsigned what)
{
}

static const struct emu_ops ops = {
	.read = op_read, .write = op_write, .probe = op_probe,
	.fetch = op_fetch, .mode_changed = op_mode_changed,
};

static u32 run_once(u32 seed)
{
	struct emu e = { .v = &vcpu, .ops = &ops };

	memcpy(memory + CODE, code, sizeof(code));
	for (u32 i = 0; i < ITEMS; i++) {
		seed = seed * 1664525 + 1013904223;
		memcpy(memory + DATA + 4 * i, &seed, sizeof(seed));
	}
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu_reset_flat32(&vcpu, CODE, 0x10, 0x18);
	vcpu.gpr[R_SI] = DATA;
	vcpu.gpr[R_CX] = ITEMS;
	while (emu_step(&e) == EMU_OK)
		;
	return (u32)vcpu.gpr[R_AX] ^ (u32)vcpu.gpr[R_DX];
}

u32 work(void)
{
	u32 h = 0;

	for (u32 i = 0; i < 4; i++)
		h = h * 31 + run_once(i);
	return h;
}
