/* The header of multiboot2 kernels and its tags (Multiboot2 Specification 2.0, 3.1 "OS image format"). */
#include "guest/elf.h"
#include "guest/multiboot2_tags.h"
#include "guest/multiboot_header.h"
#include "lib/string.h"

enum { MAGIC = 0xe85250d6, SEARCH_BYTES = 32768, ALIGNMENT = 8, ARCHITECTURE_I386 = 0 };
enum header_tag_type {
    TAG_END = 0,
    TAG_INFORMATION_REQUEST = 1,
    TAG_ADDRESS = 2,
    TAG_ENTRY_ADDRESS = 3,
    TAG_CONSOLE_FLAGS = 4,
    TAG_FRAMEBUFFER = 5,
    TAG_MODULE_ALIGNMENT = 6,
    TAG_EFI_BOOT_SERVICES = 7,
    TAG_EFI32_ENTRY_ADDRESS = 8,
    TAG_EFI64_ENTRY_ADDRESS = 9,
    TAG_RELOCATABLE = 10,
};
enum { TAG_OPTIONAL = 1 << 0 };
enum { CONSOLE_REQUIRED = 1 << 0, CONSOLE_EGA_TEXT = 1 << 1 };
enum { ALL_FROM_FILE_START = 0xffffffff }; /* load_addr of an address tag */

struct header2 {
    uint32_t magic, architecture, header_length, checksum;
};

struct tag_header {
    uint16_t type, flags;
    uint32_t size;
};

struct tag_address {
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr;
};

struct tag_relocatable {
    uint32_t min_addr, max_addr, align, preference;
};

/* What the tags say until the image can be made of it. */
struct tags {
    const uint8_t *file;
    size_t size;
    uint64_t offset;
    struct multiboot_header *header;
    struct error *error;
    struct tag_address address;
    struct tag_relocatable relocatable;
    uint32_t entry, console;
    bool has_address, has_entry, has_framebuffer, has_console;
};

/* One tag, known to lie within the header. */
struct tag {
    const uint8_t *body;
    uint32_t body_size;
    uint16_t type, flags;
};

#define CORRECT "correct the kernel's header"

int64_t multiboot2_find(const void *file, size_t size)
{
    const size_t limit = size < SEARCH_BYTES ? size : SEARCH_BYTES;
    struct header2 header;

    for (size_t at = 0; at + sizeof header <= limit; at += ALIGNMENT) {
        memcpy(&header, (const uint8_t *)file + at, sizeof header);
        if (header.magic == MAGIC && header.magic + header.architecture + header.header_length + header.checksum == 0)
            return (int64_t)at;
    }
    return MULTIBOOT_NO_HEADER;
}

static bool get(const struct tags *tags, const struct tag *tag, const char *name, void *to, size_t size)
{
    if (tag->body_size < size)
        return fail(tags->error, "the multiboot2 header's %s tag has size %u, but needs %zu: " CORRECT, name,
                    tag->body_size + (uint32_t)sizeof(struct tag_header), size + sizeof(struct tag_header));
    memcpy(to, tag->body, size);
    return true;
}

/* Whether it is given depends on the machine for some (no RSDP, no screen): the kernel must look, as with any loader.
 */
static const char *missing_information(uint32_t type)
{
    switch (type) {
    case INFO_VBE:
        return "VBE information";
    case INFO_APM:
        return "the APM table";
    case INFO_SMBIOS:
        return "the SMBIOS tables";
    case INFO_NETWORK:
        return "networking information";
    case INFO_ELF_SECTIONS:
        return "ELF sections";
    case INFO_BOOT_DEVICE:
        return "the BIOS boot device";
    case INFO_EFI32:
    case INFO_EFI64:
        return "an EFI system table";
    case INFO_EFI_MEMORY_MAP:
    case INFO_EFI_BOOT_SERVICES:
    case INFO_EFI32_IMAGE:
    case INFO_EFI64_IMAGE:
        return "EFI boot information";
    default:
        return type > INFO_LAST ? "something unknown" : NULL;
    }
}

static bool read_request(const struct tags *tags, const struct tag *tag)
{
    uint32_t type;

    for (uint32_t at = 0; at + sizeof type <= tag->body_size && !(tag->flags & TAG_OPTIONAL); at += sizeof type) {
        memcpy(&type, tag->body + at, sizeof type);
        if (missing_information(type))
            return fail(tags->error,
                        "the multiboot2 header's information request tag demands tag %u, %s, which Plinth doesn't "
                        "give: make the request optional (flags bit 0)",
                        type, missing_information(type));
    }
    return true;
}

static bool read_relocatable(struct tags *tags, const struct tag *tag)
{
    const struct tag_relocatable *fields = &tags->relocatable;
    struct multiboot_header *header = tags->header;

    if (!get(tags, tag, "relocatable", &tags->relocatable, sizeof *fields))
        return false;
    if (fields->align & (fields->align - 1))
        return fail(tags->error, "the multiboot2 header's relocatable tag has align %#x, no power of two: " CORRECT,
                    fields->align);
    if (fields->preference > MULTIBOOT_HIGHEST)
        return fail(tags->error, "the multiboot2 header's relocatable tag has preference %u, not 0 to 2: " CORRECT,
                    fields->preference);
    if (fields->min_addr >= fields->max_addr)
        return fail(tags->error,
                    "the multiboot2 header's relocatable tag has min_addr %#x not below max_addr %#x: " CORRECT,
                    fields->min_addr, fields->max_addr);
    header->relocatable = true;
    header->within = (struct range){fields->min_addr, (uint64_t)fields->max_addr + 1};
    header->alignment = fields->align ? fields->align : 1;
    header->preference = (enum multiboot_preference)fields->preference;
    return true;
}

