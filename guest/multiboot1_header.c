/* The header of multiboot kernels (Multiboot Specification 0.6.96, 3.1 "OS image format"). */
#include "guest/elf.h"
#include "guest/multiboot_header.h"
#include "lib/string.h"

enum { MAGIC = 0x1badb002, SEARCH_BYTES = 8192, HEADER_ALIGN = 4, FIXED_BYTES = 12 };
enum {
    FLAG_ALIGN_MODULES = 1 << 0,
    FLAG_MEMORY = 1 << 1, /* always given */
    FLAG_VIDEO = 1 << 2,
    FLAGS_KNOWN = FLAG_ALIGN_MODULES | FLAG_MEMORY | FLAG_VIDEO,
    FLAGS_DEMANDING = 0xffff, /* of these an unknown one forbids the start, of the others none does */
    FLAG_ADDRESSES = 1 << 16,
};
enum { MODE_LINEAR_GRAPHICS = 0 };

struct header1 {
    uint32_t magic, flags, checksum;
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr; /* FLAG_ADDRESSES */
    uint32_t mode_type, width, height, depth;                                 /* FLAG_VIDEO */
};

int64_t multiboot1_find(const void *file, size_t size)
{
    const size_t limit = size < SEARCH_BYTES ? size : SEARCH_BYTES;
    struct header1 header;

    for (size_t at = 0; at + FIXED_BYTES <= limit; at += HEADER_ALIGN) {
        memcpy(&header, (const uint8_t *)file + at, FIXED_BYTES);
        if (header.magic == MAGIC && header.magic + header.flags + header.checksum == 0)
            return (int64_t)at;
    }
    return MULTIBOOT_NO_HEADER;
}

/* The fields that the flags promise must be there; the others read as 0. */
static bool read_fields(const uint8_t *file, size_t size, uint64_t offset, struct header1 *fields, struct error *error)
{
    const uint64_t limit = size < SEARCH_BYTES ? size : SEARCH_BYTES;
    uint64_t needed = FIXED_BYTES;

    memset(fields, 0, sizeof *fields);
    memcpy(fields, file + offset, FIXED_BYTES);
    if (fields->flags & FLAG_ADDRESSES)
        needed = offsetof(struct header1, mode_type);
    if (fields->flags & FLAG_VIDEO)
        needed = sizeof *fields;
    if (limit - offset < needed)
        return fail(error,
                    "the multiboot header at %#lx has %lu bytes by its flags %#x, but only %lu are left in the file's "
                    "first 8 KiB: correct the kernel's header",
                    offset, needed, fields->flags, limit - offset);
    memcpy(fields, file + offset, needed);
    return true;
}

static bool read_image(const void *file, size_t size, uint64_t offset, const struct header1 *fields,
                       struct image *image, struct error *error)
{
    const struct multiboot_addresses addresses = {
        .header_offset = offset,
        .header_addr = fields->header_addr,
        .load_addr = fields->load_addr,
        .load_end_addr = fields->load_end_addr,
        .bss_end_addr = fields->bss_end_addr,
    };

    if (fields->flags & FLAG_ADDRESSES)
        return multiboot_addresses_read(&addresses, size, image, error);
    if (elf_recognise(file, size))
        return elf_read(file, size, image, error);
    return fail(error,
                "the multiboot kernel is no ELF file, and its header's flags %#x lack bit 16, so it has no "
                "address fields: link it as ELF",
                fields->flags);
}

bool multiboot1_check(const void *file, size_t size, uint64_t offset, struct multiboot_header *header,
                      struct error *error)
{
    struct header1 fields;
    uint64_t entry;

    memset(header, 0, sizeof *header);
    header->version = 1;
    if (!read_fields(file, size, offset, &fields, error))
        return false;
    if (fields.flags & FLAGS_DEMANDING & ~(uint32_t)FLAGS_KNOWN)
        return fail(error,
                    "the multiboot header's flags %#x demand something that is unknown (bits %#x): use a kernel "
                    "for Multiboot 0.6.96",
                    fields.flags, fields.flags & FLAGS_DEMANDING & ~(uint32_t)FLAGS_KNOWN);
    if (!read_image(file, size, offset, &fields, &header->image, error))
        return false;
    entry = fields.flags & FLAG_ADDRESSES ? fields.entry_addr : header->image.entry;
    if (!image_locate(&header->image, entry, &header->entry))
        return fail(error, "the kernel's entry point %#lx (%s) lies in none of its segments: link it anew", entry,
                    fields.flags & FLAG_ADDRESSES ? "entry_addr" : "e_entry");
    header->align_modules = fields.flags & FLAG_ALIGN_MODULES;
    header->wants_graphics = fields.flags & FLAG_VIDEO && fields.mode_type == MODE_LINEAR_GRAPHICS;
    return true;
}
