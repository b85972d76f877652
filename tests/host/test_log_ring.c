/* lib/log_ring.c: what an earlier boot left is found if it is a log, and told from one that has changed since. */
#include "tests/host/support.h"

#include "lib/log_ring.h"

enum { MAGIC = 0x43474244, TEXT = LOG_RING_BYTES - 12 };

static struct log_ring ring;

static int setup(void **state)
{
    (void)state;
    memset(&ring, 0, sizeof(ring));
    return 0;
}

static void put(const char *text)
{
    log_ring_write(&ring, text, (uint32_t)strlen(text));
}

static const char *newest(size_t size)
{
    static char copy[TEXT + 1];

    copy[log_ring_copy(&ring, copy, size)] = '\0';
    return copy;
}

/* What Linux reads: struct persistent_ram_buffer. */
static void the_layout_is_ramoops(void **state)
{
    const uint32_t header[3] = {MAGIC, 4, 4};

    (void)state;
    put("abc\n");
    assert_memory_equal(&ring, header, sizeof(header));
    assert_memory_equal((char *)&ring + sizeof(header), "abc\n", 4);
    assert_int_equal(offsetof(struct log_ring, sum), LOG_RING_BYTES);
}

static void what_was_written_is_whole(void **state)
{
    uint64_t seed = 3;
    char line[200];

    (void)state;
    assert_int_equal(log_ring_check(&ring), LOG_RING_NONE);
    memset(line, 'x', sizeof(line));
    for (unsigned i = 0; i < 2000; i++) {
        line[0] = (char)('a' + i % 26);
        log_ring_write(&ring, line, 1 + (uint32_t)random_below(&seed, sizeof(line)));
        if (i % 50 == 0)
            assert_int_equal(log_ring_check(&ring), LOG_RING_WHOLE);
    }
    assert_int_equal(ring.size, TEXT);
    assert_int_equal(log_ring_check(&ring), LOG_RING_WHOLE);
}

static void any_changed_bit_is_noticed(void **state)
{
    (void)state;
    put("one line\nand another\n");
    for (unsigned i = 0; i < ring.size * 8; i++) {
        ring.text[i / 8] ^= (char)(1 << i % 8);
        assert_int_equal(log_ring_check(&ring), LOG_RING_CHANGED);
        ring.text[i / 8] ^= (char)(1 << i % 8);
    }
    memcpy(ring.text, "and line\none", 12); /* the same bytes in other places */
    assert_int_equal(log_ring_check(&ring), LOG_RING_CHANGED);
}

static void a_forgotten_one_is_none(void **state)
{
    (void)state;
    put("abc\n");
    log_ring_forget(&ring);
    assert_int_equal(log_ring_check(&ring), LOG_RING_NONE);
}

/* A reset between any two of the stores of an update: the earlier lines are there. */
static void an_update_cut_short(void **state)
{
    struct log_ring before, after;

    (void)state;
    put("first\n");
    before = ring;
    put("second\n");
    after = ring;

    ring = before;
    memcpy(ring.text, after.text, TEXT);
    assert_int_equal(log_ring_check(&ring), LOG_RING_WHOLE); /* text */
    assert_string_equal(newest(TEXT), "first\n");
    ring.sum = after.sum;
    assert_int_equal(log_ring_check(&ring), LOG_RING_CHANGED); /* text, sum */
    assert_string_equal(newest(TEXT), "first\n");
    ring.size = after.size;
    assert_int_equal(log_ring_check(&ring), LOG_RING_WHOLE); /* text, sum, size */
    assert_string_equal(newest(TEXT), "first\nsecond\n");
    ring.start = after.start;
    assert_memory_equal(&ring, &after, sizeof(ring));
}

static void headers_that_are_none(void **state)
{
    static const uint32_t headers[][3] = {
        {0, 0, 0},
        {MAGIC, 0, 0},     /* empty */
        {MAGIC + 1, 4, 4}, /* another layout's */
        {MAGIC, TEXT, TEXT},
        {MAGIC, 0, TEXT + 1},
        {MAGIC, 5, 4},
        {MAGIC, 128 * 1024 - 12, 128 * 1024 - 12}, /* a larger ring's */
        {MAGIC, UINT32_MAX, UINT32_MAX},
        {UINT32_MAX, UINT32_MAX, 0},
    };

    (void)state;
    put("abc\n");
    for (unsigned i = 0; i < ARRAY_SIZE(headers); i++) {
        memcpy(&ring, headers[i], sizeof(headers[i]));
        assert_int_equal(log_ring_check(&ring), LOG_RING_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_layout_is_ramoops, setup),
        cmocka_unit_test_setup(what_was_written_is_whole, setup),
        cmocka_unit_test_setup(any_changed_bit_is_noticed, setup),
        cmocka_unit_test_setup(a_forgotten_one_is_none, setup),
        cmocka_unit_test_setup(an_update_cut_short, setup),
        cmocka_unit_test_setup(headers_that_are_none, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
