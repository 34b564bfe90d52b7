# The test images: one .c or .asm a behaviour, linked with tests/guest/lib.
# NASM images that bring everything themselves are listed as plain.
GUEST_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-pie -no-pie \
	-fno-stack-protector -fno-asynchronous-unwind-tables -mgeneral-regs-only -fcf-protection=none \
	-fno-strict-aliasing -Wall -Wextra -Wno-unused-parameter -Werror -Itests/guest/lib
# Images of 32 bits, and those in long/ of 64 bits.
GUEST_CFLAGS_32 := $(GUEST_CFLAGS) -m32 -march=pentiumpro
GUEST_CFLAGS_64 := $(GUEST_CFLAGS) -m64 -march=x86-64 -mno-red-zone
GUEST_NAMES := $(sort $(patsubst tests/guest/%.c,%,$(wildcard tests/guest/*.c)))
LONG_NAMES := $(sort $(patsubst tests/guest/long/%.c,%,$(wildcard tests/guest/long/*.c)))
GUEST_IMAGES := $(GUEST_NAMES:%=$O/guest/tests/%.elf) $(LONG_NAMES:%=$O/guest/tests/long-%.elf)
GUEST_LIB := $O/guest/obj/start.o $O/guest/obj/guest.o $O/guest/obj/text.o
LONG_LIB := $O/guest/obj64/long_start.o $O/guest/obj64/long.o $O/guest/obj64/text.o

.PHONY: guests
guests: $(GUEST_IMAGES)

$O/guest/obj/%.o: tests/guest/%.c tests/guest/guests.mk
	$(call say,GCC32)
	$(Q)mkdir -p $(@D) && $(HOSTCC) $(GUEST_CFLAGS_32) -MMD -MP -c $< -o $@

$O/guest/obj/%.o: tests/guest/lib/%.c tests/guest/guests.mk
	$(call say,GCC32)
	$(Q)mkdir -p $(@D) && $(HOSTCC) $(GUEST_CFLAGS_32) -MMD -MP -c $< -o $@

$O/guest/obj64/%.o: tests/guest/long/%.c tests/guest/guests.mk
	$(call say,GCC64)
	$(Q)mkdir -p $(@D) && $(HOSTCC) $(GUEST_CFLAGS_64) -MMD -MP -c $< -o $@

$O/guest/obj64/%.o: tests/guest/lib/%.c tests/guest/guests.mk
	$(call say,GCC64)
	$(Q)mkdir -p $(@D) && $(HOSTCC) $(GUEST_CFLAGS_64) -MMD -MP -c $< -o $@

$O/guest/obj64/%.o: tests/guest/lib/%.asm
	$(call say,NASM)
	$(Q)mkdir -p $(@D) && $(NASM) -f elf64 $< -o $@

$O/guest/obj/start.o: tests/guest/lib/start.asm
	$(call say,NASM)
	$(Q)mkdir -p $(@D) && $(NASM) -f elf32 $< -o $@

$O/guest/obj/%_asm.o: tests/guest/%.asm
	$(call say,NASM)
	$(Q)mkdir -p $(@D) && $(NASM) -f elf32 $< -o $@

# An image may have a NASM half beside its C one.
guest_asm = $(patsubst tests/guest/%.asm,$O/guest/obj/%_asm.o,$(wildcard tests/guest/$(1).asm))

define guest_image
$O/guest/tests/$(1).elf: $O/guest/obj/$(1).o $(call guest_asm,$(1)) $(GUEST_LIB) tests/guest/lib/link.ld
	$$(call say,LD32)
	$$(Q)mkdir -p $$(@D) && $(LD) -m elf_i386 -z noexecstack --no-warn-rwx-segments \
		-T tests/guest/lib/link.ld -o $$@ $$(filter %.o,$$^)
endef
$(foreach g,$(GUEST_NAMES),$(eval $(call guest_image,$(g))))

# Multiboot 1 wants an ELF file of 32 bits, whatever code is in it.
define long_image
$O/guest/tests/long-$(1).elf: $O/guest/obj64/$(1).o $(LONG_LIB) tests/guest/lib/link.ld
	$$(call say,LD64)
	$$(Q)mkdir -p $$(@D) && $(LD) -m elf_x86_64 -z noexecstack --no-warn-rwx-segments \
		-z max-page-size=4096 -T tests/guest/lib/link.ld -o $$@.64 $$(filter %.o,$$^)
	$$(Q)$(CROSS)objcopy -O elf32-i386 $$@.64 $$@
endef
$(foreach g,$(LONG_NAMES),$(eval $(call long_image,$(g))))

-include $(wildcard $O/guest/obj/*.d $O/guest/obj64/*.d)
