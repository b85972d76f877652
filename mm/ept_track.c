/*
 * Dirty tracking. Both ways use the dirty bit of the leaf, which a CPU without dirty flags ignores. Without them a leaf
 * is either TRACKED and not writable (clean), or writable and dirty.
 */
#include "mm/ept_track.h"
#include "mm/pgtable_walk.h"

static const struct pgtable_bits withhold = {
    .mask = EPT_WRITE | EPT_DIRTY | EPT_TRACKED, .value = EPT_TRACKED, .only = EPT_WRITE};
static const struct pgtable_bits give = {
    .mask = EPT_WRITE | EPT_DIRTY | EPT_TRACKED, .value = EPT_WRITE | EPT_DIRTY, .only = EPT_TRACKED};

bool ept_track_start(struct ept_track *track)
{
    struct pgtable_bits bits = track->flags ? (struct pgtable_bits){.mask = EPT_DIRTY} : withhold;

    return pgtable_modify(&track->ept->table, track->range.start, track->range.end, bits);
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
    struct pgtable_bits bits = {.mask = EPT_WRITE | EPT_TRACKED, .value = EPT_WRITE, .only = EPT_TRACKED};

    return track->flags || pgtable_modify(&track->ept->table, track->range.start, track->range.end, bits);
}
