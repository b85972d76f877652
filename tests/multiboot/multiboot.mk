# Small multiboot kernels that say how they were started. Included by the top-level Makefile.
#
#   multiboot1-elf32      ELF32 in two segments, at 1 MiB with 4 MiB of zeros, where GRUB puts files, and at 20 MiB
#   multiboot1-elf64
#   multiboot1-flat       no ELF: the header's address fields
#   multiboot2-elf32, multiboot2-elf64, multiboot2-flat
#   multiboot2-relocatable  ELF64, linked at 48 MiB, wants to be loaded between 16 and 32 MiB
MULTIBOOT_DIR := $(or $(BUILD),build)/multiboot
MULTIBOOT_KERNELS := multiboot1-elf32 multiboot1-elf64 multiboot1-flat multiboot2-elf32 multiboot2-elf64 multiboot2-flat \
    multiboot2-relocatable
MULTIBOOT_CFLAGS := -std=gnu11 -m32 -O2 -I. -ffreestanding -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none \
    -fno-asynchronous-unwind-tables -mgeneral-regs-only -fno-jump-tables -fno-strict-aliasing \
    -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wshadow -MMD -MP
MULTIBOOT_OBJECTS := $(patsubst tests/multiboot/%.c,$(MULTIBOOT_DIR)/%.o,$(wildcard tests/multiboot/*.c))
MULTIBOOT_LD := ld -m elf_i386 -N -static --no-warn-rwx-segments -z noexecstack

guest: $(MULTIBOOT_KERNELS:%=$(MULTIBOOT_DIR)/%)

$(MULTIBOOT_DIR)/%.o: tests/multiboot/%.c
	@mkdir -p $(@D)
	$(CC) $(MULTIBOOT_CFLAGS) -c $< -o $@

$(MULTIBOOT_DIR)/header-%.o: tests/multiboot/header.S
	@mkdir -p $(@D)
	$(CC) $(MULTIBOOT_CFLAGS) -DVERSION=$(patsubst multiboot%,%,$(firstword $(subst -, ,$*))) \
	    -DFLAT=$(if $(findstring flat,$*),1,0) -DRELOCATABLE=$(if $(findstring relocatable,$*),1,0) -c $< -o $@

$(MULTIBOOT_DIR)/%-elf32: $(MULTIBOOT_DIR)/header-%-elf32.o $(MULTIBOOT_OBJECTS) tests/multiboot/elf.ld
	$(MULTIBOOT_LD) --defsym BASE=0x100000 --defsym FAR=0x1400000 -T tests/multiboot/elf.ld -o $@ $(filter %.o,$^)

$(MULTIBOOT_DIR)/%-elf64: $(MULTIBOOT_DIR)/%-elf32
	objcopy -I elf32-i386 -O elf64-x86-64 $< $@

$(MULTIBOOT_DIR)/%-flat: $(MULTIBOOT_DIR)/header-%-flat.o $(MULTIBOOT_OBJECTS) tests/multiboot/flat.ld
	$(MULTIBOOT_LD) --defsym BASE=0x100000 -T tests/multiboot/flat.ld -o $@.elf $(filter %.o,$^)
	objcopy -O binary $@.elf $@

$(MULTIBOOT_DIR)/%-relocatable: $(MULTIBOOT_DIR)/header-%-relocatable.o $(MULTIBOOT_OBJECTS) tests/multiboot/flat.ld
	$(MULTIBOOT_LD) --defsym BASE=0x3000000 -T tests/multiboot/flat.ld -o $@.elf $(filter %.o,$^)
	objcopy -I elf32-i386 -O elf64-x86-64 $@.elf $@

-include $(MULTIBOOT_OBJECTS:.o=.d)
