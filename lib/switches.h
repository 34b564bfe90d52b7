/* SPDX-License-Identifier: MIT */
/*
 * What makes guests fast beyond what makes them right. Each can be switched off
 * by the command line (no=NAME,...), to measure it or to find a mistake; what
 * guests see is the same.
 */
#ifndef LIB_SWITCHES_H
#define LIB_SWITCHES_H

#include "types.h"

#define SWITCHES(X)                                                       \
	X(chain)    /* blocks jump to each other */                       \
	X(traces)   /* blocks run on behind conditional branches */       \
	X(lookup)   /* indirect targets are found without C */            \
	X(adapt)    /* stores that keep faulting become callouts */       \
	X(filter)   /* but not where nobody minds them */                \
	X(forgive)  /* and stores again, when they meet no trace */       \
	X(sites)    /* callouts are decoded once for each place */        \
	X(fast)     /* callouts that need no interpreter */               \
	X(traps)    /* nor do events, INT n and IRET */                   \
	X(cross)    /* nor does the run loop take part in them */         \
	X(pieces)   /* of a REP the interpreter does but what must be */  \
	X(reload)   /* segments loaded again, in the translation cache */ \
	X(rdtsc)    /* RDTSC in the translation cache */                  \
	X(small)    /* no large pages under QEMU's translator */          \
	X(tlb)      /* the monitor keeps translations for itself */       \
	X(prefetch) /* a hidden fault fills its neighbours */             \
	X(prefill)  /* an entry is filled when the guest writes it */     \
	X(model)    /* a new root starts with what the last one used */   \
	X(regain)   /* a frame is writable again when its trace ends */

enum switch_name {
#define X(name) SWITCH_##name,
	SWITCHES(X)
#undef X
};

extern u32 switches_off; /* by bit */

static inline bool switch_on(enum switch_name s)
{
	return !(switches_off >> s & 1);
}

#endif
