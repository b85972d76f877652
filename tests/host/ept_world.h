/* An EPT in a pool of its own, MTRRs as a usual firmware sets them, and the page-by-page oracle for what it must hold.
 */
#pragma once

#include "tests/host/mtrr_model.h"
#include "tests/host/paging_check.h"

struct ept_world {
    struct test_pool pages;
    struct mtrr_state mtrr;
    struct ept ept;
    struct error error;
};

/* Write-back by default, the VGA window uncached, ROM write-protected, and the last GiB below 4 GiB uncached. */
static inline struct mtrr_state usual_mtrr(void)
{
    struct mtrr_state mtrr = {.capability = 0x508, .default_type = 0xc06, .physical_bits = 40};

    memset(&mtrr.fixed[0], MEMORY_WB, 2 * sizeof(uint64_t));
    memset(&mtrr.fixed[3], MEMORY_WP, 8 * sizeof(uint64_t));
    mtrr.variable[0].base = 3 * GIB | MEMORY_UC;
    mtrr.variable[0].mask = ((1ull << 40) - GIB) | 0x800;
    return mtrr;
}

static inline bool ept_world_init(struct ept_world *world, struct mtrr_state mtrr, struct range block, bool gib_pages,
                                  unsigned pool_pages)
{
    world->mtrr = mtrr;
    test_pool_init(&world->pages, pool_pages);
    return ept_init(&world->ept, &world->pages.pool, &world->mtrr, block, mtrr.physical_bits, gib_pages, &world->error);
}

static inline void ept_world_fini(struct ept_world *world)
{
    free(world->pages.memory);
}

static inline uint64_t identity(const struct mtrr_state *mtrr, uint64_t page, uint64_t rights)
{
    return page | EPT_MAPPED | rights | (uint64_t)model_type(mtrr, page) << 3;
}

/* What a tree with this root says of a page, as the 4 KiB entry that would say the same; a walker of its own. */
static inline uint64_t translate(const struct ept *ept, const uint64_t *root, uint64_t address)
{
    for (unsigned shift = 39;; shift -= 9) {
        uint64_t entry = root[address >> shift & 511];

        if (shift > 12 && (entry & 7) && !(entry & 0x80)) {
            root = entries_of(&ept->table, entry);
            continue;
        }
        if (!entry)
            return 0;
        if (shift > 12)
            entry &= ~0x80ull;
        return entry + (address & ((1ull << shift) - 1) & ~0xfffull);
    }
}
