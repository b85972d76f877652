/* What the boot loader told us, in one struct. Filled by boot/multiboot2.c; pointers lead into the copy of the
 * multiboot2 information that was parsed. */
#pragma once

#include "lib/range.h"
#include "mm/memmap.h"

enum { BOOT_MODULES_MAX = 16 };

struct boot_module {
    struct range range; /* physical */
    const char *string; /* taken whole; "" if none */
};

/* Multiboot2 specification, "Framebuffer info". */
enum framebuffer_kind { FRAMEBUFFER_NONE = -1, FRAMEBUFFER_INDEXED = 0, FRAMEBUFFER_RGB = 1, FRAMEBUFFER_TEXT = 2 };

struct framebuffer {
    enum framebuffer_kind kind;
    uint64_t address;       /* physical */
    uint32_t pitch;         /* bytes a line */
    uint32_t width, height; /* pixels, or characters for FRAMEBUFFER_TEXT */
    uint8_t bits_per_pixel;
    uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size; /* FRAMEBUFFER_RGB */
};

struct boot_info {
    const char *command_line; /* "" if none */
    const char *loader_name;  /* "" if none */
    unsigned module_count;
    struct boot_module modules[BOOT_MODULES_MAX];
    struct memmap memmap;
    const void *rsdp; /* copy of the RSDP inside the tag (ACPI 2.0's preferred), or NULL */
    uint32_t rsdp_size;
    struct framebuffer framebuffer;
    uint64_t efi_system_table; /* physical, 0 without EFI */
    bool efi_64bit;
    const void *efi_memory_map; /* descriptors, or NULL */
    uint32_t efi_memory_map_size, efi_descriptor_size, efi_descriptor_version;
    bool efi_boot_services; /* the loader did not leave boot services */
};
