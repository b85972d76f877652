/* Grace periods, step by step. */
#include "tests/host/support.h"

#include "mm/grace.h"
#include "tests/host/ept_world.h"

enum { CPUS = 3 };

static struct grace_cpu cpus[CPUS];
static struct grace grace;
static struct grace_reclaim reclaim;
static struct ept_world world;

static void start_all(void)
{
    grace_init(&grace, cpus, CPUS);
    for (unsigned i = 0; i < CPUS; i++) {
        grace_wake(&grace, i);
        grace_pass(&grace, i, grace_epoch(&grace));
    }
}

static void over_when_all_have_passed(void **state)
{
    uint64_t epoch;

    (void)state;
    start_all();
    for (unsigned i = 0; i < CPUS; i++)
        assert_false(grace_due(&grace, i));
    epoch = grace_begin(&grace);
    for (unsigned i = 0; i < CPUS; i++) {
        assert_true(grace_due(&grace, i));
        assert_false(grace_over(&grace, epoch));
        assert_false(grace_passed_by(&grace, i, epoch));
        grace_pass(&grace, i, grace_epoch(&grace));
        assert_true(grace_passed_by(&grace, i, epoch));
        assert_false(grace_due(&grace, i));
    }
    assert_true(grace_over(&grace, epoch));
}

/* A pass counts for what was begun before its epoch was read, not for what comes later. */
static void later_epochs_need_a_later_pass(void **state)
{
    uint64_t first, second, read;

    (void)state;
    start_all();
    first = grace_begin(&grace);
    read = grace_epoch(&grace);
    second = grace_begin(&grace);
    for (unsigned i = 0; i < CPUS; i++)
        grace_pass(&grace, i, read);
    assert_true(grace_over(&grace, first));
    assert_false(grace_over(&grace, second));
    assert_true(grace_due(&grace, 0));
}

static void quiet_cpus_are_not_waited_for(void **state)
{
    uint64_t epoch;

    (void)state;
    grace_init(&grace, cpus, CPUS);
    assert_true(grace_over(&grace, grace_begin(&grace))); /* nobody has started */
    start_all();
    grace_quiet(&grace, 2);
    epoch = grace_begin(&grace);
    grace_pass(&grace, 0, epoch);
    assert_false(grace_over(&grace, epoch));
    grace_pass(&grace, 1, epoch);
    assert_true(grace_over(&grace, epoch));
    grace_wake(&grace, 2);
    assert_true(grace_due(&grace, 2)); /* it has missed one */
    assert_false(grace_over(&grace, epoch));
}

static void tables_are_freed_after_their_period(void **state)
{
    bool begun;
    uint64_t epoch;
    unsigned used;

    (void)state;
    start_all();
    assert_true(ept_world_init(&world, usual_mtrr(), (struct range){0xbfc00000, 0xc0000000}, true, 32));
    assert_int_equal(grace_reclaim(&grace, &reclaim, &world.ept.table, &begun), 0);
    assert_int_equal(reclaim.waiting, 0);
    assert_true(ept_protect(&world.ept, 5 * GIB, 5 * GIB + PAGE_SIZE, EPT_READ)); /* two tables */
    assert_true(pgtable_map(&world.ept.table, 5 * GIB, 6 * GIB, 0, 0));
    used = world.pages.pool.used;
    assert_int_equal(grace_reclaim(&grace, &reclaim, &world.ept.table, &begun), 0);
    assert_true(begun);
    epoch = reclaim.epoch;
    for (unsigned i = 0; i < CPUS; i++) {
        assert_int_equal(grace_reclaim(&grace, &reclaim, &world.ept.table, &begun), 0);
        grace_pass(&grace, i, epoch);
    }
    assert_int_equal(grace_reclaim(&grace, &reclaim, &world.ept.table, &begun), 2);
    assert_int_equal(world.pages.pool.used, used - 2);
    assert_int_equal(grace_reclaim(&grace, &reclaim, &world.ept.table, &begun), 0);
    ept_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_when_all_have_passed),
        cmocka_unit_test(later_epochs_need_a_later_pass),
        cmocka_unit_test(quiet_cpus_are_not_waited_for),
        cmocka_unit_test(tables_are_freed_after_their_period),
    };

    return cmocka_run_group_tests_name("grace", tests, NULL, NULL);
}
