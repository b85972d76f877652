/*
 * What the files that change entries of a live tree share (mm/pgtable*.c): the rules are told in mm/pgtable.c.
 */
#pragma once

#include "mm/pgtable.h"

static inline uint64_t *pgtable_child(const struct pgtable *table, uint64_t entry)
{
    return pool_pointer(table->pool, entry & table->format->address);
}

static inline uint64_t pgtable_load(const uint64_t *slot)
{
    return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

static inline bool pgtable_exchange(uint64_t *slot, uint64_t old, uint64_t new)
{
    return __atomic_compare_exchange_n(slot, &old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* What the change makes of an entry of `level`. */
static inline uint64_t pgtable_modified(const struct pgtable_format *format, const struct pgtable_bits *bits,
                                        unsigned level, uint64_t entry)
{
    if (!entry || (entry & bits->except) || (entry & bits->only) != bits->only)
        return entry;
    entry = (entry & ~bits->mask) | (bits->value & bits->mask);
    return level > 1 ? pgtable_large(format, entry) : entry;
}

/* How far from `address` to the end of the entry of `level` that covers it. */
static inline uint64_t pgtable_rest(uint64_t address, unsigned level)
{
    return pgtable_size(level) - (address & (pgtable_size(level) - 1));
}

/* `address` + `step`, but not beyond `end`; right also at the top of the address space. */
static inline uint64_t pgtable_advance(uint64_t address, uint64_t step, uint64_t end)
{
    return end - address < step ? end : address + step;
}

/* Puts a table that says the same in place of the leaf or absent entry `at`. False: no page. A lost race is no failure,
 * the walk goes on from what is there. */
must_check bool pgtable_install_table(struct pgtable *table, const struct pgtable_leaf *at);

/* The same, but the table says what the leaf `entry` of at->level would. */
must_check bool pgtable_split_as(struct pgtable *table, const struct pgtable_leaf *at, uint64_t entry);

/* The table `entries`, whose entries are of `level`, has left the tree, and with it all below. Who changes an entry
 * under our hands comes either before its DEAD mark or never. */
void pgtable_retire(struct pgtable *table, uint64_t *entries, unsigned level);
