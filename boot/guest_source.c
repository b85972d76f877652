#include "boot/guest_source.h"

#include "boot/efi_tables.h"
#include "boot/rsdp.h"
#include "lib/log.h"
#include "lib/options.h"

_Static_assert(BOOT_MODULES_MAX - 1 <= GUEST_MODULES_MAX, "describe_modules() fills them");

extern const char bios_resident_start[], bios_resident_end[]; /* guest/bios_resident.S */

static void describe_screen(const struct framebuffer *framebuffer, struct guest_source *source)
{
    source->screen.present = framebuffer->kind == FRAMEBUFFER_RGB || framebuffer->kind == FRAMEBUFFER_TEXT;
    source->screen.text = framebuffer->kind == FRAMEBUFFER_TEXT;
    source->screen.address = framebuffer->address;
    source->screen.pitch = framebuffer->pitch;
    source->screen.width = framebuffer->width;
    source->screen.height = framebuffer->height;
    source->screen.bits_per_pixel = framebuffer->bits_per_pixel;
    source->screen.red_position = framebuffer->red_position;
    source->screen.red_size = framebuffer->red_size;
    source->screen.green_position = framebuffer->green_position;
    source->screen.green_size = framebuffer->green_size;
    source->screen.blue_position = framebuffer->blue_position;
    source->screen.blue_size = framebuffer->blue_size;
}

static void describe_modules(const struct boot_info *info, struct guest_source *source)
{
    if (info->module_count == 0)
        return;
    source->kernel = info->modules[0].range;
    source->command_line = info->modules[0].string;
    if (info->module_count > 1)
        source->initrd = info->modules[1].range;
    for (unsigned i = 1; i < info->module_count; i++)
        source->modules[source->module_count++] =
            (struct guest_module){info->modules[i].range, info->modules[i].string};
}

static void describe_efi(const struct boot_info *info, struct memmap *free, struct guest_source *source)
{
    const struct efi_map map = boot_info_efi_map(info);
    struct error error;

    if (!info->efi_system_table)
        return;
    if (!source->rsdp)
        source->rsdp = efi_find_rsdp(info->efi_system_table, info->efi_64bit);
    if (!efi_map_check(&map, &error)) {
        log_warning("%s; the guest is started as on a BIOS machine", error.text);
        return;
    }
    source->efi.system_table = info->efi_system_table;
    source->efi.is_64bit = info->efi_64bit;
    source->efi.map = map;
    if (efi_map_avoid_boot_services(&map, free, &error))
        source->free = free;
}

static void describe_chainload(const struct boot_info *info, struct guest_source *source)
{
    if (options.chainload != CHAINLOAD_OFF)
        source->chainload = (uint8_t)(0x80 + options.chainload - CHAINLOAD_HD0);
    source->has_bios = info->efi_system_table == 0;
    source->serial = options.serial;
    source->resident = bios_resident_start;
    source->resident_size = (uint64_t)(bios_resident_end - bios_resident_start);
}

void guest_source_describe(const struct boot_info *info, struct memmap *free, struct guest_source *source)
{
    *free = info->memmap;
    *source = (struct guest_source){
        .loader_name = "Plinth " PLINTH_VERSION,
        .rsdp = rsdp_find(info->rsdp, info->rsdp_size),
        .rsdp_copy = info->rsdp,
        .rsdp_size = info->rsdp_size,
        .memmap = &info->memmap,
    };
    describe_modules(info, source);
    describe_screen(&info->framebuffer, source);
    describe_efi(info, free, source);
    describe_chainload(info, source);
}
