/* The layout of the multiboot2 tags that boot/multiboot2.c reads (Multiboot2 Specification 2.0, 3.6). Pure. */
#pragma once

#include "lib/compiler.h"

/* Multiboot2 Specification 2.0, 3.6: the fixed part, then tags, each aligned to 8 bytes, up to the end tag. */
struct info_header {
    uint32_t total_size, reserved;
};

enum tag_type {
    TAG_END = 0,
    TAG_COMMAND_LINE = 1,
    TAG_LOADER_NAME = 2,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_EFI32 = 11,
    TAG_EFI64 = 12,
    TAG_ACPI_OLD = 14,
    TAG_ACPI_NEW = 15,
    TAG_EFI_MEMORY_MAP = 17,
    TAG_EFI_BOOT_SERVICES = 18,
};

struct tag_header {
    uint32_t type, size; /* the size counts this header, but not the padding behind the tag */
};

struct tag_module {
    struct tag_header header;
    uint32_t start, end;
};

struct tag_memory_map {
    struct tag_header header;
    uint32_t entry_size, entry_version;
};

struct memory_map_entry {
    uint64_t base, length;
    uint32_t type, reserved;
};

struct tag_framebuffer {
    struct tag_header header;
    uint64_t address;
    uint32_t pitch, width, height;
    uint8_t bits_per_pixel, kind;
    uint16_t reserved;
};

struct framebuffer_rgb {
    uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size;
};

struct tag_efi32 {
    struct tag_header header;
    uint32_t pointer;
};

struct tag_efi64 {
    struct tag_header header;
    uint64_t pointer;
};

struct tag_efi_memory_map {
    struct tag_header header;
    uint32_t descriptor_size, descriptor_version;
};
