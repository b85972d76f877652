/*
 * Memory that nothing has touched yet, far above RAM, touched by all CPUs at once (row 28): nobody hangs, everybody
 * finds an empty bus, and Plinth maps each piece once, but for CPUs that came at the same time.
 */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { FIRST_GIB = 48, ROUNDS = 8, PIECES = 64, STRIDE = 2 << 20 };
enum { VIOLATIONS = 0x40010000 + 48, ALL_CPUS = 0xffffffff };

struct touching {
    uint64_t base;
    unsigned first;   /* pieces are taken from here on, round about */
    uint32_t unusual; /* reads that were not all-ones */
};

static uint64_t directory[512] aligned(4096); /* of 2 MiB pages: not every CPU has larger ones */
static volatile unsigned waiting;
static volatile bool go;

static void touch(void *argument)
{
    struct touching *touching = argument;

    write_cr3(read_cr3());
    __atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
    while (!go)
        ;
    for (unsigned i = 0; i < PIECES; i++) {
        uint64_t offset = (uint64_t)((touching->first + i) % PIECES) * STRIDE + 8 * i;
        volatile uint32_t *place = at_address(touching->base + offset);

        touching->unusual += *place != UINT32_MAX;
        if (i % 8 == 0)
            *place = i; /* goes nowhere */
    }
}

static unsigned cpus_there(void)
{
    unsigned count = 1;

    while (count < cpu_count && cpu_at(count)->starts)
        count++;
    return count;
}

/* In each other's footsteps, or each from a place of its own. */
static uint32_t all_at_once(unsigned cpus, uint64_t base, unsigned apart)
{
    static struct touching jobs[CPUS_MAX];
    uint32_t unusual = 0;

    go = false;
    waiting = 0;
    for (unsigned i = 0; i < cpus; i++)
        jobs[i] = (struct touching){.base = base, .first = i * apart};
    for (unsigned i = 1; i < cpus; i++) {
        cpu_at(i)->job_argument = &jobs[i];
        cpu_at(i)->job = touch;
    }
    while (waiting < cpus - 1)
        pause();
    go = true;
    touch(&jobs[0]);
    for (unsigned i = 0; i < cpus; i++) {
        while (i && cpu_at(i)->job)
            pause();
        unusual += jobs[i].unusual;
    }
    return unusual;
}

static uint32_t violations(void)
{
    return under_plinth() ? cpuid(VIOLATIONS, ALL_CPUS).eax : 0;
}

void test_touch(void)
{
    extern uint64_t page_tables[];
    unsigned cpus = cpus_there();

    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t base = (uint64_t)(FIRST_GIB + round) << 30;
        uint32_t before, first, unusual;

        for (unsigned i = 0; i < ARRAY_SIZE(directory); i++)
            directory[i] = (base + (uint64_t)i * STRIDE) | 0x9b; /* PS, PCD, PWT, R/W, P */
        page_tables[512 + FIRST_GIB + round] = (uintptr_t)directory | 3;
        before = violations();
        unusual = all_at_once(cpus, base, round % 2 ? PIECES / cpus : 0);
        first = violations() - before;
        observe("round %u: %u reads are not all-ones", round, unusual);
        check(!under_plinth() || (first > 0 && first <= cpus * PIECES), "%u violations", first);
        before = violations();
        all_at_once(cpus, base, 1);
        check(violations() == before, "%u violations in memory that was touched before", violations() - before);
        differ("round %u: %u violations", round, first);
        page_tables[512 + FIRST_GIB + round] = 0;
    }
    write_cr3(read_cr3());
}
