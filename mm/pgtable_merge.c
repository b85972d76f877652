/*
 * Merging. The entries of a table can't be compared and replaced in one atomic step, so each is frozen as it is
 * compared: a CPU that wants to change a frozen entry waits for the outcome (512 entries at most). The first entry is
 * the lock among mergers. The hardware doesn't care: it goes on translating by frozen entries.
 */
#include "mm/pgtable_merge.h"
#include "mm/pgtable_entry.h"

bool pgtable_freeze(const struct pgtable *table, uint64_t *slot, uint64_t expected)
{
    uint64_t entry = pgtable_load(slot);

    while (!((entry ^ expected) & ~table->format->volatile_bits)) {
        if (pgtable_exchange(slot, entry, entry | PGTABLE_FROZEN))
            return true;
        entry = pgtable_load(slot);
    }
    return false;
}

void pgtable_thaw(uint64_t *entries, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        __atomic_fetch_and(&entries[i], ~PGTABLE_FROZEN, __ATOMIC_RELEASE);
}

/* Freezes a whole table of leaves of `level`, if each is the continuation of the first, and gives that one back. */
static bool freeze_all(const struct pgtable *table, uint64_t *entries, unsigned level, uint64_t *first)
{
    uint64_t step;

    *first = pgtable_load(&entries[0]) & ~table->format->volatile_bits;
    if ((*first & PGTABLE_HELD) || pgtable_is_table(table->format, level, *first))
        return false;
    step = *first ? pgtable_size(level) : 0;
    for (unsigned i = 0; i < PGTABLE_ENTRIES; i++) {
        if (!pgtable_freeze(table, &entries[i], *first + i * step)) {
            pgtable_thaw(entries, i);
            return false;
        }
    }
    return true;
}

/* The entry of `level` that is equal to a table whose first leaf is `first`; false if this format has no such entry. */
static bool merged_entry(const struct pgtable_format *format, unsigned level, uint64_t first, uint64_t *entry)
{
    *entry = first ? pgtable_large(format, first | format->leaf | format->volatile_bits) : 0;
    return !first || (level <= format->largest_leaf && !(first & format->address & (pgtable_size(level) - 1)));
}

/* Replaces the pointer in `slot`; the hardware may set its accessed bit meanwhile. */
static bool replace(const struct pgtable *table, uint64_t *slot, uint64_t old, uint64_t new)
{
    for (;;) {
        uint64_t now = pgtable_load(slot);

        if ((now ^ old) & ~table->format->volatile_bits)
            return false;
        if (pgtable_exchange(slot, now, new))
            return true;
    }
}

bool pgtable_replace_table(struct pgtable *table, uint64_t *slot, uint64_t old, unsigned level, uint64_t new)
{
    uint64_t *entries = pgtable_child(table, old);

    if (!replace(table, slot, old, new)) {
        pgtable_thaw(entries, PGTABLE_ENTRIES);
        return false;
    }
    pgtable_retire(table, entries, level - 1);
    return true;
}

static bool merge_table(struct pgtable *table, uint64_t *slot, uint64_t old, unsigned level)
{
    uint64_t *entries = pgtable_child(table, old);
    uint64_t first, new;

    if (!freeze_all(table, entries, level - 1, &first))
        return false;
    if (merged_entry(table->format, level, first, &new))
        return pgtable_replace_table(table, slot, old, level, new);
    pgtable_thaw(entries, PGTABLE_ENTRIES);
    return false;
}

bool pgtable_next_table(const struct pgtable *table, unsigned level, uint64_t *address, uint64_t end, uint64_t **slot,
                        uint64_t *entry)
{
    uint64_t *entries = table->root;
    unsigned at = PGTABLE_LEVELS;

    while (*address < end) {
        unsigned index = pgtable_index(*address, at);

        *slot = &entries[index];
        *entry = pgtable_load(*slot);
        if (!(*entry & PGTABLE_HELD) && pgtable_is_table(table->format, at, *entry)) {
            if (at == level)
                return true;
            entries = pgtable_child(table, *entry);
            at--;
            continue;
        }
        *address = pgtable_advance(*address, pgtable_rest(*address, at), end);
        if (index == PGTABLE_ENTRIES - 1) { /* the table's end */
            entries = table->root;
            at = PGTABLE_LEVELS;
        }
    }
    return false;
}

unsigned pgtable_merge_but(struct pgtable *table, uint64_t start, uint64_t end, uint64_t keep)
{
    uint64_t *slot, entry;
    unsigned merged = 0;

    for (unsigned level = 2; level <= PGTABLE_LEVELS; level++) {
        uint64_t address = start;

        while (pgtable_next_table(table, level, &address, end, &slot, &entry)) {
            merged += !pgtable_covers(address, level, keep) && merge_table(table, slot, entry, level);
            address = pgtable_advance(address, pgtable_rest(address, level), end);
        }
    }
    return merged;
}
