/* vmm/step_policy.c: which instructions a step by the trap flag must be helped with. */
#include "tests/host/support.h"

#include "vmm/step_policy.h"

static struct step_instruction classify(const char *bytes, size_t count, unsigned bits)
{
    return step_classify((const uint8_t *)bytes, count, bits);
}

#define KIND(bytes, bits) ((int)classify(bytes, sizeof(bytes) - 1, bits).kind)

static void kinds(void **state)
{
    (void)state;
    assert_int_equal(KIND("\xfa", 64), STEP_CLI);
    assert_int_equal(KIND("\x66\xfa", 16), STEP_CLI);
    assert_int_equal(KIND("\x9c", 64), STEP_PUSHF);
    assert_int_equal(KIND("\x66\x48\x9c", 64), STEP_PUSHF);
    assert_int_equal(KIND("\x48\x9c", 32), STEP_AS_IT_IS); /* DEC EAX, and then only PUSHF */
    assert_int_equal(KIND("\xf4", 64), STEP_HLT);
    assert_int_equal(KIND("\x0f\x05", 64), STEP_SYSCALL);
    assert_int_equal(classify("\x48\x0f\x05", 3, 64).length, 3);
    assert_int_equal(KIND("\x0f\x34", 32), STEP_CLI);
    assert_int_equal(KIND("\x0f\xa2", 64), STEP_AS_IT_IS);
    assert_int_equal(KIND("\xfb", 64), STEP_AS_IT_IS);
    assert_int_equal(KIND("\x9d", 64), STEP_AS_IT_IS);
    assert_int_equal(KIND("\xb8\xfa\x9c\xf4\xcc", 64), STEP_AS_IT_IS);
}

static void interrupts(void **state)
{
    struct step_instruction next = classify("\x66\xcd\x80", 3, 32);

    (void)state;
    assert_int_equal(next.kind, STEP_INT);
    assert_int_equal(next.vector, 0x80);
    assert_int_equal(next.length, 3);
    assert_int_equal(KIND("\xcc", 64), STEP_AS_IT_IS); /* comes back as an exception */
}

/* Memory may end anywhere. */
static void short_code(void **state)
{
    (void)state;
    assert_int_equal(KIND("", 64), STEP_AS_IT_IS);
    assert_int_equal(KIND("\x66\x66\xf3\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66", 64), STEP_AS_IT_IS);
    assert_int_equal(KIND("\x0f", 64), STEP_AS_IT_IS);
    assert_int_equal(classify("\xcd", 1, 16).length, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(interrupts),
        cmocka_unit_test(short_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
