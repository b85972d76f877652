/* The multiboot2 information: tags, each aligned to 8 bytes (Multiboot2 Specification 2.0, 3.6). */
#include "guest/flat_gdt.h"
#include "guest/multiboot2_tags.h"
#include "guest/multiboot_info.h"
#include "lib/string.h"

enum { FRAMEBUFFER_RGB = 1, FRAMEBUFFER_EGA_TEXT = 2, RSDP_OLD_SIZE = 20, RSDP_NEW_SIZE = 36 };

/* A tag: `fixed` begins with a struct info_tag that gets its type and size here, and `more` follows it. */
static void put_tag(struct writer *writer, enum info_type type, void *fixed, size_t fixed_size, const void *more,
                    size_t more_size)
{
    const struct info_tag tag = {type, (uint32_t)(fixed_size + more_size)};

    memcpy(fixed, &tag, sizeof tag);
    writer_put(writer, fixed, fixed_size, INFO_ALIGNMENT);
    writer_put(writer, more, more_size, 1);
}

static void put_plain_tag(struct writer *writer, enum info_type type, const void *content, size_t size)
{
    struct info_tag tag;

    put_tag(writer, type, &tag, sizeof tag, content, size);
}

static void put_modules(struct writer *writer, const struct guest_source *source, const struct multiboot_plan *plan)
{
    for (unsigned i = 0; i < source->module_count; i++) {
        const char *string = source->modules[i].string;
        struct info_module module = {.mod_start = (uint32_t)plan->modules[i].start,
                                     .mod_end = (uint32_t)plan->modules[i].end};

        put_tag(writer, INFO_MODULE, &module, sizeof module, string, strlen(string) + 1);
    }
}

static void put_memory_map(struct writer *writer, const struct memmap *map)
{
    struct info_basic_memory basic = {.mem_lower = multiboot_kib_from(map, 0),
                                      .mem_upper = multiboot_kib_from(map, MIB)};
    struct info_memory_map fixed = {
        .tag = {INFO_MEMORY_MAP, (uint32_t)(sizeof fixed + map->count * sizeof(struct info_memory_entry))},
        .entry_size = sizeof(struct info_memory_entry)};

    put_tag(writer, INFO_BASIC_MEMORY, &basic, sizeof basic, NULL, 0);
    writer_put(writer, &fixed, sizeof fixed, INFO_ALIGNMENT);
    for (unsigned i = 0; i < map->count; i++) {
        /* enum memory_kind has multiboot's own numbers */
        const struct info_memory_entry entry = {map->entries[i].range.start, range_size(map->entries[i].range),
                                                (uint32_t)map->entries[i].kind, 0};

        writer_put(writer, &entry, sizeof entry, 1);
    }
}

static void put_framebuffer(struct writer *writer, const struct guest_source *source)
{
    struct info_framebuffer fixed = {.address = source->screen.address,
                                     .pitch = source->screen.pitch,
                                     .width = source->screen.width,
                                     .height = source->screen.height,
                                     .bpp = source->screen.bits_per_pixel,
                                     .type = source->screen.text ? FRAMEBUFFER_EGA_TEXT : FRAMEBUFFER_RGB};
    const uint8_t colours[] = {source->screen.red_position, source->screen.red_size,      source->screen.green_position,
                               source->screen.green_size,   source->screen.blue_position, source->screen.blue_size};

    if (source->screen.present)
        put_tag(writer, INFO_FRAMEBUFFER, &fixed, sizeof fixed, colours, source->screen.text ? 0 : sizeof colours);
}

/* An RSDP of ACPI 2.0 begins with one of ACPI 1.0, whose checksum is right for itself. */
static void put_rsdp(struct writer *writer, const struct guest_source *source)
{
    if (source->rsdp_copy && source->rsdp_size >= RSDP_OLD_SIZE)
        put_plain_tag(writer, INFO_ACPI_OLD, source->rsdp_copy, RSDP_OLD_SIZE);
    if (source->rsdp_copy && source->rsdp_size >= RSDP_NEW_SIZE)
        put_plain_tag(writer, INFO_ACPI_NEW, source->rsdp_copy, source->rsdp_size);
}

static void put_load_base(struct writer *writer, const struct multiboot_plan *plan)
{
    struct info_load_base base = {.load_base_addr = (uint32_t)plan->image.start};

    put_tag(writer, INFO_LOAD_BASE, &base, sizeof base, NULL, 0);
}

uint64_t multiboot2_write(struct writer *writer, const struct guest_source *source,
                          const struct multiboot_header *header, const struct multiboot_plan *plan)
{
    struct info_start start = {0, 0};
    uint64_t at;

    writer_put(writer, flat_gdt, sizeof flat_gdt, 8);
    at = writer_put(writer, &start, sizeof start, INFO_ALIGNMENT);
    put_plain_tag(writer, INFO_COMMAND_LINE, source->command_line, strlen(source->command_line) + 1);
    put_plain_tag(writer, INFO_LOADER_NAME, source->loader_name, strlen(source->loader_name) + 1);
    put_modules(writer, source, plan);
    put_memory_map(writer, source->memmap);
    put_framebuffer(writer, source);
    put_rsdp(writer, source);
    if (header->relocatable)
        put_load_base(writer, plan);
    put_plain_tag(writer, INFO_END, NULL, 0);
    start.total_size = (uint32_t)(writer->used - at);
    writer_patch(writer, at, &start, sizeof start);
    return at;
}
