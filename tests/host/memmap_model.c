/* See the header. */
#include "tests/host/memmap_model.h"

struct range model_range(const struct memmap_model *model, unsigned first, unsigned end)
{
    return (struct range){model->base + first * model->unit, model->base + end * model->unit};
}

void model_add(struct memmap_model *model, unsigned first, unsigned end, unsigned kind)
{
    /* from the most usable to the least, as mm/memmap.h names them; what it doesn't name is reserved */
    static const uint8_t order[] = {
        MODEL_HOLE, MEMORY_RAM, MEMORY_ACPI_RECLAIMABLE, MEMORY_RESERVED, MEMORY_ACPI_NVS, MEMORY_UNUSABLE,
    };
    unsigned rank = 3;

    for (unsigned r = 1; r < ARRAY_SIZE(order); r++)
        if (order[r] == kind)
            rank = r;
    for (unsigned i = first; i < end; i++) {
        unsigned old = 0;

        while (order[old] != model->kinds[i])
            old++;
        model->kinds[i] = order[old > rank ? old : rank];
    }
}

void model_set(struct memmap_model *model, unsigned first, unsigned end, unsigned kind)
{
    for (unsigned i = first; i < end; i++)
        model->kinds[i] = (uint8_t)kind;
}

bool model_is_well_formed(const struct memmap *map)
{
    if (map->count > MEMMAP_MAX)
        return false;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memmap_entry *entry = &map->entries[i], *next = entry + 1;

        if (entry->range.start >= entry->range.end || entry->kind < MEMORY_RAM || entry->kind > MEMORY_UNUSABLE)
            return false;
        if (i + 1 < map->count && (next->range.start < entry->range.end ||
                                   (next->range.start == entry->range.end && next->kind == entry->kind)))
            return false;
    }
    return true;
}

static unsigned kind_at(const struct memmap *map, struct range range)
{
    for (unsigned i = 0; i < map->count; i++)
        if (range_overlaps(map->entries[i].range, range))
            return range_contains(map->entries[i].range, range) ? map->entries[i].kind : 0xff;
    return MODEL_HOLE;
}

bool model_agrees(const struct memmap_model *model, const struct memmap *map)
{
    uint64_t ram = 0;
    bool covered = true;

    for (unsigned i = 0; i < MODEL_CELLS; i++) {
        struct range cell = model_range(model, i, i + 1);

        if (kind_at(map, cell) != model->kinds[i])
            return false;
        for (unsigned kind = MEMORY_RAM; kind <= MEMORY_UNUSABLE; kind++)
            covered = covered && memmap_is(map, cell, (enum memory_kind)kind) == (kind == model->kinds[i]);
        ram += model->kinds[i] == MEMORY_RAM ? model->unit : 0;
    }
    return covered && ram == memmap_ram_bytes(map);
}

static bool place_is_free(const struct memmap_model *model, const struct model_search *search, unsigned first)
{
    for (unsigned i = first; i < first + search->count; i++)
        if (model->kinds[i] != MEMORY_RAM || i < search->within_first || i >= search->within_end ||
            (i >= search->avoid_first && i < search->avoid_end))
            return false;
    return (model->base + first * model->unit) % (search->align * model->unit) == 0;
}

bool model_find(const struct memmap_model *model, const struct model_search *search, uint64_t *start)
{
    for (unsigned i = 0; i + search->count <= MODEL_CELLS; i++) {
        unsigned first = search->high ? MODEL_CELLS - search->count - i : i;

        if (place_is_free(model, search, first)) {
            *start = model_range(model, first, first).start;
            return true;
        }
    }
    return false;
}

bool model_search_agrees(const struct memmap_model *model, const struct memmap *map, const struct model_search *search)
{
    struct range within = model_range(model, search->within_first, search->within_end);
    /* the one to avoid in two overlapping parts, and an empty one that must not count */
    unsigned middle = (search->avoid_first + search->avoid_end) / 2;
    struct range avoid[] = {
        model_range(model, middle, search->avoid_end),
        model_range(model, 100, 100),
        model_range(model, search->avoid_first, search->avoid_end > middle ? middle + 1 : middle),
    };
    uint64_t size = search->count * model->unit, align = search->align * model->unit, got = 0, want = 0;
    bool expected = model_find(model, search, &want);
    bool found = search->high ? memmap_find_high(map, size, align, within, avoid, ARRAY_SIZE(avoid), &got)
                              : memmap_find_low(map, size, align, within, avoid, ARRAY_SIZE(avoid), &got);

    return found == expected && (!found || got == want);
}
