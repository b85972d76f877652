# The test guest: build/guest/testguest.bz, a Linux bzImage. Included by the top-level Makefile.
GUEST_DIR := $(or $(BUILD),build)/guest
GUEST_CFLAGS := -std=gnu11 -m64 -O2 -g -I. -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none \
    -fno-asynchronous-unwind-tables -mgeneral-regs-only -mno-red-zone -fno-jump-tables -fno-strict-aliasing \
    -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wshadow -MMD -MP
GUEST_SOURCES := $(wildcard tests/guest/*.c) lib/format.c lib/string.c
GUEST_ASSEMBLY := $(wildcard tests/guest/*.S)
GUEST_OBJECTS := $(GUEST_SOURCES:%.c=$(GUEST_DIR)/%.o) $(GUEST_ASSEMBLY:%.S=$(GUEST_DIR)/%.asm.o)

.PHONY: guest
guest: $(GUEST_DIR)/testguest.bz ## the built-in test guest

$(GUEST_DIR)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -c $< -o $@

$(GUEST_DIR)/%.asm.o: %.S
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -c $< -o $@

$(GUEST_DIR)/testguest.elf: $(GUEST_OBJECTS) tests/guest/guest.ld
	ld -N -static --no-warn-rwx-segments -z noexecstack -T tests/guest/guest.ld -o $@ $(GUEST_OBJECTS)

$(GUEST_DIR)/testguest.bz: $(GUEST_DIR)/testguest.elf
	objcopy -O binary $< $@

-include $(GUEST_OBJECTS:.o=.d)
