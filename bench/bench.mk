# The benchmarks: 32-bit programs, and the translator as a process that runs
# them. `bench` and `bench-quick` measure and write build/bench/report.*.
PROGRAM_CFLAGS := -std=gnu11 -m32 -march=i686 -O2 -ffreestanding -fno-pic -fno-pie \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none \
	-fno-strict-aliasing -fno-tree-loop-distribute-patterns -Wall -Wextra \
	-Wno-unused-parameter -Werror -I. -Iinclude
PROGRAM_LIB := program memory
# Programs made of the monitor's own modules bring those, but for what needs a
# 64-bit machine; absent operations are the interpreter's #UD.
PROGRAM_MONITOR := $(filter-out cpu/emu_muldiv.c,$(wildcard cpu/*.c)) lib/format.c lib/counters.c lib/ring.c
PROGRAM_NAMES := $(filter-out $(PROGRAM_LIB) monitor,$(patsubst bench/programs/%.c,%,$(wildcard bench/programs/*.c)))
PROGRAM_IMAGES := $(PROGRAM_NAMES:%=$O/bench/programs/%)

program_objects = $(patsubst %,$O/bench/obj/bench/programs/%.c.o,$(1) $(PROGRAM_LIB)) \
	$(if $(shell grep -l monitor.h bench/programs/$(1).c),$(PROGRAM_MONITOR:%=$O/bench/obj/%.o) \
		$O/bench/obj/bench/programs/monitor.c.o)

$O/bench/obj/%.c.o: %.c bench/bench.mk
	$(call say,GCC32)
	$(Q)mkdir -p $(@D) && $(HOSTCC) $(PROGRAM_CFLAGS) -MMD -MP -c $< -o $@

define bench_program
$O/bench/programs/$(1): $(call program_objects,$(1)) bench/programs/link.ld
	$$(call say,LD32)
	$$(Q)mkdir -p $$(@D) && $(HOSTCC) -m32 -nostdlib -static -no-pie -Wl,--build-id=none \
		-Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -T bench/programs/link.ld \
		-o $$@ $$(filter %.o,$$^) -lgcc
endef
$(foreach p,$(PROGRAM_NAMES),$(eval $(call bench_program,$(p))))

# The translator as in the monitor: optimised, without sanitizers.
TRANSLATOR_BT := translate xlate rules emit cache mode verify $(patsubst bt/%.c,%,$(wildcard bt/gen_*.c))
TRANSLATOR_SRC := $(call host_src,lib cpu) $(TRANSLATOR_BT:%=bt/%.c) $(wildcard bench/translator/*.c)
$O/bench/translator: $(TRANSLATOR_SRC) $O/host/bt/stubs.asm.o $O/host/tests/host/bt_enter.asm.o \
		Makefile bench/bench.mk $(wildcard */*.h cpu/*.inc lib/*.inc bench/translator/*.h)
	$(call say,HOSTLD)
	$(Q)mkdir -p $(@D) && $(HOSTCC) $(COMMON) -O2 -fno-strict-aliasing -Wl,-z,noexecstack \
		$(filter %.c %.o,$^) -o $@

# The one that python3-matplotlib is for.
DEBIAN_PYTHON := $(or $(wildcard /usr/bin/python3),python3)

.PHONY: bench bench-quick bench-parts
bench bench-quick: deps
	$(Q)$(MAKE) --no-print-directory all guest bench-parts
	$(Q)$(DEBIAN_PYTHON) bench/run.py $(if $(filter bench-quick,$@),--quick)

bench-parts: $O/bench/translator $(PROGRAM_IMAGES)

-include $(wildcard $O/bench/obj/*/*.d $O/bench/obj/bench/programs/*.d)

# The benchmark guest, of 32 and of 64 bits, linked as the test images are.
NANO := $O/bench/guest/nanobench.elf
NANO64 := $O/bench/guest/nanobench64.elf
nano_objects = $(patsubst %,$O/bench/guest/obj$(1)/%.o,$(notdir \
	$(filter-out %$(2).c %$(2).asm,$(wildcard bench/guest/*.c bench/guest/*.asm))))

$O/bench/guest/obj32/%.c.o: bench/guest/%.c bench/bench.mk tests/guest/guests.mk
	$(call say,GCC32)
	$(Q)mkdir -p $(@D) && $(HOSTCC) $(GUEST_CFLAGS_32) -MMD -MP -c $< -o $@

$O/bench/guest/obj64/%.c.o: bench/guest/%.c bench/bench.mk tests/guest/guests.mk
	$(call say,GCC64)
	$(Q)mkdir -p $(@D) && $(HOSTCC) $(GUEST_CFLAGS_64) -MMD -MP -c $< -o $@

$O/bench/guest/obj32/%.asm.o: bench/guest/%.asm bench/guest/handlers.inc
	$(call say,NASM)
	$(Q)mkdir -p $(@D) && $(NASM) -Ibench/guest/ -f elf32 $< -o $@

$O/bench/guest/obj64/%.asm.o: bench/guest/%.asm bench/guest/handlers.inc
	$(call say,NASM)
	$(Q)mkdir -p $(@D) && $(NASM) -Ibench/guest/ -f elf64 $< -o $@

$(NANO): $(call nano_objects,32,64) $(GUEST_LIB) tests/guest/lib/link.ld
	$(call say,LD32)
	$(Q)$(LD) -m elf_i386 -z noexecstack --no-warn-rwx-segments \
		-T tests/guest/lib/link.ld -o $@ $(filter %.o,$^)

$(NANO64): $(call nano_objects,64,32) $(LONG_LIB) tests/guest/lib/link.ld
	$(call say,LD64)
	$(Q)$(LD) -m elf_x86_64 -z noexecstack --no-warn-rwx-segments \
		-z max-page-size=4096 -T tests/guest/lib/link.ld -o $@.64 $(filter %.o,$^)
	$(Q)$(CROSS)objcopy -O elf32-i386 $@.64 $@

bench-parts: $(NANO) $(NANO64)

-include $(wildcard $O/bench/guest/obj*/*.d)

# The Linux guest with workloads, a compiler and what it compiles.
$O/bench/workload: bench/linux/workload.c bench/bench.mk
	$(call say,GCC32)
	$(Q)mkdir -p $(@D) && $(HOSTCC) -m32 -static -O2 -Wall -Wextra -Wno-unused-parameter -o $@ $<

BENCH_INITRD := $O/guest/initrd-bench.gz
$(BENCH_INITRD): tools/make-guest tools/guest-init bench/linux/run $O/bench/workload $(GUEST)
	$(call say,GUEST)
	$(Q)tools/make-guest $O/guest --bench $O/bench/workload

bench-parts: $(BENCH_INITRD)
