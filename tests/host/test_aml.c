/* arch/x86/aml.c: soft off, as compilers write it, and what is no such thing. */
#include <stdlib.h>
#include <string.h>

#include "tests/host/support.h"

#include "arch/x86/aml.h"

static uint8_t types[2];

#define FOUND(bytes) aml_find_soft_off((const uint8_t *)(bytes), sizeof(bytes) - 1, types)

static void good(void **state)
{
    (void)state;
    assert_true(FOUND("junk\x08_S5_\x12\x06\x04\x00\x00\x00\x00"));
    assert_true(types[0] == 0 && types[1] == 0);
    assert_true(FOUND("\x08\\_S5_\x12\x07\x04\x0a\x07\x0a\x05\x00\x00"));
    assert_true(types[0] == 7 && types[1] == 5);
    assert_true(FOUND("..\x08_S5_\x12\x46\x00\x02\x01\x0a\x02")); /* a length of two bytes */
    assert_true(types[0] == 1 && types[1] == 2);
    assert_true(FOUND("..\x08_S5_\x12\x03\x01\x0a\x06"));
    assert_true(types[0] == 6 && types[1] == 0);
    /* a reference to the name comes first */
    assert_true(FOUND("..\x70_S5_\x60.\x08_S5_\x12\x06\x04\x0a\x05\x00\x00\x00"));
    assert_int_equal(types[0], 5);
}

static void bad(void **state)
{
    (void)state;
    assert_false(FOUND(""));
    assert_false(FOUND("_S5_\x12\x06\x04\x00\x00\x00\x00"));
    assert_false(FOUND("..\x08_S4_\x12\x06\x04\x00\x00\x00\x00"));
    assert_false(FOUND("..\x08_S5_\x0d\x06\x04\x00\x00\x00\x00")); /* no package */
    assert_false(FOUND("..\x08_S5_\x12\x06\x00\x00\x00\x00\x00")); /* an empty one */
    assert_false(FOUND("..\x08_S5_\x12\x06\x04\x0a\x08\x00\x00")); /* no 3-bit number */
    assert_false(FOUND("..\x08_S5_\x12\x06\x04\x0b\x05\x00\x00")); /* a word */
    assert_false(FOUND("..\x08_S5_\x12\x06\x04\x0a\x05\xff\x00")); /* all-ones */
}

/* Every length of a table that is cut off: no byte beyond it is read (ASan looks). */
static void cut_off(void **state)
{
    static const char whole[] = "..\x08_S5_\x12\x46\x00\x02\x0a\x05\x0a\x02";

    (void)state;
    for (size_t size = 0; size < sizeof(whole); size++) {
        uint8_t *copy = malloc(size + !size);

        memcpy(copy, whole, size);
        assert_int_equal(aml_find_soft_off(copy, size, types), size >= sizeof(whole) - 1);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(bad),
        cmocka_unit_test(cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
