/* lib/log.c: what reaches the console, what stays in the ring, and that a dead lock holder silences nobody. */
#include "tests/host/support.h"

#include <pthread.h>
#include <unistd.h>

#include "lib/log.h"

enum { RING_TEXT = 64 * 1024 - 12, COPY_MAX = 128 * 1024 };

static int setup(void **state)
{
    (void)state;
    console_clear();
    console_hook = NULL;
    log_set_console_level(LOG_INFO);
    return 0;
}

/* The newest text of the ring as a string. */
static const char *ring_tail(size_t most)
{
    static char copy[COPY_MAX + 1];

    copy[log_copy(copy, most)] = '\0';
    return copy;
}

static void assert_ring_ends(const char *text)
{
    assert_string_equal(ring_tail(strlen(text)), text);
}

static void lines_are_marked(void **state)
{
    (void)state;
    log_error("no %s", "memory");
    log_warning("bad word %d", 7);
    log_info("4 CPUs");
    log_cpu(LOG_INFO, 3, "in VMX operation");
    log_cpu(LOG_WARNING, 12, "late by %u ms", 5);
    assert_string_equal(console_text(), "error: no memory\nwarning: bad word 7\n4 CPUs\nCPU 3: in VMX operation\n"
                                        "warning: CPU 12: late by 5 ms\n");
}

static void level_holds_for_the_console_only(void **state)
{
    (void)state;
    log_debug("hidden");
    log_set_console_level(LOG_ERROR);
    log_warning("hidden too");
    log_error("seen");
    log_set_console_level(LOG_DEBUG);
    log_debug("seen now");
    assert_string_equal(console_text(), "error: seen\nseen now\n");
    assert_ring_ends("hidden\nwarning: hidden too\nerror: seen\nseen now\n");
}

static void long_lines_are_cut(void **state)
{
    char longer[LOG_LINE_MAX * 2];

    (void)state;
    for (size_t length = LOG_LINE_MAX - 12; length < LOG_LINE_MAX + 12; length++) {
        size_t kept = length + strlen("error: ");

        memset(longer, 'x', length);
        longer[length] = '\0';
        console_clear();
        log_error("%s", longer);
        kept = kept < LOG_LINE_MAX - 1 ? kept : LOG_LINE_MAX - 1;
        assert_int_equal(strlen(console_text()), kept + 1);
        assert_int_equal(strncmp(console_text(), "error: xx", 9), 0);
        assert_int_equal(console_text()[kept], '\n');
        assert_int_equal(strchr(console_text(), '\n') - console_text(), kept);
        console_clear();
        log_cpu(LOG_INFO, UINT32_MAX, "%s", longer);
        assert_int_equal(strchr(console_text(), '\n') - console_text(), LOG_LINE_MAX - 1);
    }
}

static void empty_line_is_a_line(void **state)
{
    (void)state;
    log_info("%s", "");
    assert_string_equal(console_text(), "\n");
}

/* After any number of lines the ring ends with just what the console got, up to its size. */
static void ring_keeps_the_newest(void **state)
{
    uint64_t seed = 5;
    const char *console;
    size_t length;

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        log_info("line %u %.*s", i, (int)random_below(&seed, 90),
                 "....................................................."
                 ".....................................");
        console = console_text();
        length = strlen(console);
        if (i % 64 == 0 || i == 2999) {
            size_t most = length < RING_TEXT ? length : RING_TEXT;
            assert_string_equal(ring_tail(most), console + length - most);
        }
    }
    assert_true(length > RING_TEXT);
    assert_int_equal(strlen(ring_tail(COPY_MAX)), RING_TEXT);
    assert_string_equal(ring_tail(COPY_MAX), console + length - RING_TEXT);
    assert_string_equal(ring_tail(0), "");
}

static void log_while_locked(void)
{
    console_hook = NULL;
    log_error("from within");
}

/* A CPU that died with the lock: here the console itself logs. The line must come, and the log go on. */
static void held_lock_delays_only(void **state)
{
    (void)state;
    console_hook = log_while_locked;
    log_info("outer");
    assert_string_equal(console_text(), "error: from within\nouter\n");
    log_info("after");
    assert_contains(console_text(), "outer\nafter\n");
    assert_ring_ends("outer\nerror: from within\nafter\n");
}

static pthread_t other;

static void *log_elsewhere(void *unused)
{
    log_info("from elsewhere");
    return unused;
}

/* Some hundred milliseconds for a line, as at 115200 baud behind others that wait. */
static void write_slowly(void)
{
    console_hook = NULL;
    assert_int_equal(pthread_create(&other, NULL, log_elsewhere, NULL), 0);
    for (unsigned i = 0; i < 4000; i++) {
        usleep(100);
        log_made_progress();
    }
}

static void slow_console_is_waited_for(void **state)
{
    (void)state;
    console_hook = write_slowly;
    log_info("slowly");
    pthread_join(other, NULL);
    assert_string_equal(console_text(), "slowly\nfrom elsewhere\n");
    assert_ring_ends("slowly\nfrom elsewhere\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lines_are_marked, setup),
        cmocka_unit_test_setup(level_holds_for_the_console_only, setup),
        cmocka_unit_test_setup(long_lines_are_cut, setup),
        cmocka_unit_test_setup(empty_line_is_a_line, setup),
        cmocka_unit_test_setup(ring_keeps_the_newest, setup),
        cmocka_unit_test_setup(held_lock_delays_only, setup),
        cmocka_unit_test_setup(slow_console_is_waited_for, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
