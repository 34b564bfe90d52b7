# The test images: one .c or .asm a behaviour, linked with tests/guest/lib.
# NASM images that bring everything themselves are listed as plain.
GUEST_CFLAGS := -std=gnu11 -m32 -march=pentiumpro -O2 -g -ffreestanding -fno-pic -fno-pie -no-pie \
	-fno-stack-protector -fno-asynchronous-unwind-tables -mgeneral-regs-only -fcf-protection=none \
	-fno-strict-aliasing -Wall -Wextra -Wno-unused-parameter -Werror -Itests/guest/lib
GUEST_NAMES := $(sort $(patsubst tests/guest/%.c,%,$(wildcard tests/guest/*.c)))
GUEST_IMAGES := $(GUEST_NAMES:%=$O/guest/tests/%.elf)
GUEST_LIB := $O/guest/obj/start.o $O/guest/obj/guest.o

.PHONY: guests
guests: $(GUEST_IMAGES)

$O/guest/obj/%.o: tests/guest/%.c tests/guest/guests.mk
	$(call say,GCC32)
	$(Q)mkdir -p $(@D) && $(HOSTCC) $(GUEST_CFLAGS) -MMD -MP -c $< -o $@

$O/guest/obj/guest.o: tests/guest/lib/guest.c tests/guest/guests.mk
	$(call say,GCC32)
	$(Q)mkdir -p $(@D) && $(HOSTCC) $(GUEST_CFLAGS) -MMD -MP -c $< -o $@

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

-include $(wildcard $O/guest/obj/*.d)
