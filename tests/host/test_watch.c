/* The table of watched ranges. */
#include "tests/host/support.h"

#include "mm/ept.h"
#include "mm/watch.h"

static struct watches watches;

static struct watch watch(uint64_t start, uint64_t end, uint64_t denied, uint32_t owner)
{
    return (struct watch){.range = {start, end}, .denied = denied, .owner = owner, .detail = owner * 10};
}

static void finds_the_owner(void **state)
{
    struct watch found;
    int first, second;

    (void)state;
    memset(&watches, 0, sizeof(watches));
    assert_false(watch_find(&watches, 0x1000, EPT_ALL, &found));
    first = watch_add(&watches, watch(0x1000, 0x3000, EPT_WRITE, 1));
    second = watch_add(&watches, watch(0x2000, 0x4000, EPT_WRITE | EPT_EXECUTE, 2));
    assert_true(watch_find(&watches, 0x1000, EPT_WRITE, &found));
    assert_int_equal(found.owner, 1);
    assert_int_equal(found.detail, 10);
    assert_false(watch_find(&watches, 0x1000, EPT_READ, &found));
    assert_false(watch_find(&watches, 0xfff, EPT_ALL, &found));
    assert_true(watch_find(&watches, 0x2fff, EPT_EXECUTE, &found));
    assert_int_equal(found.owner, 2);
    assert_true(watch_find(&watches, 0x2fff, EPT_WRITE, &found));
    assert_int_equal(found.owner, 1);
    assert_false(watch_find(&watches, 0x4000, EPT_ALL, &found));
    assert_int_equal(watch_denied(&watches, 0x2000), EPT_WRITE | EPT_EXECUTE);
    assert_int_equal(watch_denied(&watches, 0x1000), EPT_WRITE);
    watch_remove(&watches, first);
    assert_false(watch_find(&watches, 0x1000, EPT_ALL, &found));
    assert_true(watch_find(&watches, 0x2fff, EPT_WRITE, &found));
    assert_int_equal(found.owner, 2);
    watch_remove(&watches, second);
    assert_int_equal(watch_denied(&watches, 0x2000), 0);
}

static void full_and_reused(void **state)
{
    struct watch found;

    (void)state;
    memset(&watches, 0, sizeof(watches));
    for (uint32_t i = 0; i < WATCH_MAX; i++)
        assert_int_equal(watch_add(&watches, watch(i * 0x1000, (i + 1) * 0x1000, EPT_WRITE, i + 1)), i);
    assert_int_equal(watch_add(&watches, watch(0, 1, EPT_WRITE, 99)), -1);
    watch_remove(&watches, 5);
    assert_false(watch_find(&watches, 0x5000, EPT_WRITE, &found));
    assert_int_equal(watch_add(&watches, watch(0x5000, 0x6000, EPT_READ, 77)), 5);
    assert_true(watch_find(&watches, 0x5000, EPT_READ, &found));
    assert_int_equal(found.owner, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_the_owner), cmocka_unit_test(full_and_reused)};

    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
