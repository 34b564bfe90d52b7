/* SPDX-License-Identifier: MIT */
/*
 * The interpreter against the real CPU in 64-bit mode: random registers, flags,
 * REX prefixes and addressing forms over the integer instructions, executed in
 * this process. Registers, flags, memory, the branch taken and faults (vector,
 * error code, CR2) must agree. Undefined flags are masked.
 *
 * LINKS: lib cpu
 */
#include "tests/host/native64_case.h"

#include "cpu/cpuid.h"
#include "cpu/emu.h"
#include "tests/host/test.h"

#define CASES 600000

/* --- The interpreter ------------------------------------------------- */

#define GDT_AT 0xffff800000001000ull

/* Linux's: what its user code can name. */
static const u64 gdt[16] = {
	[1] = 0x00cf9b000000ffff, [2] = 0x00af9b000000ffff,
	[3] = 0x00cf93000000ffff, [4] = 0x00cffb000000ffff,
	[5] = 0x00cff3000000ffff, [6] = 0x00affb000000ffff,
};

/* First byte in gva..gva+size-1 that may not be accessed so, or ~0. */
static u64 first_bad(u64 gva, unsigned size, bool write)
{
	u64 end = write ? RO_AT : DATA + DATA_SIZE;

	if (gva < DATA || gva >= end)
		return gva;
	return gva + size > end ? end : ~0ull;
}

static bool fake_access(u64 gva, unsigned size, bool write,
			struct pagefault *pf)
{
	u64 bad = first_bad(gva, size, write);
	bool present = bad >= RO_AT && bad < DATA + DATA_SIZE;

	if (bad == ~0ull)
		return true;
	pf->gva = GVA(bad);
	pf->error = PFEC_U | (write ? PFEC_W : 0) | (present ? PFEC_P : 0);
	return false;
}

static bool fake_read(void *ctx, gva_t gva, void *buf, unsigned size,
		      unsigned acc, struct pagefault *pf)
{
	if (acc & ACC_IMPLICIT) {
		memcpy(buf, (const u8 *)gdt + (gva.a - GDT_AT), size);
		return true;
	}
	if (!fake_access(gva.a, size, acc & ACC_WRITE, pf))
		return false;
	memcpy(buf, shadow + (gva.a - DATA), size);
	return true;
}

static bool fake_write(void *ctx, gva_t gva, const void *buf, unsigned size,
		       unsigned acc, struct pagefault *pf)
{
	if (!fake_access(gva.a, size, true, pf))
		return false;
	memcpy(shadow + (gva.a - DATA), buf, size);
	return true;
}

static bool fake_probe(void *ctx, gva_t gva, unsigned size, unsigned acc,
		       struct pagefault *pf)
{
	return fake_access(gva.a, size, true, pf);
}

static bool fake_fetch(void *ctx, gva_t gva, void *buf, unsigned size,
		       unsigned acc, unsigned *got, struct pagefault *pf)
{
	memcpy(buf, (void *)(uintptr_t)gva.a, size);
	*got = size;
	return true;
}

static const struct emu_ops ops = {
	.read = fake_read, .write = fake_write, .probe = fake_probe,
	.fetch = fake_fetch,
};

static u16 host_selector[6];

static void read_selectors(void)
{
	__asm__("mov %%es, %0" : "=r"(host_selector[SEG_ES]));
	__asm__("mov %%cs, %0" : "=r"(host_selector[SEG_CS]));
	__asm__("mov %%ss, %0" : "=r"(host_selector[SEG_SS]));
	__asm__("mov %%ds, %0" : "=r"(host_selector[SEG_DS]));
	__asm__("mov %%fs, %0" : "=r"(host_selector[SEG_FS]));
	__asm__("mov %%gs, %0" : "=r"(host_selector[SEG_GS]));
}

static void interp_init(struct vcpu *v)
{
	vcpu_reset_flat32(v, ENTRY, 0x33, 0x2b);
	v->cpl = 3;
	for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
		v->seg[i].ar |= AR_DPL;
		v->seg[i].sel = host_selector[i];
	}
	v->seg[SEG_CS].ar ^= AR_DB | AR_L;
	v->seg[SEG_GS].base = GS_BASE_AT;
	v->cr0 |= CR0_PG;
	v->cr4 = CR4_PAE;
	v->efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
	v->gdtr.base = GDT_AT;
	v->gdtr.limit = sizeof(gdt) - 1;
}

static void run_interp(struct state *s)
{
	static struct vcpu v;
	struct emu e = { .v = &v, .ops = &ops, .no_deliver = true };

	interp_init(&v);
	memcpy(v.gpr, s->gpr, sizeof(s->gpr));
	v.rflags = s->rflags;
	emu_step(&e);
	memcpy(s->gpr, v.gpr, sizeof(s->gpr));
	s->rflags = v.rflags;
	s->path = v.rip == TARGET_AT;
	s->fault = v.insn_count || e.repeat ? 0 : e.fault.vector + 1u;
	s->error = e.fault.error;
	s->cr2 = e.fault.cr2;
}

/* --- The comparison -------------------------------------------------- */

