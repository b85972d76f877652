/*
 * What the guest's second-level tables hold. Every leaf is made by map_piece() or ept_redirect() from attributes(),
 * which can't make a misconfigured one.
 */
#include "mm/ept.h"

/* 4-level EPT translates 48 bits, whatever MAXPHYADDR says (SDM 28.2.2). */
enum { EPT_ADDRESS_BITS = 48 };

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

uint64_t ept_attributes(const struct ept *ept, uint64_t page, uint64_t physical, uint64_t rights)
{
    uint64_t end;

    return attributes(ept, rights, physical == page ? mtrr_type_until(ept->mtrr, page, 0, &end) : MEMORY_WB);
}

static uint64_t limit_of(const struct ept *ept)
{
    return (uint64_t)1 << (ept->physical_bits < EPT_ADDRESS_BITS ? ept->physical_bits : EPT_ADDRESS_BITS);
}

/* May one leaf map [start, end)? */
static bool uniform(const struct ept *ept, struct range range, enum memory_type *type)
{
    uint64_t end;

    if (range_overlaps(range, ept->block) || range.end > limit_of(ept))
        return false;
    *type = mtrr_type_until(ept->mtrr, range.start, range.end, &end);
    return end >= range.end;
}

/* Maps the largest piece around `address` that fits where the walk ended. */
static enum pgtable_fill map_piece(struct ept *ept, uint64_t address, unsigned level)
{
    enum memory_type type = MEMORY_UC;

    if (level > ept->format.largest_leaf)
        level = ept->format.largest_leaf;
    for (;; level--) {
        uint64_t start = ALIGN_DOWN(address, pgtable_size(level));

        if (uniform(ept, (struct range){start, start + pgtable_size(level)}, &type) || level == 1)
            return pgtable_fill(&ept->table, start, level, start, attributes(ept, EPT_ALL, type));
    }
}

enum ept_fill ept_fill(struct ept *ept, uint64_t address)
{
    if (address >= limit_of(ept))
        return EPT_BEYOND;
    if (address >= ept->block.start && address < ept->block.end)
        return EPT_IN_BLOCK;
    for (;;) {
        struct pgtable_leaf at = pgtable_lookup(&ept->table, address);
        enum pgtable_fill filled;

        if (at.entry)
            return EPT_PRESENT_ALREADY;
        filled = map_piece(ept, address, at.level);
        if (filled == PGTABLE_FILLED)
            return EPT_FILLED;
        if (filled == PGTABLE_NO_MEMORY)
            return EPT_NO_MEMORY;
    }
}

/* Fills what isn't mapped yet of [start, end), which doesn't meet the block. */
static bool populate(struct ept *ept, uint64_t start, uint64_t end)
{
    while (start < end && start < limit_of(ept)) {
        struct pgtable_leaf at = pgtable_lookup(&ept->table, start);

        if (at.entry)
            start = at.start + pgtable_size(at.level);
        else if (ept_fill(ept, start) == EPT_NO_MEMORY)
            return false;
    }
    return true;
}

bool ept_init(struct ept *ept, struct pool *pool, const struct mtrr_state *mtrr, struct range block,
              unsigned physical_bits, bool gib_pages, struct error *error)
{
    uint64_t eager = 4 * GIB;

    *ept = (struct ept){.format = ept_format, .mtrr = mtrr, .block = block, .physical_bits = physical_bits};
    ept->format.largest_leaf = gib_pages ? 3 : 2;
    if (eager > limit_of(ept))
        eager = limit_of(ept);
    if (pgtable_init(&ept->table, &ept->format, pool) && populate(ept, 0, block.start < eager ? block.start : eager) &&
        populate(ept, block.end, eager))
        return true;
    return fail(error,
                "EPT: the pool of %u pages for its tables is too small: this is a defect of its sizing, report it",
                pool->pages);
}

static bool protect_outside_block(struct ept *ept, uint64_t start, uint64_t end, uint64_t rights)
{
    if (end > limit_of(ept))
        end = limit_of(ept);
    if (start >= end)
        return true;
    return populate(ept, start, end) && pgtable_protect(&ept->table, start, end, legal_rights(ept, rights));
}

bool ept_protect(struct ept *ept, uint64_t start, uint64_t end, uint64_t rights)
{
    uint64_t low_end = end < ept->block.start ? end : ept->block.start;
    uint64_t high_start = start > ept->block.end ? start : ept->block.end;

    return protect_outside_block(ept, start, low_end, rights) && protect_outside_block(ept, high_start, end, rights);
}

bool ept_redirect(struct ept *ept, uint64_t page, uint64_t physical, uint64_t rights)
{
    if (page >= limit_of(ept) || (page >= ept->block.start && page < ept->block.end))
        return false;
    return pgtable_map(&ept->table, page, page + PAGE_SIZE, physical, ept_attributes(ept, page, physical, rights));
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
