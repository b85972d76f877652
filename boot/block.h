/* Plinth's block: one contiguous, 2 MiB aligned piece of RAM below 4 GiB that holds all it owns after launch. */
#pragma once

#include "arch/x86/acpi.h"
#include "boot/boot_info.h"
#include "lib/error.h"
#include "lib/range.h"
#include "mm/pool.h"

struct block {
    struct range range; /* physical */
    uint64_t image_bytes;
    uint64_t cpus_offset; /* the CPUs' pages, cpu_pages each */
    uint64_t cpus_bytes;
    uint64_t pool_offset; /* the rest: page tables */
    uint64_t pool_bytes;
};

/* How large the block must be and what lies where. Pure. */
void block_plan(struct block *block, uint64_t image_bytes, unsigned cpus, unsigned pages_per_cpu, uint64_t pool_bytes);

/* Finds the highest place below 4 GiB, clear of `avoid`, and sets block->range. Pure. */
must_check bool block_place(struct block *block, const struct memmap *map, const struct range *avoid,
                            size_t avoid_count, struct error *error);
