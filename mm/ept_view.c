/* A CPU's private path of tables over the shared EPT. */
#include "mm/ept_view.h"

static uint64_t load(const uint64_t *slot)
{
    return __atomic_load_n(slot, __ATOMIC_ACQUIRE) & ~PGTABLE_HELD;
}

static void store(uint64_t *slot, uint64_t entry)
{
    __atomic_store_n(slot, entry, __ATOMIC_RELEASE);
}

/* What the shared tree has for `address` at `level`: the entry itself, or its share of a larger leaf. */
static uint64_t shared_entry(const struct ept *ept, uint64_t address, unsigned level)
{
    const struct pgtable_format *format = &ept->format;
    uint64_t *entries = ept->table.root;
    unsigned at = PGTABLE_LEVELS;
    uint64_t entry;

    while (entry = load(&entries[pgtable_index(address, at)]), at > level && pgtable_is_table(format, at, entry)) {
        entries = pool_pointer(ept->table.pool, entry & format->address);
        at--;
    }
    if (at == level || !entry)
        return entry;
    entry += address & (pgtable_size(at) - 1) & ~(pgtable_size(level) - 1);
    return level == 1 ? entry & ~format->leaf : entry;
}

/* Does the entry of `level` that covers `address` lead to the view's own range? */
static bool is_own(const struct ept_view *view, uint64_t address, unsigned level)
{
    uint64_t size = pgtable_size(level), start = ALIGN_DOWN(address, size);

    return range_overlaps((struct range){start, start + size}, view->range);
}

/* WRITE comes with READ in the shared tree already; EXECUTE without it would be a misconfiguration on most CPUs. */
static uint64_t inside_entry(const struct ept *ept, uint64_t address)
{
    uint64_t entry = shared_entry(ept, address, 1);

    return entry ? entry | EPT_EXECUTE | (ept->execute_only ? 0 : EPT_READ) : 0;
}

static uint64_t view_entry(const struct ept_view *view, uint64_t address, unsigned level)
{
    if (!is_own(view, address, level))
        return shared_entry(view->ept, address, level) & ~view->withheld;
    if (level == 1)
        return view->withheld ? inside_entry(view->ept, address) : view->leaf;
    return pool_physical(view->ept->table.pool, view->tables[level - 1]) | view->ept->format.table;
}

/* The page table serves every 2 MiB piece of the range: all its entries are the leaf then. */
static void fill_table(struct ept_view *view, unsigned level)
{
    uint64_t size = pgtable_size(level);
    uint64_t start = level == PGTABLE_LEVELS ? 0 : ALIGN_DOWN(view->range.start, size * PGTABLE_ENTRIES);

    for (unsigned i = 0; i < PGTABLE_ENTRIES; i++)
        store(&view->tables[level][i], view_entry(view, start + i * size, level));
}

bool ept_view_init(struct ept_view *view, struct ept *ept)
{
    *view = (struct ept_view){.ept = ept};
    for (unsigned level = 1; level <= PGTABLE_LEVELS; level++) {
        view->tables[level] = pool_get(ept->table.pool);
        if (!view->tables[level]) {
            while (--level)
                pool_put(ept->table.pool, view->tables[level]);
            return false;
        }
    }
    return true;
}

void ept_view_renew(struct ept_view *view)
{
    for (unsigned level = PGTABLE_LEVELS; level > 0; level--)
        fill_table(view, level);
}

void ept_view_aim(struct ept_view *view, struct ept *ept, struct range range, uint64_t physical)
{
    view->ept = ept;
    view->range = range;
    view->leaf = physical | ept_attributes(ept, range.start, physical, EPT_ALL);
    view->withheld = 0;
    ept_view_renew(view);
}

void ept_view_aim_inside(struct ept_view *view, struct ept *ept, uint64_t page)
{
    view->ept = ept;
    view->range = (struct range){page, page + PAGE_SIZE};
    view->withheld = EPT_EXECUTE;
    ept_view_renew(view);
}

uint64_t ept_view_pointer(const struct ept_view *view, bool accessed_dirty)
{
    return ept_pointer_to(view->ept, view->tables[PGTABLE_LEVELS], accessed_dirty);
}
