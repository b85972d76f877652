/* The option watch=. */
#include "tests/host/support.h"

#include "mm/ept.h"
#include "vmm/watch_policy.h"

static void good(void **state)
{
    const char *text = "0x1000+0x20:rwxp,4096+1:w,0xffffffffffffffff+0:x";
    struct watch_request request;

    (void)state;
    assert_true(watch_parse(&text, &request));
    assert_int_equal(request.range.start, 0x1000);
    assert_int_equal(request.range.end, 0x1020);
    assert_int_equal(request.denied, EPT_ALL);
    assert_true(request.pauses);
    assert_true(watch_parse(&text, &request));
    assert_int_equal(request.range.start, 4096);
    assert_int_equal(request.range.end, 4097);
    assert_int_equal(request.denied, EPT_WRITE);
    assert_false(request.pauses);
    assert_false(watch_parse(&text, &request));
    assert_string_equal(text, "0xffffffffffffffff+0:x");
}

static void bad(void **state)
{
    static const char *const words[] = {
        "",
        "x",
        "0x+1:r",
        "1+:r",
        "1+1",
        "1+1:",
        "1+1:p",
        "1-1:r",
        "1+1:rwy",
        "1+1:r;",
        "+1:r",
        "1:r",
        "1+0x1g:r",
        "0x10000000000000000+1:r",
        "1+0:r",
        ",1+1:r",
        "a+1:r",
        "1+1r",
        "1+1:R",
        "0X1+1:r",
        "18446744073709551616+1:r",
        "0xffffffffffffffff+2:r",
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        const char *text = words[i];
        struct watch_request request;

        assert_false(watch_parse(&text, &request));
        assert_ptr_equal(text, words[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad)};

    return cmocka_run_group_tests_name("watch_policy", tests, NULL, NULL);
}
