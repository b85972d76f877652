#include "boot/ram.h"

#include "boot/image.h"

bool ram_reserve_firmware(struct boot_info *info, struct memmap *free, struct error *error)
{
    const struct efi_map map = boot_info_efi_map(info);
    struct error problem;

    if (info->efi_boot_services)
        return fail(error, "UEFI: the boot loader left boot services running: load Plinth with GRUB's multiboot2");
    if (!info->efi_system_table || !efi_map_check(&map, &problem)) {
        *free = info->memmap;
        return true;
    }
    if (!efi_map_reserve(&map, &info->memmap, error))
        return false;
    *free = info->memmap;
    return efi_map_avoid_boot_services(&map, free, error);
}

unsigned ram_busy(const struct boot_info *info, struct range busy[RAM_BUSY_MAX])
{
    unsigned count = 0;

    busy[count++] = image_loaded();
    for (unsigned i = 0; i < info->module_count; i++)
        busy[count++] = info->modules[i].range;
    return count;
}

/*
 * The top of RAM below 4 GiB, twice what the modules take and a little more: there GRUB on BIOS has them, and all else
 * that it needs, before it moves them to where they belong, in the next boot too. So a log in a block that lies there
 * doesn't survive. A power of two, so that the next boot's block is in the same place even with another kernel's files.
 */
static struct range staging(const struct boot_info *info)
{
    struct range range = {0, 0};
    uint64_t size = MIB, power = MIB;

    for (unsigned i = 0; i < info->memmap.count; i++)
        if (info->memmap.entries[i].kind == MEMORY_RAM && info->memmap.entries[i].range.start < 4 * GIB)
            range.end = info->memmap.entries[i].range.end;
    for (unsigned i = 0; i < info->module_count; i++)
        size += 2 * range_size(info->modules[i].range);
    while (power < size)
        power *= 2;
    range.end = range.end < 4 * GIB ? range.end : 4 * GIB;
    range.start = range.end > power ? range.end - power : 0;
    return range;
}

bool ram_take_block(struct boot_info *info, const struct memmap *free, struct block *block, struct error *error)
{
    struct range busy[RAM_BUSY_MAX];
    const unsigned count = ram_busy(info, busy);

    busy[count] = staging(info);
    if (block_place(block, free, busy, count + 1, error) || block_place(block, free, busy, count, error) ||
        block_place(block, &info->memmap, busy, count, error))
        return memmap_set(&info->memmap, block->range, MEMORY_RESERVED, error);
    block->range = (struct range){0, 0};
    return false;
}
