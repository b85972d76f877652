/*
 * Memory types of a live tree. The retyper first counts the generation, then visits the leaves; who makes a leaf first
 * makes it, then looks at the generation: one of the two sees the other (both are sequentially consistent).
 */
#include "mm/ept_retype.h"

static uint64_t generation_of(const struct ept *ept)
{
    return __atomic_load_n(&ept->generation, __ATOMIC_SEQ_CST);
}

static bool set_type(struct ept *ept, struct range range, enum memory_type type)
{
    struct pgtable_bits bits = {
        .mask = (uint64_t)7 << EPT_TYPE_SHIFT,
        .value = (uint64_t)type << EPT_TYPE_SHIFT,
        .except = EPT_REDIRECTED,
    };

    return pgtable_modify(&ept->table, range.start, range.end, bits);
}

static struct range leaf_around(const struct ept *ept, uint64_t address)
{
    struct pgtable_leaf leaf = pgtable_lookup(&ept->table, address);

    return (struct range){leaf.start, leaf.start + pgtable_size(leaf.level)};
}

/*
 * No page to split with. Only the first and the last leaf can reach beyond the range: they become uncached as a whole,
 * which is right for any memory, if slow, and what lies between needs no splitting.
 */
static void set_type_coarse(struct ept *ept, struct range range, enum memory_type type)
{
    struct range first = leaf_around(ept, range.start), last = leaf_around(ept, range.end - 1);
    struct range between = {range.start, range.end};

    if (!range_contains(range, first)) {
        between.start = first.end;
        (void)!set_type(ept, first, MEMORY_UC);
    }
    if (!range_contains(range, last)) {
        between.end = last.start;
        (void)!set_type(ept, last, MEMORY_UC);
    }
    if (between.start < between.end)
        (void)!set_type(ept, between, type);
    __atomic_store_n(&ept->coarse, true, __ATOMIC_RELEASE);
}

/* Retypes [start, *end) where it is of one type, which *end is cut to. Whole runs: so that no leaf is split that
 * needn't. */
static bool retype_run(struct ept *ept, const struct mtrr_state *mtrr, uint64_t start, uint64_t *end)
{
    struct range run = {start, 0};
    enum memory_type type = mtrr_type(mtrr, start, &run.end);

    if (run.end > *end)
        run.end = *end;
    *end = run.end;
    if (set_type(ept, run, type))
        return true;
    set_type_coarse(ept, run, type);
    return false;
}

void ept_retype_since(struct ept *ept, uint64_t generation, struct range range)
{
    while (generation_of(ept) != generation) {
        const struct mtrr_state *mtrr;

        generation = generation_of(ept);
        mtrr = __atomic_load_n(&ept->mtrr, __ATOMIC_ACQUIRE);
        for (uint64_t start = range.start, end; start < range.end; start = end) {
            end = range.end;
            retype_run(ept, mtrr, start, &end);
        }
    }
}

/* Is the run of one type that begins at `start`, by the new MTRRs, of that type by the old ones too? */
static bool unchanged(const struct mtrr_state *old, const struct mtrr_state *new, uint64_t start)
{
    uint64_t end, old_end;
    enum memory_type type = mtrr_type(new, start, &end);

    return mtrr_type_until(old, start, end, &old_end) == type && old_end >= end;
}

bool ept_retype(struct ept *ept, const struct mtrr_state *mtrr)
{
    const struct mtrr_state *old = ept->mtrr;
    bool all = __atomic_exchange_n(&ept->coarse, false, __ATOMIC_ACQ_REL), exact = true;

    __atomic_store_n(&ept->mtrr, mtrr, __ATOMIC_RELEASE);
    __atomic_add_fetch(&ept->generation, 1, __ATOMIC_SEQ_CST);
    for (uint64_t start = 0, end; start < ept_limit(ept); start = end) {
        end = ept_limit(ept);
        if (!all && unchanged(old, mtrr, start))
            mtrr_type(mtrr, start, &end);
        else if (!retype_run(ept, mtrr, start, &end))
            exact = false;
    }
    return exact;
}