static bool read_tag(struct tags *tags, const struct tag *tag)
{
    switch (tag->type) {
    case TAG_INFORMATION_REQUEST:
        return read_request(tags, tag);
    case TAG_ADDRESS:
        return tags->has_address = get(tags, tag, "address", &tags->address, sizeof tags->address);
    case TAG_ENTRY_ADDRESS:
        return tags->has_entry = get(tags, tag, "entry address", &tags->entry, sizeof tags->entry);
    case TAG_CONSOLE_FLAGS:
        return tags->has_console = get(tags, tag, "console flags", &tags->console, sizeof tags->console);
    case TAG_FRAMEBUFFER:
        tags->has_framebuffer = true;
        return true;
    case TAG_MODULE_ALIGNMENT:
        tags->header->align_modules = true;
        return true;
    case TAG_EFI_BOOT_SERVICES:   /* the boot services are gone: a kernel must look for their tag */
    case TAG_EFI32_ENTRY_ADDRESS: /* only with boot services */
    case TAG_EFI64_ENTRY_ADDRESS:
        return true;
    case TAG_RELOCATABLE:
        return read_relocatable(tags, tag);
    default:
        return tag->flags & TAG_OPTIONAL ||
               fail(tags->error,
                    "the multiboot2 header has a required tag of the unknown type %u: use a kernel for Multiboot2 2.0, "
                    "or make the tag optional (flags bit 0)",
                    tag->type);
    }
}

/* The tag at `at` in the header of `length` bytes. */
static bool next_tag(const struct tags *tags, uint32_t length, uint32_t at, struct tag *tag)
{
    struct tag_header fields;

    if (length < at || length - at < sizeof fields)
        return fail(tags->error, "the multiboot2 header has no end tag in its %u bytes (header_length): " CORRECT,
                    length);
    memcpy(&fields, tags->file + tags->offset + at, sizeof fields);
    if (fields.size < sizeof fields || fields.size > length - at)
        return fail(tags->error,
                    "the multiboot2 header's tag of type %u at offset %#x has size %u, not 8 to %u: " CORRECT,
                    fields.type, at, fields.size, length - at);
    *tag = (struct tag){tags->file + tags->offset + at + sizeof fields, fields.size - (uint32_t)sizeof fields,
                        fields.type, fields.flags};
    return true;
}

static bool read_tags(struct tags *tags)
{
    uint32_t at = sizeof(struct header2), size;
    struct header2 fields;
    struct tag tag = {0};

    memcpy(&fields, tags->file + tags->offset, sizeof fields);
    if (fields.architecture != ARCHITECTURE_I386)
        return fail(tags->error, "the multiboot2 header's architecture is %u, not 0 (x86): use a kernel for x86",
                    fields.architecture);
    if (fields.header_length > tags->size - tags->offset || tags->offset + fields.header_length > SEARCH_BYTES)
        return fail(tags->error,
                    "the multiboot2 header's header_length %u at offset %#lx goes beyond the file (%zu bytes) or its "
                    "first 32 KiB: " CORRECT,
                    fields.header_length, tags->offset, tags->size);
    for (;; at += (uint32_t)ALIGN_UP(size, ALIGNMENT)) {
        if (!next_tag(tags, fields.header_length, at, &tag))
            return false;
        if (tag.type == TAG_END)
            return true;
        if (!read_tag(tags, &tag))
            return false;
        size = tag.body_size + (uint32_t)sizeof(struct tag_header);
    }
}

static bool read_image(const struct tags *tags)
{
    const struct multiboot_addresses addresses = {
        .header_offset = tags->offset,
        .header_addr = tags->address.header_addr,
        .load_addr = tags->address.load_addr,
        .load_end_addr = tags->address.load_end_addr,
        .bss_end_addr = tags->address.bss_end_addr,
        .whole_file = tags->address.load_addr == ALL_FROM_FILE_START,
    };

    if (!tags->has_address && !elf_recognise(tags->file, tags->size))
        return fail(tags->error, "the multiboot2 kernel is no ELF file, and its header has no address tag: link it as "
                                 "ELF");
    if (tags->has_address && !tags->has_entry)
        return fail(tags->error, "the multiboot2 header has an address tag but no entry address tag: " CORRECT);
    return tags->has_address ? multiboot_addresses_read(&addresses, tags->size, &tags->header->image, tags->error)
                             : elf_read(tags->file, tags->size, &tags->header->image, tags->error);
}

/* 3.1.10: without a console flags tag nothing is demanded; with one, a kernel says by a framebuffer tag that it can
 * draw, and by a flag that it can write text. */
static void read_screen(const struct tags *tags)
{
    const bool required = tags->has_console && tags->console & CONSOLE_REQUIRED;
    const bool text = tags->has_console && tags->console & CONSOLE_EGA_TEXT;

    tags->header->wants_graphics = tags->has_framebuffer;
    tags->header->needs_screen = required;
    tags->header->needs_graphics = required && !text;
}

bool multiboot2_check(const void *file, size_t size, uint64_t offset, struct multiboot_header *header,
                      struct error *error)
{
    struct tags tags = {.file = file, .size = size, .offset = offset, .header = header, .error = error};
    uint64_t entry;

    memset(header, 0, sizeof *header);
    header->version = 2;
    if (!read_tags(&tags) || !read_image(&tags))
        return false;
    read_screen(&tags);
    entry = tags.has_entry ? tags.entry : header->image.entry;
    return image_locate(&header->image, entry, &header->entry) ||
           fail(error, "the kernel's entry point %#lx (%s) lies in none of its segments: link it anew", entry,
                tags.has_entry ? "entry_addr" : "e_entry");
}
