/* Reading a tree in order. */
#include "mm/pgtable_walk.h"
#include "mm/pgtable_entry.h"

/* The first leaf at or after *address, which moves to it; absent entries are skipped by their size. */
static bool next_leaf(const struct pgtable *table, uint64_t *address, uint64_t end, struct pgtable_leaf *leaf)
{
    while (*address < end) {
        *leaf = pgtable_lookup(table, *address);
        if (leaf->entry)
            return true;
        *address = pgtable_advance(*address, pgtable_rest(*address, leaf->level), end);
    }
    return false;
}

static struct pgtable_run run_of(const struct pgtable_format *format, const struct pgtable_leaf *leaf)
{
    uint64_t attributes = leaf->entry & ~format->address & ~format->volatile_bits;

    return (struct pgtable_run){
        .range = {leaf->start, leaf->start + pgtable_size(leaf->level)},
        .physical = leaf->entry & format->address,
        .attributes = leaf->level > 1 ? attributes & ~format->leaf : attributes,
        .level = leaf->level,
    };
}

static bool continues(const struct pgtable_run *run, const struct pgtable_run *next)
{
    return next->level == run->level && next->attributes == run->attributes && next->range.start == run->range.end &&
           next->physical - run->physical == range_size(run->range);
}

bool pgtable_next_run(const struct pgtable *table, uint64_t *address, uint64_t end, struct pgtable_run *run)
{
    struct pgtable_leaf leaf;

    if (!next_leaf(table, address, end, &leaf))
        return false;
    *run = run_of(table->format, &leaf);
    for (;;) {
        struct pgtable_run next;

        *address = pgtable_advance(*address, run->range.end - *address, end);
        if (*address == end)
            return true;
        leaf = pgtable_lookup(table, *address);
        next = run_of(table->format, &leaf);
        if (!leaf.entry || !continues(run, &next))
            return true;
        run->range.end = next.range.end;
    }
}

bool pgtable_harvest(struct pgtable *table, uint64_t *address, uint64_t end, struct pgtable_bits bits,
                     struct range *found)
{
    struct pgtable_leaf leaf;

    while (next_leaf(table, address, end, &leaf)) {
        uint64_t new = pgtable_modified(table->format, &bits, leaf.level, leaf.entry);

        if (new != leaf.entry && !pgtable_exchange(leaf.slot, leaf.entry, new)) {
            __builtin_ia32_pause(); /* frozen, dead, split or written meanwhile: look again */
            continue;
        }
        *found = (struct range){leaf.start, leaf.start + pgtable_size(leaf.level)};
        *address = pgtable_advance(*address, pgtable_rest(*address, leaf.level), end);
        if (new != leaf.entry)
            return true;
    }
    return false;
}
