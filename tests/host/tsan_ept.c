/*
 * Eight CPUs change one EPT at once. Pages are dealt out among them like cards, so that every table is shared and no
 * page is: what a thread set for its own page must stay as it set it, whatever its neighbours do to the tables around.
 * Beside that all touch the same far memory for the first time. Run under ThreadSanitizer.
 */
#include <pthread.h>

#include "tests/host/support.h"

#include "mm/ept_retype.h"
#include "mm/grace.h"
#include "mm/pgtable_merge.h"
#include "tests/host/ept_world.h"

enum { THREADS = 8, ROUNDS = 12000, OWN = 256, REGIONS = 16, MEETINGS = 8000 };

static struct ept_world world;
static struct mtrr_state states[2]; /* of the MTRRs: what the guest goes back and forth between */
static const struct range block = {0xbfc00000, 0xc0000000};
static pthread_barrier_t start_line;
static struct grace grace;
static struct grace_cpu grace_cpus[THREADS];
static struct grace_reclaim reclaim;

struct cpu {
    unsigned index;
    uint64_t seed;
    uint64_t rights[OWN]; /* of own pages, as last set; EPT_ALL + 1: never */
    unsigned long filled, merged, freed, retyped;
    uint64_t cached_page, *cached_slot; /* a pointer into the tables such as a CPU's paging-structure cache keeps */
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

/* The n-th page of this CPU: spread over 16 regions of 2 MiB, below the block, in low RAM and above 4 GiB. */
static uint64_t own_page(const struct cpu *cpu, unsigned n)
{
    static const uint64_t regions[REGIONS / 4] = {0xbf400000, 0x40000000, GIB - 2 * MIB + GIB, 5 * GIB};
    uint64_t region = regions[n % 4] + n / 4 % 4 * 2 * MIB;

    return region + ((n / REGIONS) * THREADS + cpu->index) * PAGE_SIZE;
}

static void protect_own(struct cpu *cpu)
{
    static const uint64_t some[] = {0, EPT_READ, EPT_READ | EPT_WRITE, EPT_ALL, EPT_READ | EPT_EXECUTE};
    unsigned n = (unsigned)dice(cpu, OWN);
    uint64_t page = own_page(cpu, n), rights = some[dice(cpu, ARRAY_SIZE(some))];

    require(ept_protect(&world.ept, page, page + PAGE_SIZE, rights));
    cpu->rights[n] = rights;
}

static void check_own(struct cpu *cpu, unsigned n)
{
    uint64_t page = own_page(cpu, n);
    struct pgtable_leaf leaf = pgtable_lookup(&world.ept.table, page);

    if (cpu->rights[n] > EPT_ALL)
        return;
    if (!leaf.entry) {
        require(cpu->rights[n] == EPT_ALL);
        return;
    }
    require((leaf.entry & EPT_ALL) == cpu->rights[n]);
    require((leaf.entry & ENTRY_ADDRESS) == (leaf.level == 1 ? page : leaf.start));
}

/* All CPUs come to the same places here. */
static void first_touch(struct cpu *cpu)
{
    uint64_t address = 8 * GIB + (dice(cpu, 64) << 33) + dice(cpu, GIB);
    enum ept_fill filled = ept_fill(&world.ept, address);
    struct pgtable_leaf leaf = pgtable_lookup(&world.ept.table, address);

    require(filled == EPT_FILLED || filled == EPT_PRESENT_ALREADY);
    require((leaf.entry & ENTRY_ADDRESS) == leaf.start && leaf.entry);
    cpu->filled += filled == EPT_FILLED;
}

/* Far pages that all CPUs protect, unmap and map whole at once: no promise about the rights, but about the shape. */
static void quarrel(struct cpu *cpu)
{
    uint64_t start = 6 * GIB + dice(cpu, 4) * 2 * MIB + dice(cpu, 3) * PAGE_SIZE;
    uint64_t end = start + (1 + dice(cpu, 4)) * PAGE_SIZE;
    uint64_t whole = 6 * GIB + dice(cpu, 4) * 2 * MIB;

    if (dice(cpu, 2))
        require(ept_protect(&world.ept, start, end, dice(cpu, 2) ? EPT_READ : EPT_ALL));
    else if (dice(cpu, 3))
        require(pgtable_map(&world.ept.table, whole, whole + 2 * MIB, whole, identity(&world.mtrr, whole, 7) - whole));
    else
        require(pgtable_map(&world.ept.table, whole, whole + 2 * MIB, 0, 0));
}

static void check_rights(uint64_t page, uint64_t rights)
{
    require((pgtable_lookup(&world.ept.table, page).entry & EPT_ALL) == rights);
}

/* In few regions all CPUs take a right from a page of their own for a moment and give it back, and merge all the while.
 */
static void split_and_merge(struct cpu *cpu)
{
    uint64_t region = 7 * GIB + dice(cpu, 2) * 2 * MIB, page = region + cpu->index * 64 * PAGE_SIZE;

    require(ept_protect(&world.ept, page, page + PAGE_SIZE, EPT_READ));
    if (dice(cpu, 2))
        sched_yield();
    cpu->merged += pgtable_merge(&world.ept.table, region, region + 2 * MIB);
    check_rights(page, EPT_READ);
    require(ept_protect(&world.ept, page, page + PAGE_SIZE, EPT_ALL));
    cpu->merged += pgtable_merge(&world.ept.table, 7 * GIB, 8 * GIB);
    check_rights(page, EPT_ALL);
}

/* The guest uses what its CPU keeps: the table must be what it was then, in the tree or not, until this CPU has passed.
 */
static void use_cached(struct cpu *cpu)
{
    uint64_t entry;

    if (!cpu->cached_slot)
        return;
    entry = __atomic_load_n(cpu->cached_slot, __ATOMIC_RELAXED);
    for (unsigned level = 1; level <= 3; level++) {
        if ((entry & ENTRY_ADDRESS) == ALIGN_DOWN(cpu->cached_page, pgtable_size(level)))
            return;
    }
    /* replaced by a table, or (where all unmap) by nothing; but never another page's entry */
    require(!entry || entry == PGTABLE_DEAD || ((entry & EPT_ALL) == EPT_ALL && !(entry & (EPT_MAPPED | EPT_LARGE))));
}

static void enter_and_exit(struct cpu *cpu)
{
    use_cached(cpu);
    cpu->freed += reclaim_step();
    if (dice(cpu, 20) == 0) { /* wait-for-SIPI */
        grace_quiet(&grace, cpu->index);
        sched_yield();
        grace_wake(&grace, cpu->index);
    }
    if (grace_due(&grace, cpu->index)) {
        uint64_t epoch = grace_epoch(&grace);

        cpu->cached_page = dice(cpu, 2) ? own_page(cpu, (unsigned)dice(cpu, OWN)) : 6 * GIB + dice(cpu, 4) * 2 * MIB;
        cpu->cached_slot = NULL; /* INVEPT */
        grace_pass(&grace, cpu->index, epoch);
        cpu->cached_slot = pgtable_lookup(&world.ept.table, cpu->cached_page).slot;
    }
}

/* One CPU rewrites the MTRRs while the others fill, split and merge. */
static void retype(struct cpu *cpu)
{
    if (cpu->index == 0 && dice(cpu, 40) == 0)
        require(ept_retype(&world.ept, &states[++cpu->retyped % 2]));
}

/* Whatever came in between, in the end each page has its type. */
static void check_types(const struct mtrr_state *mtrr)
{
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t page = one_in(2) ? 8 * GIB + below(1 << 27) * PAGE_SIZE : below(6 << 18) * PAGE_SIZE;
        uint64_t entry = translate(&world.ept, world.ept.table.root, page);

        require(!entry || (entry >> 3 & 7) == model_type(mtrr, page));
    }
}

