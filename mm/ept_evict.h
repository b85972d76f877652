/*
 * Room in the pool when it has no page left for the EPT's tables, and merging gave none. What ept_fill() would make
 * again just so is expendable: leaves that map their addresses to themselves, nothing withheld. All else stays:
 * redirected pages, denied and tracked ones. Pure but for atomics; any CPU, root mode.
 */
#pragma once

#include "mm/ept.h"
#include "mm/pgtable_evict.h"

bool ept_is_expendable(const struct ept *ept, uint64_t leaf);

/*
 * Takes out up to `wanted` tables of expendable leaves, the lowest level first and, from call to call, round the
 * address space; not what covers `keep`. Returns how many; they are free after a grace period (mm/grace.h).
 */
unsigned ept_evict(struct ept *ept, uint64_t keep, unsigned wanted);
