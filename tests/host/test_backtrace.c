/* arch/x86/backtrace.c: stacks as functions with and without frame pointers leave them, and as a guest's numbers spoil
 * them. */
#include "tests/host/support.h"

#include "arch/x86/backtrace.h"

enum { WORDS = 16, CODE = 256 };

static uint64_t stack[WORDS];
static uint8_t code[CODE];
static struct backtrace trace;

/* The address after a CALL at `offset` of the code to `target`. */
static uint64_t after_call(unsigned offset, unsigned target)
{
    int32_t displacement = (int32_t)target - (int32_t)(offset + 5);

    code[offset] = 0xe8;
    memcpy(code + offset + 1, &displacement, sizeof(displacement));
    return (uint64_t)(code + offset + 5);
}

static uint64_t address_of(const void *place)
{
    return (uint64_t)place;
}

static int setup(void **state)
{
    (void)state;
    memset(stack, 0, sizeof(stack));
    memset(code, 0x90, sizeof(code));
    trace = (struct backtrace){.next = stack, .top = stack + WORDS, .code = code, .code_end = code + CODE};
    return 0;
}

static void assert_next(uint64_t expected, bool expected_certain)
{
    uint64_t address;
    bool certain;

    assert_true(backtrace_next(&trace, &address, &certain));
    assert_int_equal(address, expected);
    assert_int_equal(certain, expected_certain);
}

static void assert_end(void)
{
    uint64_t address;
    bool certain;

    assert_false(backtrace_next(&trace, &address, &certain));
    assert_false(backtrace_next(&trace, &address, &certain));
}

static void the_chain_is_certain(void **state)
{
    (void)state;
    trace.frame = address_of(&stack[3]);
    stack[3] = address_of(&stack[9]);
    stack[4] = address_of(code + 100); /* needs no CALL before it */
    stack[9] = 0;
    stack[10] = address_of(code + 50);
    assert_next(address_of(code + 100), true);
    assert_next(address_of(code + 50), true);
    assert_end();
}

static void what_follows_a_call_is_a_guess(void **state)
{
    (void)state;
    stack[0] = after_call(20, 200);
    stack[1] = address_of(code + 100);
    stack[15] = after_call(60, 0);
    assert_next(address_of(code + 25), false);
    assert_next(address_of(code + 65), false);
    assert_end();
}

static void calls_to_elsewhere_are_none(void **state)
{
    (void)state;
    stack[0] = after_call(20, CODE);       /* behind the code */
    stack[1] = after_call(40, 0xffffff00); /* before it */
    stack[2] = address_of(code + 4);       /* no room for a CALL before it */
    code[CODE - 5] = 0xe8;
    stack[3] = address_of(code + CODE); /* the code's end is outside */
    memset(code + 120, 0, 5);           /* would be a CALL to the next instruction, but for its first byte */
    stack[4] = address_of(code + 125);
    stack[5] = UINT64_MAX;
    assert_end();
}

static void a_frame_pointer_may_be_anything(void **state)
{
    const uint64_t frames[] = {0,
                               1,
                               UINT64_MAX,
                               address_of(stack) + 4,         /* not aligned */
                               address_of(&stack[WORDS - 1]), /* its return address would be above the stack */
                               address_of(&stack[WORDS]),
                               address_of(stack - 1),
                               address_of(&stack[2])}; /* no code in the word above it */

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
        setup(NULL);
        trace.frame = frames[i];
        stack[7] = after_call(20, 0);
        assert_next(address_of(code + 25), false);
        assert_end();
    }
}

/* A chain that leads back down, or to itself, ends. */
static void loops_end(void **state)
{
    (void)state;
    trace.frame = address_of(&stack[5]);
    stack[5] = address_of(&stack[5]);
    stack[6] = address_of(code + 10);
    assert_next(address_of(code + 10), true);
    assert_end();
    setup(NULL);
    trace.frame = address_of(&stack[5]);
    stack[5] = address_of(&stack[1]);
    stack[2] = address_of(code + 20);
    stack[6] = address_of(code + 10);
    assert_next(address_of(code + 10), true);
    assert_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_chain_is_certain, setup),
        cmocka_unit_test_setup(what_follows_a_call_is_a_guess, setup),
        cmocka_unit_test_setup(calls_to_elsewhere_are_none, setup),
        cmocka_unit_test_setup(a_frame_pointer_may_be_anything, setup),
        cmocka_unit_test_setup(loops_end, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
