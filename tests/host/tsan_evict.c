/*
 * Eight CPUs in a pool that holds the tables of few of the places they go to: each fills, evicts what others have
 * filled, and has what it needs for one instruction, six places at once, in the end. Pages that one withholds from
 * the guest stay withheld all the while, one retypes all, and no CPU uses a table that was freed. Run under
 * ThreadSanitizer.
 */
#include <pthread.h>
#include <unistd.h>

#include "tests/host/support.h"

#include "mm/ept_evict.h"
#include "mm/ept_retype.h"
#include "mm/grace.h"
#include "mm/pgtable_merge.h"
#include "tests/host/ept_world.h"

enum { THREADS = 8, ROUNDS = 80, POOL_PAGES = 20, PLACES = 6, PATIENCE = 16, WANTED = 4 };

static struct ept_world world;
static struct mtrr_state states[2];
static const struct range block = {0xbfc00000, 0xc0000000};
static pthread_barrier_t start_line;
static struct grace grace;
static struct grace_cpu grace_cpus[THREADS];
static struct grace_reclaim reclaim;
static bool busy;                /* as in vmm/table_pool.c */
static int withheld[THREADS][2]; /* pages of each CPU from which the right to write is withheld for certain */

struct cpu {
    unsigned index;
    uint64_t seed;
    uint64_t cached_page, *cached_slot; /* a pointer into the tables, as in a CPU's paging-structure cache */
    unsigned long evicted, coarse, retyped;
};

static uint64_t dice(struct cpu *cpu, uint64_t sides)
{
    return random_next(&cpu->seed) % sides;
}

static void pass_if_due(struct cpu *cpu)
{
    uint64_t epoch;

    if (!grace_due(&grace, cpu->index))
        return;
    epoch = grace_epoch(&grace);
    cpu->cached_slot = NULL; /* INVEPT */
    grace_pass(&grace, cpu->index, epoch);
}

static void shootdown_and_free(struct cpu *cpu)
{
    uint64_t epoch;
    bool begun;

    grace_reclaim(&grace, &reclaim, &world.ept.table, &begun);
    epoch = grace_begin(&grace);
    while (!grace_over(&grace, epoch)) {
        pass_if_due(cpu);
        usleep(1);
    }
    grace_reclaim(&grace, &reclaim, &world.ept.table, &begun);
}

static void lock(struct cpu *cpu)
{
    while (__atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE)) {
        pass_if_due(cpu);
        usleep(1);
    }
}

static void unlock(void)
{
    __atomic_store_n(&busy, false, __ATOMIC_RELEASE);
}

/* Lock held. */
static void make_room(struct cpu *cpu, uint64_t keep)
{
    if (!pool_free_pages(&world.pages.pool) && pgtable_merge_but(&world.ept.table, 0, ept_limit(&world.ept), keep))
        shootdown_and_free(cpu);
    if (!pool_free_pages(&world.pages.pool)) {
        unsigned evicted = ept_evict(&world.ept, keep, WANTED);

        require(evicted);
        cpu->evicted += evicted;
        shootdown_and_free(cpu);
    }
}

static void touch(struct cpu *cpu, uint64_t address, bool patient)
{
    enum ept_fill filled = ept_fill(&world.ept, address);

    if (filled != EPT_NO_MEMORY)
        return;
    lock(cpu);
    if (!patient && ept_fill_coarse(&world.ept, address) == EPT_FILLED)
        cpu->coarse++;
    while (ept_fill(&world.ept, address) == EPT_NO_MEMORY)
        make_room(cpu, address);
    unlock();
}

static uint64_t random_place(struct cpu *cpu)
{
    static const uint64_t places[] = {0x40000000, 5 * GIB, 600 * GIB, 900 * GIB};

    return places[dice(cpu, ARRAY_SIZE(places))] + dice(cpu, 30) * 2 * MIB + dice(cpu, 512) * PAGE_SIZE;
}

/* An instruction is done when it finds all its places mapped, one after the other. */
static void execute(struct cpu *cpu)
{
    uint64_t places[PLACES];

    for (unsigned i = 0; i < PLACES; i++)
        places[i] = random_place(cpu);
    for (unsigned i = 0, tries = 0; i < PLACES; i++) {
        pass_if_due(cpu); /* enter */
        if (pgtable_lookup(&world.ept.table, places[i]).entry)
            continue;
        touch(cpu, places[i], ++tries < PATIENCE);
        i = (unsigned)-1; /* from its beginning */
    }
}

