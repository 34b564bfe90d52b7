/* SPDX-License-Identifier: MIT */
/*
 * From boot modules and options to a running guest. The first word of a
 * module's string says what it is; the rest belongs to it:
 *   linux CMDLINE      a bzImage
 *   initrd             its initial RAM disk
 *   multiboot CMDLINE  a Multiboot 1 image
 * A module that begins with none of these is a guest image, by its magic, and
 * its whole string after the name is its command line.
 */
#include "boot/guest.h"

#include "boot/cmdline.h"
#include "boot/multiboot.h"
#include "boot/select.h"
#include "bt/bt.h"
#include "debug/debugger.h"
#include "kernel/caps.h"
#include "kernel/console.h"
#include "kernel/host.h"
#include "kernel/instr.h"
#include "kernel/paging.h"
#include "lib/string.h"
#include "loader/loader.h"
#include "log.h"
#include "vm/vm.h"
#include "vmx/vmx.h"

#define DEFAULT_MEM   MIB(256)
#define DEFAULT_CACHE MIB(4) /* Linux and its shell: 3 MiB */
#define MONITOR_MEM   MIB(48) /* kept back when mem= is not given */
#define SMALLEST_MEM  MIB(4)

enum module_kind { MODULE_LINUX, MODULE_INITRD, MODULE_MULTIBOOT, MODULE_IMAGE };

static const char *const kind_words[] = {
	[MODULE_LINUX] = "linux",
	[MODULE_INITRD] = "initrd",
	[MODULE_MULTIBOOT] = "multiboot",
};

static const char *skip_word(const char *s)
{
	while (*s && *s != ' ')
		s++;
	while (*s == ' ')
		s++;
	return s;
}

static enum module_kind kind_of(const char *string)
{
	size_t length = (size_t)(skip_word(string) - string);

	while (length && string[length - 1] == ' ')
		length--;
	for (unsigned k = 0; k < ARRAY_SIZE(kind_words); k++)
		if (strlen(kind_words[k]) == length &&
		    !strncmp(string, kind_words[k], length))
			return (enum module_kind)k;
	return MODULE_IMAGE;
}

static const u8 *module_bytes(const struct boot_module *m)
{
	return host_virt(HPA(m->start));
}

static void take_image(struct guest_image *image, const struct boot_module *m,
		       enum module_kind kind)
{
	enum image_kind magic = loader_kind(module_bytes(m), m->bytes);

	if (image->image)
		fatal("two guest images: \"%s\" is the second", m->string);
	if (!m->bytes)
		fatal("module \"%s\" is empty", m->string);
	if (kind == MODULE_LINUX && magic != IMAGE_LINUX)
		fatal("module \"%s\" is not a Linux bzImage", m->string);
	if (kind == MODULE_MULTIBOOT && magic != IMAGE_MULTIBOOT)
		fatal("module \"%s\" is not a Multiboot 1 image", m->string);
	if (magic == IMAGE_UNKNOWN)
		fatal("module \"%s\" is of no known kind (neither a Linux "
		      "bzImage nor a Multiboot 1 image)", m->string);
	image->image = module_bytes(m);
	image->size = m->bytes;
	image->cmdline = skip_word(m->string);
}

static void take_initrd(struct guest_image *image, const struct boot_module *m)
{
	if (image->initrd)
		fatal("two initrd modules");
	if (!m->bytes)
		fatal("module \"%s\" is empty", m->string);
	image->initrd = module_bytes(m);
	image->initrd_size = m->bytes;
}

static void find_image(struct guest_image *image)
{
	for (unsigned i = 0; i < boot_info.module_count; i++) {
		const struct boot_module *m = &boot_info.modules[i];
		enum module_kind kind = kind_of(m->string);

		if (kind == MODULE_INITRD)
			take_initrd(image, m);
		else
			take_image(image, m, kind);
	}
	if (!image->image)
		fatal("no guest: no boot module is a guest image");
}

static u64 guest_memory(void)
{
	u64 room = palloc_free_bytes();

	if (options.mem) {
		if (options.mem % MIB(2) || options.mem < SMALLEST_MEM)
			fatal("mem= must be a multiple of 2M, and at least 4M");
		return options.mem;
	}
	if (room < MONITOR_MEM + SMALLEST_MEM)
		fatal("too little memory: %llu MiB free, %llu MiB needed",
		      (unsigned long long)room >> 20,
		      (unsigned long long)(MONITOR_MEM + SMALLEST_MEM) >> 20);
	return ALIGN_DOWN(MIN(DEFAULT_MEM, room - MONITOR_MEM), MIB(2));
}

