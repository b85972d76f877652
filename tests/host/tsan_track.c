/*
 * CPUs write to tracked pages while another collects which, and others split and merge the memory around: in the end
 * exactly the pages that were written have been collected, by either way of tracking. Run under ThreadSanitizer.
 */
#include <pthread.h>

#include "tests/host/support.h"

#include "mm/ept_track.h"
#include "mm/pgtable_merge.h"
#include "tests/host/ept_world.h"

enum { WRITERS = 4, THREADS = WRITERS + 2, ROUNDS = 20000, PAGES = 1024 };
#define START (5 * GIB)

static const struct range block = {0xbfc00000, 0xc0000000};
static struct ept_world world;
static struct ept_track track;
static pthread_barrier_t start_line;
static uint8_t written[PAGES], collected[PAGES];
static unsigned writers_left;

struct thread {
    unsigned index;
    uint64_t seed;
};

/* As the CPU sets the dirty flag of the leaf that it writes through; false: that has changed meanwhile. */
static bool set_dirty(const struct pgtable_leaf *leaf)
{
    uint64_t entry = __atomic_load_n(leaf->slot, __ATOMIC_ACQUIRE);

    return (entry & ~(PGTABLE_FROZEN | EPT_DIRTY)) == (leaf->entry & ~(uint64_t)EPT_DIRTY) &&
           __atomic_compare_exchange_n(leaf->slot, &entry, entry | EPT_DIRTY, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

static void write_page(unsigned page)
{
    uint64_t address = START + page * PAGE_SIZE;

    for (;;) {
        struct pgtable_leaf leaf = pgtable_lookup(&world.ept.table, address);

        if (!(leaf.entry & EPT_WRITE))
            require(ept_track_write(&track, address));
        else if (!track.flags || set_dirty(&leaf))
            break;
    }
    __atomic_store_n(&written[page], 1, __ATOMIC_RELAXED);
}

static void collect(void)
{
    uint64_t at = track.range.start;
    struct range range;

    while (ept_track_harvest(&track, &at, &range))
        for (uint64_t page = range.start; page < range.end; page += PAGE_SIZE)
            collected[(page - START) / PAGE_SIZE] = 1;
}

static void *run(void *argument)
{
    struct thread *thread = argument;

    pthread_barrier_wait(&start_line);
    if (thread->index < WRITERS) {
        for (unsigned i = 0; i < ROUNDS; i++)
            write_page((unsigned)(random_next(&thread->seed) % (PAGES / 2)) * 2);
        __atomic_sub_fetch(&writers_left, 1, __ATOMIC_ACQ_REL);
    }
    while (__atomic_load_n(&writers_left, __ATOMIC_ACQUIRE)) {
        uint64_t page = START + 8 * MIB + random_next(&thread->seed) % PAGES * PAGE_SIZE;

        if (thread->index == WRITERS)
            collect();
        if (thread->index <= WRITERS)
            continue;
        require(ept_protect(&world.ept, page, page + PAGE_SIZE, EPT_READ));
        require(ept_protect(&world.ept, page, page + PAGE_SIZE, EPT_ALL));
        pgtable_merge(&world.ept.table, START + 8 * MIB, START + 16 * MIB);
    }
    return NULL;
}

static void track_once(bool flags)
{
    struct thread threads[THREADS];
    pthread_t ids[THREADS];

    memset(written, 0, sizeof(written));
    memset(collected, 0, sizeof(collected));
    assert_true(ept_world_init(&world, usual_mtrr(), block, true, 8192));
    track = (struct ept_track){.ept = &world.ept, .range = {START, START + PAGES * PAGE_SIZE}, .flags = flags};
    /* by the flags what is tracked is leaves: small ones here */
    assert_true(ept_protect(&world.ept, START, START + 16 * MIB, EPT_ALL));
    for (unsigned page = 0; page < PAGES; page += 2)
        assert_true(
            ept_protect(&world.ept, START + page * PAGE_SIZE, START + (page + 1) * PAGE_SIZE, EPT_READ | EPT_WRITE));
    assert_true(ept_track_start(&track));
    writers_left = WRITERS;
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = (struct thread){.index = i, .seed = i + 1};
        pthread_create(&ids[i], NULL, run, &threads[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    collect();
    assert_memory_equal(written, collected, sizeof(written));
    assert_true(ept_track_stop(&track));
    check_ept(&world.ept);
    ept_world_fini(&world);
}

static void collected_is_written(void **state)
{
    (void)state;
    pthread_barrier_init(&start_line, NULL, THREADS);
    track_once(false);
    track_once(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(collected_is_written)};

    return cmocka_run_group_tests_name("track threads", tests, NULL, NULL);
}
