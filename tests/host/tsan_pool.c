/* Eight CPUs take and return pages of a nearly empty pool: no page has two owners, and none is lost. Run under
 * ThreadSanitizer. */
#include <pthread.h>

#include "tests/host/support.h"

#include "tests/host/mtrr_model.h"
#include "tests/host/paging_check.h"

enum { THREADS = 8, ROUNDS = 1000000, PAGES = 6, HOLD = 3 };

static struct test_pool pages;
static uint32_t list;

static void put(uint64_t *page, bool later)
{
    page[0] = 0;
    if (later)
        pool_list_push(&pages.pool, &list, page);
    else
        pool_put(&pages.pool, page);
}

static void put_list(void)
{
    uint32_t taken = pool_list_take(&list);

    for (void *page; (page = pool_list_next(&pages.pool, &taken));)
        pool_put(&pages.pool, page);
}

static void *run(void *argument)
{
    uint64_t seed = (uintptr_t)argument, me = seed, *held[HOLD];
    unsigned count = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        if (count < HOLD && random_next(&seed) % 2) {
            held[count] = pool_get_dirty(&pages.pool);
            if (held[count])
                held[count++][0] = me;
        } else if (count) {
            require(held[--count][0] == me);
            put(held[count], random_next(&seed) % 4 == 0);
        }
        if (random_next(&seed) % 8 == 0)
            put_list();
    }
    while (count)
        put(held[--count], false);
    return NULL;
}

static void a_page_has_one_owner(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    test_pool_init(&pages, PAGES);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    put_list();
    assert_int_equal(pool_free_pages(&pages.pool), PAGES);
    for (unsigned i = 0; i < PAGES; i++)
        assert_non_null(pool_get(&pages.pool));
    assert_null(pool_get(&pages.pool));
    free(pages.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_page_has_one_owner)};

    return cmocka_run_group_tests_name("pool, concurrent", tests, NULL, NULL);
}
