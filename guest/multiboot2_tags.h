/* The tags of the multiboot2 information (Multiboot2 Specification 2.0, 3.6) that a guest gets. Layout only. Pure. */
#pragma once

#include "lib/compiler.h"

enum info_type {
    INFO_END = 0,
    INFO_COMMAND_LINE = 1,
    INFO_LOADER_NAME = 2,
    INFO_MODULE = 3,
    INFO_BASIC_MEMORY = 4,
    INFO_BOOT_DEVICE = 5,
    INFO_MEMORY_MAP = 6,
    INFO_VBE = 7,
    INFO_FRAMEBUFFER = 8,
    INFO_ELF_SECTIONS = 9,
    INFO_APM = 10,
    INFO_EFI32 = 11,
    INFO_EFI64 = 12,
    INFO_SMBIOS = 13,
    INFO_ACPI_OLD = 14,
    INFO_ACPI_NEW = 15,
    INFO_NETWORK = 16,
    INFO_EFI_MEMORY_MAP = 17,
    INFO_EFI_BOOT_SERVICES = 18,
    INFO_EFI32_IMAGE = 19,
    INFO_EFI64_IMAGE = 20,
    INFO_LOAD_BASE = 21,
    INFO_LAST = INFO_LOAD_BASE,
};

enum { INFO_ALIGNMENT = 8, INFO_MAGIC = 0x36d76289 };

struct info_start {
    uint32_t total_size, reserved;
};

struct info_tag {
    uint32_t type, size;
};

struct info_module {
    struct info_tag tag;
    uint32_t mod_start, mod_end;
};

struct info_basic_memory {
    struct info_tag tag;
    uint32_t mem_lower, mem_upper;
};

struct info_memory_map {
    struct info_tag tag;
    uint32_t entry_size, entry_version;
};

struct info_memory_entry {
    uint64_t base_addr, length;
    uint32_t type, reserved;
};

struct info_framebuffer {
    struct info_tag tag;
    uint64_t address;
    uint32_t pitch, width, height;
    uint8_t bpp, type;
    uint16_t reserved;
};

struct info_load_base {
    struct info_tag tag;
    uint32_t load_base_addr;
};
