#include "guest/linux_initrds.h"

#include "guest/keep_out.h"
#include "lib/string.h"
#include "mm/phys.h"

enum { ALIGNMENT = 4 };

static uint64_t joined_size(const struct guest_source *source)
{
    uint64_t size = 0;

    for (unsigned i = 0; i < source->module_count; i++)
        size = ALIGN_UP(size, ALIGNMENT) + range_size(source->modules[i].range);
    return size;
}

static struct keep_out all_files(const struct guest_source *source)
{
    struct keep_out out = keep_out_always(source);

    keep_out_add(&out, source->kernel);
    for (unsigned i = 0; i < source->module_count; i++)
        keep_out_add(&out, source->modules[i].range);
    return out;
}

static bool can_be_read(const struct guest_source *source)
{
    for (unsigned i = 0; i < source->module_count; i++)
        if (!phys_map(source->modules[i].range.start, range_size(source->modules[i].range)))
            return false;
    return true;
}

bool linux_initrds_place(const struct guest_source *source, const struct linux_header *header, struct range *initrd,
                         struct error *error)
{
    const struct range within = {MIB, header->initrd_limit};
    const uint64_t size = joined_size(source);
    const struct keep_out out = all_files(source);

    *initrd = source->initrd;
    if (source->module_count < 2 || size == 0)
        return true;
    if (!can_be_read(source))
        return fail(error, "an initrd lies where Plinth can't reach it, at or above 4 GiB: make the boot loader load "
                           "it below");
    if (!keep_out_find(&out, source, ALIGN_UP(size, PAGE_SIZE), PAGE_SIZE, within, HIGHEST, initrd))
        return fail(error,
                    "the %u initrds (%lu KiB together) do not fit once more into RAM below %#lx (initrd_addr_max), "
                    "where they are joined: use smaller ones or more memory (RAM: %lu MiB)",
                    source->module_count, ALIGN_UP(size, KIB) / KIB, header->initrd_limit,
                    memmap_ram_bytes(source->memmap) / MIB);
    initrd->end = initrd->start + size;
    return true;
}

void linux_initrds_join(const struct guest_source *source, struct range initrd)
{
    uint8_t *const to = phys_map(initrd.start, range_size(initrd));
    uint64_t end = 0;

    if (source->module_count < 2 || !range_size(initrd))
        return;
    for (unsigned i = 0; i < source->module_count; i++) {
        const struct range from = source->modules[i].range;
        const uint64_t at = ALIGN_UP(end, ALIGNMENT);

        memset(to + end, 0, at - end);
        memcpy(to + at, phys_map(from.start, range_size(from)), range_size(from));
        end = at + range_size(from);
    }
}
