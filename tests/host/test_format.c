/* lib/format.c against the C library's snprintf, and what the two don't share. */
#include "tests/host/support.h"

#include <limits.h>

#include "lib/error.h"
#include "lib/format.h"

static void check(const char *format, const char *want, size_t want_length, const char *got, size_t length)
{
    if (length != want_length || strcmp(got, want) != 0)
        fail_msg("\"%s\": got \"%s\" (%zu), want \"%s\" (%zu)", format, got, length, want, want_length);
}

#define SAME(size, format, ...)                                                                                        \
    do {                                                                                                               \
        char want_[256], got_[256];                                                                                    \
        int want_length_ = snprintf(want_, size, format, __VA_ARGS__);                                                 \
        size_t length_ = format_text(got_, size, format, __VA_ARGS__);                                                 \
        check(format, want_, (size_t)want_length_, got_, length_);                                                     \
    } while (0)

static const char *const flag_sets[] = {"", "-", "0", "#", "-0", "0-", "#0", "-#", "#-0", "00", "--"};
static const char *const widths[] = {"", "1", "2", "9", "10", "31"};
static const uint64_t numbers[] = {
    0,
    1,
    9,
    10,
    15,
    16,
    99,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    INT_MAX,
    UINT_MAX,
    (uint64_t)INT_MAX + 1,
    0xdeadbeef,
    LONG_MAX,
    ULONG_MAX,
    LONG_MIN,
    (uint64_t)-1,
    (uint64_t)-10,
    0x8000000000000001,
};

/* Not SAME's literal formats: the point is to go through them all. */
static void check_number(const char *format, const char *length, uint64_t value)
{
    char want[128], got[128];
    int want_length;
    size_t got_length;

    if (strchr(length, 'l') || strchr(length, 'z')) {
        want_length = snprintf(want, sizeof(want), format, value);
        got_length = format_text(got, sizeof(got), format, value);
    } else {
        want_length = snprintf(want, sizeof(want), format, (unsigned)value);
        got_length = format_text(got, sizeof(got), format, (unsigned)value);
    }
    check(format, want, (size_t)want_length, got, got_length);
}

static void check_numbers(const char *flags, const char *width)
{
    static const char *const lengths[] = {"", "h", "hh", "l", "ll", "z"};
    static const char kinds[] = "diuxX";
    char format[32];

    for (size_t l = 0; l < ARRAY_SIZE(lengths); l++) {
        for (const char *kind = kinds; *kind; kind++) {
            if (strchr(flags, '#') && strchr("diu", *kind))
                continue; /* undefined in C */
            snprintf(format, sizeof(format), "<%%%s%s%s%c>", flags, width, lengths[l], *kind);
            for (size_t n = 0; n < ARRAY_SIZE(numbers); n++)
                check_number(format, lengths[l], numbers[n]);
        }
    }
}

static void numbers_as_libc(void **state)
{
    (void)state;
    for (size_t f = 0; f < ARRAY_SIZE(flag_sets); f++)
        for (size_t w = 0; w < ARRAY_SIZE(widths); w++)
            check_numbers(flag_sets[f], widths[w]);
}

static void strings_as_libc(void **state)
{
    static const char *const texts[] = {"", "a", "plinth", "a longer text than any width here"};
    static const char *const precisions[] = {"", ".", ".0", ".1", ".3", ".40"};
    static const char *const flags[] = {"", "-"};
    char format[32], want[128], got[128];

    (void)state;
    for (size_t t = 0; t < ARRAY_SIZE(texts); t++)
        for (size_t p = 0; p < ARRAY_SIZE(precisions); p++)
            for (size_t w = 0; w < ARRAY_SIZE(widths); w++)
                for (size_t f = 0; f < ARRAY_SIZE(flags); f++) {
                    snprintf(format, sizeof(format), "[%%%s%s%ss]", flags[f], widths[w], precisions[p]);
                    int want_length = snprintf(want, sizeof(want), format, texts[t]);
                    size_t length = format_text(got, sizeof(got), format, texts[t]);
                    check(format, want, (size_t)want_length, got, length);
                }
}

