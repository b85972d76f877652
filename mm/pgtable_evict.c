/* Evicting. Frozen as for merging, so that no right can be taken away in a table between the look at it and its end. */
#include "mm/pgtable_evict.h"
#include "mm/pgtable_entry.h"

static bool freeze_expendable(const struct pgtable *table, uint64_t *entries, unsigned level,
                              struct pgtable_expendable expendable)
{
    for (unsigned i = 0; i < PGTABLE_ENTRIES; i++) {
        uint64_t entry = pgtable_load(&entries[i]);
        bool leaf = !(entry & PGTABLE_HELD) && !pgtable_is_table(table->format, level, entry);

        if (!leaf || (entry && !pgtable_is_expendable(table->format, expendable, entry)) ||
            !pgtable_freeze(table, &entries[i], entry)) {
            pgtable_thaw(entries, i);
            return false;
        }
    }
    return true;
}

unsigned pgtable_evict(struct pgtable *table, unsigned level, uint64_t *address, uint64_t end,
                       struct pgtable_expendable expendable, uint64_t keep, unsigned wanted)
{
    uint64_t *slot, entry;
    unsigned evicted = 0;

    while (evicted < wanted && pgtable_next_table(table, level, address, end, &slot, &entry)) {
        if (!pgtable_covers(*address, level, keep) &&
            freeze_expendable(table, pgtable_child(table, entry), level - 1, expendable))
            evicted += pgtable_replace_table(table, slot, entry, level, 0);
        *address = pgtable_advance(*address, pgtable_rest(*address, level), end);
    }
    return evicted;
}
