/*
 * What the fuzzers of the guest loaders share: a small machine whose memory map, block and files are where bytes of the
 * input say.
 */
#pragma once

#include "tests/host/support.h"

#include "guest/guest.h"

enum { MEMORY_SIZE = 4 << 20, CONFIG_SIZE = 16, APART_MAX = 500 };

static uint8_t *memory;
static unsigned apart_count;

static void check(bool ok)
{
    if (!ok)
        abort();
}

static struct range pages(const uint8_t *config, uint64_t size)
{
    const uint64_t start = (uint64_t)(config[0] | (config[1] & 3) << 8) * PAGE_SIZE + (config[1] & 0x80 ? 16 : 0);

    return (struct range){start, start + size};
}

static struct memmap make_map(const uint8_t *config, struct range block)
{
    struct memmap map = {.count = 0};
    struct error error;

    check(memmap_set(&map, (struct range){0, 0x9fc00}, MEMORY_RAM, &error));
    check(memmap_set(&map, (struct range){MIB, MIB + (config[0] + 1) * 8 * KIB}, MEMORY_RAM, &error));
    check(memmap_set(&map, pages(config + 1, config[3] * KIB), MEMORY_ACPI_NVS, &error));
    check(memmap_set(&map, block, MEMORY_RESERVED, &error));
    return map;
}

/* The memory is kept from run to run (making it costs more than a run), the files apart are dropped now and then. */
static void make_memory(void)
{
    if (memory && apart_count < APART_MAX)
        return;
    arena_clear();
    memory = arena_add(0, MEMORY_SIZE);
    apart_count = 0;
}

/* Where a file lies that has memory of its own, in which ASan sees every byte too far. */
static inline uint64_t next_apart(void)
{
    return GIB + MIB * apart_count++;
}
