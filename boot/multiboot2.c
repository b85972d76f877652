/*
 * From multiboot2 tags to a struct boot_info. Nothing of the input is trusted: every tag is checked against its own
 * size, and every field is copied out, since a broken loader need not keep the alignment it promises.
 */
#include "boot/multiboot2.h"

#include "boot/multiboot2_tags.h"
#include "lib/string.h"

enum {
    ALIGNMENT = 8,
    RSDP_OLD_SIZE = 20, /* ACPI 1.0 */
    RSDP_NEW_SIZE = 36, /* ACPI 2.0 */
};

/* One tag of the input, known to lie within it. */
struct tag {
    const uint8_t *bytes;
    uint32_t type, size, offset;
    const char *name; /* for messages */
};

#define REMEDY "update or replace the boot loader"

static bool too_short(const struct tag *tag, size_t needed, struct error *error)
{
    return fail(error, "multiboot2: the %s tag at offset 0x%x has %u bytes, but needs %zu: " REMEDY, tag->name,
                tag->offset, tag->size, needed);
}

static bool copy_out(const struct tag *tag, size_t offset, void *to, size_t size, struct error *error)
{
    if (tag->size < offset + size)
        return too_short(tag, offset + size, error);
    memcpy(to, tag->bytes + offset, size);
    return true;
}

static bool get_string(const struct tag *tag, size_t offset, const char **string, struct error *error)
{
    const char *text = (const char *)tag->bytes + offset;

    if (tag->size <= offset)
        return too_short(tag, offset + 1, error);
    if (strnlen(text, tag->size - offset) == tag->size - offset)
        return fail(error, "multiboot2: the string of the %s tag at offset 0x%x has no end: " REMEDY, tag->name,
                    tag->offset);
    *string = text;
    return true;
}

static bool parse_module(const struct tag *tag, struct boot_info *info, struct error *error)
{
    struct boot_module *module = &info->modules[info->module_count];
    struct tag_module fields;

    if (info->module_count == BOOT_MODULES_MAX)
        return fail(error, "multiboot2: more than %d modules: remove module2 lines from the boot entry",
                    BOOT_MODULES_MAX);
    if (!copy_out(tag, 0, &fields, sizeof(fields), error) || !get_string(tag, sizeof(fields), &module->string, error))
        return false;
    if (fields.end < fields.start)
        return fail(error, "multiboot2: module %u at offset 0x%x ends at 0x%x, below its start 0x%x: " REMEDY,
                    info->module_count + 1, tag->offset, fields.end, fields.start);
    module->range = (struct range){fields.start, fields.end};
    info->module_count++;
    return true;
}

static bool add_memory(const struct memory_map_entry *entry, struct memmap *map, struct error *error)
{
    uint64_t room = UINT64_MAX - entry->base;
    uint64_t length = entry->length < room ? entry->length : room;

    return memmap_add(map, (struct range){entry->base, entry->base + length}, entry->type, error);
}

static bool parse_memory_map(const struct tag *tag, struct boot_info *info, struct error *error)
{
    struct tag_memory_map fields;
    struct memory_map_entry entry;

    if (!copy_out(tag, 0, &fields, sizeof(fields), error))
        return false;
    if (fields.entry_size < sizeof(entry))
        return fail(error, "multiboot2: the memory map tag at offset 0x%x has entries of %u bytes, want %zu: " REMEDY,
                    tag->offset, fields.entry_size, sizeof(entry));
    for (size_t at = sizeof(fields); at < tag->size; at += fields.entry_size)
        if (!copy_out(tag, at, &entry, sizeof(entry), error) || !add_memory(&entry, &info->memmap, error))
            return false;
    return true;
}

static bool parse_framebuffer(const struct tag *tag, struct boot_info *info, struct error *error)
{
    struct tag_framebuffer fields;
    struct framebuffer_rgb rgb = {0};

    if (!copy_out(tag, 0, &fields, sizeof(fields), error))
        return false;
    if (fields.kind > FRAMEBUFFER_TEXT)
        return true; /* of a later specification: as good as none */
    if (fields.kind == FRAMEBUFFER_RGB && !copy_out(tag, sizeof(fields), &rgb, sizeof(rgb), error))
        return false;
    info->framebuffer = (struct framebuffer){
        .kind = (enum framebuffer_kind)fields.kind,
        .address = fields.address,
        .pitch = fields.pitch,
        .width = fields.width,
        .height = fields.height,
        .bits_per_pixel = fields.bits_per_pixel,
        .red_position = rgb.red_position,
        .red_size = rgb.red_size,
        .green_position = rgb.green_position,
        .green_size = rgb.green_size,
        .blue_position = rgb.blue_position,
        .blue_size = rgb.blue_size,
    };
    return true;
}

/* The 64-bit system table wins over the 32-bit one, whichever comes first. */
static bool parse_efi32(const struct tag *tag, struct boot_info *info, struct error *error)
{
    struct tag_efi32 fields;

    if (!copy_out(tag, 0, &fields, sizeof(fields), error))
        return false;
    if (!info->efi_64bit)
        info->efi_system_table = fields.pointer;
    return true;
}

static bool parse_efi64(const struct tag *tag, struct boot_info *info, struct error *error)
{
    struct tag_efi64 fields;

    if (!copy_out(tag, 0, &fields, sizeof(fields), error))
        return false;
    info->efi_system_table = fields.pointer;
    info->efi_64bit = true;
    return true;
}

