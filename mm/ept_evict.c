/* When the pool is empty. */
#include "mm/ept_evict.h"

static const struct pgtable_expendable made_again = {.mask = EPT_ALL | EPT_REDIRECTED | EPT_TRACKED, .value = EPT_ALL};

bool ept_is_expendable(const struct ept *ept, uint64_t leaf)
{
    return pgtable_is_expendable(&ept->format, made_again, leaf);
}

unsigned ept_evict(struct ept *ept, uint64_t keep, unsigned wanted)
{
    const uint64_t start = __atomic_load_n(&ept->hand, __ATOMIC_RELAXED);
    uint64_t hand = start;
    unsigned evicted = 0;

    for (unsigned level = 2; level <= PGTABLE_LEVELS && evicted < wanted; level++) {
        hand = start;
        evicted += pgtable_evict(&ept->table, level, &hand, ept_limit(ept), made_again, keep, wanted - evicted);
        if (evicted == wanted)
            break;
        hand = 0;
        evicted += pgtable_evict(&ept->table, level, &hand, start, made_again, keep, wanted - evicted);
    }
    __atomic_store_n(&ept->hand, hand, __ATOMIC_RELAXED);
    return evicted;
}
