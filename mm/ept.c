/*
 * What the guest's second-level tables hold. Every leaf is made by map_piece() or ept_redirect() from attributes(),
 * which can't make a misconfigured one.
 */
#include "mm/ept.h"
#include "mm/ept_evict.h"
#include "mm/ept_retype.h"
#include "mm/pgtable_entry.h"

static const struct pgtable_format ept_format = {
    .present = EPT_ALL,
    .leaf = EPT_LARGE,
    .table = EPT_ALL,
    .address = 0x000ffffffffff000,
    .rights = EPT_ALL,
    .volatile_bits = EPT_ACCESSED | EPT_DIRTY,
    .largest_leaf = 2,
};

static uint64_t legal_rights(const struct ept *ept, uint64_t rights)
{
    rights &= EPT_ALL;
    if (rights & EPT_READ)
        return rights;
    return ept->execute_only ? rights & EPT_EXECUTE : 0;
}

static uint64_t attributes(const struct ept *ept, uint64_t rights, enum memory_type type)
{
    return EPT_MAPPED | legal_rights(ept, rights) | (uint64_t)type << EPT_TYPE_SHIFT;
}

static const struct mtrr_state *mtrr_of(const struct ept *ept)
{
    return __atomic_load_n(&ept->mtrr, __ATOMIC_ACQUIRE);
}

uint64_t ept_attributes(const struct ept *ept, uint64_t page, uint64_t physical, uint64_t rights)
{
    uint64_t end;

    if (physical != page)
        return attributes(ept, rights, MEMORY_WB);
    return attributes(ept, rights, mtrr_type_until(mtrr_of(ept), page, 0, &end));
}

static bool may_map(const struct ept *ept, struct range range)
{
    return !range_overlaps(range, ept->block) && range.end <= ept_limit(ept);
}

/* May one leaf map the range, and with which type? Most first touches are of device memory, far above all MTRRs. */
static bool uniform(const struct ept *ept, struct range range, enum memory_type *type)
{
    uint64_t plain = __atomic_load_n(&ept->plain, __ATOMIC_RELAXED);

    if (!may_map(ept, range))
        return false;
    if (range.start < ALIGN_DOWN(plain, PAGE_SIZE))
        return mtrr_uniform(mtrr_of(ept), range.start, range_size(range), type);
    *type = (enum memory_type)(plain % PAGE_SIZE);
    return true;
}

static struct range piece_at(uint64_t address, unsigned level)
{
    uint64_t start = ALIGN_DOWN(address, pgtable_size(level));

    return (struct range){start, start + pgtable_size(level)};
}

/* Maps the largest piece around `address` that fits in the absent entry `at`. */
static enum pgtable_fill map_piece(struct ept *ept, uint64_t address, const struct pgtable_leaf *at,
                                   struct range *piece)
{
    unsigned level = at->level < ept->format.largest_leaf ? at->level : ept->format.largest_leaf;
    enum memory_type type = MEMORY_UC;

    while (*piece = piece_at(address, level), !uniform(ept, *piece, &type) && level > 1)
        level--;
    return pgtable_fill(&ept->table, at, piece->start, level, piece->start, attributes(ept, EPT_ALL, type));
}

enum ept_fill ept_fill(struct ept *ept, uint64_t address)
{
    uint64_t generation = __atomic_load_n(&ept->generation, __ATOMIC_ACQUIRE);

    if (address >= ept_limit(ept))
        return EPT_BEYOND;
    if (address >= ept->block.start && address < ept->block.end)
        return EPT_IN_BLOCK;
    for (;;) {
        struct pgtable_leaf at = pgtable_lookup(&ept->table, address);
        enum pgtable_fill filled;
        struct range piece;

        if (at.entry)
            return EPT_PRESENT_ALREADY;
        filled = map_piece(ept, address, &at, &piece);
        if (filled == PGTABLE_NO_MEMORY)
            return EPT_NO_MEMORY;
        if (filled == PGTABLE_FILLED) {
            ept_retype_since(ept, generation, piece);
            return EPT_FILLED;
        }
    }
}

enum ept_fill ept_fill_coarse(struct ept *ept, uint64_t address)
{
    uint64_t generation = __atomic_load_n(&ept->generation, __ATOMIC_ACQUIRE);
    struct pgtable_leaf at = pgtable_lookup(&ept->table, address);
    struct range piece = piece_at(at.start, at.level);

    if (at.entry)
        return EPT_PRESENT_ALREADY;
    if (at.level > ept->format.largest_leaf || !may_map(ept, piece))
        return EPT_NO_MEMORY;
    if (pgtable_fill(&ept->table, &at, at.start, at.level, at.start, attributes(ept, EPT_ALL, MEMORY_UC)) !=
        PGTABLE_FILLED)
        return EPT_PRESENT_ALREADY; /* another CPU came first: the guest may try again */
    ept_retype_since(ept, generation, piece);
    return EPT_FILLED;
}

