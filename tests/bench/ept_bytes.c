/*
 * What the guest's second-level tables take on machines of several sizes, by the code that makes them (mm/), once all
 * RAM has been touched. A host program of tests/bench/run.
 */
#include "mm/ept.h"
#include "mm/pool.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POOL_PAGES = 20000, PHYSICAL_BITS = 46 };

/* As firmware sets them: write-back, the VGA window uncached, ROM write-protected, the last GiB below 4 uncached. */
static struct mtrr_state usual_mtrr(void)
{
    struct mtrr_state mtrr = {.capability = 0x508, .default_type = 0xc06, .physical_bits = PHYSICAL_BITS};

    memset(&mtrr.fixed[0], MEMORY_WB, 2 * sizeof(uint64_t));
    memset(&mtrr.fixed[3], MEMORY_WP, 8 * sizeof(uint64_t));
    mtrr.variable[0].base = 3 * GIB | MEMORY_UC;
    mtrr.variable[0].mask = (((uint64_t)1 << PHYSICAL_BITS) - GIB) | 0x800;
    return mtrr;
}

/* RAM above 4 GiB is what has no place below 3. */
static uint64_t top_of(uint64_t ram)
{
    return ram <= 3 * GIB ? 4 * GIB : ram + GIB;
}

static void measure(void *memory, uint64_t gib, bool gib_pages)
{
    const uint64_t ram = gib * GIB, low = ram < 3 * GIB ? ram : 3 * GIB;
    const struct range block = {low - 4 * MIB, low - 2 * MIB};
    const struct mtrr_state mtrr = usual_mtrr();
    struct error error;
    struct pool pool;
    struct ept ept;

    pool_init(&pool, memory, 16 * GIB, POOL_PAGES * PAGE_SIZE);
    if (!ept_init(&ept, &pool, &mtrr, block, PHYSICAL_BITS, gib_pages, &error))
        exit(1);
    for (uint64_t address = 4 * GIB; address < top_of(ram); address += 2 * MIB)
        if (ept_fill(&ept, address) == EPT_NO_MEMORY)
            exit(1);
    printf("ept: ram=%" PRIu64 " largest=%s bytes=%u\n", gib, gib_pages ? "1G" : "2M",
           (unsigned)(pool.used * PAGE_SIZE));
}

int main(void)
{
    static const uint64_t sizes[] = {1, 4, 64, 6 * 1024};
    void *memory = aligned_alloc(PAGE_SIZE, POOL_PAGES * PAGE_SIZE);

    for (unsigned i = 0; memory && i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        measure(memory, sizes[i], true);
        measure(memory, sizes[i], false);
    }
    return !memory;
}