static const struct engine *choose_engine(void)
{
	static const struct engine *const engines[] = {
		[ENGINE_VMX] = &vmx_engine,
		[ENGINE_BT] = &bt_engine,
		[ENGINE_INTERP] = &interp_engine,
	};
	struct engine_choice choice = engine_select(
		(enum option_engine)options.engine, vmx_engine.probe(),
		options.time == TIME_ICOUNT);
	const char *name = engine_option_name(choice.engine);

	if (choice.refused)
		fatal("engine=%s: %s", name, choice.reason);
	log_info("engine: %s (%s)", name, choice.reason);
	return engines[choice.engine];
}

static void host_leaf(u32 leaf, u32 subleaf, struct cpuid_regs *regs)
{
	struct cpuid r = cpuid(leaf, subleaf);

	*regs = (struct cpuid_regs){ r.eax, r.ebx, r.ecx, r.edx };
}

static const struct cpuid_host host_cpuid = { .leaf = host_leaf };

/* Bit 51 is reserved in entries unless physical addresses have 52 bits. */
static u64 trap_bit(const struct engine *engine)
{
	return engine == &vmx_engine && host_caps.phys_bits < 52 ? BIT(51) : 0;
}

static struct vm *create(const struct engine *engine)
{
	struct vm_config config = {
		.mem_bytes = guest_memory(),
		.engine = engine,
		.fallback = &interp_engine,
		.root_kind = engine == &vmx_engine ? SHADOW_ROOT_PAE
						   : SHADOW_ROOT_4LEVEL,
		.host_pml4 = paging_host_pml4(),
		.trap_bit = trap_bit(engine),
		.small_pages = paging_small(),
		.fault_flushes = engine != &vmx_engine,
		.unsync = engine == &vmx_engine,
		.cache_bytes = options.cache ? options.cache : DEFAULT_CACHE,
		.no_long_mode = options.no_long_mode,
		.icount = options.time == TIME_ICOUNT,
		.trace_from = options.trace_from,
		.trace_to = options.trace_to,
		.trace_every = options.trace_every,
		.trace_memory = options.trace_memory,
		.marks = options.marks,
		.trace_blocks = options.trace_blocks,
		.audit = options.audit,
		/* With icount a run is the same on every machine. */
		.cpuid = options.time == TIME_ICOUNT ? NULL : &host_cpuid,
	};
	const char *why = engine->probe ? engine->probe() : NULL;
	struct vm *vm;

	if (why)
		fatal("engine %s: %s", engine->name, why);
	if (palloc_free_bytes() < config.mem_bytes)
		fatal("too little memory: the guest is to have %llu MiB (mem=), "
		      "%llu MiB are free",
		      (unsigned long long)config.mem_bytes >> 20,
		      (unsigned long long)palloc_free_bytes() >> 20);
	vm = vm_create(&config, &why);
	if (!vm)
		fatal("cannot make the guest: %s", why);
	return vm;
}

static const char *start_debugger(struct vm *vm)
{
	static const enum debug_port ports[] = {
		[GDB_AUTO] = DEBUG_PORT_COM2, [GDB_OFF] = DEBUG_PORT_NONE,
		[GDB_COM1] = DEBUG_PORT_COM1, [GDB_COM2] = DEBUG_PORT_COM2,
	};
	struct debug_config config = {
		.port = ports[options.gdb],
		.must = options.gdb != GDB_AUTO,
		.wait = options.gdb_wait,
	};

	if (config.port == DEBUG_PORT_COM2 &&
	    (console_sinks() & CONSOLE_COM2)) {
		if (config.must)
			return "gdb=com2: the console is there (console=)";
		config.port = DEBUG_PORT_NONE;
	}
	return debugger_start(vm, &config);
}

/* What was in the modules is in the guest's memory now: their room, but for a
 * last page that may hold something else, is given back. */
static void release_modules(void)
{
	for (unsigned i = 0; i < boot_info.module_count; i++) {
		const struct boot_module *m = &boot_info.modules[i];

		palloc_free(host_virt(HPA(m->start)), m->bytes >> PAGE_SHIFT);
	}
}

u8 guest_run(void)
{
	struct guest_image image = { .cmdline = "" };
	const struct engine *engine = choose_engine();
	const char *why;
	enum vm_end end;
	struct vm *vm;
	u32 status;

	find_image(&image);
	vm = create(engine);
	why = loader_load(&vm->gpm, vm->v, &image);
	if (!why)
		why = start_debugger(vm);
	if (why)
		fatal("%s", why);
	release_modules();
	log_info("guest entry: %llu MiB, eip %#llx, tsc %llu",
		 (unsigned long long)vm->gpm.size >> 20,
		 (unsigned long long)vm->v->rip,
		 (unsigned long long)(vm_now(vm) + vm->v->tsc_offset));
	end = vm_run(vm, &status);
	vm_stats_print(vm, end, status);
	return (u8)status;
}