static uint64_t own_page(const struct cpu *cpu, unsigned n)
{
    return (n ? 5 * GIB : 900 * GIB) + 4 * MIB + cpu->index * 3 * PAGE_SIZE;
}

static void protect(struct cpu *cpu, uint64_t page, uint64_t rights)
{
    while (!ept_protect(&world.ept, page, page + PAGE_SIZE, rights)) {
        lock(cpu);
        make_room(cpu, page);
        unlock();
    }
}

static void toggle(struct cpu *cpu)
{
    unsigned n = (unsigned)dice(cpu, 2);

    if (withheld[cpu->index][n]) {
        withheld[cpu->index][n] = false;
        protect(cpu, own_page(cpu, n), EPT_ALL);
    } else {
        protect(cpu, own_page(cpu, n), EPT_READ);
        withheld[cpu->index][n] = true;
    }
}

static void check_own(struct cpu *cpu)
{
    for (unsigned n = 0; n < 2; n++) {
        uint64_t entry = pgtable_lookup(&world.ept.table, own_page(cpu, n)).entry;

        require(!withheld[cpu->index][n] || (entry && (entry & EPT_ALL) == EPT_READ));
    }
}

/* What the CPU keeps between two passes is the same page's entry, in the tree or not, or was replaced within it. */
static void use_cached(struct cpu *cpu)
{
    uint64_t entry, address;

    if (cpu->cached_slot) {
        entry = __atomic_load_n(cpu->cached_slot, __ATOMIC_RELAXED) & ~PGTABLE_HELD;
        address = entry & ENTRY_ADDRESS;
        require(!entry || entry == ((entry & ENTRY_ADDRESS) | EPT_ALL) /* a table's */ || address == cpu->cached_page ||
                address == ALIGN_DOWN(cpu->cached_page, 2 * MIB));
    }
    pass_if_due(cpu);
    cpu->cached_page = dice(cpu, 2) ? own_page(cpu, 0) : ALIGN_DOWN(random_place(cpu), PAGE_SIZE);
    cpu->cached_slot = pgtable_lookup(&world.ept.table, cpu->cached_page).slot;
}

static void *run(void *argument)
{
    struct cpu *cpu = argument;

    pthread_barrier_wait(&start_line);
    grace_wake(&grace, cpu->index);
    for (unsigned round = 0; round < ROUNDS; round++) {
        execute(cpu);
        use_cached(cpu);
        if (dice(cpu, 4) == 0)
            toggle(cpu);
        if (cpu->index == 0 && dice(cpu, 10) == 0)
            (void)ept_retype(&world.ept, &states[++cpu->retyped % 2]);
        check_own(cpu);
    }
    grace_quiet(&grace, cpu->index);
    return NULL;
}

static void everybody_gets_on(void **state)
{
    static struct cpu cpus[THREADS];
    pthread_t threads[THREADS];
    unsigned long evicted = 0, coarse = 0;
    bool begun;

    (void)state;
    states[0] = usual_mtrr();
    states[0].variable[1].mask = 0x1800; /* every second page uncached */
    states[1] = usual_mtrr();
    assert_true(ept_world_init(&world, usual_mtrr(), block, false, POOL_PAGES));
    states[1].variable[1].mask = 0x1800;
    states[1].variable[1].base = MEMORY_WT;
    grace_init(&grace, grace_cpus, THREADS);
    pthread_barrier_init(&start_line, NULL, THREADS);
    (void)ept_retype(&world.ept, &states[0]);
    for (unsigned i = 0; i < THREADS; i++) {
        cpus[i] = (struct cpu){.index = i, .seed = i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, run, &cpus[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        evicted += cpus[i].evicted;
        coarse += cpus[i].coarse;
    }
    print_message("           %lu tables evicted, %lu pieces uncached to get on, retyped %lu times\n", evicted, coarse,
                  cpus[0].retyped);
    assert_true(evicted > 1000);
    check_ept(&world.ept);
    for (unsigned i = 0; i < 3; i++)
        grace_reclaim(&grace, &reclaim, &world.ept.table, &begun);
    check_no_page_is_lost(&world.ept.table, 0);
    ept_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(everybody_gets_on)};

    return cmocka_run_group_tests_name("eviction, concurrent", tests, NULL, NULL);
}
