/* SPDX-License-Identifier: MIT */
/*
 * x87, MMX and SSE state as a kernel handles it: save and restore images,
 * CR0.TS and EM, exceptions by #MF and the state that they leave, denormals,
 * rounding, FXSAVE, SSE with CR4.OSFXSR.
 */
#include "guest.h"

static u8 image[512] ALIGNED(16), image2[512] ALIGNED(16);

static u32 hash_bytes(const void *p, u32 from, u32 to)
{
	u32 h = 0;

	for (u32 i = from; i < to; i += 4)
		h = hash(h, *(const u32 *)((const u8 *)p + i));
	return h;
}

static void arithmetic(void)
{
	static const double values[] = { 1.0, 3.0, 1e300, 1e-310, -0.0 };
	u32 h = 0, cw = 0x37f;

	for (u32 round = 0; round < 4; round++) {
		cw = 0x37f | round << 10;
		__asm__ volatile("fninit; fldcw %0" : : "m"(cw));
		for (u32 i = 0; i < 5; i++)
			for (u32 j = 0; j < 5; j++) {
				double r[5];
				u16 sw;

				__asm__ volatile(
					"fldl %3; faddl %4; fstpl %0\n"
					"fldl %3; fdivl %4; fstpl %1\n"
					"fldl %3; fmull %4; fsqrt; fstpl %2\n"
					"fnstsw %5"
					: "=m"(r[0]), "=m"(r[1]), "=m"(r[2])
					: "m"(values[i]), "m"(values[j]),
					  "m"(sw));
				h = hash_bytes(r, 0, 24) ^ hash(h, 1);
			}
	}
	print("arithmetic %08x\n", h);
}

static void environment(void)
{
	u16 sw, cw;

	fill(image, 0, sizeof(image));
	__asm__ volatile("fninit; fld1; fldpi; fldz; fdivrp\n"
			 "fnstsw %0; fnstcw %1; fnsave %2"
			 : "=m"(sw), "=m"(cw), "=m"(image));
	print("sw %x cw %x control %x status %x tag %x data %08x\n", sw, cw,
	      *(u16 *)image, *(u16 *)(image + 4), *(u16 *)(image + 8),
	      hash_bytes(image, 28, 108));
	__asm__ volatile("frstor %1; fnsave %0" : "=m"(image2) : "m"(image));
	print("again %x\n", hash_bytes(image, 28, 108) ==
	      hash_bytes(image2, 28, 108));
}

static void use_x87(void *arg) { __asm__ volatile("fld1; fstp %st(0)"); }
static void use_mmx(void *arg) { __asm__ volatile("pxor %mm0, %mm0; emms"); }
static void use_sse(void *arg) { __asm__ volatile("xorps %xmm0, %xmm0"); }
static void use_fxsave(void *arg)
{
	__asm__ volatile("fxsave %0" : "=m"(image));
}
static void use_wait(void *arg) { __asm__ volatile("fwait"); }
static void divide_by_zero(void *arg)
{
	u16 cw = 0x37b;

	__asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp; fwait"
			 : : "m"(cw));
}

static void switches(void)
{
	static const struct { const char *name; void (*fn)(void *); } uses[] = {
		{ "x87", use_x87 }, { "mmx", use_mmx }, { "sse", use_sse },
		{ "fxsave", use_fxsave }, { "wait", use_wait },
	};
	static const u32 bits[] = { 0, 8, 4, 2, 0xa, 6 };

	for (u32 i = 0; i < ARRAY_SIZE(uses); i++) {
		print("%s:", uses[i].name);
		for (u32 j = 0; j < ARRAY_SIZE(bits); j++) {
			u32 caught;

			WRITE_CR(0, (READ_CR(0) & ~0xeu) | bits[j]);
			caught = catch(uses[i].fn, 0);
			WRITE_CR(0, READ_CR(0) & ~0xeu);
			print(" %x->%u", bits[j], caught);
		}
		print("\n");
	}
}

static void exceptions(void)
{
	u16 sw;
	u32 caught;

	WRITE_CR(0, READ_CR(0) | 0x20); /* NE */
	caught = catch(divide_by_zero, 0);
	__asm__ volatile("fnstsw %0; fnclex" : "=m"(sw));
	print("#MF: %u sw %x\n", caught, sw);
}

static void sse_off(void)
{
	WRITE_CR(4, READ_CR(4) & ~0x600u);
	print("sse without OSFXSR: %u\n", catch(use_sse, 0));
	WRITE_CR(4, READ_CR(4) | 0x600);
}

static void sse(void)
{
	static u32 mxcsr = 0x1f80, out[4] ALIGNED(16);
	static const u32 in[4] ALIGNED(16) = {
		0x3f800000, 0x40490fdb, 0xc2f60000, 0x00000001,
	};

	__asm__ volatile("ldmxcsr %1; movaps %2, %%xmm0; mulps %%xmm0, %%xmm0;"
			 "movaps %%xmm0, %0; stmxcsr %1"
			 : "=m"(out), "+m"(mxcsr) : "m"(in));
	print("mulps %x %x %x %x mxcsr %x\n", out[0], out[1], out[2], out[3],
	      mxcsr);
	fill(image, 0xaa, sizeof(image));
	__asm__ volatile("fninit; movaps %1, %%xmm1; fxsave %0"
			 : "+m"(image) : "m"(in));
	print("fxsave cw %x sw %x tag %x mxcsr %x xmm %08x\n", *(u16 *)image,
	      *(u16 *)(image + 2), image[4], *(u32 *)(image + 24),
	      hash_bytes(image, 160, 192));
	__asm__ volatile("fxrstor %0" : : "m"(image));
}

static void misaligned(void *arg)
{
	__asm__ volatile("movaps 4(%0), %%xmm0" : : "r"(image));
}

static void simd_error(void *arg)
{
	static const u32 mxcsr = 0x1d00; /* division and invalid unmasked */
	static const u32 one[4] ALIGNED(16) = { 0x3f800000 };

	__asm__ volatile("ldmxcsr %0; movaps %1, %%xmm0; xorps %%xmm1, %%xmm1;"
			 "divss %%xmm1, %%xmm0" : : "m"(mxcsr), "m"(one));
}

int main(void);
int main(void)
{
	u32 mxcsr = 0x1f80;

	WRITE_CR(4, READ_CR(4) | 0x600);
	WRITE_CR(0, (READ_CR(0) & ~0xeu));
	arithmetic();
	environment();
	switches();
	exceptions();
	sse_off();
	sse();
	print("misaligned: %u error %x\n", catch(misaligned, 0), last.error);
	print("#XM: %u\n", catch(simd_error, 0));
	__asm__ volatile("ldmxcsr %0; fninit" : : "m"(mxcsr));
	return failures != 0;
}
