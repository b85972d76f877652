#include "boot/screen.h"

#include "arch/x86/console.h"
#include "arch/x86/mtrr_msrs.h"
#include "boot/host_map.h"
#include "lib/log.h"

static bool has_no_ram(struct range range, const struct memmap *map, struct error *error)
{
    for (unsigned i = 0; i < map->count; i++)
        if (map->entries[i].kind == MEMORY_RAM && range_overlaps(map->entries[i].range, range))
            return fail(error, "Screen: the framebuffer at 0x%lx would lie in RAM: update or replace the boot loader",
                        range.start);
    return true;
}

/* Without a word from the loader there is EGA text on a BIOS machine, and nothing on UEFI. */
struct range boot_screen_start(struct boot_info *info)
{
    struct framebuffer mode = info->framebuffer;
    struct range range;
    struct error error;

    if (mode.kind == FRAMEBUFFER_NONE && !info->efi_system_table)
        mode = framebuffer_ega_text();
    range = framebuffer_range(&mode);
    if (framebuffer_check(&mode, cpu_physical_bits(), &error) && has_no_ram(range, &info->memmap, &error)) {
        console_set_screen(&mode, host_map_early_screen(range));
        return range;
    }
    console_set_screen(&mode, NULL);
    info->framebuffer.kind = FRAMEBUFFER_NONE;
    log_warning("%s", error.text);
    return (struct range){0, 0};
}
