/*
 * The machine's physical memory as a sorted list of ranges without overlaps (e820 / multiboot2 types).
 * Pure; used at boot only.
 */
#pragma once

#include "lib/compiler.h"
#include "lib/error.h"
#include "lib/range.h"

/* Values of ACPI's Address Range Types (ACPI 6.5, table 15.7), which e820 and multiboot2 use. */
enum memory_kind {
    MEMORY_RAM = 1,
    MEMORY_RESERVED = 2,
    MEMORY_ACPI_RECLAIMABLE = 3,
    MEMORY_ACPI_NVS = 4,
    MEMORY_UNUSABLE = 5,
};

struct memmap_entry {
    struct range range;
    enum memory_kind kind;
};

enum { MEMMAP_MAX = 256 };

/* Sorted by address, no two overlap, no empty one, neighbours of one kind are joined. */
struct memmap {
    unsigned count;
    struct memmap_entry entries[MEMMAP_MAX];
};

/*
 * Adds [start, end) as firmware reports it, in any order. An empty or inverted range is dropped. Where it overlaps
 * what is there, the less usable kind wins (unusable > NVS > reserved > ACPI > RAM). A kind this list
 * doesn't name counts as reserved. Fails only when the list is full.
 */
must_check bool memmap_add(struct memmap *map, struct range range, unsigned kind, struct error *error);

/* Makes [start, end) be of `kind` whatever it was before (holes included). Fails only when full. */
must_check bool memmap_set(struct memmap *map, struct range range, enum memory_kind kind, struct error *error);

/* True if every byte of the range is of `kind`. */
bool memmap_is(const struct memmap *map, struct range range, enum memory_kind kind);

/* Sum of bytes of RAM. */
uint64_t memmap_ram_bytes(const struct memmap *map);

/*
 * Finds `size` bytes of RAM, aligned to `align` (a power of two), wholly inside `within`, that overlap none of
 * the `avoid` ranges: the highest such place (find_high) or the lowest (find_low). False if there is none.
 */
must_check bool memmap_find_high(const struct memmap *map, uint64_t size, uint64_t align, struct range within,
                                 const struct range *avoid, size_t avoid_count, uint64_t *start);
must_check bool memmap_find_low(const struct memmap *map, uint64_t size, uint64_t align, struct range within,
                                const struct range *avoid, size_t avoid_count, uint64_t *start);
