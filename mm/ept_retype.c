/*
 * Memory types of a live tree. The retyper first counts the generation, then visits the leaves; who makes a leaf first
 * makes it, then looks at the generation: one of the two sees the other (both are sequentially consistent).
 */
#include "mm/ept_retype.h"
#include "mm/ept_evict.h"
#include "mm/pgtable_entry.h"

/* Where one type begins and ends; kept from leaf to leaf, as most lie in the run of the one before. */
struct run {
    struct range range;
    enum memory_type type;
};

static uint64_t generation_of(const struct ept *ept)
{
    return __atomic_load_n(&ept->generation, __ATOMIC_SEQ_CST);
}

enum step { STEP_DONE, STEP_AGAIN, STEP_COARSE };

static enum step replace(const struct pgtable_leaf *leaf, uint64_t new)
{
    if (new == leaf->entry || pgtable_exchange(leaf->slot, leaf->entry, new))
        return STEP_DONE;
    __builtin_ia32_pause(); /* frozen, dead, or changed meanwhile */
    return STEP_AGAIN;
}

static enum step set_type(const struct pgtable_leaf *leaf, enum memory_type type)
{
    return replace(leaf, (leaf->entry & ~((uint64_t)7 << EPT_TYPE_SHIFT)) | (uint64_t)type << EPT_TYPE_SHIFT);
}

static enum step retype_leaf(struct ept *ept, const struct mtrr_state *mtrr, const struct pgtable_leaf *leaf,
                             struct run *run)
{
    struct range range = {leaf->start, leaf->start + pgtable_size(leaf->level)};

    if (range.start < run->range.start || range.start >= run->range.end) {
        run->range.start = range.start;
        run->type = mtrr_type(mtrr, range.start, &run->range.end);
    }
    if (range.end <= run->range.end)
        return set_type(leaf, run->type);
    if (leaf->level > 1 && pgtable_install_table(&ept->table, leaf))
        return STEP_AGAIN;
    /* no page to split with: the next touch finds one, */
    if (ept_is_expendable(ept, leaf->entry))
        return replace(leaf, 0);
    /* but what is withheld here must stay; uncached is right for any memory, if slow */
    return set_type(leaf, MEMORY_UC) == STEP_DONE ? STEP_COARSE : STEP_AGAIN;
}

static bool retype_range(struct ept *ept, const struct mtrr_state *mtrr, struct range range)
{
    struct run run = {{0, 0}, MEMORY_UC};
    bool exact = true;

    while (range.start < range.end) {
        struct pgtable_leaf leaf = pgtable_lookup(&ept->table, range.start);
        enum step step = STEP_DONE;

        if (leaf.entry && !(leaf.entry & EPT_REDIRECTED))
            step = retype_leaf(ept, mtrr, &leaf, &run);
        if (step == STEP_COARSE)
            exact = false;
        if (step != STEP_AGAIN)
            range.start = pgtable_advance(range.start, pgtable_rest(range.start, leaf.level), range.end);
    }
    return exact;
}

void ept_retype_again(struct ept *ept, uint64_t generation, struct range range)
{
    while (generation_of(ept) != generation) {
        generation = generation_of(ept);
        retype_range(ept, __atomic_load_n(&ept->mtrr, __ATOMIC_ACQUIRE), range);
    }
}

void ept_retype_begin(struct ept *ept, const struct mtrr_state *mtrr)
{
    enum memory_type type;
    uint64_t plain = mtrr_plain_from(mtrr, &type);

    __atomic_store_n(&ept->mtrr, mtrr, __ATOMIC_RELEASE);
    __atomic_store_n(&ept->plain, plain | type, __ATOMIC_RELAXED);
    __atomic_add_fetch(&ept->generation, 1, __ATOMIC_SEQ_CST);
}

bool ept_retype(struct ept *ept, const struct mtrr_state *mtrr)
{
    ept_retype_begin(ept, mtrr);
    return retype_range(ept, mtrr, (struct range){0, ept_limit(ept)});
}
