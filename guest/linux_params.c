/*
 * Fills the zero page field by field (Documentation/x86/zero-page.rst, and boot.rst, "32-bit Boot Protocol") and
 * what goes with it into one block of memory: zero page | GDT | e820 entries beyond 128 | command line | EFI memory
 * map.
 */
#include "guest/linux_params.h"

#include "guest/boot_params.h"
#include "guest/flat_gdt.h"
#include "guest/linux_screen.h"
#include "lib/string.h"

enum { GDT_OFFSET = sizeof(struct boot_params), E820_EXT_OFFSET = GDT_OFFSET + sizeof flat_gdt };

static unsigned e820_ext_count(const struct memmap *map)
{
    return map->count > E820_MAX_ENTRIES_ZEROPAGE ? map->count - E820_MAX_ENTRIES_ZEROPAGE : 0;
}

static uint64_t command_line_offset(const struct memmap *map)
{
    const unsigned count = e820_ext_count(map);

    return E820_EXT_OFFSET + (count ? sizeof(struct setup_data) + count * sizeof(struct e820_entry) : 0);
}

static uint64_t efi_map_offset(const struct guest_source *source)
{
    return ALIGN_UP(command_line_offset(source->memmap) + strlen(source->command_line) + 1, sizeof(uint64_t));
}

/* All that is reserved in e820 and not by the firmware: where both maps differ Linux goes by this one when it chooses a
 * random place for itself (its arch/x86/boot/compressed/kaslr.c). */
static struct efi_hidden hidden_from(const struct guest_source *source)
{
    return (struct efi_hidden){{source->block, source->old_log}};
}

static uint32_t efi_map_size(const struct guest_source *source)
{
    const struct efi_hidden hidden = hidden_from(source);

    return source->efi.system_table ? efi_map_copy_size(&source->efi.map, &hidden) : 0;
}

uint64_t linux_params_size(const struct guest_source *source)
{
    return ALIGN_UP(efi_map_offset(source) + efi_map_size(source), PAGE_SIZE);
}

static struct e820_entry e820_from(const struct memmap_entry *entry)
{
    /* enum memory_kind has e820's own numbers */
    return (struct e820_entry){entry->range.start, range_size(entry->range), (uint32_t)entry->kind};
}

static void fill_e820(struct boot_params *params, const struct memmap *map)
{
    const unsigned count = map->count - e820_ext_count(map);

    for (unsigned i = 0; i < count; i++)
        params->e820_table[i] = e820_from(&map->entries[i]);
    params->e820_entries = (uint8_t)count;
}

/* What doesn't fit into the zero page: a node of the setup_data list (boot.rst, setup_data). */
static void fill_e820_ext(struct boot_params *params, const struct memmap *map, uint64_t physical, uint8_t *at)
{
    const unsigned count = e820_ext_count(map);
    const struct setup_data node = {0, SETUP_E820_EXT, (uint32_t)(count * sizeof(struct e820_entry))};

    params->hdr.setup_data = 0;
    if (count == 0)
        return;
    params->hdr.setup_data = physical;
    memcpy(at, &node, sizeof node);
    for (unsigned i = 0; i < count; i++) {
        const struct e820_entry entry = e820_from(&map->entries[E820_MAX_ENTRIES_ZEROPAGE + i]);

        memcpy(at + sizeof node + i * sizeof entry, &entry, sizeof entry);
    }
}

/* What BIOS calls 0x15/0x88 and 0xe801 told before e820: RAM from 1 MiB on, in KiB. Linux asks only if e820 is bad. */
static void fill_extended_memory(struct boot_params *params, const struct memmap *map)
{
    uint64_t kib = 0;

    for (unsigned i = 0; i < map->count; i++)
        if (map->entries[i].kind == MEMORY_RAM && map->entries[i].range.start <= MIB && map->entries[i].range.end > MIB)
            kib = (map->entries[i].range.end - MIB) / KIB;
    params->alt_mem_k = kib < UINT32_MAX ? (uint32_t)kib : UINT32_MAX;
    params->screen_info.ext_mem_k = kib < 0xfc00 ? (uint16_t)kib : 0xfc00;
}

