/*
 * Withdrawing a right: eight CPUs, each with a TLB of its own that keeps what it has seen until the CPU invalidates.
 * Once the withdrawal counts as done, no CPU may use the old right, be it in the guest, in root mode or in
 * wait-for-SIPI. All CPUs withdraw from each other at once, so a CPU that waits must let the others go on. Run under
 * ThreadSanitizer.
 */
#include <pthread.h>

#include "tests/host/support.h"

#include "mm/grace.h"
#include "mm/pgtable_merge.h"
#include "tests/host/ept_world.h"

enum { THREADS = 8, ROUNDS = 4000, TLB = 16, PAGES_EACH = 2, PAGE_COUNT = THREADS * PAGES_EACH };

static struct ept_world world;
static const struct range block = {0xbfc00000, 0xc0000000};
static pthread_barrier_t start_line;
static struct grace grace;
static struct grace_cpu grace_cpus[THREADS];
static struct grace_reclaim reclaim;
static int forbidden[PAGE_COUNT]; /* a write to this page would be a breach */

struct cpu {
    unsigned index;
    uint64_t seed;
    struct {
        unsigned page;
        uint64_t entry;
    } tlb[TLB];
    unsigned long hits, withdrawn;
};

static unsigned reclaim_step(void)
{
    bool begun; /* all look at every entry here */

    return grace_reclaim(&grace, &reclaim, &world.ept.table, &begun);
}

static uint64_t dice(struct cpu *cpu, uint64_t sides)
{
    return random_next(&cpu->seed) % sides;
}

static uint64_t address_of(unsigned page)
{
    return 5 * GIB + page * 3 * PAGE_SIZE;
}

/* The guest writes to some page if its TLB, or the tables, allow it. */
static void guest_access(struct cpu *cpu)
{
    unsigned page = (unsigned)dice(cpu, PAGE_COUNT), slot = page % TLB;

    if (!cpu->tlb[slot].entry || cpu->tlb[slot].page != page) {
        cpu->tlb[slot].page = page;
        cpu->tlb[slot].entry = pgtable_lookup(&world.ept.table, address_of(page)).entry;
    } else {
        cpu->hits++;
    }
    if (cpu->tlb[slot].entry & EPT_WRITE)
        require(!__atomic_load_n(&forbidden[page], __ATOMIC_SEQ_CST));
    if (dice(cpu, 16) == 0)
        sched_yield(); /* the others may get far while this one is in the guest */
}

static void pass_if_due(struct cpu *cpu)
{
    uint64_t epoch;

    if (!grace_due(&grace, cpu->index))
        return;
    epoch = grace_epoch(&grace);
    memset(cpu->tlb, 0, sizeof(cpu->tlb)); /* INVEPT */
    grace_pass(&grace, cpu->index, epoch);
}

static void give_back(unsigned page)
{
    uint64_t address = address_of(page);

    __atomic_store_n(&forbidden[page], 0, __ATOMIC_SEQ_CST);
    require(ept_protect(&world.ept, address, address + PAGE_SIZE, EPT_ALL));
    pgtable_merge(&world.ept.table, 5 * GIB, 6 * GIB);
}

static void withdraw(struct cpu *cpu, unsigned page)
{
    uint64_t address = address_of(page), epoch;

    require(ept_protect(&world.ept, address, address + PAGE_SIZE, EPT_READ));
    epoch = grace_begin(&grace);
    while (!grace_over(&grace, epoch)) {
        pass_if_due(cpu);
        sched_yield();
    }
    __atomic_store_n(&forbidden[page], 1, __ATOMIC_SEQ_CST); /* done: from here on nobody has it */
    cpu->withdrawn++;
}

static void toggle(struct cpu *cpu)
{
    unsigned page = cpu->index * PAGES_EACH + (unsigned)dice(cpu, PAGES_EACH);

    if (forbidden[page])
        give_back(page);
    else
        withdraw(cpu, page);
}

static void wait_for_sipi(struct cpu *cpu)
{
    grace_quiet(&grace, cpu->index);
    sched_yield();
    grace_wake(&grace, cpu->index);
}

static void *run(void *argument)
{
    struct cpu *cpu = argument;

    pthread_barrier_wait(&start_line);
    grace_wake(&grace, cpu->index);
    for (unsigned round = 0; round < ROUNDS; round++) {
        pass_if_due(cpu); /* enter */
        for (unsigned i = 0; i < 20; i++)
            guest_access(cpu);
        if (dice(cpu, 4) == 0)
            toggle(cpu);
        if (dice(cpu, 16) == 0)
            wait_for_sipi(cpu);
        reclaim_step();
    }
    grace_quiet(&grace, cpu->index);
    return NULL;
}

static void no_withdrawn_right_is_used(void **state)
{
    static struct cpu cpus[THREADS];
    pthread_t threads[THREADS];
    unsigned long hits = 0, withdrawn = 0;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), block, true, 60));
    assert_int_equal(ept_fill(&world.ept, 5 * GIB), EPT_FILLED);
    grace_init(&grace, grace_cpus, THREADS);
    pthread_barrier_init(&start_line, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        cpus[i] = (struct cpu){.index = i, .seed = i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, run, &cpus[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        hits += cpus[i].hits;
        withdrawn += cpus[i].withdrawn;
    }
    print_message("           %lu rights withdrawn, %lu TLB hits\n", withdrawn, hits);
    assert_true(withdrawn > 1000 && hits > 10000);
    for (unsigned i = 0; i < 3; i++)
        reclaim_step();
    check_ept(&world.ept);
    check_no_page_is_lost(&world.ept.table, 0);
    ept_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_withdrawn_right_is_used)};

    return cmocka_run_group_tests_name("grace periods, concurrent", tests, NULL, NULL);
}