static bool parse_efi_memory_map(const struct tag *tag, struct boot_info *info, struct error *error)
{
    struct tag_efi_memory_map fields;

    if (!copy_out(tag, 0, &fields, sizeof(fields), error))
        return false;
    info->efi_memory_map = tag->bytes + sizeof(fields);
    info->efi_memory_map_size = tag->size - (uint32_t)sizeof(fields);
    info->efi_descriptor_size = fields.descriptor_size;
    info->efi_descriptor_version = fields.descriptor_version;
    return true;
}

/* ACPI 2.0's RSDP wins over ACPI 1.0's, whichever comes first. */
static bool parse_rsdp(const struct tag *tag, struct boot_info *info, struct error *error)
{
    uint32_t least = tag->type == TAG_ACPI_NEW ? RSDP_NEW_SIZE : RSDP_OLD_SIZE;
    uint32_t size = tag->size - (uint32_t)sizeof(struct tag_header);

    if (size < least)
        return too_short(tag, sizeof(struct tag_header) + least, error);
    if (tag->type == TAG_ACPI_OLD && info->rsdp_size >= RSDP_NEW_SIZE)
        return true;
    info->rsdp = tag->bytes + sizeof(struct tag_header);
    info->rsdp_size = tag->type == TAG_ACPI_NEW ? size : RSDP_OLD_SIZE;
    return true;
}

static const char *tag_name(uint32_t type)
{
    static const char *const names[] = {
        [TAG_END] = "end",
        [TAG_COMMAND_LINE] = "command line",
        [TAG_LOADER_NAME] = "boot loader name",
        [TAG_MODULE] = "module",
        [TAG_MEMORY_MAP] = "memory map",
        [TAG_FRAMEBUFFER] = "framebuffer",
        [TAG_EFI32] = "EFI 32-bit system table",
        [TAG_EFI64] = "EFI 64-bit system table",
        [TAG_ACPI_OLD] = "ACPI old RSDP",
        [TAG_ACPI_NEW] = "ACPI new RSDP",
        [TAG_EFI_MEMORY_MAP] = "EFI memory map",
        [TAG_EFI_BOOT_SERVICES] = "EFI boot services",
    };

    return type < ARRAY_SIZE(names) && names[type] ? names[type] : "unknown";
}

static bool parse_tag(const struct tag *tag, struct boot_info *info, struct error *error)
{
    switch (tag->type) {
    case TAG_COMMAND_LINE:
        return get_string(tag, sizeof(struct tag_header), &info->command_line, error);
    case TAG_LOADER_NAME:
        return get_string(tag, sizeof(struct tag_header), &info->loader_name, error);
    case TAG_MODULE:
        return parse_module(tag, info, error);
    case TAG_MEMORY_MAP:
        return parse_memory_map(tag, info, error);
    case TAG_FRAMEBUFFER:
        return parse_framebuffer(tag, info, error);
    case TAG_EFI32:
        return parse_efi32(tag, info, error);
    case TAG_EFI64:
        return parse_efi64(tag, info, error);
    case TAG_ACPI_OLD:
    case TAG_ACPI_NEW:
        return parse_rsdp(tag, info, error);
    case TAG_EFI_MEMORY_MAP:
        return parse_efi_memory_map(tag, info, error);
    case TAG_EFI_BOOT_SERVICES:
        info->efi_boot_services = true;
        return true;
    default:
        return true;
    }
}

/* The tag at `offset` of `total` bytes. */
static bool next_tag(const uint8_t *information, uint32_t total, uint64_t offset, struct tag *tag, struct error *error)
{
    struct tag_header header;

    if (offset > total || total - offset < sizeof(header))
        return fail(error, "multiboot2: no end tag in the 0x%x bytes of boot information: " REMEDY, total);
    memcpy(&header, information + offset, sizeof(header));
    *tag = (struct tag){information + offset, header.type, header.size, (uint32_t)offset, tag_name(header.type)};
    if (header.size < sizeof(header))
        return too_short(tag, sizeof(header), error);
    if (header.size > total - offset)
        return fail(error, "multiboot2: the %s tag at offset 0x%x has 0x%x bytes, but only 0x%x are left: " REMEDY,
                    tag->name, tag->offset, header.size, total - tag->offset);
    return true;
}

static bool get_total_size(const void *information, size_t size, uint32_t *total, struct error *error)
{
    struct info_header header;

    if (size < sizeof(header))
        return fail(error, "multiboot2: %zu bytes of boot information, need at least %zu: " REMEDY, size,
                    sizeof(header));
    memcpy(&header, information, sizeof(header));
    if (header.total_size > size)
        return fail(error, "multiboot2: the boot information has 0x%x bytes, but only 0x%zx can be read: " REMEDY,
                    header.total_size, size);
    *total = header.total_size;
    return true;
}

bool multiboot2_parse(const void *information, size_t size, struct boot_info *info, struct error *error)
{
    uint32_t total = 0;
    uint64_t offset = sizeof(struct info_header);
    struct tag tag;

    memset(info, 0, sizeof(*info));
    info->command_line = info->loader_name = "";
    info->framebuffer.kind = FRAMEBUFFER_NONE;
    if (!get_total_size(information, size, &total, error))
        return false;
    for (;;) {
        if (!next_tag(information, total, offset, &tag, error) || !parse_tag(&tag, info, error))
            return false;
        if (tag.type == TAG_END)
            break;
        offset = ALIGN_UP(offset + tag.size, ALIGNMENT);
    }
    if (info->memmap.count == 0)
        return fail(error, "multiboot2: no memory map, or an empty one: " REMEDY);
    return true;
}
