/*
 * Other memory types: the guest has rewritten its MTRRs. The leaves are changed in place, with their rights, while
 * other CPUs go on filling: a fill that began with the old types finds out by the generation and corrects itself. Pure
 * but for atomics; root mode.
 */
#pragma once

#include "mm/ept.h"

/*
 * From now on `mtrr` says the memory types; leaves that hold another type are changed, and split where types meet
 * inside one. *mtrr stays the caller's, and unchanged until a grace period (mm/grace.h) after the next call. One CPU at
 * a time. The caller invalidates, then merges where it likes. Where the pool runs out, leaves become absent until the
 * next touch. False: not so one from which something is withheld, which is uncached for it as a whole; everything is
 * right, but slow, and the next call tries again. The work is bounded by the leaves there are, whatever the guest
 * writes into its MTRRs.
 */
bool ept_retype(struct ept *ept, const struct mtrr_state *mtrr);

/* Its first half: leaves made from now on are made by *mtrr. */
void ept_retype_begin(struct ept *ept, const struct mtrr_state *mtrr);

/* For who has just made leaves in `range` by the types of `generation`: retypes them if that has passed meanwhile. */
void ept_retype_again(struct ept *ept, uint64_t generation, struct range range);
static inline void ept_retype_since(struct ept *ept, uint64_t generation, struct range range)
{
    if (__atomic_load_n(&ept->generation, __ATOMIC_SEQ_CST) != generation)
        ept_retype_again(ept, generation, range);
}
