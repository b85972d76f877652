#include "mm/efi_map.h"

#include "lib/string.h"

enum { DESCRIPTOR_SIZE_MAX = 4096, VERSION = 1 };

bool efi_map_check(const struct efi_map *map, struct error *error)
{
    if (!map->descriptors || map->size < map->descriptor_size)
        return fail(error, "UEFI: the boot loader gave no memory map of the firmware");
    if (map->descriptor_version != VERSION || map->descriptor_size < sizeof(struct efi_descriptor) ||
        map->descriptor_size > DESCRIPTOR_SIZE_MAX)
        return fail(error,
                    "UEFI: the firmware's memory map has descriptors of version %u, %u bytes: update the firmware",
                    map->descriptor_version, map->descriptor_size);
    return true;
}

unsigned efi_map_count(const struct efi_map *map)
{
    return map->descriptors ? map->size / map->descriptor_size : 0;
}

void efi_map_get(const struct efi_map *map, unsigned index, struct efi_descriptor *out)
{
    memcpy(out, (const uint8_t *)map->descriptors + (size_t)index * map->descriptor_size, sizeof(*out));
}

static struct range range_of(const struct efi_descriptor *descriptor)
{
    const uint64_t most = (UINT64_MAX - descriptor->physical) / PAGE_SIZE;
    const uint64_t pages = descriptor->pages < most ? descriptor->pages : most;

    return (struct range){descriptor->physical, descriptor->physical + pages * PAGE_SIZE};
}

/* What Linux makes of it without its EFI stub: the same that GRUB puts into e820. */
static enum memory_kind kind_of(const struct efi_descriptor *descriptor)
{
    if (descriptor->type == EFI_ACPI_NVS)
        return MEMORY_ACPI_NVS;
    if (descriptor->type == EFI_UNUSABLE)
        return MEMORY_UNUSABLE;
    if (descriptor->type == EFI_ACPI_RECLAIM)
        return MEMORY_ACPI_RECLAIMABLE;
    if (descriptor->attributes & EFI_MEMORY_RUNTIME)
        return MEMORY_RESERVED; /* whatever its type */
    switch (descriptor->type) {
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA:
    case EFI_BOOT_SERVICES_CODE:
    case EFI_BOOT_SERVICES_DATA:
    case EFI_CONVENTIONAL:
        return MEMORY_RAM;
    }
    return MEMORY_RESERVED; /* run-time services, MMIO, and types of the future */
}

bool efi_map_reserve(const struct efi_map *map, struct memmap *memmap, struct error *error)
{
    struct efi_descriptor descriptor;

    for (unsigned i = 0; i < efi_map_count(map); i++) {
        efi_map_get(map, i, &descriptor);
        if (kind_of(&descriptor) != MEMORY_RAM &&
            !memmap_add(memmap, range_of(&descriptor), kind_of(&descriptor), error))
            return false;
    }
    return true;
}

/* All of it is gone through even if memmap is full for a while: pieces that come later may fill gaps. */
static bool avoid_boot_services(const struct efi_map *map, struct memmap *memmap, uint64_t grain, struct error *error)
{
    struct efi_descriptor descriptor;
    bool fits = true;

    for (unsigned i = 0; i < efi_map_count(map); i++) {
        struct range range;

        efi_map_get(map, i, &descriptor);
        range = range_of(&descriptor);
        if (descriptor.type != EFI_BOOT_SERVICES_CODE && descriptor.type != EFI_BOOT_SERVICES_DATA)
            continue;
        if (range.end <= UINT64_MAX - grain)
            range = (struct range){ALIGN_DOWN(range.start, grain), ALIGN_UP(range.end, grain)};
        fits = memmap_add(memmap, range, MEMORY_RESERVED, error) && fits;
    }
    return fits;
}

/* Firmware is known whose boot services lie in hundreds of pieces between as many free ones (machines with 268 and
 * with 312 are known). What is too many is taken more coarsely: among them nothing would find room anyway. */
bool efi_map_avoid_boot_services(const struct efi_map *map, struct memmap *memmap, struct error *error)
{
    for (uint64_t grain = PAGE_SIZE; grain < GIB; grain *= 8)
        if (avoid_boot_services(map, memmap, grain, error))
            return true;
    return false;
}

/* The copy as it grows; with `to` NULL it is only measured. */
struct copy {
    const struct efi_map *map;
    const struct efi_hidden *hidden;
    uint8_t *to;
    uint32_t size;
    uint32_t done; /* a bit for each hidden range that is in it */
};

/* Descriptor `index` again, for another range, with the fields behind the known ones as they were. */
static void emit(struct copy *copy, unsigned index, const struct efi_descriptor *like, struct range range)
{
    const uint32_t size = copy->map->descriptor_size;
    struct efi_descriptor descriptor = *like;

    if (range.start >= range.end)
        return;
    descriptor.physical = range.start;
    descriptor.virtual = like->virtual ? like->virtual + (range.start - like->physical) : 0;
    descriptor.pages = range_size(range) / PAGE_SIZE;
    if (copy->to) {
        memcpy(copy->to + copy->size, (const uint8_t *)copy->map->descriptors + (size_t)index * size, size);
        memcpy(copy->to + copy->size, &descriptor, sizeof(descriptor));
    }
    copy->size += size;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* A hidden range, with the first descriptor that it cuts, so once. */
static void emit_hidden(struct copy *copy, unsigned index, const struct efi_descriptor *descriptor, unsigned which)
{
    struct efi_descriptor reserved = *descriptor;

    reserved.type = EFI_RESERVED;
    reserved.virtual = 0;
    reserved.attributes &= ~EFI_MEMORY_RUNTIME;
    if (!(copy->done & 1u << which))
        emit(copy, index, &reserved, copy->hidden->ranges[which]);
    copy->done |= 1u << which;
}

/* The part `range` of a descriptor without the hidden ranges from `which` on: what is below the first that cuts it,
 * that one itself, what is above it. */
static void emit_around(struct copy *copy, unsigned index, const struct efi_descriptor *descriptor, struct range range,
                        unsigned which)
{
    for (; which < EFI_HIDDEN_MAX && range.start < range.end; which++) {
        const struct range hidden = copy->hidden->ranges[which];

        if (hidden.start >= hidden.end || !range_overlaps(range, hidden))
            continue;
        emit_around(copy, index, descriptor, (struct range){range.start, lower(range.end, hidden.start)}, which + 1);
        emit_hidden(copy, index, descriptor, which);
        range.start = higher(range.start, hidden.end);
    }
    emit(copy, index, descriptor, range);
}

static void copy_all(struct copy *copy)
{
    struct efi_descriptor descriptor;

    for (unsigned i = 0; i < efi_map_count(copy->map); i++) {
        efi_map_get(copy->map, i, &descriptor);
        emit_around(copy, i, &descriptor, range_of(&descriptor), 0);
    }
}

uint32_t efi_map_copy_size(const struct efi_map *map, const struct efi_hidden *hidden)
{
    struct copy copy = {.map = map, .hidden = hidden};

    copy_all(&copy);
    return copy.size;
}

void efi_map_copy(const struct efi_map *map, const struct efi_hidden *hidden, void *to)
{
    struct copy copy = {.map = map, .hidden = hidden, .to = to};

    copy_all(&copy);
}
