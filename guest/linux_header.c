/* Checks of a bzImage's setup header against the file and the boot protocol (Documentation/x86/boot.rst). */
#include "guest/linux_header.h"

#include "guest/boot_params.h"
#include "guest/linux.h"
#include "lib/string.h"

enum {
    SECTOR = 512,
    PARAGRAPH = 16,
    SETUP_SECTS_DEFAULT = 4,    /* what a setup_sects of 0 means */
    VERSION_MIN = 0x0204,       /* syssize got its 4 bytes with it */
    VERSION_INIT_SIZE = 0x020a, /* and pref_address */
    VERSION_LAST = 0x020b,      /* of the table below: a later header is taken as long as it says it is */
    CMDLINE_SIZE_DEFAULT = 255,
    UNPACKED_FACTOR = 3, /* what GRUB allows for a compressed kernel of before init_size, too */
};

#define END_BEFORE(field) (SETUP_HEADER_OFFSET + offsetof(struct setup_header, field))

/* Where the header of a protocol version ends; what follows is no field, whatever its length (the jump) says. */
static const uint16_t header_ends[] = {
    [0x4] = END_BEFORE(kernel_alignment), [0x5] = END_BEFORE(min_alignment),      [0x6] = END_BEFORE(hardware_subarch),
    [0x7] = END_BEFORE(payload_offset),   [0x8] = END_BEFORE(setup_data),         [0x9] = END_BEFORE(pref_address),
    [0xa] = END_BEFORE(handover_offset),  [0xb] = END_BEFORE(kernel_info_offset),
};

static bool is_power_of_two(uint64_t x)
{
    return x != 0 && (x & (x - 1)) == 0;
}

static uint16_t word_at(const void *file, size_t offset)
{
    uint16_t value;

    memcpy(&value, (const uint8_t *)file + offset, sizeof value);
    return value;
}

bool linux_recognise(const void *file, size_t size)
{
    const size_t magic = SETUP_HEADER_OFFSET + offsetof(struct setup_header, header);

    return size >= magic + 4 &&
           word_at(file, SETUP_HEADER_OFFSET + offsetof(struct setup_header, boot_flag)) == BOOT_FLAG &&
           memcmp((const uint8_t *)file + magic, "HdrS", 4) == 0;
}

static bool check_protocol(const struct setup_header *setup, struct linux_header *header, struct error *error)
{
    const uint32_t says = SETUP_HEADER_JUMP_FROM + (uint32_t)setup->jump_distance;
    const bool is_late = setup->version > VERSION_LAST;
    uint32_t least, most;

    if (setup->version < VERSION_MIN)
        return fail(error,
                    "the kernel's boot protocol (version) is %u.%02u, older than 2.04: use Linux 2.6.14 or later",
                    setup->version >> 8, setup->version & 0xffu);
    if (!(setup->loadflags & LOADFLAGS_LOADED_HIGH))
        return fail(error, "the kernel's loadflags %#x lack LOADED_HIGH, so it is a zImage: build a bzImage instead",
                    setup->loadflags);
    least = header_ends[setup->version < VERSION_INIT_SIZE ? setup->version & 0xff : VERSION_INIT_SIZE & 0xff];
    most = is_late ? SETUP_HEADER_END_MAX : header_ends[setup->version & 0xff];
    if (says < least || says > SETUP_HEADER_END_MAX)
        return fail(error,
                    "the kernel's setup header ends at %#x (jump), not between %#x and %#x: the file is damaged, "
                    "install it again",
                    says, least, SETUP_HEADER_END_MAX);
    header->header_end = says < most ? says : most;
    return true;
}

static bool check_size(const struct setup_header *setup, uint64_t size, struct linux_header *header,
                       struct error *error)
{
    const uint32_t sectors = setup->setup_sects ? setup->setup_sects : SETUP_SECTS_DEFAULT;

