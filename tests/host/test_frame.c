/* base64 and CRC-32, by the examples of the documents that define them. */
#include "tests/host/support.h"

#include "lib/frame.h"

static void base64_is_that_of_the_rfc(void **state)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    char text[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        size_t length = strlen(pairs[i][0]);

        assert_int_equal(base64(text, pairs[i][0], length), base64_length(length));
        assert_string_equal(text, pairs[i][1]);
    }
    assert_int_equal(base64(text, "\xff\xef\x7f", 3), 4);
    assert_string_equal(text, "/+9/");
}

static void crc32_finds_its_check_value(void **state)
{
    (void)state;
    assert_int_equal(crc32("123456789", 9), 0xcbf43926);
    assert_int_equal(crc32("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_that_of_the_rfc),
        cmocka_unit_test(crc32_finds_its_check_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
