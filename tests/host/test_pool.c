/* The pool of pages. */
#include "tests/host/support.h"

#include "tests/host/mtrr_model.h"
#include "tests/host/paging_check.h"

enum { PAGES = 64 };

static bool is_zero(const void *page)
{
    static const char zero[4096];

    return !memcmp(page, zero, sizeof(zero));
}

static void hands_out_each_page_once(void **state)
{
    struct test_pool arena;
    void *pages[PAGES + 8];
    unsigned count = 0;

    (void)state;
    test_pool_init(&arena, PAGES);
    assert_int_equal(arena.pool.pages, PAGES);
    while ((pages[count] = pool_get(&arena.pool))) {
        assert_true(is_zero(pages[count]));
        memset(pages[count], 0xff, PAGE_SIZE); /* would hit the links if they were inside */
        for (unsigned i = 0; i < count; i++)
            assert_ptr_not_equal(pages[i], pages[count]);
        count++;
    }
    assert_int_equal(count, PAGES);
    assert_int_equal(pool_free_pages(&arena.pool), 0);
    for (unsigned i = 0; i < count; i++)
        pool_put(&arena.pool, pages[i]);
    assert_int_equal(pool_free_pages(&arena.pool), PAGES);
    for (unsigned i = 0; i < PAGES; i++)
        assert_true(is_zero(pool_get(&arena.pool)));
    assert_null(pool_get(&arena.pool));
    free(arena.memory);
}

static void addresses(void **state)
{
    struct test_pool arena;
    char *page;

    (void)state;
    test_pool_init(&arena, PAGES);
    assert_non_null(pool_get(&arena.pool));
    page = pool_get(&arena.pool);
    assert_int_equal(pool_physical(&arena.pool, page), arena.pool.physical + (uint64_t)(page - (char *)arena.memory));
    assert_ptr_equal(pool_pointer(&arena.pool, pool_physical(&arena.pool, page)), page);
    free(arena.memory);
}

static void sizes(void **state)
{
    static char memory[4096 * 2] aligned(4096);
    struct pool pool;

    (void)state;
    pool_init(&pool, memory, 0x1000, 0);
    assert_null(pool_get(&pool));
    pool_init(&pool, memory, 0x1000, 8191); /* one whole page, needed for the links */
    assert_null(pool_get(&pool));
    pool_init(&pool, memory, 0x1000, 8192);
    assert_ptr_equal(pool_get(&pool), memory);
    assert_null(pool_get(&pool));
}

static void random_use(void **state)
{
    struct test_pool arena;
    void *held[PAGES];
    uint32_t list = 0;
    unsigned count = 0, listed = 0;

    (void)state;
    test_pool_init(&arena, PAGES);
    for (unsigned i = 0; i < 200000; i++) {
        unsigned what = (unsigned)below(count ? 3 : 1);

        if (what == 0) {
            void *page = pool_get(&arena.pool);

            assert_int_equal(page == NULL, count + listed == PAGES);
            if (page)
                held[count++] = memset(page, 0x55, PAGE_SIZE);
        } else {
            void *page = held[below(count)];

            for (unsigned k = 0; k < count; k++) {
                if (held[k] == page)
                    held[k] = held[count - 1];
            }
            count--;
            if (what == 1)
                pool_put(&arena.pool, page);
            else if (++listed)
                pool_list_push(&arena.pool, &list, page);
        }
        if (one_in(50)) {
            uint32_t taken = pool_list_take(&list);

            for (void *page; (page = pool_list_next(&arena.pool, &taken)); listed--)
                pool_put(&arena.pool, page);
            assert_int_equal(listed, 0);
        }
        assert_int_equal(pool_free_pages(&arena.pool), PAGES - count - listed);
    }
    free(arena.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_each_page_once),
        cmocka_unit_test(addresses),
        cmocka_unit_test(sizes),
        cmocka_unit_test(random_use),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
