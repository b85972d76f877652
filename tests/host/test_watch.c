/* The table of watched ranges. */
#include "tests/host/support.h"

#include "mm/ept.h"
#include "mm/watch.h"
#include "tests/host/mtrr_model.h"

static struct watches watches;

static struct watch watch(uint64_t start, uint64_t end, uint64_t denied, uint32_t owner)
{
    return (struct watch){.range = {start, end}, .denied = denied, .owner = owner, .detail = owner * 10};
}

static uint64_t denied(uint64_t address)
{
    uint64_t end = ~0ull;

    return watch_denied(&watches, address, &end);
}

static void finds_the_owner(void **state)
{
    struct watch found;
    int first, second;

    (void)state;
    memset(&watches, 0, sizeof(watches));
    assert_int_equal(watch_find(&watches, 0x1000, EPT_ALL, &found), -1);
    first = watch_add(&watches, watch(0x1000, 0x3000, EPT_WRITE, 1));
    second = watch_add(&watches, watch(0x2000, 0x4000, EPT_WRITE | EPT_EXECUTE, 2));
    assert_true(watch_find(&watches, 0x1000, EPT_WRITE, &found) >= 0);
    assert_int_equal(found.owner, 1);
    assert_int_equal(found.detail, 10);
    assert_int_equal(watch_find(&watches, 0x1000, EPT_READ, &found), -1);
    assert_int_equal(watch_find(&watches, 0xfff, EPT_ALL, &found), -1);
    assert_true(watch_find(&watches, 0x2fff, EPT_EXECUTE, &found) >= 0);
    assert_int_equal(found.owner, 2);
    assert_true(watch_find(&watches, 0x2fff, EPT_WRITE, &found) >= 0);
    assert_int_equal(found.owner, 1);
    assert_int_equal(watch_find(&watches, 0x4000, EPT_ALL, &found), -1);
    assert_int_equal(denied(0x2000), EPT_WRITE | EPT_EXECUTE);
    assert_int_equal(denied(0x1000), EPT_WRITE);
    watch_remove(&watches, first);
    assert_int_equal(watch_find(&watches, 0x1000, EPT_ALL, &found), -1);
    assert_true(watch_find(&watches, 0x2fff, EPT_WRITE, &found) >= 0);
    assert_int_equal(found.owner, 2);
    watch_remove(&watches, second);
    assert_int_equal(denied(0x2000), 0);
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
    assert_int_equal(watch_find(&watches, 0x5000, EPT_WRITE, &found), -1);
    assert_int_equal(watch_add(&watches, watch(0x5000, 0x6000, EPT_READ, 77)), 5);
    assert_true(watch_find(&watches, 0x5000, EPT_READ, &found) >= 0);
    assert_int_equal(found.owner, 77);
}

/* Rights go by pages, owners by bytes. */
static void pages_and_bytes(void **state)
{
    struct watch found;
    uint64_t end = 0x10000;
    int slot;

    (void)state;
    memset(&watches, 0, sizeof(watches));
    slot = watch_add(&watches, watch(0x2ff8, 0x4008, EPT_WRITE, 1));
    assert_int_equal(watch_find(&watches, 0x2ff7, EPT_WRITE, &found), -1);
    assert_int_equal(watch_find(&watches, 0x2ff8, EPT_WRITE, &found), slot);
    assert_int_equal(watch_find(&watches, 0x4008, EPT_WRITE, &found), -1);
    assert_int_equal(watch_denied(&watches, 0x1000, &end), 0);
    assert_int_equal(end, 0x2000);
    end = 0x10000;
    assert_int_equal(watch_denied(&watches, 0x2000, &end), EPT_WRITE);
    assert_int_equal(end, 0x5000);
    end = 0x3000;
    assert_int_equal(watch_denied(&watches, 0x2000, &end), EPT_WRITE);
    assert_int_equal(end, 0x3000);
    end = 0x10000;
    assert_int_equal(watch_denied(&watches, 0x5000, &end), 0);
    assert_int_equal(end, 0x10000);
    watch_set_idle(&watches, slot, true);
    assert_int_equal(watch_find(&watches, 0x3000, EPT_WRITE, &found), -1);
    assert_int_equal(denied(0x3000), 0);
    assert_int_equal(watch_get(&watches, slot).owner, 1);
    watch_set_idle(&watches, slot, false);
    assert_int_equal(denied(0x3000), EPT_WRITE);
    watch_remove(&watches, slot);
    assert_int_equal(watch_get(&watches, slot).owner, 0);
}

/* Many overlapping ranges: every page's denial, and every end, against a look at each page. */
static void denials_follow_a_map(void **state)
{
    enum { PAGES = 64 };

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        uint64_t map[PAGES + 1] = {0};
        uint64_t address = 0, limit = PAGES * PAGE_SIZE;

        memset(&watches, 0, sizeof(watches));
        for (unsigned n = below(WATCH_MAX); n > 0; n--) {
            uint64_t start = below(limit), end = start + 1 + below(limit - start), rights = 1 + below(7);

            assert_true(watch_add(&watches, watch(start, end, rights, n)) >= 0);
            for (uint64_t page = start / PAGE_SIZE; page <= (end - 1) / PAGE_SIZE; page++)
                map[page] |= rights;
        }
        while (address < limit) {
            uint64_t end = limit, rights = watch_denied(&watches, address, &end);

            assert_true(end > address && end <= limit && end % PAGE_SIZE == 0);
            for (; address < end; address += PAGE_SIZE)
                assert_int_equal(map[address / PAGE_SIZE], rights);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_the_owner), cmocka_unit_test(full_and_reused),
                                       cmocka_unit_test(pages_and_bytes), cmocka_unit_test(denials_follow_a_map)};

    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
