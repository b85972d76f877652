/*
 * What must hold of every tree of page tables, looked at with a walker of the test's own: used by the tests of
 * mm/pgtable.c and mm/ept.c, their fuzz target and the thread test.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include <string.h>

#include "mm/ept.h"

/* An always-on check that works in threads and in fuzz targets as well. */
#define require(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                              \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

struct test_pool {
    struct pool pool;
    void *memory;
};

static inline void test_pool_init(struct test_pool *arena, unsigned pages)
{
    uint64_t size = (pages + 1 + pages / 1024) * PAGE_SIZE;

    arena->memory = aligned_alloc(PAGE_SIZE, size);
    memset(arena->memory, 0xa5, size); /* the pool has to clear it */
    pool_init(&arena->pool, arena->memory, 0x7ff00000000, size);
}

#define ENTRY_ADDRESS 0x000ffffffffff000ull

static inline uint64_t *entries_of(const struct pgtable *table, uint64_t entry)
{
    return pool_pointer(table->pool, entry & ENTRY_ADDRESS);
}

static inline unsigned count_tables(const struct pgtable *table, const uint64_t *entries, unsigned level)
{
    unsigned count = 1;

    for (unsigned i = 0; i < 512; i++) {
        require(!(entries[i] & PGTABLE_HELD));
        if (pgtable_is_table(table->format, level, entries[i])) {
            require((entries[i] & ~ENTRY_ADDRESS & ~table->format->volatile_bits) ==
                    (table->format->table & ~table->format->volatile_bits));
            count += count_tables(table, entries_of(table, entries[i]), level - 1);
        } else if (entries[i]) {
            require(level <= table->format->largest_leaf);
            require(level == 1 || (entries[i] & table->format->leaf));
            require(!((entries[i] & ENTRY_ADDRESS) & (pgtable_size(level) - 1)));
        }
    }
    return count;
}

/* Every page of the pool that is in use is a table of the tree (or one of `others`); the retired ones go back first. */
static inline void check_no_page_is_lost(struct pgtable *table, unsigned others)
{
    pgtable_reclaim(table);
    require(table->pool->used == count_tables(table, table->root, PGTABLE_LEVELS) + others);
}

/* An EPT entry that the CPU would call misconfigured (SDM 28.2.3.1). */
static inline bool misconfigured(const struct ept *ept, unsigned level, uint64_t entry)
{
    unsigned type = entry >> 3 & 7;
    bool leaf = level == 1 || (entry & EPT_LARGE);
    uint64_t low = entry & 0xff8 & ~(uint64_t)(EPT_ACCESSED | EPT_DIRTY);

    if (!(entry & EPT_ALL))
        return false;
    if ((entry & EPT_WRITE) && !(entry & EPT_READ))
        return true;
    if ((entry & EPT_ALL) == EPT_EXECUTE && !ept->execute_only)
        return true;
    if (entry & ENTRY_ADDRESS & ~((1ull << ept->physical_bits) - 1) && leaf)
        return true;
    if (!leaf)
        return low != 0; /* bits 7:3 are reserved */
    if (level == 4 || (level == 3 && ept->format.largest_leaf < 3))
        return true;
    if (level > 1 && (entry & ENTRY_ADDRESS & (pgtable_size(level) - 1)))
        return true;
    if (level > 1 && (entry & ept->format.small_only))
        return true; /* no misconfiguration, but as bad: a large page that is executable */
    return type == 2 || type == 3 || type == 7;
}

static inline void check_ept_entries(const struct ept *ept, const uint64_t *entries, unsigned level, uint64_t start)
{
    for (unsigned i = 0; i < 512; i++, start += pgtable_size(level)) {
        struct range physical = {entries[i] & ENTRY_ADDRESS, 0};

        require(!misconfigured(ept, level, entries[i]));
        if (pgtable_is_table(&ept->format, level, entries[i])) {
            check_ept_entries(ept, entries_of(&ept->table, entries[i]), level - 1, start);
        } else if (entries[i]) {
            physical.end = physical.start + pgtable_size(level);
            require(!range_overlaps(physical, ept->block));
            require(!range_overlaps((struct range){start, start + pgtable_size(level)}, ept->block));
        }
    }
}

/* No leaf intersects the block, neither by guest nor by physical address, and nothing is misconfigured. */
static inline void check_ept(const struct ept *ept)
{
    check_ept_entries(ept, ept->table.root, PGTABLE_LEVELS, 0);
}
