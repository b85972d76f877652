/*
 * lib/string.c against the C library's functions. Its functions get other names here, since both are in this
 * program; it isn't part of libpure.a. Guard bytes stand around, as ASan doesn't see what assembly writes.
 */
#include "tests/host/support.h"

#define memcpy  plinth_memcpy
#define memmove plinth_memmove
#define memset  plinth_memset
#define memcmp  plinth_memcmp
#define strlen  plinth_strlen
#define strnlen plinth_strnlen
#define strcmp  plinth_strcmp
#define strncmp plinth_strncmp
#define strchr  plinth_strchr
#include "lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr

enum { AREA = 96, SIZE_MAX_TESTED = 40 };

static uint8_t got[AREA], want[AREA], source[AREA];

static void fill(uint64_t seed)
{
    for (size_t i = 0; i < AREA; i++) {
        got[i] = want[i] = (uint8_t)random_next(&seed);
        source[i] = (uint8_t)random_next(&seed);
    }
}

static void copies_as_libc(void **state)
{
    (void)state;
    for (size_t to = 8; to < 17; to++)
        for (size_t from = 0; from < 9; from++)
            for (size_t size = 0; size < SIZE_MAX_TESTED; size++) {
                fill(1 + size);
                memcpy(want + to, source + from, size);
                assert_ptr_equal(plinth_memcpy(got + to, source + from, size), got + to);
                assert_memory_equal(got, want, AREA);
            }
}

static void moves_as_libc(void **state)
{
    (void)state;
    for (size_t to = 0; to < 48; to++)
        for (size_t from = 0; from < 48; from++)
            for (size_t size = 0; size < SIZE_MAX_TESTED; size++) {
                fill(1 + size);
                memmove(want + to, want + from, size);
                assert_ptr_equal(plinth_memmove(got + to, got + from, size), got + to);
                assert_memory_equal(got, want, AREA);
            }
}

static void fills_as_libc(void **state)
{
    static const int bytes[] = {0, 1, 0x7f, 0x80, 0xff, 0x1a5, -1};

    (void)state;
    for (size_t b = 0; b < ARRAY_SIZE(bytes); b++)
        for (size_t to = 8; to < 17; to++)
            for (size_t size = 0; size < SIZE_MAX_TESTED; size++) {
                fill(3);
                memset(want + to, bytes[b], size);
                assert_ptr_equal(plinth_memset(got + to, bytes[b], size), got + to);
                assert_memory_equal(got, want, AREA);
            }
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static const char *const texts[] = {"", "a", "b", "ab", "abc", "abd", "ab\x80", "abcdefghijklmnop", "abcdefghijklmnoq"};

static void compares_as_libc(void **state)
{
    (void)state;
    for (size_t a = 0; a < ARRAY_SIZE(texts); a++)
        for (size_t b = 0; b < ARRAY_SIZE(texts); b++) {
            size_t shorter = strlen(texts[a]) < strlen(texts[b]) ? strlen(texts[a]) : strlen(texts[b]);

            assert_int_equal(plinth_strcmp(texts[a], texts[b]), sign(strcmp(texts[a], texts[b])));
            for (size_t n = 0; n < 18; n++)
                assert_int_equal(plinth_strncmp(texts[a], texts[b], n), sign(strncmp(texts[a], texts[b], n)));
            for (size_t n = 0; n <= shorter; n++)
                assert_int_equal(plinth_memcmp(texts[a], texts[b], n), sign(memcmp(texts[a], texts[b], n)));
        }
}

static void measures_as_libc(void **state)
{
    (void)state;
    for (size_t t = 0; t < ARRAY_SIZE(texts); t++) {
        assert_int_equal(plinth_strlen(texts[t]), strlen(texts[t]));
        for (size_t n = 0; n < 18; n++)
            assert_int_equal(plinth_strnlen(texts[t], n), strnlen(texts[t], n));
        for (int c = 0; c < 256; c++)
            assert_ptr_equal(plinth_strchr(texts[t], c), strchr(texts[t], c));
    }
}

/* strnlen of text without an end must not look beyond its bound (ASan watches these loops). */
static void strnlen_stays_in_bounds(void **state)
{
    char *text = malloc(5);

    (void)state;
    memset(text, 'x', 5);
    assert_int_equal(plinth_strnlen(text, 5), 5);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_as_libc),   cmocka_unit_test(moves_as_libc),
        cmocka_unit_test(fills_as_libc),    cmocka_unit_test(compares_as_libc),
        cmocka_unit_test(measures_as_libc), cmocka_unit_test(strnlen_stays_in_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
