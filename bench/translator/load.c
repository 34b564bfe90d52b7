/* SPDX-License-Identifier: MIT */
/* The segments of a 32-bit ELF program into guest memory. */
#include "bench/translator/translator.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static NORETURN void refuse(const char *path, const char *why)
{
	fprintf(stderr, "%s: %s\n", path, why);
	exit(2);
}

static u8 *read_file(const char *path, u64 *size)
{
	FILE *f = fopen(path, "rb");
	u8 *data;

	if (!f)
		refuse(path, "cannot be opened");
	fseek(f, 0, SEEK_END);
	*size = (u64)ftell(f);
	rewind(f);
	data = malloc(*size + 1);
	if (fread(data, 1, *size, f) != *size)
		refuse(path, "cannot be read");
	fclose(f);
	return data;
}

static void load_segment(const char *path, const u8 *file, u64 size,
			 const Elf32_Phdr *p)
{
	if (p->p_vaddr < GUEST_BASE || p->p_memsz > GUEST_SIZE / 2 ||
	    p->p_vaddr - GUEST_BASE > GUEST_SIZE / 2 ||
	    p->p_filesz > p->p_memsz || p->p_offset > size ||
	    p->p_filesz > size - p->p_offset)
		refuse(path, "a segment lies outside the guest's memory");
	memcpy((void *)(uintptr_t)p->p_vaddr, file + p->p_offset, p->p_filesz);
}

u32 process_load(const char *path)
{
	u64 size;
	u8 *file = read_file(path, &size);
	Elf32_Ehdr head = { 0 };
	Elf32_Phdr p;

	memcpy(&head, file, MIN(size, sizeof(head)));
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) ||
	    head.e_ident[EI_CLASS] != ELFCLASS32 || head.e_machine != EM_386)
		refuse(path, "not a 32-bit x86 program");
	if (head.e_phoff > size ||
	    (u64)head.e_phnum * sizeof(p) > size - head.e_phoff)
		refuse(path, "cut short");
	for (unsigned i = 0; i < head.e_phnum; i++) {
		memcpy(&p, file + head.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_LOAD && p.p_memsz)
			load_segment(path, file, size, &p);
	}
	free(file);
	return head.e_entry;
}
