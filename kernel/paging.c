/* SPDX-License-Identifier: MIT */
/*
 * The monitor's page tables: 4 levels, 2 MiB leaves where base and size
 * allow. Tables are only ever added; leaves are changed only here, before
 * the tables are loaded, or in the two windows that grow.
 */
#include "kernel/paging.h"

#include "kernel/caps.h"
#include "kernel/host.h"
#include "kernel/instr.h"
#include "kernel/stacks.h"
#include "lib/string.h"
#include "lib/switches.h"
#include "log.h"

#define LEAF_RO (PTE_P | PTE_A | PTE_G | PTE_NX)
#define LEAF_RW (LEAF_RO | PTE_W | PTE_D)
#define LEAF_RX (PTE_P | PTE_A | PTE_G)
#define LEAF_UC (LEAF_RW | PTE_PCD | PTE_PWT)
#define TABLE   (PTE_P | PTE_W | PTE_A)

#define LARGE MIB(2)
#define LARGE_LEVEL 1 /* a leaf in a page directory */

extern const u8 image_text[], image_rodata[], image_data[], image_end[];

/*
 * QEMU 7.2's translator keeps no large page in its TLB but the span of all that
 * it has seen: INVLPG anywhere in it, and it covers guest and monitor, drops
 * everything. Small tables for more RAM than this would cost too much.
 */
#define SMALL_RAM GIB(2)

static bool small;
static u64 *pml4;
static u64 exec_next = EXEC_BASE;
static u64 device_next = DEVICE_BASE;

const u64 *paging_host_pml4(void)
{
	return pml4;
}

hpa_t paging_host_root(void)
{
	return host_phys(pml4);
}

static bool is_image(u64 va)
{
	return va >= IMAGE_BASE && va < (uintptr_t)image_end;
}

hpa_t host_phys(const void *p)
{
	u64 va = (uintptr_t)p;

	if (is_image(va))
		return HPA(va - IMAGE_BASE);
	assert(va >= DIRECT_BASE && va < EXEC_BASE);
	return HPA(va - DIRECT_BASE);
}

void *host_virt(hpa_t pa)
{
	return (void *)(DIRECT_BASE + pa.a);
}

static unsigned table_index(u64 va, unsigned level)
{
	return (va >> (PAGE_SHIFT + 9 * level)) & 511;
}

/* A large leaf becomes a table of 512 small ones with the same rights. */
static bool split(u64 *entry)
{
	u64 large = *entry & ~PTE_PS;
	u64 *table = palloc(1, PAGE_SIZE);

	if (!table)
		return false;
	for (unsigned i = 0; i < 512; i++)
		table[i] = large + i * PAGE_SIZE;
	*entry = host_phys(table).a | TABLE;
	return true;
}

/* The table that an entry points to, made when there is none. */
static u64 *descend(u64 *entry)
{
	if (!(*entry & PTE_P)) {
		u64 *table = palloc(1, PAGE_SIZE);

		if (!table)
			return NULL;
		*entry = host_phys(table).a | TABLE;
	} else if ((*entry & PTE_PS) && !split(entry)) {
		return NULL;
	}
	return host_virt(HPA(*entry & PTE_ADDR));
}

/* The entry for va at a level (0: page table); NULL when memory is out. */
static u64 *entry_of(u64 va, unsigned level)
{
	u64 *table = pml4;

	for (unsigned l = 3; l > level && table; l--)
		table = descend(&table[table_index(va, l)]);
	return table ? &table[table_index(va, level)] : NULL;
}

static bool fits_large(u64 va, u64 pa, u64 bytes)
{
	return !small && !((va | pa) & (LARGE - 1)) && bytes >= LARGE;
}

static bool map(u64 va, u64 pa, u64 bytes, u64 leaf)
{
	while (bytes) {
		bool large = fits_large(va, pa, bytes);
		u64 size = large ? LARGE : PAGE_SIZE;
		u64 *entry = entry_of(va, large ? LARGE_LEVEL : 0);

		if (!entry)
			return false;
		*entry = pa | leaf | (large ? PTE_PS : 0);
		va += size;
		pa += size;
		bytes -= size;
	}
	return true;
}

bool paging_small(void)
{
	return small;
}

static bool want_small(const struct host_memory *m)
{
	u64 ram = 0;

	for (unsigned i = 0; i < m->ram_count; i++)
		ram += m->ram[i].end - m->ram[i].start;
	return switch_on(SWITCH_small) && caps_is_tcg() && ram <= SMALL_RAM;
}