static u32 shift_undefined(const struct test_case *c, unsigned count)
{
	unsigned kind = (c->modrm >> 3) & 7;
	bool rotate = !c->row->map && kind < 4;
	u32 mask = 0;

	if (!count)
		return 0;
	if (count != 1)
		mask |= OF;
	if (!rotate)
		mask |= AF;
	if (!rotate && count >= 8 * c->size)
		mask |= CF;
	return mask;
}

static u32 undefined_flags(const struct test_case *c)
{
	const struct row *row = c->row;
	u64 count = c->imm[0];

	if (!(row->flags & COUNT))
		return row->undefined;
	if (row->opcode == 0xd0)
		count = 1;
	else if (!row->imm)
		count = c->in.gpr[1];
	return shift_undefined(c, count & (c->size == 8 ? 63 : 31));
}

static void print_state(const char *what, const struct state *s)
{
	printf("  %s", what);
	for (unsigned r = 0; r < 16; r++)
		printf("%s%016llx", r % 8 ? " " : "\n    ",
		       (unsigned long long)s->gpr[r]);
	printf("\n    %llx path %u fault %d err %llx cr2 %llx\n",
	       (unsigned long long)s->rflags, s->path, (int)s->fault - 1,
	       (unsigned long long)s->error, (unsigned long long)s->cr2);
}

static void report(const struct test_case *c, const struct state *got,
		   const struct state *want, const u8 *end)
{
	printf("%s:", c->row->text);
	for (const u8 *p = (u8 *)(uintptr_t)ENTRY; p < end; p++)
		printf(" %02x", *p);
	printf("\n");
	print_state("in", &c->in);
	print_state("want", want);
	print_state("got", got);
}

/* A kernel hides what it maps: its faults all look alike to user code. */
static bool same_page_fault(const struct test_case *c, const struct state *a,
			    const struct state *b)
{
	u64 mask = b->cr2 >> 47 ? (u64)~PFEC_P : ~0ull;

	/* CMPS: CPUs differ in which side they read first. */
	if (c->row->opcode == 0xa6 && !c->row->map)
		return true;
	return !((a->error ^ b->error) & mask) && a->cr2 == b->cr2;
}

static bool same_fault(const struct test_case *c, const struct state *a,
		       const struct state *b)
{
	if (a->fault != b->fault)
		return false;
	if (a->fault == VEC_PF + 1)
		return same_page_fault(c, a, b);
	return !a->fault || a->error == b->error;
}

/* A CPU may have pushed part of a frame before it faults; we never do. */
static bool same_memory(const struct test_case *c, const struct state *s)
{
	return (s->fault && (c->row->flags & STACK)) ||
	       !memcmp(shadow, data, 0x2000);
}

/*
 * Where string instructions with 67h left the upper halves of their registers
 * depends on the CPU when nothing was done.
 */
static bool same_registers(const struct test_case *c, const struct state *a,
			   const struct state *b)
{
	u64 mask[16];

	memset(mask, 0xff, sizeof(mask));
	if ((c->row->flags & STRING) && c->narrow)
		mask[1] = mask[6] = mask[7] = ~0u;
	for (unsigned r = 0; r < 16; r++)
		if ((a->gpr[r] ^ b->gpr[r]) & mask[r])
			return false;
	return true;
}

static bool same(const struct test_case *c, const struct state *a,
		 const struct state *b, u32 undefined)
{
	u32 mask = a->fault ? DF : (ARITH | DF) & ~undefined;

	return same_fault(c, a, b) && a->path == b->path &&
	       same_registers(c, a, b) &&
	       !((a->rflags ^ b->rflags) & mask) && same_memory(c, a);
}

static void run_case(const struct row *row)
{
	struct test_case c = { .row = row, .rip_at = -1 };
	struct state got, want;
	const u8 *end;
	bool ok;

	code_at = (u8 *)(uintptr_t)ENTRY;
	prepare(&c);
	emit(&c);
	end = code_at;
	put(1, 0xe9);
	put(4, exit_after - (here() + 4));

	memcpy(shadow, data, 0x2000);
	got = want = c.in;
	run_interp(&got);
	run_native(&want);
	ok = same(&c, &got, &want, undefined_flags(&c));
	if (!ok && test_failed < 20)
		report(&c, &got, &want, end);
	CHECK(ok, "%s", row->text);
}

int main(void)
{
	bool all = host_is_new();

	cpuid_policy_init(NULL, CPUID_POLICY_64);
	map_low(CODE, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
	map_low(DATA, DATA_SIZE, PROT_READ | PROT_WRITE);
	for (unsigned i = 0; i < DATA_SIZE; i++)
		data[i] = (u8)rnd();
	memcpy(shadow, data, DATA_SIZE);
	mprotect((void *)(uintptr_t)RO_AT, PAGE_SIZE, PROT_READ);
	syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE_AT);
	read_selectors();
	make_code();
	catch_faults(on_signal);
	for (unsigned i = 0; i < CASES; i++) {
		const struct row *row = &rows[i % ARRAY_SIZE(rows)];

		if (has_other_meaning(row) || (!all && (row->flags & NEW)))
			continue;
		run_case(row);
	}
	return test_end("native64");
}