static void *run(void *argument)
{
    struct cpu *cpu = argument;

    pthread_barrier_wait(&start_line);
    grace_wake(&grace, cpu->index);
    for (unsigned round = 0; round < ROUNDS; round++) {
        enter_and_exit(cpu);
        retype(cpu);
        switch (dice(cpu, 5)) {
        case 0:
            first_touch(cpu);
            break;
        case 1:
            quarrel(cpu);
            break;
        case 2:
            split_and_merge(cpu);
            break;
        default:
            protect_own(cpu);
        }
        check_own(cpu, (unsigned)dice(cpu, OWN));
    }
    for (unsigned n = 0; n < OWN; n++)
        check_own(cpu, n);
    grace_quiet(&grace, cpu->index);
    return NULL;
}

static void eight_cpus_at_once(void **state)
{
    static struct cpu cpus[THREADS];
    pthread_t threads[THREADS];
    unsigned long filled = 0, merged = 0, freed = 0;

    (void)state;
    states[0] = usual_mtrr();
    states[1] = usual_mtrr();
    states[1].default_type = MEMORY_UC | 0xc00;
    states[1].variable[1].base = 4 * GIB | MEMORY_WT;
    states[1].variable[1].mask = ((1ull << 40) - 4 * GIB) | 0x800;
    states[1].variable[2].base = 20 * GIB | MEMORY_WP; /* borders inside what is touched */
    states[1].variable[2].mask = ((1ull << 40) - 128 * MIB) | 0x800;
    assert_true(ept_world_init(&world, usual_mtrr(), block, true, 2000));
    grace_init(&grace, grace_cpus, THREADS);
    pthread_barrier_init(&start_line, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        cpus[i] = (struct cpu){.index = i, .seed = i + 1};
        for (unsigned n = 0; n < OWN; n++)
            cpus[i].rights[n] = EPT_ALL + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, run, &cpus[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        filled += cpus[i].filled;
        merged += cpus[i].merged;
        freed += cpus[i].freed;
    }
    print_message("           %lu tables merged, %lu freed while running, retyped %lu times\n", merged, freed,
                  cpus[0].retyped);
    check_types(world.ept.mtrr);
    assert_true(merged > 50 && freed > 1000);
    assert_int_equal(filled, 64); /* each place was filled exactly once, though all tried */
    check_ept(&world.ept);
    reclaim_step();
    reclaim_step();
    check_no_page_is_lost(&world.ept.table, 0);
    ept_world_fini(&world);
}

/* A fill that begins before a retyping and ends after it, often. */
static void *fill_again(void *argument)
{
    uint64_t seed = 1;

    (void)argument;
    for (unsigned round = 0; round < MEETINGS; round++) {
        pthread_barrier_wait(&start_line);
        for (uint64_t delay = random_next(&seed) % 60; delay; delay--)
            __builtin_ia32_pause();
        require(ept_fill(&world.ept, 300 * GIB) == EPT_FILLED);
        pthread_barrier_wait(&start_line);
    }
    return NULL;
}

static void a_fill_meets_a_retyping(void **state)
{
    pthread_t thread;
    uint64_t seed = 2;

    (void)state;
    states[0] = usual_mtrr();
    states[1] = usual_mtrr();
    /* a short way for the retyper, so that the two can overtake each other: only what is filled changes its type */
    states[1].variable[1].base = 300 * GIB | MEMORY_UC;
    states[1].variable[1].mask = ((1ull << 40) - GIB) | 0x800;
    assert_true(ept_world_init(&world, states[0], block, true, 60));
    pthread_barrier_init(&start_line, NULL, 2);
    pthread_create(&thread, NULL, fill_again, NULL);
    for (unsigned round = 0; round < MEETINGS; round++) {
        const struct mtrr_state *mtrr = &states[round % 2];

        pthread_barrier_wait(&start_line);
        for (uint64_t delay = random_next(&seed) % 60; delay; delay--)
            __builtin_ia32_pause();
        require(ept_retype(&world.ept, mtrr));
        pthread_barrier_wait(&start_line);
        require((pgtable_lookup(&world.ept.table, 300 * GIB).entry >> 3 & 7) == model_type(mtrr, 300 * GIB));
        require(pgtable_map(&world.ept.table, 300 * GIB, 301 * GIB, 0, 0));
    }
    pthread_join(thread, NULL);
    ept_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_fill_meets_a_retyping), cmocka_unit_test(eight_cpus_at_once)};

    return cmocka_run_group_tests_name("ept, concurrent", tests, NULL, NULL);
}
