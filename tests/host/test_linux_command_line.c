/* guest/linux_command_line.c: what Linux's ramoops driver is told, and when it isn't. */
#include "tests/host/support.h"

#include "guest/linux_command_line.h"

static const char added[] = " ramoops.mem_address=0x7ff0000 ramoops.mem_size=0x10000 ramoops.console_size=0x10000 "
                            "ramoops.record_size=0 ramoops.ftrace_size=0 ramoops.pmsg_size=0";

static struct guest_source source;

static int setup(void **state)
{
    (void)state;
    console_clear();
    source.command_line = "root=/dev/sda1 quiet";
    source.old_log = (struct range){0x7ff0000, 0x8000000};
    source.has_old_log = true;
    return 0;
}

static void the_place_is_told(void **state)
{
    const char *line = linux_command_line(&source, 2047);
    const size_t given = strlen(source.command_line);

    (void)state;
    assert_memory_equal(line, source.command_line, given);
    assert_string_equal(line + given, added);
}

static void without_a_log_nothing_is_added(void **state)
{
    (void)state;
    source.has_old_log = false; /* only its place */
    assert_ptr_equal(linux_command_line(&source, 2047), source.command_line);
    source.has_old_log = true;
    source.old_log = (struct range){0, 0};
    assert_ptr_equal(linux_command_line(&source, 2047), source.command_line);
}

static void who_uses_ramoops_himself_is_left_alone(void **state)
{
    (void)state;
    source.command_line = "quiet ramoops.mem_address=0x1000000";
    assert_ptr_equal(linux_command_line(&source, 2047), source.command_line);
    source.command_line = "ramoops.mem_size=1";
    assert_ptr_equal(linux_command_line(&source, 2047), source.command_line);
    source.command_line = "no_ramoops.x=1 ramoops";
    assert_ptr_not_equal(linux_command_line(&source, 2047), source.command_line);
}

/* A line that the kernel would refuse, or cut, must not come of it. */
static void a_line_too_long_stays(void **state)
{
    const uint32_t needed = (uint32_t)(strlen(source.command_line) + strlen(added));
    static char line[4090];

    (void)state;
    assert_ptr_not_equal(linux_command_line(&source, needed), source.command_line);
    assert_ptr_equal(linux_command_line(&source, needed - 1), source.command_line);
    assert_contains(console_text(), "warning: the guest's command line has no room");
    memset(line, 'x', sizeof(line) - 1);
    source.command_line = line;
    assert_ptr_equal(linux_command_line(&source, 1 << 20), source.command_line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_place_is_told, setup),
        cmocka_unit_test_setup(without_a_log_nothing_is_added, setup),
        cmocka_unit_test_setup(who_uses_ramoops_himself_is_left_alone, setup),
        cmocka_unit_test_setup(a_line_too_long_stays, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
