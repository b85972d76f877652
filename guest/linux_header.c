/* Checks of a bzImage's setup header against the file and the boot protocol (Documentation/x86/boot.rst). */
#include "guest/linux_header.h"

#include "guest/boot_params.h"
#include "guest/linux.h"
#include "lib/string.h"

enum {
    SECTOR = 512,
    SETUP_SECTS_DEFAULT = 4, /* what a setup_sects of 0 means */
    VERSION_MIN = 0x020a,    /* pref_address and init_size came with it */
    CMDLINE_SIZE_DEFAULT = 255,
};

/* A header shorter than this has no init_size. */
static const uint32_t header_end_min = SETUP_HEADER_OFFSET + offsetof(struct setup_header, handover_offset);

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

static bool check_protocol(const struct setup_header *setup, struct error *error)
{
    const uint32_t end = SETUP_HEADER_JUMP_FROM + (uint32_t)setup->jump_distance;

    if (setup->version < VERSION_MIN)
        return fail(error,
                    "the kernel's boot protocol (version) is %u.%02u, older than 2.10: use Linux 2.6.31 or later",
                    setup->version >> 8, setup->version & 0xffu);
    if (!(setup->loadflags & LOADFLAGS_LOADED_HIGH))
        return fail(error, "the kernel's loadflags %#x lack LOADED_HIGH, so it is a zImage: build a bzImage instead",
                    setup->loadflags);
    if (end < header_end_min || end > SETUP_HEADER_END_MAX)
        return fail(error,
                    "the kernel's setup header ends at %#x (jump), not between %#x and %#x: the file is damaged, "
                    "install it again",
                    end, header_end_min, SETUP_HEADER_END_MAX);
    return true;
}

static bool check_size(const struct setup_header *setup, uint64_t size, struct linux_header *header,
                       struct error *error)
{
    const uint32_t sectors = setup->setup_sects ? setup->setup_sects : SETUP_SECTS_DEFAULT;

    header->setup_size = (uint64_t)(sectors + 1) * SECTOR;
    header->system_size = (uint64_t)setup->syssize * 16;
    if (header->system_size == 0)
        return fail(
            error,
            "the kernel's syssize is 0, so it has no protected-mode part: the file is damaged, install it again");
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
    if (setup->min_alignment == 0)
        return true;
    if (setup->min_alignment > 31 || (uint32_t)1 << setup->min_alignment > setup->kernel_alignment)
        return fail(
            error,
            "the kernel's min_alignment 2^%u is above its kernel_alignment %#x: the file is damaged, install it again",
            setup->min_alignment, setup->kernel_alignment);
    header->min_alignment = (uint64_t)1 << setup->min_alignment;
    return true;
}

static bool check_address(const struct setup_header *setup, struct linux_header *header, struct error *error)
{
    header->pref_address = setup->pref_address;
    /* init_size counts from where the kernel will run; some loaders' own payloads leave it small or 0 */
    header->runtime_size = setup->init_size > header->system_size ? setup->init_size : header->system_size;
    if (header->pref_address != 0 && header->pref_address < MIB)
        return fail(error,
                    "the kernel's pref_address %#llx is below 1 MiB, although it is a bzImage: the file is damaged, "
                    "install it again",
                    (unsigned long long)header->pref_address);
    if (!header->relocatable && header->pref_address == 0)
        header->pref_address = MIB; /* boot.rst, "Loading The Rest of The Kernel" */
    return true;
}

bool linux_header_check(const void *file, size_t size, struct linux_header *header, struct error *error)
{
    struct setup_header setup;

    if (size < 2 * SECTOR)
        return fail(error,
                    "the kernel file has %zu bytes, less than its header (%u): the file is truncated, copy it again",
                    size, 2 * SECTOR);
    memcpy(&setup, (const uint8_t *)file + SETUP_HEADER_OFFSET, sizeof setup);
    header->relocatable = setup.relocatable_kernel != 0;
    header->initrd_limit = (uint64_t)setup.initrd_addr_max + 1;
    header->cmdline_size = setup.cmdline_size ? setup.cmdline_size : CMDLINE_SIZE_DEFAULT;
    header->header_end = SETUP_HEADER_JUMP_FROM + (uint32_t)setup.jump_distance;
    return check_protocol(&setup, error) && check_size(&setup, size, header, error) &&
           check_alignment(&setup, header, error) && check_address(&setup, header, error);
}
