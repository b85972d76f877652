/*
 * The memory map: a sorted list that every change rewrites in one sweep from low to high, so that order, joining
 * and overlaps are settled in one place. Boot only, one CPU.
 */
#include "mm/memmap.h"

/* The list as it will be; becomes the map only once it is whole. Static: 6 KiB are much for a stack. */
static struct memmap sweep;

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static struct range clip(struct range range, struct range to)
{
    return (struct range){higher(range.start, to.start), lower(range.end, to.end)};
}

static bool is_empty(struct range range)
{
    return range.start >= range.end;
}

/* How little the guest or Plinth may do with it; decides who wins where firmware reports two kinds. */
static unsigned severity(enum memory_kind kind)
{
    switch (kind) {
    case MEMORY_RAM:
        return 0;
    case MEMORY_ACPI_RECLAIMABLE:
        return 1;
    case MEMORY_RESERVED:
        return 2;
    case MEMORY_ACPI_NVS:
        return 3;
    case MEMORY_UNUSABLE:
        return 4;
    }
    return 2;
}

static enum memory_kind known_kind(unsigned kind)
{
    return kind >= MEMORY_RAM && kind <= MEMORY_UNUSABLE ? (enum memory_kind)kind : MEMORY_RESERVED;
}

/* Ranges come in order here. False if the list is full. */
static bool emit(struct range range, enum memory_kind kind)
{
    struct memmap_entry *last = sweep.count > 0 ? &sweep.entries[sweep.count - 1] : NULL;

    if (is_empty(range))
        return true;
    if (last && last->kind == kind && last->range.end == range.start) {
        last->range.end = range.end;
        return true;
    }
    if (sweep.count == MEMMAP_MAX)
        return false;
    sweep.entries[sweep.count++] = (struct memmap_entry){range, kind};
    return true;
}

/* One old entry, and the hole in front of it as far as the new range covers it: from *done on. */
static bool emit_around(const struct memmap_entry *old, struct range range, enum memory_kind kind, bool force,
                        uint64_t *done)
{
    bool new_wins = force || severity(kind) > severity(old->kind);
    struct range below = {0, range.start}, above = {range.end, UINT64_MAX};
    struct range hole = {*done, lower(old->range.start, range.end)};
    bool fits = emit(clip(old->range, below), old->kind) && emit(hole, kind) &&
                emit(clip(old->range, range), new_wins ? kind : old->kind) && emit(clip(old->range, above), old->kind);

    *done = higher(*done, lower(old->range.end, range.end));
    return fits;
}

static bool apply(struct memmap *map, struct range range, enum memory_kind kind, bool force, struct error *error)
{
    uint64_t done = range.start;
    bool fits = true;

    if (is_empty(range))
        return true;
    sweep.count = 0;
    for (unsigned i = 0; fits && i < map->count; i++)
        fits = emit_around(&map->entries[i], range, kind, force, &done);
    if (!fits || !emit((struct range){done, range.end}, kind))
        return fail(error,
                    "memory map: [0x%lx, 0x%lx) makes it more than %d ranges: build Plinth with a larger MEMMAP_MAX",
                    range.start, range.end, MEMMAP_MAX);
    *map = sweep;
    return true;
}

bool memmap_add(struct memmap *map, struct range range, unsigned kind, struct error *error)
{
    return apply(map, range, known_kind(kind), false, error);
}

bool memmap_set(struct memmap *map, struct range range, enum memory_kind kind, struct error *error)
{
    return apply(map, range, kind, true, error);
}

bool memmap_is(const struct memmap *map, struct range range, enum memory_kind kind)
{
    for (unsigned i = 0; i < map->count; i++)
        if (map->entries[i].kind == kind && range_contains(map->entries[i].range, range))
            return true; /* neighbours of one kind are joined, so one entry must have it all */
    return is_empty(range);
}

uint64_t memmap_ram_bytes(const struct memmap *map)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < map->count; i++)
        if (map->entries[i].kind == MEMORY_RAM)
            bytes += range_size(map->entries[i].range);
    return bytes;
}

static const struct range *find_obstacle(struct range place, const struct range *avoid, size_t avoid_count)
{
    for (size_t i = 0; i < avoid_count; i++)
        if (!is_empty(avoid[i]) && range_overlaps(place, avoid[i]))
            return &avoid[i];
    return NULL;
}

/* The highest place in `free`; below every obstacle it tries again, so it ends. */
static bool fit_high(struct range free, uint64_t size, uint64_t align, const struct range *avoid, size_t avoid_count,
                     uint64_t *start)
{
    const struct range *obstacle;

    while (!is_empty(free) && range_size(free) >= size) {
        *start = ALIGN_DOWN(free.end - size, align);
        if (*start < free.start)
            return false;
        obstacle = find_obstacle((struct range){*start, *start + size}, avoid, avoid_count);
        if (!obstacle)
            return true;
        free.end = obstacle->start;
    }
    return false;
}

/* The lowest place in `free`; above every obstacle it tries again. */
static bool fit_low(struct range free, uint64_t size, uint64_t align, const struct range *avoid, size_t avoid_count,
                    uint64_t *start)
{
    const struct range *obstacle;

    while (!is_empty(free) && range_size(free) >= size) {
        *start = ALIGN_UP(free.start, align);
        if (*start < free.start || *start > free.end - size) /* the first: it wrapped */
            return false;
        obstacle = find_obstacle((struct range){*start, *start + size}, avoid, avoid_count);
        if (!obstacle)
            return true;
        free.start = obstacle->end;
    }
    return false;
}

bool memmap_find_high(const struct memmap *map, uint64_t size, uint64_t align, struct range within,
                      const struct range *avoid, size_t avoid_count, uint64_t *start)
{
    for (unsigned i = map->count; size > 0 && i-- > 0;)
        if (map->entries[i].kind == MEMORY_RAM &&
            fit_high(clip(map->entries[i].range, within), size, align, avoid, avoid_count, start))
            return true;
    return false;
}

bool memmap_find_low(const struct memmap *map, uint64_t size, uint64_t align, struct range within,
                     const struct range *avoid, size_t avoid_count, uint64_t *start)
{
    for (unsigned i = 0; size > 0 && i < map->count; i++)
        if (map->entries[i].kind == MEMORY_RAM &&
            fit_low(clip(map->entries[i].range, within), size, align, avoid, avoid_count, start))
            return true;
    return false;
}
