/* lib/options.c: every value of every option, and every kind of word that is none. */
#include "tests/host/support.h"

#include "lib/options.h"

static struct options parsed;

static void parse(const char *command_line)
{
    console_clear();
    memset(&parsed, 0xa5, sizeof(parsed)); /* every field must be set */
    options_parse(command_line, &parsed);
}

static void assert_options(enum ap_start ap_start, enum on_crash on_crash, enum log_level level, bool serial)
{
    assert_int_equal(parsed.ap_start, ap_start);
    assert_int_equal(parsed.on_crash, on_crash);
    assert_int_equal(parsed.log_level, level);
    assert_int_equal(parsed.serial, serial);
}

static void assert_defaults(void)
{
    assert_options(AP_START_AUTO, ON_CRASH_RESET, LOG_INFO, true);
}

static void nothing_gives_defaults(void **state)
{
    static const char *const lines[] = {"", " ", "   \t \n ", "\r\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        parse(lines[i]);
        assert_defaults();
        assert_string_equal(console_text(), "");
    }
}

static void every_value_is_known(void **state)
{
    (void)state;
    parse("ap_start=wait on_crash=halt log=error serial=off");
    assert_options(AP_START_WAIT, ON_CRASH_HALT, LOG_ERROR, false);
    parse("chainload=hd0");
    assert_int_equal(parsed.chainload, CHAINLOAD_HD0);
    parse("chainload=hd3");
    assert_int_equal(parsed.chainload, CHAINLOAD_HD3);
    parse("chainload=hd1 chainload=off");
    assert_int_equal(parsed.chainload, CHAINLOAD_OFF);
    parse("ledger=1");
    assert_true(parsed.ledger);
    parse("ledger=1 ledger=0");
    assert_false(parsed.ledger);
    parse("serial=on log=warning on_crash=monitor ap_start=icr");
    assert_options(AP_START_ICR, ON_CRASH_MONITOR, LOG_WARNING, true);
    assert_int_equal(parsed.log_serial, LOG_AS_ALL);
    parse("log_serial=debug log_screen=error");
    assert_int_equal(parsed.log_level, LOG_INFO);
    assert_int_equal(parsed.log_serial, LOG_DEBUG);
    assert_int_equal(parsed.log_screen, LOG_ERROR);
    parse("log_screen=error log_screen=same");
    assert_int_equal(parsed.log_screen, LOG_AS_ALL);
    parse("fallback=never");
    assert_int_equal(parsed.fallback, FALLBACK_NEVER);
    parse("fallback=always");
    assert_int_equal(parsed.fallback, FALLBACK_ALWAYS);
    parse("ap_start=auto on_crash=reset log=debug");
    assert_int_equal(parsed.fallback, FALLBACK_AUTO);
    assert_options(AP_START_AUTO, ON_CRASH_RESET, LOG_DEBUG, true);
    parse("log=info");
    assert_defaults();
    assert_string_equal(console_text(), "");
}

static void a_later_word_wins(void **state)
{
    (void)state;
    parse("log=debug log=error ap_start=icr log=warning ap_start=wait");
    assert_options(AP_START_WAIT, ON_CRASH_RESET, LOG_WARNING, true);
    assert_string_equal(console_text(), "");
}

static void unknown_words_are_named_and_ignored(void **state)
{
    static const char *const words[] = {
        "quiet",    "=",         "=value",        "nolog=debug", "logs=debug",
        "lo=debug", "LOG=debug", "ap_start_=icr", "/plinth.elf", "\\",
    };
    char line[100], want[100];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        snprintf(line, sizeof(line), "log=error %s serial=off", words[i]);
        snprintf(
            want, sizeof(want),
            "warning: option \"%s\" is ignored: there is no such option\nwarning: the options are ap_start, on_crash",
            words[i]);
        parse(line);
        assert_options(AP_START_AUTO, ON_CRASH_RESET, LOG_ERROR, false);
        assert_contains(console_text(), want);
    }
}

