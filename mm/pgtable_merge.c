/*
 * Merging. The entries of a table can't be compared and replaced in one atomic step, so each is frozen as it is
 * compared: a CPU that wants to change a frozen entry waits for the outcome (512 entries at most). The first entry is
 * the lock among mergers. The hardware doesn't care: it goes on translating by frozen entries.
 */
#include "mm/pgtable_merge.h"
#include "mm/pgtable_entry.h"

/* Freezes the entry if it is `expected` (accessed and dirty aside). */
static bool freeze(const struct pgtable *table, uint64_t *slot, uint64_t expected)
{
    uint64_t entry = pgtable_load(slot);

    while (!((entry ^ expected) & ~table->format->volatile_bits)) {
        if (pgtable_exchange(slot, entry, entry | PGTABLE_FROZEN))
            return true;
        entry = pgtable_load(slot);
    }
    return false;
}

static void thaw(uint64_t *entries, unsigned count)
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
        if (!freeze(table, &entries[i], *first + i * step)) {
            thaw(entries, i);
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
static bool replace_table(const struct pgtable *table, uint64_t *slot, uint64_t old, uint64_t new)
{
    for (;;) {
        uint64_t now = pgtable_load(slot);

        if ((now ^ old) & ~table->format->volatile_bits)
            return false;
        if (pgtable_exchange(slot, now, new))
            return true;
    }
}

static bool merge_table(struct pgtable *table, uint64_t *slot, uint64_t old, unsigned level)
{
    uint64_t *entries = pgtable_child(table, old);
    uint64_t first, new;

    if (!freeze_all(table, entries, level - 1, &first))
        return false;
    if (!merged_entry(table->format, level, first, &new) || !replace_table(table, slot, old, new)) {
        thaw(entries, PGTABLE_ENTRIES);
        return false;
    }
    pgtable_retire(table, entries, level - 1);
    return true;
}

/* Merges at `level` what covers `address`; *level becomes that of the entry where the walk ended. */
static bool merge_at(struct pgtable *table, uint64_t address, unsigned *level)
{
    uint64_t *entries = table->root;

    for (unsigned at = PGTABLE_LEVELS;; at--) {
        uint64_t *slot = &entries[pgtable_index(address, at)];
        uint64_t entry = pgtable_load(slot);

        if (at == *level || (entry & PGTABLE_HELD) || !pgtable_is_table(table->format, at, entry)) {
            bool here = at == *level && !(entry & PGTABLE_HELD) && pgtable_is_table(table->format, at, entry);

            *level = at;
            return here && merge_table(table, slot, entry, at);
        }
        entries = pgtable_child(table, entry);
    }
}

unsigned pgtable_merge(struct pgtable *table, uint64_t start, uint64_t end)
{
    unsigned merged = 0;

    for (unsigned level = 2; level <= PGTABLE_LEVELS; level++) {
        for (uint64_t address = start; address < end;) {
            unsigned reached = level;

            merged += merge_at(table, address, &reached);
            address = pgtable_advance(address, pgtable_rest(address, reached), end);
        }
    }
    return merged;
}