static void map_or_stop(u64 va, u64 pa, u64 bytes, u64 leaf)
{
	if (!map(va, pa, bytes, leaf))
		fatal("out of memory for the monitor's page tables");
}

#define PML4_INDEX(va) ((va) >> 39 & 511)

static void make_pml4(void)
{
	_Static_assert(PML4_INDEX(IMAGE_BASE) == PML4_INDEX(EXEC_BASE) &&
		       PML4_INDEX(IMAGE_BASE) == PML4_INDEX(DEVICE_BASE),
		       "the windows that grow lie behind the image's entry");

	pml4 = palloc(1, PAGE_SIZE);
	if (!pml4)
		fatal("out of memory for the monitor's page tables");
}

/* RAM, whole pages only, and the first MiB with the text screen. */
static void map_direct(const struct host_memory *m)
{
	map_or_stop(DIRECT_BASE, 0, MIB(1), LEAF_RW);
	for (unsigned i = 0; i < m->ram_count; i++) {
		u64 start = ALIGN_UP(m->ram[i].start, PAGE_SIZE);
		u64 end = ALIGN_DOWN(m->ram[i].end, PAGE_SIZE);

		if (start < end)
			map_or_stop(DIRECT_BASE + start, start, end - start, LEAF_RW);
	}
}

/* Both at its link address and as seen through the direct map. */
static void map_image(void)
{
	const struct {
		const u8 *start, *end;
		u64 leaf, alias;
	} parts[] = {
		{ image_text, image_rodata, LEAF_RX, LEAF_RO },
		{ image_rodata, image_data, LEAF_RO, LEAF_RO },
		{ image_data, image_end, LEAF_RW, LEAF_RW },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
		u64 va = (uintptr_t)parts[i].start;
		u64 bytes = (u64)(parts[i].end - parts[i].start);

		map_or_stop(va, va - IMAGE_BASE, bytes, parts[i].leaf);
		map_or_stop(va - IMAGE_BASE + DIRECT_BASE, va - IMAGE_BASE, bytes, parts[i].alias);
	}
}

static void unmap_guards(void)
{
	const u8 *guards[] = {
		stack_guard, stack_rsp0_guard, stack_df_guard,
		stack_nmi_guard, stack_mc_guard,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(guards); i++)
		*entry_of((uintptr_t)guards[i], 0) = 0;
}

/* D11, D13 and facts that every engine builds on. */
/* SYSENTER is refused, whatever the firmware left: no entry of ours uses it. */
static void set_control_registers(void)
{
	u64 cr4 = CR4_PAE | CR4_PGE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	bool leaf7 = cpuid(0, 0).eax >= 7;

	if (leaf7 && (cpuid(7, 0).ebx & BIT(7)))
		cr4 |= CR4_SMEP;
	if (leaf7 && (cpuid(7, 0).ecx & BIT(2)))
		cr4 |= CR4_UMIP;
	wrmsr(MSR_IA32_SYSENTER_CS, 0);
	write_cr4(cr4);
	write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
	wrmsr(MSR_IA32_EFER, EFER_LME | EFER_LMA | EFER_NXE);
}

void paging_init(const struct host_memory *m)
{
	small = want_small(m);
	make_pml4();
	map_direct(m);
	map_image();
	unmap_guards();
	write_cr3(host_phys(pml4).a);
	set_control_registers();
}

bool paging_map_exec(void *direct_map_ptr, u64 bytes, void **exec)
{
	u64 pa = host_phys(direct_map_ptr).a;
	u64 align = fits_large(0, pa, bytes) ? LARGE : PAGE_SIZE;
	u64 va = ALIGN_UP(exec_next, align);

	bytes = ALIGN_UP(bytes, PAGE_SIZE);
	assert(!(pa & (PAGE_SIZE - 1)));
	if (bytes > DEVICE_BASE - va || !map(va, pa, bytes, LEAF_RX))
		return false;
	exec_next = va + bytes;
	*exec = (void *)va;
	return true;
}

void *paging_map_device(hpa_t pa, u64 bytes)
{
	u64 start = ALIGN_DOWN(pa.a, PAGE_SIZE);
	u64 size = ALIGN_UP(pa.a + bytes, PAGE_SIZE) - start;
	u64 va = device_next;

	map_or_stop(va, start, size, LEAF_UC);
	device_next += size;
	return (void *)(va + pa.a - start);
}
