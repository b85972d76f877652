/* boot/old_log.c: a log that an earlier boot left, whole or not, and what the guest is told of it. */
#include "tests/host/support.h"

#include "boot/old_log.h"
#include "lib/options.h"

enum { RING = 0x7f00000, RAM_END = 0x8000000, PLACE = RAM_END - LOG_RING_BYTES, TEXT = LOG_RING_BYTES - 12 };

static struct boot_info info;
static struct error error;
static uint32_t *ring; /* magic, start, size, text */
static uint8_t *top;   /* the highest RAM */

static void start(const char *text)
{
    const size_t length = strlen(text);

    arena_clear();
    console_clear();
    options.ramoops = true;
    ring = arena_add(RING, LOG_RING_BYTES);
    top = arena_add(PLACE, LOG_RING_BYTES);
    memset(&info, 0, sizeof(info));
    assert_true(memmap_add(&info.memmap, (struct range){MIB, RAM_END}, MEMORY_RAM, &error));
    info.module_count = 1;
    info.modules[0].string = "root=/dev/sda1 quiet";
    ring[0] = 0x43474244;
    ring[1] = ring[2] = (uint32_t)length;
    memcpy(ring + 3, text, length);
}

static struct range save(void)
{
    return old_log_save(&info, ring, NULL, 0);
}

static void the_end_is_printed_and_kept(void **state)
{
    struct range place;

    (void)state;
    start("1 one\n2 two\n3 three\n4 four\n5 five\n6 six\nerror: CRASH\nerror:   rax 0\nerror:   rbx 0\nlast\n");
    place = save();
    assert_string_equal(console_text(),
                        "The previous boot ended with:\n  | 3 three\n  | 4 four\n  | 5 five\n  | 6 six\n"
                        "  | error: CRASH\n  | last\n");
    assert_int_equal(place.start, PLACE);
    assert_int_equal(range_size(place), LOG_RING_BYTES);
    assert_true(memmap_is(&info.memmap, place, MEMORY_RESERVED));
    assert_memory_equal(top, ring, LOG_RING_BYTES);
    old_log_tell_guest(&info, place);
    assert_string_equal(info.modules[0].string,
                        "root=/dev/sda1 quiet ramoops.mem_address=0x7ff0000 ramoops.mem_size=0x10000 "
                        "ramoops.console_size=0x10000 ramoops.record_size=0 ramoops.ftrace_size=0 "
                        "ramoops.pmsg_size=0");
}

/* The text has gone round, was cut in the middle of a line, and holds what is no text. */
static void a_full_ring(void **state)
{
    char *text;

    (void)state;
    start("");
    text = (char *)(ring + 3);
    memset(text, 'x', TEXT);
    memcpy(text, "end\x01\n", 5);
    memcpy(text + TEXT - 7, "\nthe \xff", 6);
    ring[1] = 5;
    ring[2] = TEXT;
    save();
    assert_contains(console_text(), "  | the ?xend?\n");
    assert_null(
        strstr(console_text(), "The previous boot ended with:\n  | the")); /* the long line before it is there */
}

static void assert_nothing(void)
{
    const struct range place = save();

    assert_int_equal(range_size(place), 0);
    assert_string_equal(console_text(), "");
    assert_int_equal(info.memmap.count, 1);
    old_log_tell_guest(&info, place);
    assert_string_equal(info.modules[0].string, "root=/dev/sda1 quiet");
}

static void memory_that_is_no_log(void **state)
{
    static const uint32_t headers[][3] = {
        {0, 0, 0},
        {0x43474244, 0, 0},
        {0x43474245, 4, 4},
        {0x43474244, TEXT, TEXT},
        {0x43474244, 0, TEXT + 1},
        {0x43474244, 3, 4},
        {0x43474244, UINT32_MAX, UINT32_MAX},
        {UINT32_MAX, UINT32_MAX, 0},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(headers); i++) {
        start("abc\n");
        memcpy(ring, headers[i], sizeof(headers[i]));
        assert_nothing();
    }
    start("abc\n");
    ring = NULL;
    assert_nothing();
}

static void without_ramoops_it_is_only_printed(void **state)
{
    struct range place;

    (void)state;
    start("abc\n");
    options.ramoops = false;
    place = save();
    assert_string_equal(console_text(), "The previous boot ended with:\n  | abc\n");
    assert_int_equal(range_size(place), 0);
    assert_int_equal(info.memmap.count, 1);
}

static void avoided_places_are_left_alone(void **state)
{
    const struct range module = {PLACE + 5, RAM_END};

    (void)state;
    start("abc\n");
    arena_add(PLACE - LOG_RING_BYTES, LOG_RING_BYTES);
    assert_int_equal(old_log_save(&info, ring, &module, 1).end, PLACE);
}

static void a_command_line_too_long_stays(void **state)
{
    static char line[4090];

    (void)state;
    start("abc\n");
    memset(line, 'x', sizeof(line) - 1);
    info.modules[0].string = line;
    old_log_tell_guest(&info, save());
    assert_ptr_equal(info.modules[0].string, line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_printed_and_kept),   cmocka_unit_test(a_full_ring),
        cmocka_unit_test(memory_that_is_no_log),         cmocka_unit_test(without_ramoops_it_is_only_printed),
        cmocka_unit_test(avoided_places_are_left_alone), cmocka_unit_test(a_command_line_too_long_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
