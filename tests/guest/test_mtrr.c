/*
 * MTRRs rewritten as an OS does it (SDM vol. 3, 11.11.8 "MTRR Considerations in MP Systems"): every CPU with caches and
 * MTRRs off, to the same values. Under Plinth its log then shows the memory types in the EPT (row 44).
 */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { PHYSBASE0 = 0x200, ENABLE = 1 << 11, TYPE_WC = 1, COUNT = 0xff };
enum { RANGE_BASE = 0x5000000, RANGE_SIZE = 0x10000 }; /* RAM that nothing uses, less than a large page */

static uint64_t address_mask(void)
{
    return ((uint64_t)1 << (cpuid(0x80000008, 0).eax & 0xff)) - 1;
}

static void rewrite(void *argument)
{
    const struct mtrr_change *change = argument;
    const uint64_t cd = (uint64_t)1 << 30, cr0 = read_cr0();
    uint64_t def_type = rdmsr(MSR_MTRR_DEF_TYPE);

    write_cr0(cr0 | cd);
    __asm__ volatile("wbinvd" : : : "memory");
    write_cr3(read_cr3());
    wrmsr(MSR_MTRR_DEF_TYPE, def_type & ~(uint64_t)ENABLE);
    wrmsr(change->index, change->base);
    wrmsr(change->index + 1, change->mask);
    wrmsr(MSR_MTRR_DEF_TYPE, def_type);
    __asm__ volatile("wbinvd" : : : "memory");
    write_cr3(read_cr3());
    write_cr0(cr0);
}

void mtrr_rewrite(struct mtrr_change *change)
{
    for (unsigned i = 0; i < cpu_count; i++)
        if (i == 0 || cpu_at(i)->starts)
            smp_run(cpu_at(i), rewrite, change);
}

uint32_t mtrr_find_free(void)
{
    uint32_t count = (uint32_t)rdmsr(MSR_MTRRCAP) & COUNT;

    for (uint32_t i = 0; i < count; i++)
        if (!(rdmsr(PHYSBASE0 + 2 * i + 1) & MTRR_VALID))
            return PHYSBASE0 + 2 * i;
    return 0;
}

static void change_and_observe(struct mtrr_change change)
{
    mtrr_rewrite(&change);
    observe("base %llx mask %llx", (unsigned long long)rdmsr(change.index),
            (unsigned long long)rdmsr(change.index + 1));
}

void test_mtrr(void)
{
    uint32_t index = mtrr_find_free();
    volatile uint64_t *memory = (volatile uint64_t *)(uintptr_t)RANGE_BASE;

    if (!index) {
        skip("no variable MTRR is free");
        return;
    }
    memory[0] = 0x0123456789abcdef;
    change_and_observe(
        (struct mtrr_change){index, RANGE_BASE | TYPE_WC, (~(uint64_t)(RANGE_SIZE - 1) & address_mask()) | MTRR_VALID});
    check(memory[0] == 0x0123456789abcdef, "memory changed with its type");
    change_and_observe((struct mtrr_change){index, 0, 0});
}
