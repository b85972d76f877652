/*
 * Reading a tree in order: one run of equal leaves after the other. The iterator owns the walk, the caller the loop:
 *
 *     struct pgtable_run run;
 *     for (uint64_t at = start; pgtable_next_run(table, &at, end, &run);) ...
 *
 * Pure but for atomics; any CPU, root mode. What other CPUs change meanwhile may be seen or not, each entry for itself.
 */
#pragma once

#include "mm/pgtable.h"

/* Leaves of one size and equal attributes (accessed and dirty aside) that map addresses in a row to addresses in a row.
 */
struct pgtable_run {
    struct range range; /* whole leaves: may begin before and end after what was asked for */
    uint64_t physical;
    uint64_t attributes; /* without address, leaf, accessed and dirty bits */
    unsigned level;
};

/* The first run at or after *address and before `end`; *address moves behind it. False when there is none. */
bool pgtable_next_run(const struct pgtable *table, uint64_t *address, uint64_t end, struct pgtable_run *run);

/*
 * The first leaf at or after *address and before `end` to which `bits` apply (such as: only = dirty, mask = dirty,
 * value = 0) is changed in one step, *found is its range, *address moves behind it. False when there is none. Until all
 * CPUs have invalidated, a dirty bit that was cleared may fail to be set again.
 */
bool pgtable_harvest(struct pgtable *table, uint64_t *address, uint64_t end, struct pgtable_bits bits,
                     struct range *found);
