#include "mm/ept_execute.h"

#include "mm/pgtable_entry.h"

void ept_execute_small_only(struct ept *ept)
{
    const struct pgtable_bits take = {
        .mask = EPT_EXECUTE | EPT_SMALL_EXECUTE, .value = EPT_SMALL_EXECUTE, .only = EPT_LARGE | EPT_EXECUTE};

    ept->format.small_only = EPT_EXECUTE;
    ept->format.small_mark = EPT_SMALL_EXECUTE;
    if (!pgtable_modify(&ept->table, 0, ept_limit(ept), take))
        __builtin_trap(); /* whole leaves only: nothing to split */
}

static uint64_t executable(uint64_t entry)
{
    return (entry & ~EPT_SMALL_EXECUTE) | EPT_EXECUTE;
}

/* The small pages that another change has split off: all of a table at once, so that they can be merged again. */
static bool give_small(struct ept *ept, uint64_t address)
{
    const struct pgtable_bits give = {
        .mask = EPT_EXECUTE | EPT_SMALL_EXECUTE, .value = EPT_EXECUTE, .only = EPT_SMALL_EXECUTE};
    uint64_t start = ALIGN_DOWN(address, pgtable_size(2));

    return pgtable_modify(&ept->table, start, start + pgtable_size(2), give);
}

enum ept_execute ept_execute(struct ept *ept, uint64_t address)
{
    for (;;) {
        struct pgtable_leaf at = pgtable_lookup(&ept->table, address);

        if (at.entry & EPT_EXECUTE)
            return EPT_EXECUTE_GIVEN;
        if (!(at.entry & EPT_SMALL_EXECUTE))
            return EPT_EXECUTE_DENIED;
        if (at.level == 1 ? !give_small(ept, address)
                          : !pgtable_split_as(&ept->table, &at, at.level == 2 ? executable(at.entry) : at.entry))
            return EPT_EXECUTE_NO_MEMORY;
    }
}

void ept_execute_anyway(struct ept *ept, uint64_t address)
{
    struct pgtable_leaf at = pgtable_lookup(&ept->table, address);

    if (at.entry & EPT_SMALL_EXECUTE)
        (void)pgtable_exchange(at.slot, at.entry, executable(at.entry));
}