    header->setup_size = (uint64_t)(sectors + 1) * SECTOR;
    header->system_size = (uint64_t)setup->syssize * PARAGRAPH;
    if (header->system_size == 0)
        return fail(
            error,
            "the kernel's syssize is 0, so it has no protected-mode part: the file is damaged, install it again");
    if (size < header->setup_size + header->system_size && size + PARAGRAPH > header->setup_size + header->system_size)
        header->system_size = size - header->setup_size; /* the file's last paragraph needn't be a whole one */
    if (size < header->setup_size + header->system_size)
        return fail(error,
                    "the kernel file has %llu bytes, but its header (setup_sects %u, syssize %#x) promises %llu: the "
                    "file is truncated, copy it again",
                    (unsigned long long)size, sectors, setup->syssize,
                    (unsigned long long)(header->setup_size + header->system_size));
    return true;
}

static bool check_alignment(const struct setup_header *setup, struct linux_header *header, struct error *error)
{
    header->alignment = header->min_alignment = PAGE_SIZE;
    if (!header->relocatable)
        return true; /* it runs at pref_address, whatever these fields say */
    header->alignment = header->min_alignment = setup->kernel_alignment;
    if (!is_power_of_two(setup->kernel_alignment))
        return fail(error,
                    "the kernel's kernel_alignment %#x is no power of two: the file is damaged, install it again",
                    setup->kernel_alignment);
    if (setup->min_alignment == 0 || setup->version < VERSION_INIT_SIZE)
        return true;
    if (setup->min_alignment > 31 || (uint32_t)1 << setup->min_alignment > setup->kernel_alignment)
        return fail(
            error,
            "the kernel's min_alignment 2^%u is above its kernel_alignment %#x: the file is damaged, install it again",
            setup->min_alignment, setup->kernel_alignment);
    header->min_alignment = (uint64_t)1 << setup->min_alignment;
    return true;
}

/* init_size counts from where the kernel will run; some loaders' own payloads leave it small or 0. */
static uint64_t runtime_size(const struct setup_header *setup, uint64_t system_size)
{
    if (setup->version < VERSION_INIT_SIZE)
        return ALIGN_UP(system_size * UNPACKED_FACTOR, PAGE_SIZE);
    return setup->init_size > system_size ? setup->init_size : system_size;
}

static bool check_address(const struct setup_header *setup, struct linux_header *header, struct error *error)
{
    header->pref_address = setup->pref_address;
    header->runtime_size = runtime_size(setup, header->system_size);
    if (header->pref_address != 0 && header->pref_address < MIB)
        return fail(error,
                    "the kernel's pref_address %#llx is below 1 MiB, although it is a bzImage: the file is damaged, "
                    "install it again",
                    (unsigned long long)header->pref_address);
    if (!header->relocatable && header->pref_address == 0)
        header->pref_address = MIB; /* boot.rst, "Loading The Rest of The Kernel" */
    return true;
}

/* The file's header as far as it goes; what its version doesn't have reads as 0. */
static bool read_header(const void *file, struct setup_header *setup, struct linux_header *header, struct error *error)
{
    const uint8_t *from = (const uint8_t *)file + SETUP_HEADER_OFFSET;
    uint32_t size;

    memcpy(setup, from, sizeof *setup);
    if (!check_protocol(setup, header, error))
        return false;
    size = header->header_end - SETUP_HEADER_OFFSET;
    if (size < sizeof *setup)
        memset((uint8_t *)setup + size, 0, sizeof *setup - size);
    return true;
}

bool linux_header_check(const void *file, size_t size, struct linux_header *header, struct error *error)
{
    struct setup_header setup;

    if (size < 2 * SECTOR)
        return fail(error,
                    "the kernel file has %zu bytes, less than its header (%u): the file is truncated, copy it again",
                    size, 2 * SECTOR);
    if (!read_header(file, &setup, header, error))
        return false;
    header->relocatable = setup.relocatable_kernel != 0;
    header->needs_setup = setup.code32_start == 0; /* every kernel with a 32-bit entry has its address there */
    header->initrd_limit = (uint64_t)setup.initrd_addr_max + 1;
    header->cmdline_size = setup.cmdline_size ? setup.cmdline_size : CMDLINE_SIZE_DEFAULT;
    return check_size(&setup, size, header, error) && check_alignment(&setup, header, error) &&
           check_address(&setup, header, error);
}
