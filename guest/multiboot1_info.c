/* The multiboot information (Multiboot Specification 0.6.96, 3.3 "Boot information format"). */
#include "guest/flat_gdt.h"
#include "guest/multiboot_info.h"
#include "lib/string.h"

enum {
    FLAG_MEMORY = 1 << 0,
    FLAG_COMMAND_LINE = 1 << 2,
    FLAG_MODULES = 1 << 3,
    FLAG_MEMORY_MAP = 1 << 6,
    FLAG_LOADER_NAME = 1 << 9,
    FLAG_FRAMEBUFFER = 1 << 12,
};
enum { FRAMEBUFFER_RGB = 1, FRAMEBUFFER_EGA_TEXT = 2 };

struct info1 {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr,
        drives_length, drives_addr, config_table, boot_loader_name, apm_table, vbe_control_info, vbe_mode_info;
    uint16_t vbe_mode, vbe_interface_seg, vbe_interface_off, vbe_interface_len;
    uint64_t framebuffer_addr;
    uint32_t framebuffer_pitch, framebuffer_width, framebuffer_height;
    uint8_t framebuffer_bpp, framebuffer_type;
    uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size;
} packed;

_Static_assert(offsetof(struct info1, vbe_mode) == 80 && offsetof(struct info1, framebuffer_addr) == 88 &&
                   sizeof(struct info1) == 116,
               "3.3 \"Boot information format\"");

struct module1 {
    uint32_t mod_start, mod_end, string, reserved;
};

struct memory1 {
    uint32_t size; /* of the rest */
    uint64_t base_addr, length;
    uint32_t type;
} packed;

uint32_t multiboot_kib_from(const struct memmap *map, uint64_t start)
{
    uint64_t kib = 0;

    for (unsigned i = 0; i < map->count; i++)
        if (map->entries[i].kind == MEMORY_RAM && map->entries[i].range.start <= start &&
            map->entries[i].range.end > start)
            kib = (map->entries[i].range.end - start) / KIB;
    return kib < UINT32_MAX ? (uint32_t)kib : UINT32_MAX;
}

static uint32_t put_string(struct writer *writer, const char *string)
{
    return writer_address(writer, writer_put(writer, string, strlen(string) + 1, 1));
}

static void put_modules(struct writer *writer, const struct guest_source *source, const struct multiboot_plan *plan,
                        struct info1 *info)
{
    const uint64_t table = writer_put(writer, NULL, source->module_count * sizeof(struct module1), 4);

    info->flags |= FLAG_MODULES;
    info->mods_count = source->module_count;
    info->mods_addr = writer_address(writer, table);
    for (unsigned i = 0; i < source->module_count; i++) {
        const struct module1 module = {.mod_start = (uint32_t)plan->modules[i].start,
                                       .mod_end = (uint32_t)plan->modules[i].end,
                                       .string = put_string(writer, source->modules[i].string)};

        writer_patch(writer, table + i * sizeof module, &module, sizeof module);
    }
}

static void put_memory_map(struct writer *writer, const struct memmap *map, struct info1 *info)
{
    info->flags |= FLAG_MEMORY | FLAG_MEMORY_MAP;
    info->mem_lower = multiboot_kib_from(map, 0);
    info->mem_upper = multiboot_kib_from(map, MIB);
    for (unsigned i = 0; i < map->count; i++) {
        /* enum memory_kind has multiboot's own numbers */
        const struct memory1 entry = {sizeof entry - sizeof entry.size, map->entries[i].range.start,
                                      range_size(map->entries[i].range), (uint32_t)map->entries[i].kind};
        const uint64_t at = writer_put(writer, &entry, sizeof entry, 4);

        if (i == 0)
            info->mmap_addr = writer_address(writer, at);
    }
    info->mmap_length = map->count * (uint32_t)sizeof(struct memory1);
}

static void fill_framebuffer(const struct guest_source *source, struct info1 *info)
{
    if (!source->screen.present)
        return;
    info->flags |= FLAG_FRAMEBUFFER;
    info->framebuffer_addr = source->screen.address;
    info->framebuffer_pitch = source->screen.pitch;
    info->framebuffer_width = source->screen.width;
    info->framebuffer_height = source->screen.height;
    info->framebuffer_bpp = source->screen.bits_per_pixel;
    info->framebuffer_type = source->screen.text ? FRAMEBUFFER_EGA_TEXT : FRAMEBUFFER_RGB;
    info->red_position = source->screen.red_position;
    info->red_size = source->screen.red_size;
    info->green_position = source->screen.green_position;
    info->green_size = source->screen.green_size;
    info->blue_position = source->screen.blue_position;
    info->blue_size = source->screen.blue_size;
}

uint64_t multiboot1_write(struct writer *writer, const struct guest_source *source, const struct multiboot_plan *plan)
{
    struct info1 info = {.flags = FLAG_COMMAND_LINE | FLAG_LOADER_NAME};

    writer_put(writer, flat_gdt, sizeof flat_gdt, 8);
    put_modules(writer, source, plan, &info);
    put_memory_map(writer, source->memmap, &info);
    info.cmdline = put_string(writer, source->command_line);
    info.boot_loader_name = put_string(writer, source->loader_name);
    fill_framebuffer(source, &info);
    return writer_put(writer, &info, sizeof info, 8);
}
