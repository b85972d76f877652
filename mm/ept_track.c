/*
 * Dirty tracking. Both ways use the dirty bit of the leaf, which a CPU without dirty flags ignores. Without them a leaf
 * either may not be written (clean), or may and is dirty. TRACKED are all of them: where flags are, so that none is
 * evicted with its dirty bit, and where not, to be told from what may not be written for another reason.
 */
#include "mm/ept_track.h"
#include "mm/pgtable_walk.h"

static const struct pgtable_bits withhold = {
    .mask = EPT_WRITE | EPT_DIRTY | EPT_TRACKED, .value = EPT_TRACKED, .only = EPT_WRITE};
static const struct pgtable_bits give = {
    .mask = EPT_WRITE | EPT_DIRTY | EPT_TRACKED, .value = EPT_WRITE | EPT_DIRTY | EPT_TRACKED, .only = EPT_TRACKED};

bool ept_track_start(struct ept_track *track)
{
    const struct pgtable_bits clean = {.mask = EPT_DIRTY | EPT_TRACKED, .value = EPT_TRACKED};

    return ept_modify(track->ept, track->range.start, track->range.end, track->flags ? clean : withhold);
}

bool ept_track_write(struct ept_track *track, uint64_t address)
{
    struct pgtable *table = &track->ept->table;
    uint64_t page = ALIGN_DOWN(address, PAGE_SIZE);
    struct pgtable_leaf leaf = pgtable_lookup(table, page);

    if (track->flags || page < track->range.start || page >= track->range.end)
        return false;
    if (!(leaf.entry & EPT_TRACKED)) /* another CPU was faster, or it isn't tracked */
        return leaf.entry & EPT_WRITE;
    if (pgtable_modify(table, page, page + PAGE_SIZE, give))
        return true;
    return pgtable_modify(table, leaf.start, leaf.start + pgtable_size(leaf.level), give);
}

bool ept_track_harvest(struct ept_track *track, uint64_t *address, struct range *written)
{
    struct pgtable_bits clean = {.mask = EPT_DIRTY, .only = EPT_DIRTY};

    return pgtable_harvest(&track->ept->table, address, track->range.end, track->flags ? clean : withhold, written);
}

bool ept_track_stop(struct ept_track *track)
{
    const uint64_t right = track->flags ? 0 : EPT_WRITE;
    const struct pgtable_bits bits = {.mask = right | EPT_TRACKED, .value = right, .only = EPT_TRACKED};

    return pgtable_modify(&track->ept->table, track->range.start, track->range.end, bits);
}
