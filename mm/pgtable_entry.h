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

/* Does the entry of `level` that covers `address` cover `other`? */
static inline bool pgtable_covers(uint64_t address, unsigned level, uint64_t other)
{
    return !((address ^ other) & ~(pgtable_size(level) - 1));
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

/*
 * What merging and evicting share (mm/pgtable_merge.c): a whole table is frozen, entry by entry, before it is decided
 * that it leaves the tree; its first entry is the lock among those who want that.
 */

/* Freezes the entry if it is `expected` (accessed and dirty aside), which isn't held. */
must_check bool pgtable_freeze(const struct pgtable *table, uint64_t *slot, uint64_t expected);

/* The first `count` entries may be changed again. */
void pgtable_thaw(uint64_t *entries, unsigned count);

/* The table, all frozen, whose entries are of `level` - 1 and to which the entry *slot pointed when it was `old`,
 * leaves the tree, and `new` takes its place. False: *slot has changed; the table is thawed. */
must_check bool pgtable_replace_table(struct pgtable *table, uint64_t *slot, uint64_t old, unsigned level,
                                      uint64_t new);

/*
 * The first pointer to a table in an entry of `level` (2 and up), not held, that covers *address or what is above it
 * and below `end`: *address moves into what it covers, *slot is where it is, *entry its value. False when there is
 * none.
 */
bool pgtable_next_table(const struct pgtable *table, unsigned level, uint64_t *address, uint64_t end, uint64_t **slot,
                        uint64_t *entry);
