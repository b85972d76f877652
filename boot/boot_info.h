/* What the boot loader told us, in one struct. Filled by boot/multiboot2.c; pointers lead into the copy of the
 * multiboot2 information that was parsed. */
#pragma once

#include "arch/x86/framebuffer.h"
#include "lib/range.h"
#include "mm/efi_map.h"
#include "mm/memmap.h"

enum { BOOT_MODULES_MAX = 16 };

struct boot_module {
    struct range range; /* physical */
    const char *string; /* taken whole; "" if none */
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

static inline struct efi_map boot_info_efi_map(const struct boot_info *info)
{
    return (struct efi_map){info->efi_memory_map, info->efi_memory_map_size, info->efi_descriptor_size,
                            info->efi_descriptor_version};
}
