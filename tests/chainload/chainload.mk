# A boot sector that says what the firmware tells it: build/chainload/sector, 2 KiB. Included by the top-level Makefile.
CHAINLOAD_DIR := $(or $(BUILD),build)/chainload

guest: $(CHAINLOAD_DIR)/sector

$(CHAINLOAD_DIR)/sector: tests/chainload/sector.S
	@mkdir -p $(@D)
	$(CC) -m32 -c $< -o $@.o
	ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o $@ $@.o
