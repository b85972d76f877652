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

/* Is the entry that leads to `address` at `level` one of the view's own path? */
static bool on_path(const struct ept_view *view, uint64_t address, unsigned level)
{
    return !((address ^ view->page) & ~(pgtable_size(level) - 1));
}

static void copy_table(struct ept_view *view, unsigned level)
{
    uint64_t size = pgtable_size(level);
    uint64_t start = level == PGTABLE_LEVELS ? 0 : ALIGN_DOWN(view->page, size * PGTABLE_ENTRIES);

    for (unsigned i = 0; i < PGTABLE_ENTRIES; i++) {
        uint64_t address = start + i * size;

        if (!on_path(view, address, level))
            store(&view->tables[level][i], shared_entry(view->ept, address, level));
    }
}

void ept_view_refresh(struct ept_view *view)
{
    for (unsigned level = PGTABLE_LEVELS; level > 0; level--)
        copy_table(view, level);
}

static void link_path(struct ept_view *view)
{
    struct pool *pool = view->ept->table.pool;

    for (unsigned level = PGTABLE_LEVELS; level > 1; level--)
        store(&view->tables[level][pgtable_index(view->page, level)],
              pool_physical(pool, view->tables[level - 1]) | view->ept->format.table);
    store(&view->tables[1][pgtable_index(view->page, 1)], shared_entry(view->ept, view->page, 1));
}

bool ept_view_init(struct ept_view *view, struct ept *ept, uint64_t page)
{
    *view = (struct ept_view){.ept = ept, .page = page};
    for (unsigned level = 1; level <= PGTABLE_LEVELS; level++) {
        view->tables[level] = pool_get(ept->table.pool);
        if (!view->tables[level]) {
            while (--level)
                pool_put(ept->table.pool, view->tables[level]);
            return false;
        }
    }
    ept_view_refresh(view);
    link_path(view);
    return true;
}

void ept_view_set(struct ept_view *view, uint64_t physical, uint64_t rights)
{
    store(&view->tables[1][pgtable_index(view->page, 1)],
          physical | ept_attributes(view->ept, view->page, physical, rights));
}

void ept_view_sync(struct ept_view *view, uint64_t address)
{
    unsigned level = PGTABLE_LEVELS;

    while (level > 0 && on_path(view, address, level))
        level--;
    if (level > 0)
        store(&view->tables[level][pgtable_index(address, level)], shared_entry(view->ept, address, level));
}

uint64_t ept_view_pointer(const struct ept_view *view, bool accessed_dirty)
{
    return ept_pointer_to(view->ept, view->tables[PGTABLE_LEVELS], accessed_dirty);
}
