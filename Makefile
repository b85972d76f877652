# Plinth: build, run and test. `make help` lists the targets.
#
# CC=gcc (default) or CC=clang; CLANG and HOSTCC below are for host tests. Everything made lies in build/.

CC      := gcc
BUILD   := build
VERSION := 0.1

CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone \
          -mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables \
          -fno-jump-tables -fno-strict-aliasing -fcf-protection=none -fno-omit-frame-pointer \
          -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wswitch \
          -Wundef -Wvla -MMD -MP -I. -DPLINTH_VERSION='"$(VERSION)"'
ASFLAGS := -g -MMD -MP -I.
LDFLAGS := -nostdlib -static -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 \
           -Wl,--build-id=none -Wl,--fatal-warnings -Wl,--orphan-handling=error -Wl,-T,linker.ld

ifneq ($(findstring clang,$(CC)),)
CFLAGS += -Wenum-conversion -fno-addrsig
LDFLAGS += -fuse-ld=bfd
else
CFLAGS += -Wenum-conversion
endif

FOLDERS := boot arch/x86 arch/x86/vmx vmm mm guest lib
SOURCES := $(foreach d,$(FOLDERS),$(wildcard $(d)/*.c) $(wildcard $(d)/*.S))
OBJECTS := $(addsuffix .o,$(addprefix $(BUILD)/obj/,$(SOURCES)))

FORMATTED := $(shell git ls-files '*.c' '*.h' 2>/dev/null)

.PHONY: all clean help run debug test test-full soak check format

all: $(BUILD)/plinth.elf ## build build/plinth.elf (the default)

# Linked twice: the first time to know where the functions are, the second time with a table of that (tools/make-symbols).
$(BUILD)/plinth.elf: $(OBJECTS) linker.ld tools/make-symbols
	@echo "  LINK $@"
	@$(CC) $(LDFLAGS) -o $(BUILD)/unnamed.elf $(OBJECTS)
	@tools/make-symbols $(BUILD)/unnamed.elf >$(BUILD)/symbols.S
	@$(CC) $(ASFLAGS) -c -o $(BUILD)/symbols.o $(BUILD)/symbols.S
	@$(CC) $(LDFLAGS) -o $@ $(OBJECTS) $(BUILD)/symbols.o
	@tools/make-symbols $@ | cmp - $(BUILD)/symbols.S

$(BUILD)/obj/%.c.o: %.c Makefile
	@mkdir -p $(dir $@)
	@echo "  CC   $<"
	@$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/obj/%.S.o: %.S Makefile
	@mkdir -p $(dir $@)
	@echo "  AS   $<"
	@$(CC) $(ASFLAGS) -c -o $@ $<

# The one function that every exit goes through keeps no frame pointer: three instructions less.
$(BUILD)/obj/arch/x86/vmx/vmx_exit.c.o: CFLAGS += -fomit-frame-pointer

-include $(OBJECTS:.o=.d)
-include tests/host/host.mk tests/guest/guest.mk tests/multiboot/multiboot.mk tests/chainload/chainload.mk tests/model/model.mk tests/bench/bench.mk tests/boot/boot.mk
-include tools/install/install.mk

# What `make run` and `make debug` take from the command line.
MACHINE = $(if $(KERNEL),--kernel $(KERNEL)) $(if $(APPEND),--append "$(APPEND)") $(if $(CPUS),--cpus $(CPUS)) $(if $(MEM),--mem $(MEM)) \
    $(if $(EMULATOR),--emulator $(EMULATOR)) $(if $(FIRMWARE),--firmware $(FIRMWARE)) $(if $(OPTIONS),--options "$(OPTIONS)")

run: ## boot Debian's kernel on Plinth in an emulator, this terminal as its console (KERNEL INITRD APPEND CPUS MEM EMULATOR FIRMWARE OPTIONS DRY_RUN)
	@tools/setup
	@$(MAKE) -s --no-print-directory all
	@tools/run $(MACHINE) $(if $(INITRD),--initrd $(INITRD)) $(if $(DRY_RUN),--dry-run)

debug: ## the same under a debugger with Plinth's symbols: gdb (EMULATOR=qemu or kvm), or that of Bochs
	@tools/setup
	@$(MAKE) -s --no-print-directory all
	@tools/debug $(MACHINE)

test: ## host tests, then boots in the emulators; ends with "N passed, N failed"
	@tools/setup
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory CC=clang BUILD=$(BUILD)/clang all
	@tools/run-tests

test-full soak: ## the whole matrix of guests and machines; long random runs: hours, with the emulator
	@tools/setup
	@$(MAKE) --no-print-directory all
	@tools/run-tests --suite $(subst test-,,$@)

check: $(BUILD)/plinth.elf ## format, layers, no indirect branch on the exit path, no split lock, docs name what is there
	@clang-format --dry-run --Werror $(FORMATTED)
	@tools/check-layers
	@tools/check-exit-path $(BUILD)/plinth.elf
	@tools/check-locks $(BUILD)/plinth.elf
	@tools/check-docs

format: ## bring every C file into the project's format
	@clang-format -i $(FORMATTED)

clean: ## remove what was built (downloads under build/kernel and build/debian stay)
	rm -rf $(filter-out $(BUILD)/kernel $(BUILD)/debian,$(wildcard $(BUILD)/*))

help: ## list the targets
	@grep -hE '^[a-z -]+:.*## ' Makefile tests/*/*.mk tools/*/*.mk | sed -E 's/^([a-z -]+):.*## /\1\t/' | sort | expand -t 16
