#include "guest/keep_out.h"

void keep_out_add(struct keep_out *out, struct range range)
{
    if (range.start < range.end)
        out->ranges[out->count++] = range;
}

struct keep_out keep_out_always(const struct guest_source *source)
{
    struct keep_out out = {.count = 0};

    keep_out_add(&out, source->block);
    for (unsigned i = 0; i < source->avoid_count; i++)
        keep_out_add(&out, source->avoid[i]);
    return out;
}

const struct memmap *keep_out_free_memory(const struct guest_source *source)
{
    return source->free ? source->free : source->memmap;
}

bool keep_out_find(const struct keep_out *out, const struct guest_source *source, uint64_t size, uint64_t align,
                   struct range within, enum end end, struct range *place)
{
    const struct memmap *map = keep_out_free_memory(source);
    const bool found = end == LOWEST
                           ? memmap_find_low(map, size, align, within, out->ranges, out->count, &place->start)
                           : memmap_find_high(map, size, align, within, out->ranges, out->count, &place->start);

    place->end = place->start + size;
    return found;
}
