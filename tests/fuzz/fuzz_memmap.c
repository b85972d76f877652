/* Any sequence of changes and searches, four bytes each, against the flat model; then any addresses, for form only. */
#include <stdlib.h>
#include <string.h>

#include "tests/host/memmap_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right)
{
    if (!right)
        abort();
}

static void change(struct memmap_model *model, struct memmap *map, const uint8_t step[4])
{
    unsigned first = step[1], end = first + (unsigned)step[2] % (MODEL_CELLS + 1 - first), kind = step[3] % 8;
    struct range range = model_range(model, first, end);
    struct error error;

    if (step[0] % 4 == 0 && kind >= MEMORY_RAM && kind <= MEMORY_UNUSABLE) {
        check(memmap_set(map, range, (enum memory_kind)kind, &error));
        model_set(model, first, end, kind);
    } else {
        check(memmap_add(map, range, kind, &error));
        model_add(model, first, end, kind);
    }
    check(model_is_well_formed(map) && model_agrees(model, map));
}

static void search(const struct memmap_model *model, const struct memmap *map, const uint8_t step[4])
{
    struct model_search asked = {
        .count = 1 + step[1] % 16,
        .align = 1u << step[1] / 64,
        .within_first = step[2] / 2,
        .within_end = MODEL_CELLS - step[2] % 16,
        .avoid_first = step[3],
        .avoid_end = step[3] + (step[2] % 32 < MODEL_CELLS - step[3] ? step[2] % 32 : 0),
        .high = step[0] & 1,
    };

    check(model_search_agrees(model, map, &asked));
}

static void any_addresses(const uint8_t *data, size_t size)
{
    static struct memmap map;
    struct error error;
    struct range range;

    map.count = 0;
    for (; size >= 17; data += 17, size -= 17) {
        memcpy(&range, data, 16);
        if (!memmap_add(&map, range, data[16], &error))
            check(map.count > MEMMAP_MAX - 3);
        check(model_is_well_formed(&map));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct memmap map;
    struct memmap_model model = {.base = 0, .unit = 4096};

    any_addresses(data, size);
    map.count = 0;
    for (unsigned steps = 0; size >= 4 && steps < 100; data += 4, size -= 4, steps++) {
        if (data[0] & 0x80)
            search(&model, &map, data);
        else
            change(&model, &map, data);
    }
    return 0;
}
