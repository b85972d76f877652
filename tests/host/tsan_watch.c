/*
 * Watches come and go while CPUs look them up: who finds one finds it whole, as it was added, and one that is there for
 * good is always found. Run under ThreadSanitizer.
 */
#include <pthread.h>

#include "tests/host/support.h"

#include "mm/ept.h"
#include "mm/watch.h"
#include "tests/host/ept_world.h"

enum { CHANGERS = 3, LOOKERS = 4, ROUNDS = 20000, SPACING = 1 << 20 };
enum { FOR_GOOD = 999 };
#define GOOD_START 0x90000000u

static struct watches watches;
static pthread_barrier_t start_line;
static bool over;

struct thread {
    unsigned index;
    uint64_t seed;
    unsigned long found;
};

/* All of a watch follows from its owner's number. */
static struct watch made(uint32_t owner)
{
    uint64_t start = (uint64_t)owner * SPACING;

    return (struct watch){
        .range = {start, start + 16 + owner}, .denied = 1 + owner % 7, .owner = owner, .detail = ~owner};
}

static void *change(void *argument)
{
    struct thread *thread = argument;

    pthread_barrier_wait(&start_line);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t owner = 1 + thread->index * 100 + (uint32_t)(random_next(&thread->seed) % 100);
        int slot = watch_add(&watches, made(owner));

        require(slot >= 0);
        require(watch_get(&watches, slot).owner == owner);
        if (i % 4 == 0) {
            watch_set_idle(&watches, slot, true);
            require(watch_get(&watches, slot).idle);
            watch_set_idle(&watches, slot, false);
        }
        watch_remove(&watches, slot);
    }
    return NULL;
}

static void *look(void *argument)
{
    struct thread *thread = argument;

    pthread_barrier_wait(&start_line);
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        uint32_t owner = 1 + (uint32_t)(random_next(&thread->seed) % (CHANGERS * 100));
        struct watch expected = made(owner), found;
        uint64_t end = ~0ull;

        if (watch_find(&watches, expected.range.start + 8, EPT_ALL, &found) >= 0) {
            require(found.owner == owner && found.detail == expected.detail && found.denied == expected.denied);
            require(found.range.start == expected.range.start && found.range.end == expected.range.end);
            thread->found++;
        }
        require(watch_find(&watches, GOOD_START, EPT_WRITE, &found) >= 0 && found.owner == FOR_GOOD);
        require(watch_denied(&watches, GOOD_START, &end) == EPT_WRITE && end > GOOD_START);
    }
    return NULL;
}

static void found_whole_or_not_at_all(void **state)
{
    struct watch good = {.range = {GOOD_START, GOOD_START + 1}, .denied = EPT_WRITE, .owner = FOR_GOOD};
    struct thread threads[CHANGERS + LOOKERS];
    pthread_t ids[CHANGERS + LOOKERS];
    unsigned long found = 0;

    (void)state;
    assert_true(watch_add(&watches, good) >= 0);
    pthread_barrier_init(&start_line, NULL, CHANGERS + LOOKERS);
    for (unsigned i = 0; i < CHANGERS + LOOKERS; i++) {
        threads[i] = (struct thread){.index = i, .seed = i + 1};
        pthread_create(&ids[i], NULL, i < CHANGERS ? change : look, &threads[i]);
    }
    for (unsigned i = 0; i < CHANGERS; i++)
        pthread_join(ids[i], NULL);
    __atomic_store_n(&over, true, __ATOMIC_RELEASE);
    for (unsigned i = CHANGERS; i < CHANGERS + LOOKERS; i++) {
        pthread_join(ids[i], NULL);
        found += threads[i].found;
    }
    print_message("           %lu found\n", found);
    assert_true(found > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(found_whole_or_not_at_all)};

    return cmocka_run_group_tests_name("watch threads", tests, NULL, NULL);
}
