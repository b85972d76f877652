/*
 * When pages are short: tables that say nothing but what can be found out again leave the tree, and what they said is
 * absent until the next touch. They are put aside like any table that falls out of use. Pure but for atomics; any CPU,
 * root mode; not NMI-safe.
 */
#pragma once

#include "mm/pgtable.h"

/* Which leaves can be made again: those with (leaf & mask) == value, the mark of a large one taken for its right
 * (struct pgtable_format, small_mark). */
struct pgtable_expendable {
    uint64_t mask, value;
};

static inline bool pgtable_is_expendable(const struct pgtable_format *format, struct pgtable_expendable expendable,
                                         uint64_t leaf)
{
    if (leaf & format->small_mark)
        leaf |= format->small_only;
    return (leaf & expendable.mask) == expendable.value;
}

/*
 * From *address on and below `end`, takes out tables to which entries of `level` (2 and up) point, if all that is in
 * one are expendable leaves and absent entries; not the one that covers `keep`. Stops when `wanted` have gone; *address
 * is where to go on. Returns how many have gone. Whoever changes a leaf under our hands finds it absent afterwards, and
 * whoever changes one to what isn't expendable keeps its table.
 */
unsigned pgtable_evict(struct pgtable *table, unsigned level, uint64_t *address, uint64_t end,
                       struct pgtable_expendable expendable, uint64_t keep, unsigned wanted);
