/* SPDX-License-Identifier: MIT */
/*
 * What CPUID offers can be executed, an instruction of each feature. Nothing
 * is told of what is not offered: that is the engine's choice, and some CPUs
 * execute it all the same.
 */
#include "guest.h"

static u8 image[512] ALIGNED(16);

#define RUN(name, ...)                                                    \
	static void run_##name(void *arg)                                 \
	{                                                                 \
		__asm__ volatile(__VA_ARGS__);                            \
	}

RUN(fpu, "fninit; fld1; fstp %%st(0)" :)
RUN(tsc, "rdtsc" : : : "eax", "edx")
RUN(cx8, "cmpxchg8b %0" : "+m"(image) : : "eax", "edx", "cc")
RUN(cmov, "cmovz %%eax, %%edx" : : : "edx")
RUN(clflush, "clflush %0" : "+m"(image))
RUN(mmx, "pxor %%mm0, %%mm0; emms" :)
RUN(fxsr, "fxsave %0" : "=m"(image))
RUN(sse, "xorps %%xmm0, %%xmm0" :)
RUN(sse2, "paddq %%xmm0, %%xmm0" :)
RUN(sse3, "haddps %%xmm0, %%xmm0" :)
RUN(ssse3, "pshufb %%xmm0, %%xmm0" :)
RUN(sse4_1, "pmulld %%xmm0, %%xmm0" :)
RUN(sse4_2, "pcmpgtq %%xmm0, %%xmm0" :)
RUN(popcnt, "popcnt %%eax, %%edx" : : : "edx", "cc")

/* Their bits in leaf 1. */
static const struct {
	const char *name;
	bool in_ecx;
	u32 bit;
	void (*fn)(void *);
} features[] = {
	{ "x87", 0, 0, run_fpu },         { "TSC", 0, 4, run_tsc },
	{ "CMPXCHG8B", 0, 8, run_cx8 },   { "CMOV", 0, 15, run_cmov },
	{ "CLFLUSH", 0, 19, run_clflush }, { "MMX", 0, 23, run_mmx },
	{ "FXSAVE", 0, 24, run_fxsr },    { "SSE", 0, 25, run_sse },
	{ "SSE2", 0, 26, run_sse2 },      { "SSE3", 1, 0, run_sse3 },
	{ "SSSE3", 1, 9, run_ssse3 },     { "SSE4.1", 1, 19, run_sse4_1 },
	{ "SSE4.2", 1, 20, run_sse4_2 },  { "POPCNT", 1, 23, run_popcnt },
};

int main(void);
int main(void)
{
	u32 eax = 1, ebx, ecx, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx),
			 "=d"(edx));
	WRITE_CR(0, READ_CR(0) & ~0xcu); /* neither EM nor TS */
	WRITE_CR(4, READ_CR(4) | 0x600); /* OSFXSR, OSXMMEXCPT */
	for (u32 i = 0; i < ARRAY_SIZE(features); i++) {
		u32 offered = features[i].in_ecx ? ecx : edx;

		check(!(offered >> features[i].bit & 1) ||
			      !catch(features[i].fn, 0),
		      features[i].name);
	}
	print("%u features looked at, %u failures\n",
	      (u32)ARRAY_SIZE(features), failures);
	return failures != 0;
}
