/*
 * Going back to large leaves at run time: a table that says of its whole span what one entry could say is replaced by
 * that entry, and put aside like any table that falls out of use. Pure but for atomics; any CPU, root mode; not
 * NMI-safe.
 */
#pragma once

#include "mm/pgtable.h"

/*
 * Merges what can be merged of the tables that [start, end) touches: 512 leaves of equal attributes in a row become a
 * leaf (up to the format's largest), 512 absent entries an absent one. Returns how many tables fell out of use.
 * Accessed and dirty bits don't count as a difference; the large leaf has both set, since a CPU may set the old ones
 * until it has invalidated. So: no merging in a range whose dirty pages are being tracked. Tables that cover `keep`
 * stay: who has put one there and needs another, for which there is no page, must not lose the first again.
 */
unsigned pgtable_merge_but(struct pgtable *table, uint64_t start, uint64_t end, uint64_t keep);

/* The same, nothing stays. */
static inline unsigned pgtable_merge(struct pgtable *table, uint64_t start, uint64_t end)
{
    return pgtable_merge_but(table, start, end, PGTABLE_NOWHERE);
}
