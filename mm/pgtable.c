/*
 * The walker. Each change of a range is a sequence of steps, each a fresh walk from the root that changes one
 * entry by compare-and-exchange; a step that lost a race is done again. So there is no lock, and nothing to
 * undo. A new table is filled completely before it is installed; a table that leaves the tree gets every entry marked
 * DEAD, so that a CPU which still holds a pointer to it can't lose a change in it.
 */
#include "mm/pgtable_entry.h"

#include "lib/string.h"

bool pgtable_init(struct pgtable *table, const struct pgtable_format *format, struct pool *pool)
{
    *table = (struct pgtable){.format = format, .pool = pool, .root = pool_get(pool)};
    return table->root != NULL;
}

struct pgtable_leaf pgtable_lookup(const struct pgtable *table, uint64_t address)
{
    const struct pgtable_format format = *table->format;
    const struct pool *pool = table->pool;
    uint64_t *entries = table->root;
    unsigned level = PGTABLE_LEVELS, shift = 12 + 9 * (PGTABLE_LEVELS - 1);

    for (;; level--, shift -= 9) {
        uint64_t *slot = &entries[address >> shift & (PGTABLE_ENTRIES - 1)];
        uint64_t entry = pgtable_load(slot);

        if (level == 1 || !(entry & format.present) || (entry & format.leaf))
            return (struct pgtable_leaf){address >> shift << shift, level, entry & ~PGTABLE_HELD, slot};
        entries = pool_pointer(pool, entry & format.address);
    }
}

void pgtable_split_into(const struct pgtable_format *format, uint64_t *entries, unsigned level, uint64_t entry)
{
    uint64_t step = pgtable_size(level - 1);

    if (!entry) {
        memset(entries, 0, PAGE_SIZE);
        return;
    }
    if (level == 2)
        entry &= ~format->leaf;
    for (unsigned i = 0; i < PGTABLE_ENTRIES; i++, entry += step)
        entries[i] = entry;
}

bool pgtable_split_as(struct pgtable *table, const struct pgtable_leaf *at, uint64_t entry)
{
    uint64_t *entries = pool_get_dirty(table->pool);

    if (!entries)
        return false;
    pgtable_split_into(table->format, entries, at->level, entry);
    if (!pgtable_exchange(at->slot, at->entry, pool_physical(table->pool, entries) | table->format->table))
        pool_put(table->pool, entries);
    return true;
}

bool pgtable_install_table(struct pgtable *table, const struct pgtable_leaf *at)
{
    return pgtable_split_as(table, at, at->entry);
}

void pgtable_retire(struct pgtable *table, uint64_t *entries, unsigned level)
{
    for (unsigned i = 0; i < PGTABLE_ENTRIES; i++) {
        uint64_t entry = __atomic_fetch_or(&entries[i], PGTABLE_DEAD, __ATOMIC_ACQ_REL);

        if (pgtable_is_table(table->format, level, entry))
            pgtable_retire(table, pgtable_child(table, entry), level - 1);
    }
    pool_list_push(table->pool, &table->retired, entries);
}

unsigned pgtable_reclaim(struct pgtable *table)
{
    uint32_t list = pool_list_take(&table->retired);
    unsigned count = 0;

    for (void *page; (page = pool_list_next(table->pool, &list)); count++)
        pool_put(table->pool, page);
    return count;
}

void pgtable_fini(struct pgtable *table)
{
    if (table->root)
        pgtable_retire(table, table->root, PGTABLE_LEVELS);
    pgtable_reclaim(table);
    table->root = NULL;
}

/* A change of a range, as data: what every entry in it shall become. */
struct change {
    uint64_t end;
    uint64_t offset;          /* map: physical - virtual */
    uint64_t attributes;      /* map: all of them; 0 unmaps */
    struct pgtable_bits bits; /* modify; its mask is 0 for map */
};

enum step { STEP_DONE, STEP_AGAIN, STEP_NO_MEMORY };

static uint64_t wanted(const struct pgtable_format *format, const struct change *change, const struct pgtable_leaf *at)
{
    if (change->bits.mask)
        return pgtable_modified(format, &change->bits, at->level, at->entry);
    if (!change->attributes)
        return 0;
    return pgtable_leaf_entry(format, at->level, at->start + change->offset, change->attributes);
}

