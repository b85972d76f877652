/* Whole exits on the fake machine: what has once gone wrong, and that no reason leads anywhere but to an answer or to a
 * report. */
#include "tests/host/exit_fixture.h"

static void rip_wraps_as_the_mode_says(void **state)
{
    (void)state;
    set(INDEX_EXIT_INSTRUCTION_LENGTH, 2);
    cpu_this()->frame->rax = 0;
    set(INDEX_GUEST_RIP, 0xffffffff);
    exit_with(EXIT_CPUID, 0);
    assert_true(get(INDEX_GUEST_RIP) == 1);
    set(INDEX_GUEST_RIP, 0xfffffffe);
    exit_with(EXIT_CPUID, 0);
    assert_true(get(INDEX_GUEST_RIP) == 0);
}

/* Row 4 of the test plan: bounded, and a report that names the reason. */
static void every_reason_has_an_end(void **state)
{
    unsigned crashed = 0;

    for (uint32_t reason = 0; reason <= 0xffff; reason++) {
        enum fake_end end;

        if (reason == EXIT_INIT || reason == EXIT_SIPI || reason == EXIT_PREEMPTION_TIMER)
            continue; /* another state of the CPU; a timer that this one hasn't got */
        rewind_cpu(state);
        set(INDEX_EXIT_REASON, reason);
        set(INDEX_EXIT_INTERRUPTION_INFO, 0x80000202);
        end = fake_exit();
        assert_true(end == FAKE_RETURNED || end == FAKE_CRASHED);
        crashed += end == FAKE_CRASHED;
        if (end == FAKE_RETURNED)
            expect_entry();
        else
            assert_contains(fake_end_text(), "VM exit \"");
    }
    assert_int_equal(crashed, 0x10000 - 30);
}

static void a_failed_entry_ends_in_a_report(void **state)
{
    (void)state;
    set(INDEX_EXIT_REASON, 0x80000021);
    assert_int_equal(fake_exit(), FAKE_CRASHED);
    assert_contains(fake_end_text(), "ENTRY_FAILURE_GUEST_STATE");
    rewind_cpu(state);
    set(INDEX_EXIT_REASON, 0x80000029); /* row 52 */
    assert_int_equal(fake_exit(), FAKE_CRASHED);
    assert_contains(fake_end_text(), "ENTRY_FAILURE_MACHINE_CHECK");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rip_wraps_as_the_mode_says, rewind_cpu),
        cmocka_unit_test_setup(every_reason_has_an_end, rewind_cpu),
        cmocka_unit_test_setup(a_failed_entry_ends_in_a_report, rewind_cpu),
    };

    return cmocka_run_group_tests(tests, boot, NULL);
}