/* The kernel's own header, with what the loader must write (boot.rst, "Details of Header Fields"). */
static void fill_header(struct boot_params *params, const struct linux_header *header, const struct linux_plan *plan,
                        const uint8_t *file)
{
    struct setup_header *hdr = &params->hdr;

    memcpy((uint8_t *)params + SETUP_HEADER_OFFSET, file + SETUP_HEADER_OFFSET,
           header->header_end - SETUP_HEADER_OFFSET);
    hdr->vid_mode = VID_MODE_NORMAL;
    hdr->type_of_loader = TYPE_OF_LOADER_UNDEFINED;
    hdr->ext_loader_type = 0;
    hdr->ext_loader_ver = 0;
    hdr->loadflags = LOADFLAGS_LOADED_HIGH; /* no CAN_USE_HEAP: the real-mode code, whose heap it is, never runs */
    hdr->code32_start = (uint32_t)plan->kernel.start;
    hdr->ramdisk_image = (uint32_t)plan->initrd.start;
    hdr->ramdisk_size = (uint32_t)range_size(plan->initrd);
    if (header->relocatable)
        hdr->kernel_alignment = (uint32_t)plan->alignment;
}

/* Linux then finds the firmware's tables and calls its run-time services as if GRUB's own `linux` had started it. */
static void fill_efi(struct boot_params *params, const struct guest_source *source, uint64_t physical, void *map)
{
    const struct efi_hidden hidden = hidden_from(source);
    struct efi_info *info = &params->efi_info;

    if (!source->efi.system_table)
        return;
    efi_map_copy(&source->efi.map, &hidden, map);
    memcpy(info->loader_signature, source->efi.is_64bit ? "EL64" : "EL32", sizeof(info->loader_signature));
    info->systab = (uint32_t)source->efi.system_table;
    info->systab_hi = (uint32_t)(source->efi.system_table >> 32);
    info->memdesc_size = source->efi.map.descriptor_size;
    info->memdesc_version = source->efi.map.descriptor_version;
    info->memmap = (uint32_t)physical;
    info->memmap_hi = (uint32_t)(physical >> 32);
    info->memmap_size = efi_map_size(source);
}

static void fill_entry(struct guest_entry *entry, const struct linux_plan *plan)
{
    *entry = (struct guest_entry){
        .eip = (uint32_t)plan->kernel.start, /* startup_32 */
        .esi = (uint32_t)plan->parameters.start,
        .gdt_base = (uint32_t)(plan->parameters.start + GDT_OFFSET),
        .gdt_limit = sizeof flat_gdt - 1,
        .code_selector = FLAT_CODE,
        .data_selector = FLAT_DATA,
        .kernel = plan->kernel,
        .initrd = plan->initrd,
        .parameters = plan->parameters,
    };
}

void linux_params_write(const struct guest_source *source, const struct linux_header *header,
                        const struct linux_plan *plan, const void *file, void *at, struct guest_entry *entry)
{
    struct boot_params *const params = at;
    uint8_t *const bytes = at;
    const uint64_t physical = plan->parameters.start;
    const uint64_t command_line = command_line_offset(source->memmap), efi_map = efi_map_offset(source);

    memmove(bytes + command_line, source->command_line, strlen(source->command_line) + 1);
    memset(bytes, 0, command_line);
    fill_header(params, header, plan, file);
    params->hdr.cmd_line_ptr = (uint32_t)(physical + command_line);
    fill_e820(params, source->memmap);
    fill_e820_ext(params, source->memmap, physical + E820_EXT_OFFSET, bytes + E820_EXT_OFFSET);
    linux_screen_fill(&params->screen_info, source);
    fill_extended_memory(params, source->memmap);
    params->acpi_rsdp_addr = source->rsdp;
    fill_efi(params, source, physical + efi_map, bytes + efi_map); /* the ext_ fields stay zero: all is below 4 GiB */
    memcpy(bytes + GDT_OFFSET, flat_gdt, sizeof flat_gdt);
    fill_entry(entry, plan);
}