/* May the change be made in this entry, which covers `address`, as a whole? */
static bool settles(const struct pgtable_format *format, const struct change *change, const struct pgtable_leaf *at,
                    uint64_t address)
{
    uint64_t size = pgtable_size(at->level);

    if (at->start != address || change->end - address < size)
        return false;
    if (change->bits.mask)
        return !pgtable_is_table(format, at->level, at->entry);
    if (!change->attributes)
        return true;
    return at->level <= format->largest_leaf && !((address + change->offset) & (size - 1));
}

/* The highest entry in which the change at `address` can be made, or the leaf or absent entry that is in the way. */
static struct pgtable_leaf find(const struct pgtable *table, const struct change *change, uint64_t address)
{
    struct pgtable_leaf at = {0};
    uint64_t *entries = table->root;

    for (at.level = PGTABLE_LEVELS;; at.level--) {
        at.start = ALIGN_DOWN(address, pgtable_size(at.level));
        at.slot = &entries[pgtable_index(address, at.level)];
        at.entry = pgtable_load(at.slot);
        if ((at.entry & PGTABLE_HELD) || settles(table->format, change, &at, address) ||
            !pgtable_is_table(table->format, at.level, at.entry))
            return at;
        entries = pgtable_child(table, at.entry);
    }
}

/* Changes one entry, or splits one, or finds nothing to do; *address moves on when its entry is as wanted. */
static enum step change_one(struct pgtable *table, const struct change *change, uint64_t *address)
{
    const struct pgtable_format *format = table->format;
    struct pgtable_leaf at = find(table, change, *address);
    uint64_t new = wanted(format, change, &at);
    uint64_t ignored = format->volatile_bits & ~change->bits.mask;
    bool was_table = pgtable_is_table(format, at.level, at.entry);

    if (at.entry & PGTABLE_HELD)
        return STEP_AGAIN;
    if (was_table || ((at.entry ^ new) & ~ignored)) {
        if (!settles(format, change, &at, *address))
            return pgtable_install_table(table, &at) ? STEP_AGAIN : STEP_NO_MEMORY;
        if (!pgtable_exchange(at.slot, at.entry, new))
            return STEP_AGAIN;
        if (was_table)
            pgtable_retire(table, pgtable_child(table, at.entry), at.level - 1);
    }
    *address = pgtable_advance(*address, pgtable_rest(*address, at.level), change->end);
    return STEP_DONE;
}

static bool apply(struct pgtable *table, const struct change *change, uint64_t start)
{
    while (start < change->end) {
        enum step step = change_one(table, change, &start);

        if (step == STEP_NO_MEMORY)
            return false;
        if (step == STEP_AGAIN)
            __builtin_ia32_pause();
    }
    return true;
}

bool pgtable_map(struct pgtable *table, uint64_t start, uint64_t end, uint64_t physical, uint64_t attributes)
{
    struct change change = {.end = end, .offset = physical - start, .attributes = attributes};

    return apply(table, &change, start);
}

bool pgtable_modify(struct pgtable *table, uint64_t start, uint64_t end, struct pgtable_bits bits)
{
    struct change change = {.end = end, .bits = bits};

    return apply(table, &change, start);
}

bool pgtable_protect(struct pgtable *table, uint64_t start, uint64_t end, uint64_t rights)
{
    return pgtable_modify(table, start, end, (struct pgtable_bits){.mask = table->format->rights, .value = rights});
}

enum pgtable_fill pgtable_fill_below(struct pgtable *table, const struct pgtable_leaf *found, uint64_t start,
                                     unsigned level, uint64_t new)
{
    struct pgtable_leaf at = *found;

    while (!at.entry && at.level >= level) {
        if (at.level > level) {
            if (!pgtable_install_table(table, &at))
                return PGTABLE_NO_MEMORY;
        } else if (pgtable_exchange(at.slot, 0, new)) {
            return PGTABLE_FILLED;
        } else {
            __builtin_ia32_pause();
        }
        at = pgtable_lookup(table, start);
    }
    return PGTABLE_OCCUPIED;
}