static void stars_as_libc(void **state)
{
    (void)state;
    for (int n = -12; n <= 12; n++) {
        SAME(256, "%*d|", n, 42);
        SAME(256, "%0*x|", n, 0x42u);
        SAME(256, "%-*s|", n, "abc");
        SAME(256, "%.*s|", n, "plinth");
        SAME(256, "%*.*s|", n, n, "plinth");
        SAME(256, "%*c|", n, 'c');
    }
}

static void characters_and_percent(void **state)
{
    (void)state;
    SAME(256, "%c%c%c", 'a', ' ', 'z');
    SAME(256, "%5c|%-5c|", 'a', 'b');
    SAME(256, "100%% of %d %%d", 5);
    SAME(256, "no conversion%s", "");
}

static void every_size_terminates(void **state)
{
    (void)state;
    for (volatile size_t size = 1; size < 24; size++)
        SAME(size, "%s: %d and 0x%lx", "text", -12345, 0xabcdefUL);
}

/* Size 0 writes nothing, not even the end, and still tells the length; a buffer of n keeps its neighbour. */
static void writes_within_size(void **state)
{
    char buffer[8];

    (void)state;
    memset(buffer, '#', sizeof(buffer));
    assert_int_equal(format_text(buffer, 0, "%d", 12345), 5);
    assert_int_equal(buffer[0], '#');
    assert_int_equal(format_text(NULL, 0, "%s", "abc"), 3);
    assert_int_equal(format_text(buffer, 4, "%d", 12345), 5);
    assert_string_equal(buffer, "123");
    assert_int_equal(buffer[4], '#');
    for (volatile size_t size = 5; size < 7; size++) {
        memset(buffer, '#', sizeof(buffer));
        assert_int_equal(format_text(buffer, size, "%d", 12345), 5);
        assert_int_equal(strlen(buffer), size - 1);
        assert_int_equal(buffer[size], '#');
    }
}

static void pointers_always_with_0x(void **state)
{
    char text[64];

    (void)state;
    format_text(text, sizeof(text), "%p %p %20p|", (void *)0x1234abcd, (void *)UINTPTR_MAX, (void *)16);
    assert_string_equal(text, "0x1234abcd 0xffffffffffffffff                 0x10|");
    format_text(text, sizeof(text), "%p", NULL);
    assert_string_equal(text, "0x0");
}

static void odd_formats_are_harmless(void **state)
{
    char text[64];
    const char *volatile null = NULL; /* the compiler would warn */
    const char *unknown = "%d %q%5y %d", *open = "%s end %";

    (void)state;
    format_text(text, sizeof(text), unknown, 1, 2);
    assert_string_equal(text, "1 %q%5y 2");
    format_text(text, sizeof(text), open, "the");
    assert_string_equal(text, "the end %");
    format_text(text, sizeof(text), "%s|%.3s|%8s", null, null, null);
    assert_string_equal(text, "(null)|(nu|  (null)");
}

/* A precision without an end in reach: only as many bytes as it says may be looked at (ASan watches). */
static void precision_bounds_the_read(void **state)
{
    char *bytes = malloc(3), text[16];

    (void)state;
    memcpy(bytes, "abc", 3);
    format_text(text, sizeof(text), "%.3s", bytes);
    assert_string_equal(text, "abc");
    free(bytes);
}

static void errors_hold_one_text(void **state)
{
    struct error error;
    char longer[sizeof(error.text) + 50];

    (void)state;
    assert_false(fail(&error, "fact %d: %s", 7, "remedy"));
    assert_string_equal(error.text, "fact 7: remedy");
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_false(fail(&error, "%s", longer));
    assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_as_libc),
        cmocka_unit_test(strings_as_libc),
        cmocka_unit_test(stars_as_libc),
        cmocka_unit_test(characters_and_percent),
        cmocka_unit_test(every_size_terminates),
        cmocka_unit_test(writes_within_size),
        cmocka_unit_test(pointers_always_with_0x),
        cmocka_unit_test(odd_formats_are_harmless),
        cmocka_unit_test(precision_bounds_the_read),
        cmocka_unit_test(errors_hold_one_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
