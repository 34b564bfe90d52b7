/* SPDX-License-Identifier: MIT */
/*
 * The guest page walk: linear to guest-physical in every format that a guest
 * may choose, with exact error codes and accessed/dirty updates ("Paging").
 * Takes mode bits, not a vcpu.
 */
#ifndef MM_GWALK_H
#define MM_GWALK_H

#include "cpu/emu.h"
#include "mm/gpm.h"

enum walk_format { WALK_UNPAGED, WALK_32BIT, WALK_PAE, WALK_4LEVEL };

struct walk_mode {
	u8 format; /* enum walk_format */
	bool wp, pse, nxe, smep, smap, pge;
	bool ac;       /* EFLAGS.AC, for SMAP */
	u8 maxphyaddr; /* reserved bits start here: what CPUID tells */
	u64 cr3;
	u64 pdpte[4]; /* PAE */
};

struct walk {
	gpa_t gpa;       /* of the byte asked for */
	u8 level;        /* of the leaf: 1 = 4 KiB, 2 = 2 or 4 MiB */
	u8 page_shift;   /* 12, 21, 22 */
	u8 levels;       /* tables walked; 0 when unpaged */
	bool writable, user, nx; /* rights, all levels combined */
	bool dirty, global;      /* of the leaf */
	/* Index: level - 1, so a large leaf is at [1]; PDPTEs are not kept. */
	gpa_t table[4];     /* table page read at each level */
	gpa_t entry_gpa[4]; /* entry used at each level */
	u64 entry[4];    /* its value, A and D as updated */
};

/* The mode that v is in. */
void walk_mode_of(const struct vcpu *v, struct walk_mode *m);

/*
 * acc: ACC_*. True: *w is filled, and A (and D on a write) are set in guest
 * memory unless !set_ad. False: *pf is the guest's page fault.
 * PTE updates go through gpm_write, so that trackers see them.
 */
bool gwalk(struct gpm *g, const struct walk_mode *m, gva_t gva, unsigned acc,
	   bool set_ad, struct walk *w, struct pagefault *pf);

/* gwalk() with A and D set, by a kept translation where there is one. */
bool gmem_translate(struct gpm *g, const struct walk_mode *m, gva_t gva,
		    unsigned acc, gpa_t *gpa, struct pagefault *pf);

/*
 * Linear accesses as the guest's processor does them; page-crossing accesses
 * check both pages first: all or nothing.
 */
bool gmem_read(struct gpm *g, const struct walk_mode *m, gva_t gva, void *buf,
	       unsigned size, unsigned acc, struct pagefault *pf);
bool gmem_write(struct gpm *g, const struct walk_mode *m, gva_t gva,
		const void *buf, unsigned size, unsigned acc,
		struct pagefault *pf);
bool gmem_probe(struct gpm *g, const struct walk_mode *m, gva_t gva,
		unsigned size, unsigned acc, struct pagefault *pf);

#endif