/* Fills what isn't mapped yet of [start, end), which doesn't meet the block. */
static bool populate(struct ept *ept, uint64_t start, uint64_t end)
{
    while (start < end && start < ept_limit(ept)) {
        struct pgtable_leaf at = pgtable_lookup(&ept->table, start);

        if (at.entry)
            start = at.start + pgtable_size(at.level);
        else if (ept_fill(ept, start) == EPT_NO_MEMORY)
            return false;
    }
    return true;
}

bool ept_init_empty(struct ept *ept, struct pool *pool, const struct mtrr_state *mtrr, struct range block,
                    unsigned physical_bits, bool gib_pages)
{
    *ept = (struct ept){.format = ept_format, .block = block, .physical_bits = physical_bits};
    ept->limit = (uint64_t)1 << (physical_bits < 48 ? physical_bits : 48);
    ept_retype_begin(ept, mtrr);
    ept->format.largest_leaf = gib_pages ? 3 : 2;
    return pgtable_init(&ept->table, &ept->format, pool);
}

bool ept_populate(struct ept *ept)
{
    const uint64_t eager = 4 * GIB;

    return populate(ept, 0, ept->block.start < eager ? ept->block.start : eager) &&
           populate(ept, ept->block.end, eager);
}

bool ept_init(struct ept *ept, struct pool *pool, const struct mtrr_state *mtrr, struct range block,
              unsigned physical_bits, bool gib_pages, struct error *error)
{
    if (ept_init_empty(ept, pool, mtrr, block, physical_bits, gib_pages) && ept_populate(ept))
        return true;
    return fail(error,
                "EPT: the pool of %u pages for its tables is too small: this is a defect of its sizing, report it",
                pool->pages);
}

/* While it was changed another CPU may have evicted a table, or filled anew what was in it. */
static bool all_stay(const struct ept *ept, uint64_t start, uint64_t end)
{
    while (start < end) {
        struct pgtable_leaf leaf = pgtable_lookup(&ept->table, start);

        if (!leaf.entry || ept_is_expendable(ept, leaf.entry))
            return false;
        start = pgtable_advance(start, pgtable_rest(start, leaf.level), end);
    }
    return true;
}

static bool modify_outside_block(struct ept *ept, uint64_t start, uint64_t end, struct pgtable_bits bits)
{
    bool lasting = !ept_is_expendable(ept, pgtable_modified(&ept->format, &bits, 1, EPT_MAPPED | EPT_ALL));

    if (end > ept_limit(ept))
        end = ept_limit(ept);
    if (start >= end)
        return true;
    while (start < end) {
        struct pgtable_leaf leaf = pgtable_lookup(&ept->table, start);
        uint64_t next = pgtable_advance(start, pgtable_rest(start, leaf.level), end);

        if (!leaf.entry && lasting && ept_fill(ept, start) == EPT_NO_MEMORY)
            return false;
        if (leaf.entry && !pgtable_modify(&ept->table, start, next, bits))
            return false;
        if (!lasting || all_stay(ept, start, next))
            start = next;
    }
    return true;
}

bool ept_modify(struct ept *ept, uint64_t start, uint64_t end, struct pgtable_bits bits)
{
    uint64_t low_end = end < ept->block.start ? end : ept->block.start;
    uint64_t high_start = start > ept->block.end ? start : ept->block.end;

    return modify_outside_block(ept, start, low_end, bits) && modify_outside_block(ept, high_start, end, bits);
}

bool ept_protect(struct ept *ept, uint64_t start, uint64_t end, uint64_t rights)
{
    /* with the mark taken away as well, nobody gives a right back that is denied here */
    return ept_modify(
        ept, start, end,
        (struct pgtable_bits){.mask = EPT_ALL | EPT_TRACKED | EPT_SMALL_EXECUTE, .value = legal_rights(ept, rights)});
}

bool ept_redirect(struct ept *ept, uint64_t page, uint64_t physical, uint64_t rights)
{
    uint64_t generation = __atomic_load_n(&ept->generation, __ATOMIC_ACQUIRE);
    uint64_t leaf = ept_attributes(ept, page, physical, rights) | (physical == page ? 0 : EPT_REDIRECTED);
    struct range range = {page, page + PAGE_SIZE};

    if (!may_map(ept, range) || !pgtable_map(&ept->table, page, range.end, physical, leaf))
        return false;
    ept_retype_since(ept, generation, range);
    return true;
}

uint64_t ept_pointer(const struct ept *ept, bool accessed_dirty)
{
    return ept_pointer_to(ept, ept->table.root, accessed_dirty);
}

/* SDM 24.6.11, table 24-8: write-back walk, 4 levels, A/D flags */
uint64_t ept_pointer_to(const struct ept *ept, const uint64_t *root, bool accessed_dirty)
{
    return pool_physical(ept->table.pool, root) | (uint64_t)accessed_dirty << 6 | (PGTABLE_LEVELS - 1) << 3 | MEMORY_WB;
}
