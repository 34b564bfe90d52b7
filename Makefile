# One Makefile, no recursion. Everything built lands in $O; the tree stays clean.
#   make            build/penumbra.elf and build/penumbra.iso
#   make run        boot the demo guest in QEMU; installs what is missing
#   make check      every test; installs what is missing
#   make test       host unit tests only (make test T=decode for one)
#   V=1 shows commands; O=dir builds elsewhere

O      ?= build
V      ?= 0
CROSS  ?=
CC     := $(CROSS)gcc
LD     := $(CROSS)ld
NASM   ?= nasm
HOSTCC ?= gcc
Q      := $(if $(filter 1,$(V)),,@)
say     = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' $(1) $(patsubst $O/%,%,$@))

MODULES := $(shell sed -n 's/^\([a-z]*\):.*/\1/p' tools/layers)

SRC  := $(foreach m,$(MODULES),$(sort $(wildcard $(m)/*.c) $(wildcard $(m)/*.asm)))
OBJ  := $(SRC:%=$O/%.o)
WARN := -Wall -Wextra -Werror -Wshadow -Wundef -Wvla -Wstrict-prototypes \
        -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wno-unused-parameter
COMMON := -std=gnu11 -g -I. -Iinclude $(WARN)
CFLAGS := $(COMMON) -O2 -ffreestanding -fno-pic -fno-pie -fno-stack-protector -fno-common \
          -fno-strict-aliasing -fno-asynchronous-unwind-tables -fno-omit-frame-pointer \
          -mno-red-zone -mgeneral-regs-only -mcmodel=kernel

.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all test hosttests check check-switches run deps guest clean
all: $O/penumbra.elf $O/penumbra.iso

$O/penumbra.elf: linker.ld $(OBJ)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) -flto=2 -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -T $< -o $@ $(OBJ)

# What the ISO starts: the monitor's options, and pairs of module file and string.
ISO_CMDLINE ?= engine=auto
ISO_MODULES ?=

$O/penumbra.iso: $O/penumbra.elf iso/make-iso iso/grub.cfg
	$(call say,ISO)
	$(Q)iso/make-iso $@ $< "$(ISO_CMDLINE)" $(ISO_MODULES)

# Debian packages that are missing, installed.
deps:
	$(Q)tools/deps

$O/%.c.o: %.c Makefile
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) -flto -MMD -MP -c $< -o $@

$O/%.asm.o: %.asm $O/offsets.inc Makefile
	$(call say,NASM)
	$(Q)mkdir -p $(@D) && $(NASM) -f elf64 -g -F dwarf -w+all -I$O/ -I. \
		-MD $(@:.o=.d) -MP -MT $@ $< -o $@

# Else the compiler turns memset's own loop into a call of memset.
$O/lib/string.c.o: CFLAGS += -fno-tree-loop-distribute-patterns

# C struct offsets for NASM, taken from the compiler and never typed by hand.
$O/offsets.inc: include/offsets.c Makefile
	$(call say,GEN)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) -MMD -MP -MT $@ -MF $O/offsets.d -S $< -o $O/offsets.s
	$(Q)sed -n 's/^.*@@ \([A-Z0-9_]*\) [$$]*\([0-9-]*\).*/%define \1 \2/p' $O/offsets.s > $@

# Host tests. A test's comment "LINKS: lib cpu" names the modules that it is
# linked with, "SYSLIBS: -lZydis" the host's libraries. `kernel` there means
# $(FAKE), which stands in for the machine. "SRCS: bt/emit.c" names
# single files, C or assembly, of modules that as a whole need the machine.
HOST_CFLAGS := $(COMMON) -Wno-format-zero-length -O1 -fno-strict-aliasing -fsanitize=address,undefined -fno-sanitize-recover=all
# C files of modules that need the real machine and are left out on the host.
NOT_HOST ?=
NOT_HOST += lib/string.c
# What stands in for kernel/ on the host.
FAKE := tests/host/fake.c tests/host/native.c
HOST_TESTS := $(patsubst tests/host/%_test.c,%,$(wildcard tests/host/*_test.c))
T ?= $(HOST_TESTS)
links = $(shell sed -n 's/.*LINKS: *\([a-z ]*\).*/\1/p' tests/host/$(1)_test.c)
host_src = $(foreach m,$(filter-out kernel,$(1)),$(filter-out $(NOT_HOST),$(wildcard $(m)/*.c))) $(FAKE)
test_srcs = $(shell sed -n 's/.*SRCS: *\([-a-z_/. ]*\).*/\1/p' tests/host/$(1)_test.c)
syslibs = $(shell sed -n 's/.*SYSLIBS: *\([-a-zA-Z0-9 ]*\).*/\1/p' tests/host/$(1)_test.c)

$O/host/%.c.o: %.c Makefile
	$(call say,HOSTCC)
	$(Q)mkdir -p $(@D) && $(HOSTCC) $(HOST_CFLAGS) -MMD -MP -c $< -o $@

$O/host/%.asm.o: %.asm $O/offsets.inc Makefile
	$(call say,NASM)
	$(Q)mkdir -p $(@D) && $(NASM) -f elf64 -g -F dwarf -w+all -I$O/ -I. $< -o $@

$O/host/tests/host/native_real.asm.o: kernel/native.asm

define host_test
$O/host/$(1)_test: $O/host/tests/host/$(1)_test.c.o $(patsubst %,$O/host/%.o,$(call host_src,$(call links,$(1))) $(call test_srcs,$(1)))
	$$(call say,HOSTLD)
	$$(Q)$(HOSTCC) $(HOST_CFLAGS) -Wl,-z,noexecstack $$^ -o $$@ $(call syslibs,$(1))
endef
$(foreach t,$(HOST_TESTS),$(eval $(call host_test,$(t))))

test: $(T:%=$O/host/%_test)
	$(Q)set -e; for t in $^; do $$t; done

# The demo guest and the test images (tests/guest/guests.mk).
GUEST := $(addprefix $O/guest/,vmlinuz-686 vmlinuz-686-pae vmlinuz-amd64 initrd.gz)
guest: $(GUEST)
$(GUEST) &: tools/make-guest tools/guest-init tools/guest-tsc.asm
	$(call say,GUEST)
	$(Q)tools/make-guest $O/guest
include tests/guest/guests.mk
include bench/bench.mk

DEMO := $O/penumbra-demo.iso
$(DEMO): $O/penumbra.elf $(GUEST)
	$(call say,ISO)
	$(Q)tools/penumbra iso --engine auto --memory 256M --monitor on-exit=qemu \
		--linux $O/guest/vmlinuz-686 --initrd $O/guest/initrd.gz -o $@

# These two install what is missing first, so that each works on a fresh machine.
run: deps
	$(Q)$(MAKE) --no-print-directory $(DEMO)
	$(Q)tools/penumbra run --interactive --memory 256M --iso $(DEMO)

check: deps
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) all guest guests hosttests bench-parts $O/sim
	$(Q)tests/run.py

# The tests of translated code with each optimisation switched off: some forty
# minutes on two processors. With the debugger's: tests/run.py --without each --long
check-switches: all guest guests $O/sim
	$(Q)tests/run.py --without each

hosttests: $(T:%=$O/host/%_test)

clean:
	$(Q)rm -rf $O

-include $(OBJ:.o=.d) $O/offsets.d $(wildcard $O/host/*/*.d $O/host/tests/host/*.d)

# The interpreter on a whole guest in a host process (tests/host/sim.c).
SIM_SRC := $(call host_src,lib cpu mm devices vm loader) tests/host/sim.c
$O/sim: $(SIM_SRC) Makefile $(wildcard */*.h cpu/*.inc lib/*.inc)
	$(call say,HOSTLD)
	$(Q)mkdir -p $(@D) && $(HOSTCC) $(COMMON) -O2 -fno-strict-aliasing $(SIM_SRC) -o $@