static void bad_values_are_named_and_ignored(void **state)
{
    static const char *const words[] = {"log", "log=", "log=verbose", "log=debug2", "log=Debug", "log==debug", "log=0"};
    char want[100];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        parse(words[i]);
        assert_defaults();
        snprintf(want, sizeof(want),
                 "warning: option \"%s\" is ignored: use log=VALUE with error, warning, info or debug\n", words[i]);
        assert_string_equal(console_text(), want);
    }
    parse("serial=maybe");
    assert_contains(console_text(), "use serial=VALUE with on or off\n");
    parse("ap_start=now on_crash=panic");
    assert_contains(console_text(), "use ap_start=VALUE with auto, wait, icr or icr-always\n");
    assert_contains(console_text(), "use on_crash=VALUE with reset, halt or monitor\n");
    assert_defaults();
}

/* A bad value doesn't undo an earlier good one. */
static void a_bad_word_changes_nothing(void **state)
{
    (void)state;
    parse("log=debug log=loud");
    assert_options(AP_START_AUTO, ON_CRASH_RESET, LOG_DEBUG, true);
}

/* GRUB puts quotes around what had a space, and backslashes before quotes. */
static void quotes_group_and_vanish(void **state)
{
    (void)state;
    parse("\"log=debug\" serial=\"off\" on_\"crash\"=halt");
    assert_options(AP_START_AUTO, ON_CRASH_HALT, LOG_DEBUG, false);
    assert_string_equal(console_text(), "");
    parse("\"log=debug serial=off\"");
    assert_defaults();
    assert_contains(console_text(), "\"log=debug serial=off\" is ignored");
    parse("\"\" log=\"\"");
    assert_contains(console_text(), "option \"\" is ignored: there is no such");
    assert_contains(console_text(), "option \"log=\" is ignored: use");
    parse("\\\"log=debug serial=off");
    assert_options(AP_START_AUTO, ON_CRASH_RESET, LOG_INFO, false);
    parse("\"open log=debug");
    assert_defaults();
    assert_contains(console_text(), "\"open log=debug\"");
}

static void what_is_not_printable_is_shown_as_such(void **state)
{
    (void)state;
    parse("bell\a\x1b[2J~utf\xc3\xa4\x7f");
    assert_contains(console_text(), "\"bell??[2J~utf???\"");
}

/* A word is cut in the message, and never becomes an option by being cut. */
static void long_words_are_cut(void **state)
{
    char line[5000];

    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line + sizeof(line) - 12, " serial=off", 12);
    parse(line);
    assert_options(AP_START_AUTO, ON_CRASH_RESET, LOG_INFO, false);
    assert_contains(console_text(), "xxxx\" is ignored");
    for (int length = 1; length < 200; length++) {
        snprintf(line, sizeof(line), "log=debug%0*d", length, 0);
        parse(line);
        assert_defaults();
    }
}

static void what_was_changed_is_told(void **state)
{
    const char *name, *value;
    unsigned next = 0;

    (void)state;
    parse("ap_start=auto");
    assert_false(options_changed(&parsed, &next, &name, &value));
    parse("trace=on,cpuid ramoops=off ap_start=icr-always console=com1 log_screen=same");
    next = 0;
    assert_true(options_changed(&parsed, &next, &name, &value));
    assert_string_equal(name, "ap_start");
    assert_string_equal(value, "icr-always");
    assert_true(options_changed(&parsed, &next, &name, &value));
    assert_string_equal(name, "ramoops");
    assert_string_equal(value, "off");
    assert_true(options_changed(&parsed, &next, &name, &value));
    assert_string_equal(name, "trace");
    assert_string_equal(value, "on,cpuid");
    assert_false(options_changed(&parsed, &next, &name, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_gives_defaults),
        cmocka_unit_test(every_value_is_known),
        cmocka_unit_test(a_later_word_wins),
        cmocka_unit_test(unknown_words_are_named_and_ignored),
        cmocka_unit_test(bad_values_are_named_and_ignored),
        cmocka_unit_test(a_bad_word_changes_nothing),
        cmocka_unit_test(quotes_group_and_vanish),
        cmocka_unit_test(what_is_not_printable_is_shown_as_such),
        cmocka_unit_test(long_words_are_cut),
        cmocka_unit_test(what_was_changed_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
