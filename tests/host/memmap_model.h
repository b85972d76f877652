/* A memory map so simple that it is plainly right: one kind for each of a few hundred cells. What mm/memmap.c is
 * compared with. */
#pragma once

#include "mm/memmap.h"

enum { MODEL_CELLS = 256, MODEL_HOLE = 0 };

/* Cell i is the `unit` bytes at base + i * unit. */
struct memmap_model {
    uint64_t base, unit;
    uint8_t kinds[MODEL_CELLS];
};

/* Cells [first, end) as a range of addresses. */
struct range model_range(const struct memmap_model *model, unsigned first, unsigned end);

/* memmap_add() and memmap_set() for cells [first, end). */
void model_add(struct memmap_model *model, unsigned first, unsigned end, unsigned kind);
void model_set(struct memmap_model *model, unsigned first, unsigned end, unsigned kind);

/* Sorted, nothing empty, no overlap, neighbours joined. */
bool model_is_well_formed(const struct memmap *map);

/* The map says of every cell what the model says, memmap_is() and memmap_ram_bytes() too. */
bool model_agrees(const struct memmap_model *model, const struct memmap *map);

/* memmap_find_high() or _low() by trying every cell; `count`, `avoid_first` and so on are cells. False if there is
 * none. */
struct model_search {
    unsigned count, align, within_first, within_end;
    unsigned avoid_first, avoid_end;
    bool high;
};
bool model_find(const struct memmap_model *model, const struct model_search *search, uint64_t *start);

/* The same search asked of the map agrees with the model's answer. */
bool model_search_agrees(const struct memmap_model *model, const struct memmap *map, const struct model_search *search);
